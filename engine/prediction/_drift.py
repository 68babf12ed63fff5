"""Noticing that all waits have become longer or shorter by a factor, and by which."""

import math

import numpy as np

from ._buckets import COUNT, Floats, bucket

SHIFTS = np.array([-32, -26, -21, -17, -14, -11, -9, -7, -5, 5, 7, 9, 11, 14, 17, 21, 26, 32])
"""Buckets of 5 %: factors from 1.28 to 4.8 and their inverses. Smaller changes are left to ageing."""
THRESHOLD = 12.0
"""Nats of evidence, e¹² : 1. If predictions are right, each factor is found by mistake once in at least e¹² waits
(Lorden 1971), the 18 together once in 9,000."""
DOUBT = 0.2
"""Share of waits that follow nothing known: bounds what a single wait can say to about 4 nats."""
ENOUGH = 20
"""Waits of its own that a context must have seen: before, it is the prior that is wrong, not the times."""
MEMORY = 64
"""Waits for which the beginning of a change is remembered."""
_REACH = int(SHIFTS.max())
_KERNEL = np.exp(-0.5 * (np.arange(-9, 10) / 3.0) ** 2)
_KERNEL /= _KERNEL.sum()


def log_density(mass: Floats) -> Floats:
    """Return log P(a wait falls into a bucket), for `Drift.observe`, from the mass of each, shape (COUNT,).

    It is smoothed with a standard deviation of 3 buckets, 15 % of time (Silverman's rule for 20 waits with a
    log-standard deviation of 0.25), and padded at both ends by the largest shift.
    """
    smooth = np.convolve(mass, _KERNEL, "same")
    flat = np.empty(COUNT + 2 * _REACH)
    flat[_REACH:-_REACH] = smooth * ((1.0 - DOUBT) / smooth.sum()) + DOUBT / COUNT
    flat[:_REACH], flat[-_REACH:] = flat[_REACH], flat[-_REACH - 1]
    return np.log(flat)


class Drift:
    """A cumulative-sum test for a sudden change of scale (Page 1954), for each of a grid of factors.

    Every wait says how much better a prediction stretched by a factor would have foretold it than the prediction
    itself. What it says is added up, from 0 on again whenever the sum falls below: the sum of the right factor grows
    with each wait after a change and at `THRESHOLD` the change is taken as certain.
    """

    def __init__(self) -> None:
        self._sums = np.zeros(len(SHIFTS))
        self._since = np.zeros(len(SHIFTS), np.intp)
        self._waits = 0

    def observe(self, density: Floats, wait_s: float) -> tuple[int, int] | None:
        """Take in a wait of *wait_s* that ended, predicted with *density* (`log_density`).

        Returns:
            None, or if a change is certain by now: its buckets, and how many waits ago it began.
        """
        place = bucket(wait_s) + _REACH
        said = density[place - SHIFTS] - density[place]
        self._waits += 1
        self._sums += said
        over = self._sums <= 0.0
        self._sums[over] = 0.0
        self._since[over] = self._waits
        best = int(self._sums.argmax())
        if self._sums[best] < THRESHOLD:
            return None
        found = int(SHIFTS[best]), int(min(self._waits - self._since[best], MEMORY))
        self._sums[:] = 0.0
        self._since[:] = self._waits
        return found


def factor(buckets: int) -> float:
    """Return by what waits are multiplied that move by *buckets*."""
    return math.exp(buckets * math.log(1.05))
