"""The C core's render function, timed in C."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from stopgap.engine.mixer import Heard, NativeMixer, NativePort, Write
from stopgap.engine.mixer._core import ffi, lib
from stopgap.fillers import ClipBank

from ._engines import looping_clips, noise, start_loops

RATE = 48_000
BLOCK_FRAMES = 128
VOICES = 8
WARM_UP = 1000
"""Calls before any is counted."""


@dataclass(frozen=True, slots=True)
class RenderTimes:
    """Run times of the render function. Quantiles are the upper edges of histogram buckets about 19 % wide."""

    calls: int
    voices: int
    """Looping clips that sound, over them a reply."""
    rate: int
    """Hz."""
    block_frames: int
    p50_us: float
    p99_us: float
    p999_us: float
    max_us: float
    """Exact."""

    @property
    def block_us(self) -> float:
        """µs that a block lasts."""
        return 1e6 * self.block_frames / self.rate

    def as_dict(self) -> dict[str, Any]:
        names = ("p50_us", "p99_us", "p999_us", "max_us")
        return {
            **asdict(self),
            "block_us": self.block_us,
            "share_of_block": {name.removesuffix("_us"): getattr(self, name) / self.block_us for name in names},
        }


def measure_render(bank: ClipBank, calls: int = 200_000) -> RenderTimes:
    """Call PortAudio's callback *calls* times, one after the other, and let it time itself.

    Nothing of Python's is in the times, but all that interrupts the process is. Between the calls is only what it
    takes to make the next, so caches are warm; `stopgap bench output` measures a real device's callbacks.

    Args:
        bank: Whose looping clips sound.
        calls: How many are counted.
    """
    loops = looping_clips(RATE, bank)
    mixer = NativeMixer(RATE)
    start_loops(mixer, [loops[n % len(loops)] for n in range(VOICES)], np.random.default_rng(0))
    speech = noise(RATE)
    out = np.zeros(BLOCK_FRAMES, np.float32)
    into = ffi.from_buffer("float[]", out, require_writable=True)
    warming, port = NativePort(mixer, 1), NativePort(mixer, 1)
    warming.attach()
    port.attach()
    for number in range(-WARM_UP, calls):
        if mixer.reply_queued < BLOCK_FRAMES * 2:
            mixer.post(Write(speech, 1))
        lib.sg_callback(ffi.NULL, into, BLOCK_FRAMES, ffi.NULL, 0, (warming if number < 0 else port).userdata)
    heard = [event.what for event in mixer.take_events()]
    if heard != [Heard.STARTED] * VOICES + [Heard.REPLY_STARTED]:
        raise RuntimeError(f"the voices and the reply were to sound all the time; the mixer told of {heard}")
    seen = port.statistics()
    p50, p99, p999 = (seen.quantile_ns(share) / 1e3 for share in (0.5, 0.99, 0.999))
    return RenderTimes(seen.callbacks, VOICES, RATE, BLOCK_FRAMES, p50, p99, p999, seen.longest_ns / 1e3)
