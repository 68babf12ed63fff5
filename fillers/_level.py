"""How loud samples are, by the plainest measure."""

import numpy as np

from ._clip import Samples

_ACTIVE_DB = -30.0


def rms_dbfs(samples: Samples, rate: int) -> float:
    """Return the RMS in dBFS of the 20 ms windows that are at most 30 dB below the loudest one.

    So pauses between words or keystrokes do not pull the figure down. Silence is -300.
    """
    window = max(1, min(rate // 50, len(samples)))
    whole = len(samples) // window * window
    if whole == 0:
        return -300.0
    power = np.mean(samples[:whole].astype(np.float64).reshape(-1, window) ** 2, axis=1)
    active = power[power >= power.max() * 10 ** (_ACTIVE_DB / 10)]
    return 10.0 * float(np.log10(max(float(active.mean()), 1e-30)))
