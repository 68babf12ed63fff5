"""The distribution of a wait."""

import math
from functools import cached_property, lru_cache

import numpy as np

from ._buckets import COUNT, EDGES, Floats, bucket

WIDTHS: Floats = np.diff(EDGES)
_END_S = float(EDGES[-1])
LEVELS = (0.5, 0.8, 0.95)
"""Quantiles that reports are about."""
SMOOTH_BUCKETS = 2.0
"""Standard deviation of the kernel that smooths counts, in buckets: 10 % of time. Silverman's rule (1986) for 100 waits
with a log-standard deviation of 0.25, which is about what waits of one agent or tool have."""
_REACH = 6
_KERNEL = np.exp(-0.5 * (np.arange(-_REACH, _REACH + 1) / SMOOTH_BUCKETS) ** 2)
_KERNEL /= _KERNEL.sum()


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
        return max(self._at(self.elapsed), 1e-12) if self.elapsed > 0.0 else 1.0

    def _at(self, seconds: float) -> float:
        """Return the survival of the whole wait at *seconds*."""
        if seconds >= EDGES[-1]:
            return float(self._survival[-1]) if seconds == EDGES[-1] else 0.0
        place = bucket(seconds)
        low, high = self._survival[place], self._survival[place + 1]
        within = (seconds - EDGES[place]) / WIDTHS[place]
        return float(low + (high - low) * min(max(within, 0.0), 1.0))

    def survival(self, seconds: Floats | float) -> Floats:
        """Return P(the wait lasts more than *seconds* from now)."""
        inside = np.interp(np.asarray(seconds, float) + self.elapsed, EDGES, self._survival, right=0.0)
        return np.minimum(inside / self._alive, 1.0)

    def reached(self, wait_s: float) -> tuple[float, float]:
        """Return P(the whole wait ends) before and within the bucket of *wait_s*: its probability integral transform
        lies between."""
        place = bucket(wait_s)
        return 1.0 - float(self._survival[place]), 1.0 - float(self._survival[place + 1])

    def quantile(self, share: float) -> float:
        """Return the s from now within which the wait ends with probability *share*, 0 < share < 1."""
        return self._quantiles((share,))[0]

    @cached_property
    def quantiles(self) -> tuple[float, ...]:
        """The quantiles at `LEVELS`, s."""
        return self._quantiles(LEVELS)

    def _quantiles(self, shares: tuple[float, ...]) -> tuple[float, ...]:
        survival, alive = self._survival, self._alive
        levels = [(1.0 - share) * alive for share in shares]
        found = []
        for level, behind in zip(levels, survival[::-1].searchsorted(levels).tolist(), strict=True):
            place = len(EDGES) - behind
            if place >= len(EDGES):
                at = _END_S
            else:
                high, low = survival.item(place - 1), survival.item(place)
                within = (high - level) / (high - low) if high > low else 0.0
                at = EDGES.item(place - 1) + within * WIDTHS.item(place - 1)
            found.append(max(0.0, at - self.elapsed))
        return tuple(found)

    def after(self, elapsed: float) -> "WaitDistribution":
        """Return the distribution of the rest of the wait, *elapsed* s after its beginning."""
        return WaitDistribution(self._survival, elapsed)

    def warped(self, places: Floats, reached: Floats) -> "WaitDistribution":
        """Return the distribution that reaches *reached* where this one reaches *places* (both from 0 up to 1)."""
        return WaitDistribution(1.0 - np.interp(1.0 - self._survival, places, reached), self.elapsed)

    def distance(self, other: "WaitDistribution") -> float:
        """Return the largest difference between the two distributions of the whole wait (Kolmogorov's distance)."""
        return float(np.abs(self._survival - other._survival).max())

    @cached_property
    def smooth(self) -> "WaitDistribution":
        """The distribution without what chance has put between neighbouring buckets: else plans would rely on it."""
        spread = np.convolve(self.pmf, _KERNEL)
        mass = spread[_REACH:-_REACH]
        mass[0] += spread[:_REACH].sum()
        mass[-1] += spread[-_REACH:].sum()
        survival = np.ones(COUNT + 1)
        np.subtract(1.0, np.cumsum(mass), out=survival[1:])
        return WaitDistribution(np.maximum(survival, 0.0), self.elapsed)

    def crps(self, wait_s: float) -> float:
        """Return the continuous ranked probability score of the whole wait, s: the integral of (F(t) - [t >= wait])².

        Exact for the distribution as it is held, linear between bucket edges (Gneiting & Raftery 2007, eq. 20).
        """
        alive = self._survival
        both = alive[:-1] + alive[1:]
        squares = (both * both - alive[:-1] * alive[1:]) * (WIDTHS / 3.0)
        missing = WIDTHS * (1.0 - both) + squares  # the same of 1 - alive
        if wait_s >= _END_S:
            return float(missing.sum()) + wait_s - _END_S
        place = bucket(wait_s)
        split, width = self._at(wait_s), max(wait_s - float(EDGES[place]), 0.0)
        left, right = float(alive[place]), float(alive[place + 1])
        before = ((1 - left) ** 2 + (1 - left) * (1 - split) + (1 - split) ** 2) / 3.0 * width
        behind = (split**2 + split * right + right**2) / 3.0 * (float(WIDTHS[place]) - width)
        return float(missing[:place].sum()) + before + behind + float(squares[place + 1 :].sum())

    @property
    def pmf(self) -> Floats:
        """P(the whole wait falls into a bucket), shape (COUNT,); the last one takes what lies beyond."""
        mass: Floats = self._survival[:COUNT] - self._survival[1:]
        mass[-1] += self._survival[-1]
        return mass


@lru_cache(maxsize=256)
def log_normal(median_s: float, spread: float) -> WaitDistribution:
    """Return the log-normal distribution with *median_s* and *spread*, the standard deviation of the logarithm."""
    z = np.log(EDGES[1:] / median_s) / (spread * math.sqrt(2.0))
    survival = np.array([1.0, *(0.5 * math.erfc(value) for value in z)])
    return WaitDistribution(survival)
