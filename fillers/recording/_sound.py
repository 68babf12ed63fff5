"""Whether a recording can be used."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from .._errors import PackError
from ..reading import read_recording


@dataclass(frozen=True, slots=True)
class Sound:
    """What is to be known of a recording."""

    rate: int
    """Hz."""
    duration_ms: float
    digest: bytes
    """The same for the same samples, whatever the file's header says."""


def listen(file: Path, what: str) -> Sound:
    """Return what *file* holds, read as it will be when a clip is made of it.

    Args:
        file: Of any format.
        what: What to call it.

    Raises:
        PackError: saying what is wrong with it, without its path.
    """
    try:
        recording = read_recording(file)
    except PackError as exc:
        raise PackError(str(exc).replace(str(file), what)) from exc
    digest = hashlib.sha256(str(recording.rate).encode() + recording.samples.tobytes()).digest()
    return Sound(recording.rate, 1000.0 * recording.frames / recording.rate, digest)
