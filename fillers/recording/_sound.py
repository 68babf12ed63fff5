"""Whether a recording can be used."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .._decode import decode_channels
from .._errors import PackError

_SILENT = 0.002
"""Share of full scale between the lowest and the highest sample (-60 dBFS) that speech passes."""
_SHORTEST_S = 0.05
_RATES = (8_000, 192_000)


@dataclass(frozen=True, slots=True)
class Sound:
    """What is to be known of a recording."""

    rate: int
    """Hz."""
    duration_ms: float
    digest: bytes
    """The same for the same samples, whatever the file's header says."""


def listen(file: Path, what: str) -> Sound:
    """Return what *file* holds.

    Args:
        file: Of any format.
        what: What to call it.

    Raises:
        PackError: saying what is wrong with it, without its path.
    """
    try:
        samples, rate = decode_channels(file)
    except PackError as exc:
        raise PackError(str(exc).replace(str(file), what)) from exc
    if not _RATES[0] <= rate <= _RATES[1]:
        raise PackError(f"{what} has {rate} Hz; clips have {_RATES[0]} to {_RATES[1]} Hz")
    duration_s = len(samples) / rate
    if duration_s < _SHORTEST_S:
        raise PackError(f"{what} lasts only {duration_s:.3f} s")
    if float(np.ptp(samples, axis=0).max()) < _SILENT:
        raise PackError(f"{what} is silent")
    digest = hashlib.sha256(str((rate, samples.shape)).encode() + samples.tobytes()).digest()
    return Sound(rate, 1000.0 * duration_s, digest)
