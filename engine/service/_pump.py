"""Sees fillers start in time: looks at every waiting turn, again and again."""

import asyncio
import logging
from typing import Protocol

logger = logging.getLogger("stopgap")

LOOK_S = 0.005
"""s between two looks: how late a filler may leave on an idle event loop."""


class Waiting(Protocol):
    """An interaction whose answer is pending."""

    def look(self) -> None:
        """Send the fillers that have started."""
        ...


class Pump:
    """Runs on the event loop. One for the whole process: a timer for each turn would have to be told of each replan."""

    def __init__(self) -> None:
        self._waiting: set[Waiting] = set()
        self._some = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def add(self, interaction: Waiting) -> None:
        self._waiting.add(interaction)
        self._some.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="stopgap-pump")

    def remove(self, interaction: Waiting) -> None:
        self._waiting.discard(interaction)

    async def close(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            if not self._waiting:
                self._some.clear()
                await self._some.wait()
            for interaction in tuple(self._waiting):
                try:
                    interaction.look()
                except Exception:
                    self._waiting.discard(interaction)
                    logger.exception("fillers of an interaction")
            due = max(due + LOOK_S, loop.time())
            await asyncio.sleep(due - loop.time())
