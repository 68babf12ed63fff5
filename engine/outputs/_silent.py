"""No sound at all: the schedule runs on the clock, no sample is made."""

from .._clock import Clock
from ._contract import FrameClock, Source


class SilentOutput:
    """Keeps the time and the events of an output, for replay and where no device can be had.

    Args:
        rate: Hz.
        owns_reply: Whether the reply is written to the session.
    """

    def __init__(self, rate: int = 24_000, *, owns_reply: bool = True) -> None:
        self.rate = rate
        self.owns_reply = owns_reply
        self._frames = FrameClock(rate, 0.0)
        self._source: Source | None = None

    def start(self, source: Source, clock: Clock) -> None:
        self._source, self._frames = source, FrameClock(self.rate, clock.now())

    def frame_at(self, at: float) -> int:
        return self._frames.frame_at(at)

    def time_of(self, frame: int) -> float:
        return self._frames.time_of(frame)

    def catch_up(self, now: float) -> None:
        if self._source is not None:
            self._source.skip_to(self._frames.frame_at(now))

    def statistics(self) -> dict[str, float]:
        return {}

    def close(self) -> None:
        self._source = None
