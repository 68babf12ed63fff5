"""The C probe between PortAudio and an engine, of which neither knows.

sounddevice's handle of the PortAudio library is replaced by one whose ``Pa_OpenStream`` hands over the probe's
callback, which calls the engine's. All that is built on sounddevice goes through it, so the product path is measured
as it is.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from stopgap.fillers import OutputError

from ._measure import CALL, Calls
from ._sounds import RATE, THRESHOLD

SMALLEST_BLOCK = 16
"""Frames of a callback for which there is room in what is recorded."""


class Probe:
    """Stamps each callback of the stream that is opened next, and finds where a sound begins in it.

    Args:
        run_s: s for which there is room.
        sd: The module sounddevice.
    """

    def __init__(self, run_s: float, sd: Any) -> None:
        from .._probe import ffi, lib

        self._ffi, self._lib, self._sd = ffi, lib, sd
        self._probe = ffi.gc(lib.sgp_new(round(run_s * RATE / SMALLEST_BLOCK), THRESHOLD), lib.sgp_free)
        sd._lib = _PortAudio(sd._lib, self._open)

    def calls(self) -> Calls:
        """Return what was recorded so far.

        Raises:
            OutputError: if that is not all.
        """
        if self._lib.sgp_lost(self._probe):
            raise OutputError("nothing clocks this device: it asks for sound as fast as it can; name another one")
        count = self._lib.sgp_count(self._probe)
        raw = self._ffi.buffer(self._lib.sgp_calls(self._probe), count * CALL.itemsize)
        return np.frombuffer(bytes(raw), CALL)

    def _open(
        self, open_stream: Callable[..., int], stream: Any, inputs: Any, outputs: Any, rate: float, frames: int,
        flags: int, callback: Any, userdata: Any,
    ) -> int:  # fmt: skip
        if not outputs or outputs[0].sampleFormat != self._sd._lib.paFloat32:
            raise OutputError("the probe reads float32 outputs, and nothing else")
        cast = self._ffi.cast
        self._lib.sgp_wrap(self._probe, cast("void *", callback), cast("void *", userdata), outputs[0].channelCount)
        cast = self._sd._ffi.cast
        probe = cast("PaStreamCallback *", self._ffi.addressof(self._lib, "sgp_callback"))
        return open_stream(stream, inputs, outputs, rate, frames, flags, probe, cast("void *", self._probe))


class _PortAudio:
    """PortAudio's library as sounddevice knows it, but for how streams are opened."""

    def __init__(self, library: Any, opened: Callable[..., int]) -> None:
        self._library = library
        self._opened = opened

    def __getattr__(self, name: str) -> Any:
        return getattr(self._library, name)

    def Pa_OpenStream(self, *args: Any) -> int:  # noqa: N802
        return self._opened(self._library.Pa_OpenStream, *args)
