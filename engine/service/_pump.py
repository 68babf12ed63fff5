"""Sees fillers start in time: looks at every waiting turn, again and again."""

import asyncio
import logging
from typing import Protocol

from .. import Clock

logger = logging.getLogger("stopgap")

LOOK_S = 0.005
"""s between two looks: how late a filler may leave on an idle event loop."""


class Waiting(Protocol):
    """An interaction whose answer is pending."""

    def look(self, now: float) -> None:
        """Send the fillers that have started by *now*, s on the clock."""
        ...


class Pump:
    """Runs on the event loop. One for the whole process: a timer for each turn would have to be told of each replan.

    Args:
        clock: The manager's.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
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
            now = self._clock.now()
            for interaction in tuple(self._waiting):
                try:
                    interaction.look(now)
                except Exception:
                    self._waiting.discard(interaction)
                    logger.exception("fillers of an interaction")
            due = max(due + LOOK_S, loop.time())
            await asyncio.sleep(due - loop.time())
