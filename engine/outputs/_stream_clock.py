"""Where a device's frames lie on the clock."""

import statistics
from collections import deque
from collections.abc import Iterable

from ._contract import FrameClock

SETTLING = 5
"""Observations to leave out at a stream's start: PortAudio's latency climbs while the server's buffer fills."""
WINDOW = 128
"""Observations to take the median of: 0.7 s at blocks of 256 frames and 48 kHz."""
JUMP_S = 0.1
JUMP_SEEN = 3
"""Observations in a row that are off by more than s: the device stood still. Single ones were off by up to 0.04 s."""


class StreamClock(FrameClock):
    """The map between a stream's frames and the clock, from what each callback announces.

    Such announcements are off by tens of frames now and then, and by a whole block where a callback came late (the
    figures: sd 3 to 67 frames, single ones up to 1,726). The median of the last ones is not moved by them. Where the
    device did stop for a while, three announcements that say so start it anew.

    From the 64th announcement after a start or a stop on, with noise of a standard deviation sd and one announcement
    in 50 off by up to 40 ms, `time_of` is off by less than 0.8 sd and what the device drifts in 64 announcements:
    0.1 ms at 4 frames, blocks of 256, 48 kHz and 100 ppm.

    Args:
        rate: Hz.
        origin: s. When frame 0 is heard, as far as one knows before the first callback.
    """

    def __init__(self, rate: int, origin: float) -> None:
        super().__init__(rate, origin)
        self._offsets: deque[float] = deque(maxlen=WINDOW)
        self._seen = 0

    def restart(self, frame: int, at: float) -> None:
        """Forget all: another stream goes on with *frame*, heard at *at*."""
        self._offsets.clear()
        self._seen = 0
        self.origin = at - frame / self.rate

    def observe_all(self, announced: Iterable[tuple[int, float]]) -> None:
        """Note that a callback's first frame is heard at a time, for each of *announced*."""
        for frame, at in announced:
            self._seen += 1
            if self._seen > SETTLING:
                self._offsets.append(at - frame / self.rate)
                self._look_for_a_jump()
        if self._offsets:
            self.origin = statistics.median(self._offsets)

    def _look_for_a_jump(self) -> None:
        latest = [self._offsets[-back] for back in range(1, min(JUMP_SEEN, len(self._offsets)) + 1)]
        if len(latest) == JUMP_SEEN and min(abs(offset - self.origin) for offset in latest) > JUMP_S:
            self._offsets = deque(latest, maxlen=WINDOW)
            self.origin = statistics.median(latest)
