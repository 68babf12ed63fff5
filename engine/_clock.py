"""The one clock of a manager."""

import time
from typing import Protocol

from ..fillers import UsageError


class Clock(Protocol):
    """Tells the time in seconds. All ``_at`` values of one manager are from its clock."""

    def now(self) -> float:
        """Return the time in s; it never goes back."""
        ...


class MonotonicClock:
    """Real time: `time.monotonic`, so that an application may pass its own readings of that."""

    def now(self) -> float:
        return time.monotonic()


class VirtualClock:
    """A clock that stands still until it is told otherwise: for tests, replay and rendering to files.

    Args:
        start: s. The first reading.
    """

    def __init__(self, start: float = 0.0) -> None:
        self._now = float(start)

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass.

        Raises:
            UsageError: if *seconds* is negative or not a number; time can't go backwards.
        """
        self.jump(self._now + seconds)

    def jump(self, to: float) -> None:
        """Let the clock read *to*.

        Raises:
            UsageError: if *to* is in the past or not a number.
        """
        if not to >= self._now:
            raise UsageError(f"cannot set the clock from {self._now} to {to}: time can't go backwards")
        self._now = float(to)
