"""The predictor's account of itself."""

from dataclasses import dataclass

from ._distribution import LEVELS, WaitDistribution


@dataclass(frozen=True, slots=True)
class Report:
    """How good the predictions for one milestone and context were. Each wait was judged by a prediction that did not
    know it; waits that were cut off are counted and judge nothing."""

    key: tuple[str, ...]
    """The milestone, then what is known: ``("tool_started", "tool search", "agent a")``."""
    waits: int
    """Waits seen, those cut off included."""
    replies: int
    """Waits that ended with a reply: the averages below are over these, NaN without any."""
    coverage: tuple[float, ...]
    """Share of replies that came within the predicted quantile, at `LEVELS` (0.5, 0.8, 0.95)."""
    pinball_s: float
    """s. Mean pinball loss over the three quantiles (Koenker & Bassett 1978)."""
    crps_s: float
    """s. Mean continuous ranked probability score."""


class Account:
    """Adds up one key's report. Memory does not grow."""

    __slots__ = ("_crps", "_pinball", "_replies", "_waits", "_within")

    def __init__(self) -> None:
        self._waits = self._replies = 0
        self._within = [0] * len(LEVELS)
        self._pinball = self._crps = 0.0

    def add(self, predicted: WaitDistribution, wait_s: float, *, ended: bool) -> None:
        """Judge *predicted* by a wait of *wait_s* seconds."""
        self._waits += 1
        if not ended:
            return
        self._replies += 1
        for place, (level, quantile) in enumerate(zip(LEVELS, predicted.quantiles, strict=True)):
            over = wait_s - quantile
            self._within[place] += over <= 0.0
            self._pinball += max(level * over, (level - 1.0) * over)
        self._crps += predicted.crps(wait_s)

    def report(self, key: tuple[str, ...]) -> Report:
        """Return the sums as averages."""
        n = self._replies or float("nan")
        return Report(
            key,
            self._waits,
            self._replies,
            tuple(within / n for within in self._within),
            self._pinball / n / len(LEVELS),
            self._crps / n,
        )
