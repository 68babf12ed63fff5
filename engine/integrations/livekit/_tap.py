"""The exact sound of the agent's track, and when a filler is in it."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from livekit import rtc


@dataclass(frozen=True, slots=True)
class PlayedFrame:
    """What the sink was given."""

    at: float
    """s on the manager's clock. When its first sample is heard, if the sink plays without a break and adds nothing."""
    frame: rtc.AudioFrame
    """The very frame; copy it before you change it, as `rtc.AudioProcessingModule` does."""
    filler: bool
    """Whether it is a filler, or has the end of one under it."""


class SinkTap:
    """Keeps what the sink was given: the agent's speech and the fillers, in order.

    Args:
        now: Tells the time, s on the manager's clock.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._frames: deque[PlayedFrame] | None = None
        self._seconds = 0.0
        self._until = 0.0
        self._filler_until = 0.0

    @property
    def filler_sounding(self) -> bool:
        """Whether a filler is heard now."""
        return self._now() < self._filler_until

    def open(self, seconds: float) -> None:
        """Keep up to *seconds* of sound from now on."""
        self._frames, self._seconds = deque(), seconds

    def take(self, frame: rtc.AudioFrame, *, filler: bool, ahead_s: float = 0.0) -> None:
        """The sink is given *frame*, which is heard *ahead_s* from now, or behind what it was given before."""
        at = max(self._now() + max(ahead_s, 0.0), self._until)
        self._until = at + frame.duration
        if filler:
            self._filler_until = self._until
        if self._frames is not None:
            self._frames.append(PlayedFrame(at, frame, filler))
            while self._frames and self._until - self._frames[0].at > self._seconds:
                self._frames.popleft()

    def emptied(self) -> None:
        """The sink has dropped what it had not played."""
        now = self._now()
        self._until = min(self._until, now)
        self._filler_until = min(self._filler_until, now)
        if self._frames is not None:
            while self._frames and self._frames[-1].at >= now:
                self._frames.pop()

    def read(self) -> list[PlayedFrame]:
        """Return what was played since the last call, as far as it has begun to be heard."""
        now, played = self._now(), []
        while self._frames and self._frames[0].at <= now:
            played.append(self._frames.popleft())
        return played
