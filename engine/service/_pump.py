"""Sees fillers start in time: looks at every waiting turn when one is due, and every few ms in between."""

import asyncio
import logging
from typing import Protocol

from .. import Clock

logger = logging.getLogger("stopgap")

LOOK_S = 0.01
"""s between two looks: how late a filler may leave on an idle event loop that was put forward since the last one."""
LEAST_S = 0.001
"""s: a filler that does not start though it is due is looked at no more often."""


class Waiting(Protocol):
    """An interaction whose answer is pending."""

    @property
    def next_filler_at(self) -> float:
        """s on the clock at which the next one is to start, as planned at present; infinite: none is."""
        ...

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
        while True:
            if not self._waiting:
                self._some.clear()
                await self._some.wait()
            now = self._clock.now()
            sleep_s = LOOK_S
            for interaction in tuple(self._waiting):
                try:
                    interaction.look(now)
                    sleep_s = min(sleep_s, interaction.next_filler_at - now)
                except Exception:
                    self._waiting.discard(interaction)
                    logger.exception("fillers of an interaction")
            await asyncio.sleep(max(sleep_s, LEAST_S))
