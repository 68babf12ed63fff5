"""The soft limiter."""

import numpy as np

from ...fillers import Samples

KNEE = np.float32(0.891)
"""Level (-1 dBFS) up to which samples pass unchanged."""
_ROOM = np.float32(1.0) - KNEE


def limit(samples: Samples) -> None:
    """Bend what is above the knee, in place, so that it stays below 1.

    ``y = knee + room * u / (1 + u)`` with ``u = (|x| - knee) / room``: slope 1 at the knee, 1 at infinity, no memory,
    and nothing but the four operations, so that another implementation gives the same bits.
    """
    loud = np.abs(samples) > KNEE
    if not loud.any():
        return
    x = samples[loud]
    u = (np.abs(x) - KNEE) / _ROOM
    samples[loud] = np.copysign(KNEE + _ROOM * (u / (np.float32(1.0) + u)), x)
