"""The figures of a replay: first what needs no assumption, then the cost model."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from stopgap.fillers import Costs

from .._arrays import Floats
from ._heard import Heard, heard, pinball, within
from ._replay import ReplayedTurn


@dataclass(frozen=True, slots=True)
class Score:
    """Figures over all turns of a replay. Times are s, shares are 0 to 1."""

    turns: int
    cost: float
    """Mean cost of a turn, in s of plain waiting."""
    cost_silence: float
    cost_reply_delay: float
    cost_spoken: float
    cost_cuts: float
    cost_beds: float
    first_sound_p50: float
    longest_gap_p50: float
    """Longest silence of a turn, beds counted as sound."""
    longest_gap_p95: float
    gap_over_1s: float
    """Share of turns with more than 1 s of silence, beds counted as sound."""
    gap_over_1s_beds_silent: float
    """The same, beds counted as silence."""
    reply_delay_mean: float
    needless: float
    """Share of turns whose first filler starts less than 0.25 s before the reply was available."""
    cut_lines: float
    """Phrases and progress lines cut, per turn."""
    spoken_per_turn: float
    spoken_per_waiting_minute: float
    coverage_q50: float
    """Share of replies that came within the predicted quantile."""
    coverage_q80: float
    coverage_q95: float
    pinball: float
    """Mean pinball loss over the three quantiles, s."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def score(replayed: Sequence[ReplayedTurn], costs: Costs) -> Score:
    """Return the figures of *replayed*, as given by `replay`; NaN where there is nothing to average."""
    return score_of(heard(replayed, costs))


def score_of(found: Heard) -> Score:
    """Return the figures of turns as they were heard."""
    parts = [_mean(column) for column in found.parts.T]
    spoken, waiting_s = float(found.spoken.sum()), float(found.waited.sum())
    coverage = [_mean(column) for column in within(found.replied, found.quantiles).T]
    return Score(
        turns=len(found.waited),
        cost=_mean(found.cost),
        cost_silence=parts[0],
        cost_reply_delay=parts[1],
        cost_spoken=parts[2],
        cost_cuts=parts[3],
        cost_beds=parts[4],
        first_sound_p50=_quantile(found.first_sound, 0.5),
        longest_gap_p50=_quantile(found.gap, 0.5),
        longest_gap_p95=_quantile(found.gap, 0.95),
        gap_over_1s=_mean(found.over(1.0)),
        gap_over_1s_beds_silent=_mean(found.over(1.0, beds_are_sound=False)),
        reply_delay_mean=_mean(found.reply_delay),
        needless=_mean(found.needless),
        cut_lines=_mean(found.cuts),
        spoken_per_turn=_mean(found.spoken),
        spoken_per_waiting_minute=60.0 * spoken / waiting_s if waiting_s else float("nan"),
        coverage_q50=coverage[0],
        coverage_q80=coverage[1],
        coverage_q95=coverage[2],
        pinball=_mean(pinball(found.replied, found.quantiles)),
    )


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _quantile(values: Floats, share: float) -> float:
    return float(np.quantile(values, share)) if len(values) else float("nan")
