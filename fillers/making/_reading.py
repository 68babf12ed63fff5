"""From a recording, whatever its format, to mono samples."""

from dataclasses import dataclass
from pathlib import Path

from .._clip import Samples
from .._decode import decode
from .._manifest import StepEntry


@dataclass(frozen=True, slots=True)
class Recording:
    """What a file, or a piece of it, holds."""

    samples: Samples
    """float32, mono, shape (frames,)."""
    rate: int
    """Hz."""
    frames: int
    """Of the whole file."""
    steps: tuple[StepEntry, ...] = ()
    """What was done to make it mono."""


def read_recording(path: Path, start_frame: int | None = None, end_frame: int | None = None) -> Recording:
    """Read *path*, from one frame to another.

    Raises:
        PackError: one sentence that names the file.
    """
    samples, rate = decode(path)
    return Recording(samples[start_frame:end_frame], rate, len(samples))


def recording_rate(path: Path) -> int:
    """Return the Hz of *path*.

    Raises:
        PackError: one sentence that names the file.
    """
    return decode(path)[1]
