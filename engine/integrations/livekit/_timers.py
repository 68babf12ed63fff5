"""Calls in a while, one for each purpose."""

import asyncio
from collections.abc import Callable


class Timers:
    """Calls on the running event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def later(self, what: str, seconds: float, call: Callable[[], None]) -> None:
        """Call *call* in *seconds*, in the place of what was to be called for *what* before."""
        if what in self._timers:
            self._timers[what].cancel()
        self._timers[what] = self._loop.call_later(seconds, call)

    def cancel(self) -> None:
        """Call nothing any more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
