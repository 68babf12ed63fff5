"""Equal loudness for recordings that are to be compared: the louder of two is preferred, whatever it says.

The loudness is the RMS of the blocks of 50 ms that are not silent, in dBFS. That is no loudness of perception (ITU-R
BS.1770 weighs frequencies), but the recordings of a set hold the same voices, and it needs no further package.
"""

from collections.abc import Sequence

import numpy as np
from stopgap.fillers import Samples

from ._heard import Floats

BLOCK_S = 0.05
"""s. The last block may be shorter."""
GATE_DBFS = -50.0
"""Blocks below this are silence."""
TARGET_DBFS = -26.0
"""About the level of the bundled clips."""
PEAK_DBFS = -1.0
"""No sample is louder."""
_TRIES = 50
_NOTHING_DBFS = -300.0


def loudness(samples: Samples, rate: int) -> float:
    """Return the RMS in dBFS of the blocks that are not silent; -300 where all are."""
    blocks = _block_dbfs(samples, rate)
    heard = blocks[blocks >= GATE_DBFS]
    return _mean_dbfs(heard) if len(heard) else _NOTHING_DBFS


def matched(recordings: Sequence[Samples], rate: int) -> list[Samples]:
    """Return *recordings* scaled to one loudness: `TARGET_DBFS`, or less where a peak would exceed `PEAK_DBFS`.

    A recording without any sound stays as it is.
    """
    target = TARGET_DBFS
    peaks = [_dbfs(float(np.abs(samples).max(initial=0.0))) for samples in recordings]
    for _ in range(_TRIES):
        gains = [_gain_db(samples, rate, target) for samples in recordings]
        excess = max((peak + gain - PEAK_DBFS for peak, gain in zip(peaks, gains, strict=True)), default=0.0)
        if excess <= 0.0:
            break
        target -= excess + 0.01
    return [
        np.asarray(samples * 10.0 ** (gain / 20.0), np.float32) for samples, gain in zip(recordings, gains, strict=True)
    ]


def _gain_db(samples: Samples, rate: int, target: float) -> float:
    """Return the gain in dB after which `loudness` is *target*.

    Which blocks count depends on the gain. So for each number of loudest blocks: the gain, if these alone counted;
    the one after which the gate lets through just these is right (of several, the least change). It exists for every
    target above the gate: with rising gain the loudness rises without a jump, and jumps only down, when a quiet block
    begins to count.
    """
    blocks = np.sort(_block_dbfs(samples, rate))[::-1]
    if not len(blocks) or blocks[0] <= _NOTHING_DBFS:
        return 0.0
    means = 10.0 * np.log10(np.cumsum(10.0 ** (blocks / 10.0)) / np.arange(1, len(blocks) + 1))
    gains = target - means
    quieter = np.append(blocks[1:], -np.inf)
    right = np.flatnonzero((blocks + gains >= GATE_DBFS) & (quieter + gains < GATE_DBFS))
    nearest = right[np.argmin(np.abs(gains[right]))] if len(right) else 0
    return float(gains[nearest])


def _block_dbfs(samples: Samples, rate: int) -> Floats:
    """Return the level of each block, silence as -300."""
    starts = np.arange(0, len(samples), max(1, round(BLOCK_S * rate)))
    if not len(starts):
        return np.zeros(0)
    lengths = np.diff(np.append(starts, len(samples)))
    power = np.add.reduceat(samples.astype(np.float64) ** 2, starts) / lengths
    return np.asarray(10.0 * np.log10(np.maximum(power, 10.0 ** (_NOTHING_DBFS / 10.0))), np.float64)


def _mean_dbfs(blocks: Floats) -> float:
    return 10.0 * float(np.log10(np.mean(10.0 ** (blocks / 10.0))))


def _dbfs(amplitude: float) -> float:
    return 20.0 * float(np.log10(max(amplitude, 1e-15)))
