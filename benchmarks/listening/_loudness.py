"""Equal loudness for recordings that are to be compared: the louder of two is preferred, whatever it says.

The loudness is the RMS of what is not much quieter than the rest, in dBFS: of blocks of 50 ms, those within 40 dB of
the loudest count as sound, and of these the ones that are not more than 10 dB below their mean (as the relative gate of
ITU-R BS.1770 has it: a bed of typing must not make its recording count as quiet). That is no loudness of perception,
which weighs frequencies, but the recordings of a set hold the same voices, and it needs no further package.
"""

from collections.abc import Sequence

import numpy as np
from stopgap.fillers import Samples

from .._arrays import Floats

BLOCK_S = 0.05
"""s. The last block may be shorter."""
SILENT_DB = -40.0
"""Blocks farther below the loudest are silence."""
GATE_DB = -10.0
"""Blocks farther below the mean of the others do not count."""
TARGET_DBFS = -26.0
"""About the level of the bundled clips."""
PEAK_DBFS = -1.0
"""No sample is louder."""
_NOTHING_DBFS = -300.0


def loudness(samples: Samples, rate: int) -> float:
    """Return the loudness in dBFS; -300 where there is no sound. A gain changes it by as many dB."""
    blocks = _block_dbfs(samples, rate)
    loudest = float(blocks.max(initial=_NOTHING_DBFS))
    if loudest <= _NOTHING_DBFS:
        return _NOTHING_DBFS
    heard = blocks[blocks >= loudest + SILENT_DB]
    return _mean_dbfs(heard[heard >= _mean_dbfs(heard) + GATE_DB])


def matched(recordings: Sequence[Samples], rate: int) -> list[Samples]:
    """Return *recordings* scaled to one loudness: `TARGET_DBFS`, or less where a peak would exceed `PEAK_DBFS`.

    A recording without any sound stays as it is.
    """
    levels = [loudness(samples, rate) for samples in recordings]
    peaks = [_dbfs(float(np.abs(samples).max(initial=0.0))) for samples in recordings]
    pairs = [(level, peak) for level, peak in zip(levels, peaks, strict=True) if level > _NOTHING_DBFS]
    target = min([TARGET_DBFS, *(PEAK_DBFS - peak + level for level, peak in pairs)])
    gains = [target - level if level > _NOTHING_DBFS else 0.0 for level in levels]
    return [
        np.asarray(samples * 10.0 ** (gain / 20.0), np.float32) for samples, gain in zip(recordings, gains, strict=True)
    ]


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
