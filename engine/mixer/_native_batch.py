"""Many mixers rendered in one call."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ...fillers import Samples
from ._core import ffi, lib
from ._native_mixer import NativeMixer


class NativeBatch:
    """Mixers of the C core, rendered together with the interpreter lock released.

    The core is handed their addresses; they stay alive because this object holds them.

    Args:
        mixers: The rows; None is silent.
    """

    def __init__(self, mixers: Sequence[NativeMixer | None]) -> None:
        self.mixers = list(mixers)
        self._there = [mixer for mixer in self.mixers if mixer is not None]
        self._addresses = ffi.new("sg_mixer *[]", [ffi.NULL if m is None else m.address for m in self.mixers])

    def render(self, out: Samples) -> None:
        """Fill *out*, float32, shape (mixers, frames), contiguous, with the next frames of each."""
        self._make_ready(out.shape[1])
        into = ffi.from_buffer("float[]", out, require_writable=True)
        lib.sg_render_batch(self._addresses, len(self.mixers), into, out.shape[1])

    def render_pcm16(self, out: npt.NDArray[np.int16]) -> None:
        """Fill *out*, int16, shape (mixers, frames), contiguous, with the next frames of each."""
        self._make_ready(out.shape[1])
        into = ffi.from_buffer("int16_t[]", out, require_writable=True)
        lib.sg_render_batch_pcm16(self._addresses, len(self.mixers), into, out.shape[1])

    def _make_ready(self, frames: int) -> None:
        if not lib.sg_any_behind(self._addresses, len(self.mixers)):
            return
        for mixer in self._there:
            if mixer.behind:
                mixer.make_ready(frames)
