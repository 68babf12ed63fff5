"""What silence costs between two sounds, as the planner's induction needs it."""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ...fillers import Costs
from ._classes import GRID_S
from ._costs import Floats, silence_cost


class Gaps:
    """Expected costs C of gaps, from when a sound has ended, for a wait that is still going on with S(u):

        C(t, s) = integral from t to s of S(u) phi'(u - t) du

    phi is the cost of silence; a bed slows the growth of the gap by the ambience credit and costs its rate.

    Args:
        costs: The weights.
        alive: S at the grid steps, shape (steps + 1,).
        least: Grid steps that the window must have at least.
    """

    def __init__(self, costs: Costs, alive: Floats, least: int) -> None:
        self._costs = costs
        self._steps = len(alive) - 1
        mean_alive = (alive[:-1] + alive[1:]) / 2.0
        self.window = max(
            least,
            self._linear_from(1.0),
            self._linear_from(1.0 - costs.ambience_credit),  # under a bed that begins later it is sooner
        )
        """Grid steps after which the cost of a gap is linear."""
        self._padded = np.concatenate([mean_alive, np.zeros(self.window + 1)])
        self.sounded: Floats = np.concatenate([[0.0], np.cumsum(mean_alive)]) * GRID_S
        """s that one waits up to each step, in expectation, shape (steps + 1,)."""
        slope, credit = costs.silence_slope, costs.ambience_credit
        self.long: tuple[Floats, Floats] = (
            slope * self.sounded,
            (slope * (1.0 - credit) + costs.bed_per_s) * self.sounded,
        )
        """What long gaps have cost up to each step, without and with a bed, shape (steps + 1,)."""

    def until(self, beds_from: Sequence[int | None]) -> Floats:
        """Return C(t, t + m) for every bed's start, every m and t, shape (len(beds_from), window + 1, steps + 1)."""
        windows = sliding_window_view(self._padded, self._steps + 1)[: self.window]
        rates = np.array([_rates(self._costs, self.window, bed_from, 0.0) for bed_from in beds_from])
        costs = np.zeros((len(beds_from), self.window + 1, self._steps + 1))
        np.cumsum(windows * rates[:, :, np.newaxis], axis=1, out=costs[:, 1:])
        return costs

    def row(self, at: int, bed_from: int | None, silent_s: float) -> Floats:
        """Return C(at, at + m) for every m, of a gap that has lasted *silent_s* already, shape (window + 1,)."""
        rates = _rates(self._costs, self.window, bed_from, silent_s)
        return np.concatenate([[0.0], np.cumsum(self._padded[at : at + self.window] * rates)])

    def _linear_from(self, pace: float) -> int:
        """Return the steps after which the cost of a gap that grows at *pace* is linear."""
        bend = self._costs.silence_free_s + self._costs.silence_slope / 2.0
        return min(self._steps, math.ceil(bend / max(pace, 1e-9) / GRID_S)) if pace > 0.0 else 1


@lru_cache(maxsize=1024)
def _rates(costs: Costs, window: int, bed_from: int | None, silent_s: float) -> Floats:
    """Return the cost of each of *window* further grid steps of a gap that has lasted *silent_s*, the part from
    *bed_from* on with a bed beneath."""
    lengths = np.arange(window + 1, dtype=float)
    if bed_from is not None:
        lengths = lengths - costs.ambience_credit * np.maximum(lengths - bed_from, 0.0)
    rates = np.diff(silence_cost(costs, silent_s + lengths * GRID_S))
    if bed_from is not None:
        rates[bed_from:] += costs.bed_per_s * GRID_S
    rates.setflags(write=False)
    return rates
