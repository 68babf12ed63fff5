"""Frames that a transport pulls."""

import asyncio
from collections.abc import AsyncIterator

import numpy as np

from ...fillers import Samples, UsageError
from .._clock import Clock
from ._contract import FrameClock, Source


class FrameOutput:
    """Gives one frame of sound a call, for transports that send packets at a steady pace.

    A frame is taken to be heard when it is pulled; put what the transport adds into *latency_s*.

    Args:
        rate: Hz.
        frame_ms: ms. Length of a frame, > 0; ``rate * frame_ms`` gives whole frames of samples.
        latency_s: s from the pull to the ear.
    """

    def __init__(self, rate: int = 24_000, frame_ms: float = 20.0, *, latency_s: float = 0.0) -> None:
        if not frame_ms > 0 or (rate * frame_ms) % 1000:
            raise UsageError(f"frame_ms={frame_ms!r} gives no whole number of samples at {rate} Hz; use 10, 20 or 40")
        self.rate = rate
        self.frame_samples = int(rate * frame_ms / 1000)
        self._latency_s = latency_s
        self._frames = FrameClock(rate, 0.0)
        self._source: Source | None = None
        self._clock: Clock | None = None
        self._pulled = 0

    def start(self, source: Source, clock: Clock) -> None:
        self._source, self._clock = source, clock
        self._frames = FrameClock(self.rate, clock.now() + self._latency_s)

    def read(self) -> Samples:
        """Return the next frame, float32, shape (frame_samples,); silence before `start` and after `close`."""
        out = np.zeros(self.frame_samples, np.float32)
        if self._source is not None and self._clock is not None:
            self._frames.observe(self._source.position, self._clock.now() + self._latency_s)
            self._source.render(out)
            self._pulled += 1
        return out

    def read_pcm16(self) -> bytes:
        """Return the next frame as 16-bit little-endian PCM."""
        return (np.clip(self.read(), -1.0, 1.0) * 32767.0).astype("<i2").tobytes()

    async def paced(self) -> AsyncIterator[Samples]:
        """Yield a frame whenever one is due, on absolute deadlines of the event loop, until `close`."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while self._source is not None:
            yield self.read()
            due += self.frame_samples / self.rate
            await asyncio.sleep(max(0.0, due - loop.time()))

    def frame_at(self, at: float) -> int:
        self._follow()
        return self._frames.frame_at(at)

    def time_of(self, frame: int) -> float:
        return self._frames.time_of(frame)

    def _follow(self) -> None:
        """Nobody has pulled for long: what is rendered next is heard now at the earliest."""
        if self._source is not None and self._clock is not None:
            now = self._clock.now() + self._latency_s
            if now - self._frames.time_of(self._source.position) > FrameClock.STALL_S:
                self._frames.observe(self._source.position, now)

    def catch_up(self, now: float) -> None:
        """Do nothing: the transport pulls."""

    def statistics(self) -> dict[str, float]:
        return {"frames": self._pulled}

    def close(self) -> None:
        self._source = None
