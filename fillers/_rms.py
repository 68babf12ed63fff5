"""How loud a clip is, by the mean power of its loud parts."""

import numpy as np

from ._clip import Samples


def loudness_dbfs(samples: Samples, rate: int) -> float:
    """Return the RMS in dBFS of the 20 ms windows that are at most 30 dB below the loudest one.

    So pauses between words or keystrokes do not pull the figure down. Silence is -300.
    """
    window = max(1, min(rate // 50, len(samples)))
    power = np.mean(samples[: len(samples) // window * window].astype(np.float64).reshape(-1, window) ** 2, axis=1)
    active = power[power >= power.max() * 1e-3]
    return 10.0 * float(np.log10(max(float(active.mean()), 1e-30)))
