"""What speech looks like, five milliseconds at a time."""

import numpy as np
from numpy.typing import NDArray

from .._clip import Samples

Frames = NDArray[np.float64]

HOP_MS = 5.0
_WINDOW_MS = 25.0
_BANDS_HZ = ((80.0, 500.0), (500.0, 2500.0), (2500.0, 8000.0))
_FLOOR_DB = -50.0
_ACTIVE_DB = -25.0


def sound_features(samples: Samples, rate: int) -> Frames:
    """Return level and colour of *samples* at every `HOP_MS`, shape (times, 3).

    The columns are dB: the level against the clip's loud parts; the middle of the spectrum against its bottom;
    its top against its middle. The last two are 0 in the clip's middle, so that a voice and a microphone of
    another colour look the same.
    """
    power = _band_power(samples, rate)
    total = power.sum(axis=1)
    loud = max(float(np.quantile(total, 0.95)), 1e-12)
    power = power + loud * 10 ** (_FLOOR_DB / 10)  # the colour of silence is none
    low, middle, high = 10 * np.log10(power.T)
    level = np.maximum(10 * np.log10(np.maximum(total / loud, 1e-12)), _FLOOR_DB)
    columns = np.stack([level, middle - low, high - middle], axis=1)
    active = columns[level > _ACTIVE_DB]
    columns[:, 1:] -= np.median(active[:, 1:], axis=0)
    return columns


def _band_power(samples: Samples, rate: int) -> Frames:
    window, hop = max(8, round(_WINDOW_MS * rate / 1000)), HOP_MS * rate / 1000
    count = 1 + int(len(samples) / hop)
    starts = np.round(np.arange(count) * hop).astype(np.int64)
    padded = np.pad(samples.astype(np.float64), (window // 2, window))
    pieces = padded[starts[:, None] + np.arange(window)] * np.hanning(window)
    spectrum = np.abs(np.fft.rfft(pieces, axis=1)) ** 2
    hz = np.fft.rfftfreq(window, 1 / rate)
    return np.stack([spectrum[:, (low <= hz) & (hz < high)].sum(axis=1) for low, high in _BANDS_HZ], axis=1)
