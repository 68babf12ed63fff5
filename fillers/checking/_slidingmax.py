"""The largest value of a window that moves along."""

import numpy as np
from numpy.typing import NDArray


def largest_before(values: NDArray[np.float64], frames: int, gap: int) -> NDArray[np.float64]:
    """Return for each place the largest of the *frames* values that end *gap* values before it; 0 before the start."""
    # twice as wide with each round: as many rounds as the width has binary digits, instead of one for each frame
    largest, width = np.concatenate([np.zeros(frames + gap), values]), 1
    while width < frames:
        shift = min(width, frames - width)
        largest[shift:] = np.maximum(largest[shift:], largest[:-shift])
        width += shift
    return largest[frames : frames + len(values)]
