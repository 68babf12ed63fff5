"""The pieces of a long recording, between its silences."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr

from .._clip import Samples
from ..reading import OpenRecording, opened_recording
from ._alignment import Times, clock

LOOKED_AT_HZ = 16_000
"""Rate at which silences are looked for: half an hour is 115 MB so, and 1.4 GB at 192 kHz."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a recording."""

    start_frame: int
    end_frame: int
    rate: int
    """Hz."""

    @property
    def times(self) -> Times:
        """Start and end, s."""
        return self.start_frame / self.rate, self.end_frame / self.rate

    def __str__(self) -> str:
        start, end = self.times
        return f"{clock(start)}-{clock(end)}"


def pieces_of(path: Path, silence_ms: float) -> tuple[Piece, ...]:
    """Return the pieces of *path*; its samples are read in blocks.

    Args:
        path: A recording of at most 30 minutes.
        silence_ms: ms of silence, at least, between two pieces.

    Raises:
        PackError: if it cannot be used; one sentence that names the file.
    """
    from ..preparation import split_at_silences

    with opened_recording(path) as file:
        rate = min(file.rate, LOOKED_AT_HZ)
        samples = np.concatenate([*_at(rate, file)])
        spans = split_at_silences(samples, rate, silence_ms=silence_ms)
        scale = file.rate / rate
        return tuple(
            Piece(round(start * scale), min(round(end * scale), file.frames), file.rate) for start, end in spans
        )


def _at(rate: int, file: OpenRecording) -> Iterator[Samples]:
    """Yield *file* as mono at *rate* Hz, block by block."""
    mixing = file.survey()
    stream = soxr.ResampleStream(file.rate, rate, 1, dtype="float32") if rate != file.rate else None
    for block in file.blocks():
        mono = block[:, 0] if mixing is None else mixing.mixed(block)
        yield mono if stream is None else stream.resample_chunk(np.ascontiguousarray(mono))
    if stream is not None:
        yield stream.resample_chunk(np.zeros(0, np.float32), last=True)
