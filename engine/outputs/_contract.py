"""What every output does, and the map between its frames and the clock."""

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np

from ...fillers import Samples
from .._clock import Clock


class Source(Protocol):
    """What an output plays: the mixer, or something in front of it."""

    @property
    def position(self) -> int:
        """The next frame to be rendered."""
        ...

    def render(self, out: Samples) -> None:
        """Fill *out*, float32, shape (frames,), with the next frames."""
        ...

    def skip_to(self, frame: int) -> None:
        """Move on to *frame* without making samples."""
        ...

    def attend(self, horizon: int | None) -> None:
        """Allow it to play on by itself up to the frame *horizon*; None: for ever."""
        ...


class Output(Protocol):
    """Where the sound goes.

    One output serves one session. It pulls frames from its source, in order, and knows when each is heard.
    """

    @property
    def rate(self) -> int:
        """Hz."""
        ...

    @property
    def owns_reply(self) -> bool:
        """Whether the reply goes through it, so that it can be held until the fillers have yielded. False: it sounds by
        a path of its own, and fillers fade beneath it."""
        ...

    def start(self, source: Source, clock: Clock) -> None:
        """Begin to play *source*.

        Raises:
            OutputError: if that cannot be done.
        """
        ...

    def frame_at(self, at: float) -> int:
        """Return the frame that is heard at *at*, s on the clock."""
        ...

    def time_of(self, frame: int) -> float:
        """Return when *frame* is heard, s on the clock."""
        ...

    def catch_up(self, now: float) -> None:
        """Render what is due by *now*, if the output follows the clock; devices and pulled frames do nothing."""
        ...

    def statistics(self) -> dict[str, float]:
        """Return counters."""
        ...

    def close(self) -> None:
        """Stop. May be called twice."""
        ...


class FrameClock:
    """The map between frames and the clock, from observations that may come late.

    A frame that is asked for earlier than expected moves the map at once; one that is late moves it slowly
    (lateness is mostly somebody's scheduling), unless it is so late that the line has been silent meanwhile.

    Args:
        rate: Hz.
        origin: s. When frame 0 is heard.
        stall_s: s. How late is so late.
    """

    DRIFT = 0.01
    STALL_S = 0.5
    ROUNDING = 1e-5
    """Frames. Less than this is float noise."""

    def __init__(self, rate: int, origin: float, stall_s: float = STALL_S) -> None:
        self.rate = rate
        self.origin = origin
        self.stall_s = stall_s

    def observe(self, frame: int, at: float) -> None:
        """Note that *frame* is heard at *at*."""
        off = at - frame / self.rate - self.origin
        self.origin += off if off < 0 or off > self.stall_s else self.DRIFT * off

    def frame_at(self, at: float) -> int:
        """Return the first frame that is heard at *at* or after it: nothing sounds early."""
        return max(0, math.ceil((at - self.origin) * self.rate - self.ROUNDING))

    def time_of(self, frame: int) -> float:
        return self.origin + frame / self.rate


def render_until(source: Source, frame: int, sink: Callable[[Samples], None], block: int = 4096) -> None:
    """Render *source* up to *frame* into *sink*, block by block."""
    while source.position < frame:
        out = np.empty(min(block, frame - source.position), np.float32)
        source.render(out)
        sink(out)
