"""When the next text may be sent."""

import asyncio
import time
from typing import Protocol

MOST_WAIT_S = 300.0
"""s. A TTS that asks to wait for longer has no use for this run."""
_FIRST_S, _MOST_S = 1.0, 30.0


class Clock(Protocol):
    """Tells the time and lets it pass."""

    def now(self) -> float:
        """Return s, from any start."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for that long."""
        ...


class SystemClock:
    """The computer's."""

    def now(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Pace:
    """Lets texts go at most so many times a minute, evenly, and all wait when the TTS asks one to.

    Args:
        per_minute: None: as fast as can be.
        clock: What time it is.
    """

    def __init__(self, per_minute: float | None, clock: Clock) -> None:
        self._between_s = 60.0 / per_minute if per_minute else 0.0
        self._clock = clock
        self._next = clock.now()

    async def wait_turn(self) -> None:
        """Wait until one more may go."""
        while True:
            now = self._clock.now()
            if now >= self._next:
                self._next = now + self._between_s
                return
            await self._clock.sleep(self._next - now)

    def hold(self, seconds: float) -> None:
        """Let none go for that long."""
        self._next = max(self._next, self._clock.now() + seconds)


def backoff_s(failed: int, draw: float) -> float:
    """Return how long to wait after the *failed*-th try, from 1.

    Args:
        failed: How many tries have failed.
        draw: From 0 to 1. Spreads those who failed together.
    """
    return min(_FIRST_S * 2.0 ** (failed - 1), _MOST_S) * (0.5 + 0.5 * draw)
