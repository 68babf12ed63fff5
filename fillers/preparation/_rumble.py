"""What no one hears and every measure does: an offset, and rumble beneath the voice."""

import numpy as np

from .._clip import Samples
from .._kinds import Kind
from .._manifest import StepEntry
from ._steps import step

_BELOW_HZ = 60.0
"""Lower than any voice (a deep one's fundamental is at 75 Hz); music may well go there, so beds keep it."""
_RUMBLE_DBFS = -70.0
_OFFSET_SPOKEN, _OFFSET_BED = 1e-4, 1e-3
"""Share of full scale from which an offset is taken away; a short tone or loop has one of its own."""


def without_rumble(samples: Samples, rate: int, kind: Kind) -> tuple[Samples, list[StepEntry]]:
    """Return *samples* without offset and, of spoken kinds, what lies below 60 Hz; and the step if any.

    What has neither comes back as it is, to the bit.
    """
    offset = float(samples.mean(dtype=np.float64))
    clean = samples
    facts: dict[str, float] = {}
    if abs(offset) >= (_OFFSET_SPOKEN if kind.spoken else _OFFSET_BED):
        clean = samples - np.float32(offset)
        facts["offset"] = round(offset, 5)
    if kind.spoken:
        rumble = _below(clean, rate)
        level = 10 * float(np.log10(max(float(np.mean(rumble**2)), 1e-30)))
        if level >= _RUMBLE_DBFS:
            clean = (clean - rumble).astype(np.float32)
            facts |= {"below_hz": _BELOW_HZ, "rumble_dbfs": round(level, 1)}
    return clean, [step("dc", **facts)] if facts else []


def _below(samples: Samples, rate: int) -> Samples:
    """Return the part of *samples* below 60 Hz, with a raised-cosine edge from 30 Hz and no shift in time."""
    padding = rate // 10
    padded = np.pad(samples.astype(np.float64), padding)
    spectrum = np.fft.rfft(padded)
    hz = np.fft.rfftfreq(len(padded), 1 / rate)
    few = int(np.searchsorted(hz, _BELOW_HZ))
    edge = np.clip(hz[:few] / (_BELOW_HZ / 2) - 1, 0, 1)
    low = np.zeros_like(spectrum)
    low[:few] = spectrum[:few] * (0.5 + 0.5 * np.cos(np.pi * edge))
    rumble = np.fft.irfft(low, len(padded))[padding : padding + len(samples)]
    return np.asarray(rumble, np.float32)
