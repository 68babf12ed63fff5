"""Frames of many sessions, pulled in one call."""

import threading
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ...fillers import Samples, UsageError
from ..mixer import NativeBatch, NativeMixer
from ._contract import FrameClock, Source
from ._frames import FrameOutput, as_pcm16


class FrameBatch:
    """Pulls a frame each from many sessions in one call, without the interpreter lock where the C core serves.

    Beside a busy Python thread every single call is a chance to lose the lock for 5 ms; a batch is one call. Several
    batches may be read in parallel threads; one output belongs to one batch, and only its batch pulls it. Outputs
    may be added, removed and closed while another thread reads.

    Args:
        outputs: Of open sessions on one clock, all with the same rate and frame length. Row *i* of what is read is
            output *i*'s; the row of one that was closed is silent.

    Raises:
        UsageError: for an output that has no session, that belongs to a batch, or that differs.
    """

    def __init__(self, outputs: Iterable[FrameOutput] = ()) -> None:
        self.outputs: list[FrameOutput] = []
        self._clock = FrameClock(1, 0.0)
        self._read = 0
        self._frame_samples = 0
        self._rows = _Rows(())
        self._unknown = False
        self._lock = threading.Lock()
        """Held to look after the members, never while they render."""
        for output in outputs:
            self.add(output)

    def __len__(self) -> int:
        return len(self.outputs)

    def add(self, output: FrameOutput) -> None:
        """Append *output*: from the next frame on it has the last row."""
        source = output.source
        if source is None:
            raise UsageError("an output joins a batch once its session is open; open the session first")
        if output.joined:
            raise UsageError("this output belongs to a batch already; take it out of that with remove first")
        with self._lock:
            if not self.outputs:
                heard_next = max(output.now(), output.time_of(source.position))
                self._clock, self._read = FrameClock(output.rate, heard_next - output.latency_s), 0
                self._frame_samples = output.frame_samples
            if (output.rate, output.frame_samples) != (self._clock.rate, self._frame_samples):
                raise UsageError(
                    f"an output of {output.frame_samples} samples at {output.rate} Hz does not go with "
                    f"{self._frame_samples} at {self._clock.rate} Hz; make a batch for each"
                )
            shifted = _Shifted(self._clock, source.position - self._read, output.latency_s)
            output.join(shifted, self._changed)
            self.outputs.append(output)
            self._changed()

    def remove(self, output: FrameOutput) -> None:
        """Take *output* out; the rows behind it move up. A read that is under way still has it: pull it after that."""
        with self._lock:
            if output not in self.outputs:
                raise UsageError("this output is not in the batch; remove what was added")
            self.outputs.remove(output)
            output.leave()
            self._changed()

    def read(self, out: Samples | None = None) -> Samples:
        """Return the next frame of each, float32, shape (outputs, frame_samples), in *out* if that is given."""
        rows, into = self._begin(out, np.float32)
        rows.render(into)
        return into

    def read_pcm16(self, out: npt.NDArray[np.int16] | None = None) -> npt.NDArray[np.int16]:
        """Return the next frame of each as 16-bit PCM, shape (outputs, frame_samples), in *out* if that is given."""
        rows, into = self._begin(out, np.int16)
        rows.render_pcm16(into)
        return into

    def _begin(self, out: npt.NDArray[Any] | None, dtype: type) -> tuple["_Rows", npt.NDArray[Any]]:
        """Note that a frame of each is pulled now; return the rows and where they go."""
        with self._lock:
            if self._unknown:
                self._unknown = False  # first: who is closed meanwhile makes it unknown again
                self._rows = _Rows([output.source for output in self.outputs])
            into = _checked(out, (len(self._rows), self._frame_samples), dtype)
            if self.outputs:
                first = self.outputs[0]
                now = first.now() - first.latency_s
                if self._read:
                    self._clock.observe(self._read, now)
                else:
                    self._clock.origin = now
                self._read += self._frame_samples
            return self._rows, into

    def _changed(self) -> None:
        self._unknown = True


class _Shifted(FrameClock):
    """An output's view of its batch's clock: its frames differ by a constant, and so does when they are heard."""

    def __init__(self, clock: FrameClock, shift: int, latency_s: float) -> None:
        self._clock, self._later_s = clock, latency_s - shift / clock.rate
        self.rate, self.stall_s = clock.rate, clock.stall_s

    @property
    def origin(self) -> float:
        return self._clock.origin + self._later_s

    @origin.setter
    def origin(self, at: float) -> None:
        self._clock.origin = at - self._later_s


class _Rows:
    """What the members play: in C's terms if all of them are C's, else one by one."""

    def __init__(self, sources: Sequence[Source | None]) -> None:
        self._sources = sources
        mixers = [source for source in sources if isinstance(source, NativeMixer)]
        all_native = bool(mixers) and len(mixers) == len([source for source in sources if source is not None])
        self._native = NativeBatch([s if isinstance(s, NativeMixer) else None for s in sources]) if all_native else None

    def __len__(self) -> int:
        return len(self._sources)

    def render(self, out: Samples) -> None:
        if self._native is not None:
            self._native.render(out)
            return
        for source, row in zip(self._sources, out, strict=True):
            row[:] = 0.0
            if source is not None:
                source.render(row)

    def render_pcm16(self, out: npt.NDArray[np.int16]) -> None:
        if self._native is not None:
            self._native.render_pcm16(out)
            return
        samples = np.empty(out.shape, np.float32)
        self.render(samples)
        out[:] = as_pcm16(samples)


def _checked(out: npt.NDArray[Any] | None, shape: tuple[int, int], dtype: type) -> npt.NDArray[Any]:
    if out is None:
        return np.empty(shape, dtype)
    if out.shape != shape or out.dtype != dtype or not (out.flags.c_contiguous and out.flags.writeable):
        raise UsageError(
            f"out must be writable, contiguous {np.dtype(dtype)} of the shape {shape}, not {out.dtype} {out.shape}"
        )
    return out
