"""Waves that were cut off at full scale."""

import numpy as np

from .._clip import Samples

FULL = 0.999
"""Share of full scale from which a sample counts as clipped (PCM_16's largest value is 0.99997)."""
CLIPPED_RUN = 3
"""Samples in a row at full scale that are a cut-off wave; fewer are mere peaks."""


def clipped_run(samples: Samples) -> int:
    """Return how many samples in a row are at full scale where that is longest, 0 if nothing is cut off."""
    full = np.abs(samples) >= FULL
    edges = np.flatnonzero(np.diff(np.concatenate(([False], full, [False])).astype(np.int8)))
    longest = int((edges[1::2] - edges[::2]).max(initial=0))
    return longest if longest >= CLIPPED_RUN else 0
