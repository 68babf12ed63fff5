"""How sure a figure is: bootstrap over conversations, paired over turns."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ._arrays import Floats

RESAMPLES = 2000
SEED = 20260401
"""Of the resampling, so that figures repeat themselves."""
SHARE = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % bootstrap interval; NaN where it cannot be had (no turns, one conversation)."""

    value: float
    low: float
    high: float


class Bootstrap:
    """Resamples whole conversations: their turns resemble each other, so they are not drawn apart.

    Every figure is a sum over turns divided by another one. Numerator and denominator are resampled together and
    all figures by the same draws, so differences and ratios between policies are paired.

    Args:
        conversations: The conversation of each turn.
    """

    def __init__(self, conversations: Sequence[str]) -> None:
        places = {name: place for place, name in enumerate(dict.fromkeys(conversations))}
        self._place = np.array([places[name] for name in conversations], dtype=np.int64)
        self._count = len(places)
        rng = np.random.default_rng(SEED)
        draws = max(self._count, 1)
        self._weights = rng.multinomial(draws, np.full(draws, 1.0 / draws), size=RESAMPLES).astype(float)

    def ratio(self, over: Floats, under: Floats | None = None) -> Estimate:
        """Return the sum of *over* divided by the sum of *under*; None: the mean of *over*.

        Turns in which either is NaN are left out.
        """
        under = np.ones_like(over) if under is None else under
        known = ~(np.isnan(over) | np.isnan(under))
        place = self._place[known]
        tops, bottoms = (
            np.bincount(place, weights=values[known], minlength=max(self._count, 1)) for values in (over, under)
        )
        if not bottoms.sum() or not len(place):
            return Estimate(np.nan, np.nan, np.nan)
        value = float(tops.sum() / bottoms.sum())
        if self._count < 2:
            return Estimate(value, np.nan, np.nan)
        drawn_top, drawn_bottom = self._weights @ tops, self._weights @ bottoms
        drawn = drawn_top[drawn_bottom != 0.0] / drawn_bottom[drawn_bottom != 0.0]
        low, high = np.quantile(drawn, [(1.0 - SHARE) / 2.0, (1.0 + SHARE) / 2.0])
        return Estimate(value, float(low), float(high))
