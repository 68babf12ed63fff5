"""Sound into memory."""

import numpy as np

from ...fillers import Samples
from .._clock import Clock
from ._contract import FrameClock, Source, render_until


class MemoryOutput:
    """Collects what would be heard, following the clock: for tests and offline rendering.

    Args:
        rate: Hz.
        owns_reply: Whether the reply is written to the session.
    """

    def __init__(self, rate: int = 24_000, *, owns_reply: bool = True) -> None:
        self.rate = rate
        self.owns_reply = owns_reply
        self._blocks: list[Samples] = []
        self._frames = FrameClock(rate, 0.0)
        self._source: Source | None = None

    @property
    def samples(self) -> Samples:
        """All that was rendered so far, float32, shape (frames,)."""
        return np.concatenate(self._blocks) if self._blocks else np.zeros(0, np.float32)

    def start(self, source: Source, clock: Clock) -> None:
        self._source, self._frames = source, FrameClock(self.rate, clock.now())

    def frame_at(self, at: float) -> int:
        return self._frames.frame_at(at)

    def time_of(self, frame: int) -> float:
        return self._frames.time_of(frame)

    def catch_up(self, now: float) -> None:
        if self._source is not None:
            render_until(self._source, self._frames.frame_at(now), self._blocks.append)

    def statistics(self) -> dict[str, float]:
        return {"frames": sum(map(len, self._blocks))}

    def close(self) -> None:
        self._source = None
