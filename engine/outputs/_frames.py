"""Frames that a transport pulls."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable

import numpy as np
import numpy.typing as npt

from ...fillers import Samples, UsageError
from .._clock import Clock
from ._contract import FrameClock, Source


class FrameOutput:
    """Gives one frame of sound a call, for transports that send packets at a steady pace.

    A frame is taken to be heard when it is pulled; put what the transport adds into *latency_s*. Pull it with `read`,
    with `paced`, from many sessions at once with `FrameBatch`, or let `send_ahead` push frames to a transport that
    can take them back.

    Args:
        rate: Hz, whole, > 0.
        frame_ms: ms. Length of a frame, > 0; ``rate * frame_ms`` gives whole frames of samples.
        latency_s: s from the pull to the ear.
        owns_reply: Whether the reply is written to the session. False: the transport plays it beside the frames.
        stall_s: s without a pull after which the line counts as having been silent: what is pulled next is heard then.

    Raises:
        UsageError: for a rate, length or latency that cannot be.
    """

    def __init__(
        self,
        rate: int = 24_000,
        frame_ms: float = 20.0,
        *,
        latency_s: float = 0.0,
        owns_reply: bool = True,
        stall_s: float = FrameClock.STALL_S,
    ) -> None:
        if not isinstance(rate, int) or rate <= 0:
            raise UsageError(f"rate={rate!r} is not possible; give whole Hz, such as 24000")
        if not (math.isfinite(latency_s) and latency_s >= 0.0):
            raise UsageError(f"latency_s={latency_s!r} is no time; give s from the pull to the ear, 0 or more")
        if not frame_ms > 0 or (rate * frame_ms) % 1000:
            raise UsageError(f"frame_ms={frame_ms!r} gives no whole number of samples at {rate} Hz; use 10, 20 or 40")
        self.rate = rate
        self.frame_samples = int(rate * frame_ms / 1000)
        self.latency_s = latency_s
        self.owns_reply = owns_reply
        self.stall_s = stall_s
        """s without a pull after which the line counts as silent."""
        self._frames = FrameClock(rate, 0.0, stall_s)
        self._source: Source | None = None
        self._clock: Clock | None = None
        self._first = 0
        """Where the source was when this was started: until the first pull it stays there."""
        self._on_close: Callable[[], None] | None = None

    @property
    def source(self) -> Source | None:
        """What it plays; None before `start` and after `close`."""
        return self._source

    def start(self, source: Source, clock: Clock) -> None:
        self._source, self._clock, self._first = source, clock, source.position
        self._frames = FrameClock(self.rate, self.now() - self._first / self.rate, self.stall_s)

    def read(self) -> Samples:
        """Return the next frame, float32, shape (frame_samples,); silence before `start` and after `close`."""
        out = np.zeros(self.frame_samples, np.float32)
        source = self._source  # another thread may close this at any time
        if source is not None:
            self.observe()
            source.render(out)
        return out

    def read_pcm16(self) -> bytes:
        """Return the next frame as 16-bit little-endian PCM."""
        return as_pcm16(self.read()).astype("<i2", copy=False).tobytes()

    async def paced(self) -> AsyncIterator[Samples]:
        """Yield a frame whenever one is due, on absolute deadlines of the event loop, until `close`."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while self._source is not None:
            yield self.read()
            due += self.frame_samples / self.rate
            await asyncio.sleep(max(0.0, due - loop.time()))

    def observe(self, late_s: float = 0.0, *, anew: bool = False) -> None:
        """Note that what comes next is pulled now, or was due *late_s* ago; *anew*: after silence."""
        source = self._source
        if source is None:
            return
        at = self.now() - late_s
        if anew or source.position == self._first:
            self._frames.origin = at - source.position / self.rate
        else:
            self._frames.observe(source.position, at)

    @property
    def joined(self) -> bool:
        """Whether it belongs to a batch."""
        return self._on_close is not None

    def join(self, frames: FrameClock, on_close: Callable[[], None]) -> None:
        """Let *frames*, which a batch keeps, say when frames are heard; call *on_close* when this is closed."""
        self._frames, self._on_close = frames, on_close

    def leave(self) -> None:
        """Go on from what the batch knew, alone."""
        self._frames, self._on_close = FrameClock(self.rate, self._frames.origin, self.stall_s), None

    def now(self) -> float:
        """Return when what is pulled now is heard, s on the clock; 0 before `start`."""
        return 0.0 if self._clock is None else self._clock.now() + self.latency_s

    def frame_at(self, at: float) -> int:
        self._follow()
        return self._frames.frame_at(at)

    def time_of(self, frame: int) -> float:
        return self._frames.time_of(frame)

    def _follow(self) -> None:
        """Nobody has pulled yet, or for long: what is rendered next is heard now at the earliest."""
        source = self._source
        if source is None:
            return
        position = source.position
        unpulled = position == self._first and not self.joined
        if unpulled or self.now() - self._frames.time_of(position) > self.stall_s:
            self.observe(anew=True)

    def catch_up(self, now: float) -> None:
        """Do nothing: the transport pulls."""

    def statistics(self) -> dict[str, float]:
        source = self._source
        return {"frames": 0 if source is None else source.position // self.frame_samples}

    def close(self) -> None:
        self._source = None
        on_close = self._on_close
        if on_close is not None:
            on_close()


def as_pcm16(samples: Samples) -> npt.NDArray[np.int16]:
    """Return *samples* as 16-bit PCM, clipped and truncated, as the C core does it."""
    return (np.clip(samples, -1.0, 1.0) * 32767.0).astype(np.int16)
