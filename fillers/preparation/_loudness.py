"""How loud samples are, by ear and by peak."""

import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import soxr

from .._clip import Samples
from .._level import rms_dbfs

SILENCE_DB = -300.0
BLOCK_S = 0.4
"""s. BS.1770 measures blocks of this length: it has no figure for anything shorter."""


@dataclass(frozen=True)
class Loudness:
    """A measured loudness."""

    value: float
    """LUFS by BS.1770, dBFS by RMS; silence is -300."""
    method: Literal["BS.1770", "RMS"]


def measure_loudness(samples: Samples, rate: int) -> Loudness:
    """Return the loudness by BS.1770, or by `rms_dbfs` for what is shorter than 0.4 s or without pyloudnorm.

    The two are different scales: speech has about 1 dB less by BS.1770; `Levels.rms_offset_db` joins them.
    """
    meter = _meter(rate) if len(samples) >= BLOCK_S * rate else None
    if meter is None:
        return Loudness(rms_dbfs(samples, rate), "RMS")
    with warnings.catch_warnings(), np.errstate(all="ignore"):  # of silence, when the gate leaves no block
        warnings.simplefilter("ignore")
        lufs = float(meter.integrated_loudness(samples.astype(np.float64)))
    return Loudness(lufs if np.isfinite(lufs) else SILENCE_DB, "BS.1770")


def true_peak_dbtp(samples: Samples, rate: int) -> float:
    """Return the peak in dBTP of the waveform between the samples, 4 times oversampled (BS.1770-4, annex 2)."""
    around = np.pad(samples, 32)  # soxr reads on where the samples end
    oversampled = soxr.resample(around, rate, 4 * rate, quality="VHQ")
    peak = max(float(np.abs(oversampled).max()), float(np.abs(samples).max(initial=0.0)))
    return 20.0 * float(np.log10(max(peak, 1e-15)))


@cache
def _meter(rate: int) -> Any:
    """Return pyloudnorm's meter, None where it is not installed."""
    try:
        import pyloudnorm
    except ImportError:
        return None
    return pyloudnorm.Meter(rate)
