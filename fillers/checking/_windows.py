"""Levels and maxima over short windows: what several checks look at."""

import numpy as np
from numpy.typing import NDArray

from .._clip import Samples

WINDOW_S = 0.01
"""s. Long enough for a period of the lowest voice's first harmonics, short enough to tell where sound begins."""
QUIET_DB = 50.0
"""dB below a clip's loudest window: nothing is heard there, not even a weak "f" (which lies 30 to 40 dB below)."""
NOISY_DB = 40.0
"""dB below the loudest window: what is above it counts as sound, however noisy the recording."""
NOISE_MARGIN_DB = 6.0
"""dB by which sound stands out of a recording's noise, whose level is that of its quietest tenth."""


def window_levels(samples: Samples, rate: int) -> NDArray[np.float64]:
    """Return the level of each 10 ms of *samples* in dBFS; what does not fill a window at the end is left out."""
    frames = max(1, min(round(WINDOW_S * rate), len(samples)))
    whole = samples[: len(samples) // frames * frames].astype(np.float64).reshape(-1, frames)
    levels: NDArray[np.float64] = 10.0 * np.log10(np.mean(whole**2, axis=1) + 1e-30)
    return levels


def sounding(samples: Samples, rate: int) -> tuple[float, float]:
    """Return from when to when *samples* sound, in s; the rest is silence or the recording's noise."""
    levels = window_levels(samples, rate)
    loudest = float(levels.max())
    noise = float(np.quantile(levels, 0.1))
    heard = np.flatnonzero(levels >= np.clip(noise + NOISE_MARGIN_DB, loudest - QUIET_DB, loudest - NOISY_DB))
    window_s = max(1, round(WINDOW_S * rate)) / rate
    end = len(samples) / rate if heard[-1] == len(levels) - 1 else (heard[-1] + 1) * window_s
    return float(heard[0] * window_s), float(end)


def largest_before(values: NDArray[np.float64], frames: int, gap: int) -> NDArray[np.float64]:
    """Return for each place the largest of the *frames* values that end *gap* values before it; 0 before the start."""
    # twice as wide with each round: as many rounds as the width has binary digits, instead of one for each frame
    largest, width = np.concatenate([np.zeros(frames + gap), values]), 1
    while width < frames:
        shift = min(width, frames - width)
        largest[shift:] = np.maximum(largest[shift:], largest[:-shift])
        width += shift
    return largest[frames : frames + len(values)]
