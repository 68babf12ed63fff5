"""Replies that somebody else plays: fillers make way for them."""

import asyncio
import math

from ..fillers import UsageError
from ._lineturn import LineTurn

LOOK_S = 0.005
"""s between two looks at whether fillers have yielded."""
STUCK_LOOKS = 100
"""Looks at an output that stands still after which a reply is held no longer: nobody hears the filler."""
EARLIEST_S = 60.0
"""s before the end of the user's speech up to which news of the turn is believed: earlier is another clock's time."""


class PassedTurn(LineTurn):
    """A turn whose reply need not come through stopgap."""

    def reply_started(self, at: float | None = None) -> None:
        """Take in that the reply has begun, on a path that stopgap does not own, or as text: fillers yield.

        With an output that does not own the reply they fade within 20 ms, else they end by their handoff rule. Then
        `finish`, or `wait_again` when a preamble has been heard.

        Args:
            at: s on the manager's clock, now or before; None: now.

        Raises:
            UsageError: if *at* is no time on that clock.
        """
        self.check_time("reply_started", at)
        with self._line.lock:
            now = self._line.sync()
            at = now if at is None else min(at, now)
            if self._passes_by(at):
                self.reply_heard(at, 0.0)

    async def hand_over(self) -> None:
        """Wait until the fillers have yielded to a reply that the caller will play: the whole handoff rule holds.

        Returns at once where none sounds and while the user speaks (then none does), and soon where nobody pulls the
        output's frames or the turn ends.
        """
        with self._line.lock:
            now = self._line.sync()
            wait = self._state.wait
            if not self._passes_by(now):
                return
            if not self._line.filler_sounding:
                self.reply_heard(now, 0.0)
                return
        position, still = -1, 0
        while wait.heard_at is None and self._outcome == "waiting" and not self._line.closed:
            await asyncio.sleep(LOOK_S)
            with self._line.lock:
                now = self._line.sync()
                if self._line.held_since is not None and wait.heard_at is None:
                    self.reply_heard(now, now - (wait.available_at or now))
                here = self._line.mixer.position
                position, still = here, still + 1 if here == position else 0
                if still >= STUCK_LOOKS and wait.heard_at is None:
                    self._state.note("fillers did not yield: the output stands still")
                    self.reply_heard(now, 0.0)

    def _passes_by(self, available_at: float) -> bool:
        """Note a reply that does not come through here; return whether it is the first news of it."""
        if self._state.status == "ended":
            self._state.note("reply_started after the turn's end: ignored")
        if not self._state.reply_available(available_at):
            return False
        self._reply.pass_by()
        return True

    def check_time(self, what: str, at: float | None) -> None:
        """Raise `UsageError` if *what* cannot have been *at* that time."""
        if at is not None and not (math.isfinite(at) and at > self._state.speech_ended_at - EARLIEST_S):
            raise UsageError(
                f"{what} at {at!r} is no time of this turn; give s on the manager's clock, or leave it out"
            )
