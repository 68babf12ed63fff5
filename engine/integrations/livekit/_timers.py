"""A conversation's timers, and its session's: that which takes a silent user for one who has gone away."""

import asyncio
from collections.abc import Callable
from typing import Any

from livekit.agents import AgentSession

LOOK_S = 1.0
"""s between two looks at whether the session counts the user's silence."""


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


class AwayGuard:
    """Starts a session's away timer anew while the user waits for somebody.

    Args:
        session: Of the framework.
        awaited: Tells whether somebody may answer.
        longest_s: s of a wait after which the timer is left alone, whatever is awaited.
    """

    def __init__(self, session: AgentSession[Any], awaited: Callable[[], bool], longest_s: float) -> None:
        self._session, self._awaited, self._longest_s = session, awaited, longest_s
        self._looked_at = self._waits_since = 0.0

    def wait_began(self, now: float) -> None:
        """The user waits, as of *now*, loop time."""
        self._waits_since = now

    def look(self, now: float) -> None:
        """Hold the timer off, if the user waits *now*."""
        if now - self._looked_at < LOOK_S or now - self._waits_since > self._longest_s or not self._awaited():
            return
        self._looked_at = now
        if self._session.agent_state == "listening" and self._session.user_state == "listening":
            self._session.reset_away_timer()
