"""Logarithmic buckets for waits."""

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

GROWTH = 1.05
"""Ratio of neighbouring edges: a wait is known to about 2.5 %."""
SHORTEST_S = 0.02
LONGEST_S = 120.0
_LOG_GROWTH = math.log(GROWTH)
COUNT = math.ceil(math.log(LONGEST_S / SHORTEST_S) / math.log(GROWTH)) + 2
"""Buckets: one below the shortest wait, one above the longest, and those between."""

EDGES: Floats = np.concatenate([[0.0], SHORTEST_S * GROWTH ** np.arange(COUNT)])
"""s. ``EDGES[i] .. EDGES[i + 1]`` is bucket i, shape (COUNT + 1,)."""
_LAST_S = float(EDGES[-2])


def bucket(wait_s: float) -> int:
    """Return the bucket of *wait_s*, in s; waits beyond the last edge fall into the last bucket."""
    if wait_s < SHORTEST_S:
        return 0
    if wait_s >= _LAST_S:
        return COUNT - 1
    return min(1 + int(math.log(wait_s / SHORTEST_S) / _LOG_GROWTH), COUNT - 1)


def spread(low: float, high: float, bins: int) -> tuple[int, Floats]:
    """Return over which of *bins* equal parts of the unit interval *low* .. *high* extends: the first, and the share of
    the interval that each takes from there on."""
    first, last = min(bins - 1, max(0, int(low * bins))), min(bins - 1, max(0, int(high * bins)))
    if last <= first:
        return first, _WHOLE
    edges = np.arange(first, last + 2) / bins
    edges[0], edges[-1] = low, high
    return first, np.diff(edges) / (high - low)


_WHOLE: Floats = np.ones(1)
