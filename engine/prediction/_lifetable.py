"""A life table: how many waits ended, and how many were cut off, in each bucket."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ._buckets import COUNT, Floats, bucket

GENERATION = 50
"""Waits in a generation; all of one generation have the same age."""
FORGET_BELOW = 0.01
"""Generations that count less than this are dropped."""

Counts = NDArray[np.int64]


def _zeros() -> Counts:
    return np.zeros(COUNT, np.int64)


@dataclass(slots=True)
class Generation:
    """Counts of up to `GENERATION` successive waits."""

    ended: Counts = field(default_factory=_zeros)
    censored: Counts = field(default_factory=_zeros)
    waits: int = 0


class LifeTable:
    """Counts of waits in generations. Counts stay whole numbers; age is a weight put on when they are read.

    Args:
        half_life: Waits after which an observation counts half.
    """

    def __init__(self, half_life: int) -> None:
        self._half_life = half_life
        self._generations = [Generation()]
        self.waits = 0
        """Waits ever added."""
        self._old: tuple[Floats, Floats] = (np.zeros(COUNT), np.zeros(COUNT))

    def add(self, wait_s: float, *, ended: bool) -> None:
        """Count a wait of *wait_s* seconds: one that *ended* with the reply, or one cut off then (censored)."""
        if self._generations[-1].waits >= min(GENERATION, self._half_life):
            self._generations.append(Generation())
            self._age()
        current = self._generations[-1]
        (current.ended if ended else current.censored)[bucket(wait_s)] += 1
        current.waits += 1
        self.waits += 1

    def weighted(self) -> tuple[Floats, Floats]:
        """Return the aged counts (ended, censored), each of shape (COUNT,)."""
        current = self._generations[-1]
        return self._old[0] + current.ended, self._old[1] + current.censored

    def _age(self) -> None:
        kept = []
        old = (np.zeros(COUNT), np.zeros(COUNT))
        age = 0
        for generation in reversed(self._generations[:-1]):
            weight = 0.5 ** (age / self._half_life)
            age += generation.waits
            if weight < FORGET_BELOW:
                break
            kept.append(generation)
            old[0][:] += weight * generation.ended
            old[1][:] += weight * generation.censored
        self._generations = [*reversed(kept), self._generations[-1]]
        self._old = old


def kaplan_meier(ended: Floats, censored: Floats) -> Floats:
    """Return survival at the bucket edges, shape (COUNT + 1,), from weighted counts (Kaplan & Meier 1958).

    Waits cut off in a bucket count as at risk through the whole of it. Where nobody is at risk any more,
    survival stays as it is.
    """
    at_risk = np.cumsum((ended + censored)[::-1])[::-1]
    hazard = np.divide(ended, at_risk, out=np.zeros(COUNT), where=at_risk > 1e-12)
    return np.concatenate([[1.0], np.cumprod(1.0 - np.minimum(hazard, 1.0))])
