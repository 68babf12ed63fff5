"""The predictor's own record: how often waits stayed below what was predicted, and the correction that follows."""

import numpy as np

from ._buckets import Floats, spread
from ._distribution import WaitDistribution
from ._lifetable import kaplan_meier

BINS = 40
"""Bins of the unit interval: 0.8 and 0.95 are edges."""
HALF_LIFE = 100
"""Waits after which one counts half. That is worth about 290 equal ones, so the corrected
level of 0.8 is known to 2.4 points; shorter is noisier than the error it follows, longer follows too late."""
PSEUDO_COUNT = 20.0
"""Waits as which "the prediction is right" counts: the correction begins gently."""
PLACES: Floats = np.linspace(0.0, 1.0, BINS + 1)
GROWTH = 2.0 ** (1.0 / HALF_LIFE)
_LARGEST = 1e12

Entry = tuple[float, float, bool, float]
"""Where a wait fell, from and to; whether it ended; its weight."""


class Recalibration:
    """Makes a stream of predicted distributions keep what they promise.

    Of every wait T it records where in its prediction F it fell, p = F(T), uniform on 0..1 if predictions are right
    (Dawid 1984; Rosenblatt 1952). The distribution G of these, aged and shrunk to the uniform, corrects the next
    prediction to G(F(t)): conformal prediction on the probability transform (Chernozhukov, Wüthrich & Zhu 2021),
    weighted by age. Waits that were cut off count as censored at F(cut) (Kaplan-Meier).
    """

    def __init__(self) -> None:
        self._ended = np.zeros(BINS)
        self._censored = np.zeros(BINS)
        self._weight = 1.0
        self._map: Floats | None = None
        self.waits = 0

    def add(self, low: float, high: float, *, ended: bool) -> Entry:
        """Record that a wait ended, or was cut off, in a bucket that reaches from F = *low* to *high*, 0 to 1.

        Where in the bucket is not known to the prediction, so it counts evenly over it (Czado, Gneiting & Held 2009).

        Returns:
            What `take_back` wants.
        """
        self._weight *= GROWTH  # instead of ageing all others
        if self._weight > _LARGEST:
            self._ended /= self._weight
            self._censored /= self._weight
            self._weight = 1.0
        entry = low, high, ended, self._weight
        self._put(entry, 1.0)
        self.waits += 1
        return entry

    def take_back(self, entry: Entry) -> None:
        """Forget one record: what it compared was no longer the same."""
        if entry[3] <= self._weight:
            self._put(entry, -1.0)

    def _put(self, entry: Entry, sign: float) -> None:
        low, high, ended, weight = entry
        counts = self._ended if ended else self._censored
        first, shares = spread(low, high, BINS)
        counts[first : first + len(shares)] += sign * weight * shares
        self._map = None

    def correct(self, predicted: WaitDistribution) -> WaitDistribution:
        """Return *predicted*, corrected by what is on record."""
        if not self.waits:
            return predicted
        if self._map is None:
            ended = np.maximum(self._ended, 0.0) / self._weight + PSEUDO_COUNT / BINS
            survival = kaplan_meier(ended, np.maximum(self._censored, 0.0) / self._weight)
            self._map = (1.0 - survival) / (1.0 - survival[-1])
        return predicted.warped(PLACES, self._map)
