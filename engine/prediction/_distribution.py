"""The distribution of a wait."""

import math
from functools import cached_property

import numpy as np

from ._buckets import EDGES, Floats


class WaitDistribution:
    """How long a wait that has already lasted *elapsed* seconds will still last.

    Args:
        survival: P(wait > edge) at every bucket edge, shape (len(EDGES),), from 1 down, not increasing.
            In between it is taken as linear.
        elapsed: s that have passed already; all times asked for count from there.
    """

    def __init__(self, survival: Floats, elapsed: float = 0.0) -> None:
        self._survival = survival
        self.elapsed = elapsed

    @cached_property
    def _alive(self) -> float:
        return max(float(np.interp(self.elapsed, EDGES, self._survival)), 1e-12)

    def survival(self, seconds: Floats | float) -> Floats:
        """Return P(the wait lasts more than *seconds* from now)."""
        inside = np.interp(np.asarray(seconds, float) + self.elapsed, EDGES, self._survival, right=0.0)
        return np.minimum(inside / self._alive, 1.0)

    def quantile(self, share: float) -> float:
        """Return the s from now within which the wait ends with probability *share*, 0 < share < 1."""
        level = (1.0 - share) * self._alive
        place = len(EDGES) - int(np.searchsorted(self._survival[::-1], level, side="left"))
        if place >= len(EDGES):
            return float(EDGES[-1]) - self.elapsed
        high, low = self._survival[place - 1], self._survival[place]
        within = (high - level) / (high - low) if high > low else 0.0
        return max(0.0, float(EDGES[place - 1] + within * (EDGES[place] - EDGES[place - 1])) - self.elapsed)

    def after(self, elapsed: float) -> "WaitDistribution":
        """Return the distribution of the rest of the wait, *elapsed* s after its beginning."""
        return WaitDistribution(self._survival, elapsed)

    @property
    def pmf(self) -> Floats:
        """P(the whole wait falls into a bucket), shape (COUNT,); the last one takes what lies beyond."""
        mass = -np.diff(self._survival)
        mass[-1] += self._survival[-1]
        return mass


def log_normal(median_s: float, spread: float) -> WaitDistribution:
    """Return the log-normal distribution with *median_s* and *spread*, the standard deviation of the logarithm."""
    z = np.log(EDGES[1:] / median_s) / (spread * math.sqrt(2.0))
    survival = np.array([1.0, *(0.5 * math.erfc(value) for value in z)])
    return WaitDistribution(survival)
