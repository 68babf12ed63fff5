"""How much a context leans on the more general one, learned from how contexts differ."""

import math

import numpy as np

from ._buckets import Floats, spread
from ._snapshot import Key

BINS = 10
"""Bins of the parent's distribution in which a context's waits are counted: where they differ is of no interest."""
WEIGHTS: Floats = np.exp2(np.arange(1.0, 9.0))
"""Weights that are weighed, in waits: 2, 4, ... 256."""
DOUBT = 2.0
"""Standard deviation of the belief in the configured weight before anything is known, in factors of two."""
MOST_KEYS = 4096
"""Contexts whose waits are counted, 100 bytes each; beyond that the oldest goes."""


class Leaning:
    """The weight of their parent, for contexts of one sort: agents under a milestone, or tools.

    Where a context's waits fall in its parent's distribution is a draw from a Dirichlet process around the uniform; its
    concentration is the parent's weight in waits. Of each weight k in `WEIGHTS` the likelihood is added up over all
    contexts of the sort, n waits of one having fallen into the BINS bins as often as c:

        P(bin b) = (c_b + k / BINS) / (n + k)

    (the Pólya urn: Blackwell & MacQueen 1973), a wait counting evenly over the part of the unit interval that its
    bucket takes. So where tools have nothing in common a new one is believed after a few waits, and where agents are
    alike each learns from all. The estimate is the geometric mean under the posterior.

    Args:
        weight: What is configured: the centre of the belief to begin with.
    """

    def __init__(self, weight: float) -> None:
        self._evidence = -0.5 * (np.log2(WEIGHTS / weight) / DOUBT) ** 2
        self._counts: dict[Key, Floats] = {}
        self._weight: float | None = None

    @property
    def weight(self) -> float:
        """The parent's weight, in waits."""
        if self._weight is None:
            belief = np.exp(self._evidence - self._evidence.max())
            self._weight = math.exp(float(belief @ np.log(WEIGHTS)) / float(belief.sum()))
        return self._weight

    def add(self, key: Key, low: float, high: float, *, keep: float) -> None:
        """Learn from a wait of the context *key* that fell between *low* and *high* of its parent's distribution.

        Args:
            key: The context.
            low: Probability, 0 to 1.
            high: Probability, *low* to 1.
            keep: Factor by which what was counted and found before has aged.
        """
        counts = self._counts.get(key)
        if counts is None:
            if len(self._counts) >= MOST_KEYS:
                del self._counts[next(iter(self._counts))]
            counts = self._counts[key] = np.zeros(BINS)
        first, shares = spread(low, high, BINS)
        there = slice(first, first + len(shares))
        said = np.log((shares @ counts[there] + WEIGHTS / BINS) / (counts.sum() + WEIGHTS))
        self._evidence = keep * self._evidence + said
        counts *= keep
        counts[there] += shares
        self._weight = None
