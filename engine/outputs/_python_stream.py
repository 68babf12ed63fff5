"""A device that Python serves."""

import logging
import threading
from collections import deque
from typing import Any

import numpy as np

from .._clock import Clock
from ._contract import Source
from ._stream import LONGEST_LATENCY_S, OpenStream, bounded_latency, on_any_channels

logger = logging.getLogger("stopgap")

MOST_FRAMES = 16_384
"""Frames of the largest callback that is served."""


class PythonStream:
    """Rendered by Python: every callback needs the interpreter lock, and waits for whoever holds it.

    Args:
        sd: The module sounddevice.
        open_stream: Opens the stream.
        source: What plays.
        clock: The output's.
    """

    def __init__(self, sd: Any, open_stream: OpenStream, source: Source, clock: Clock) -> None:
        self._source, self._clock = source, clock
        self._rendering = threading.Lock()
        self._attached = False
        self.alive = True
        self._block = np.zeros(MOST_FRAMES, np.float32)
        self._announced: deque[tuple[int, float]] = deque(maxlen=256)
        self.callbacks = 0
        self._underruns = 0
        self.latency_s = 0.0
        self._stream = on_any_channels(
            sd,
            lambda channels: open_stream(sd.OutputStream, channels=channels, callback=self._callback),
        )
        self.latency_s = bounded_latency(self._stream)

    def start(self) -> None:
        self._stream.start()

    def attach(self) -> None:
        self._attached = True

    def detach(self) -> bool:
        self._attached = False
        if not self._rendering.acquire(blocking=False):
            return False
        self._rendering.release()
        return True

    def announced(self) -> list[tuple[int, float]]:
        taken = []
        while self._announced:
            taken.append(self._announced.popleft())
        return taken

    def statistics(self) -> dict[str, float]:
        return {"callbacks": self.callbacks, "underruns": self._underruns}

    def close(self) -> None:
        self._stream.abort()
        self._stream.close()

    def _callback(self, outdata: Any, frames: int, time_info: Any, status: Any) -> None:
        outdata.fill(0.0)
        if not self._rendering.acquire(blocking=False):
            return
        try:
            if self._attached:
                self._render(outdata, frames, time_info)
                self.callbacks += 1
                self._underruns += bool(status.output_underflow)
        except Exception:
            self._attached = self.alive = False
            logger.exception("audio callback")
        finally:
            self._rendering.release()

    def _render(self, outdata: Any, frames: int, time_info: Any) -> None:
        ahead = time_info.outputBufferDacTime - time_info.currentTime
        if not 0.0 < ahead < LONGEST_LATENCY_S:
            ahead = self.latency_s
        self._announced.append((self._source.position, self._clock.now() + ahead))
        block = self._block[:frames]
        self._source.render(block)
        outdata[:] = block[:, np.newaxis]
