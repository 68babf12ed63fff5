"""The figures of ``stopgap bench perceived``: first what needs no assumption, then costs, targets, prediction."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .._arrays import Floats
from .._intervals import Bootstrap, Estimate
from ..policies import BEST_LADDER, OTHERS
from ..replays import LEVELS, PARTS, pinball, within
from ..traces import TraceTurn
from ._perceived import Outcome

OVER_S = (0.7, 1.0, 2.0)
"""s of silence that are too long."""
JUDGED = "predictive"
WINDOW = 200
"""Turns over which coverage is watched."""


@dataclass(frozen=True, slots=True)
class PolicyFigures:
    """What one policy reached under one setting. Times are s, shares 0 to 1.

    Pairs are the median and the 95 % quantile.
    """

    first_sound: tuple[float, float]
    silence: tuple[float, float]
    """Longest silence of a turn, beds counted as sound."""
    silence_over: tuple[float, ...]
    """Shares of turns with a silence over `OVER_S`."""
    silence_beds_silent: tuple[float, float]
    silence_over_beds_silent: tuple[float, ...]
    reply_delay_mean: float
    reply_delay_p95: float
    needless: float
    """Share of answered turns whose first filler started less than 0.25 s before the reply was available."""
    cuts_per_turn: float
    spoken_per_turn: float
    spoken_per_waiting_minute: float
    spoken_per_conversation_minute: float
    """A conversation lasts from its first turn's time 0 to its last turn's reply or cancellation."""
    cost: Estimate
    parts: dict[str, float]
    """Means of the parts of the cost, by name."""
    beyond_judged: Estimate | None
    """Cost minus that of the policy that is judged; None: that one was not replayed."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target."""

    target: str
    measured: Estimate
    least: float
    most: float
    strict: bool = False
    """Whether *most* itself misses."""
    form: str = "{:.2f}"

    @property
    def met(self) -> bool | None:
        """Whether the measured value meets the target; None if there is none. The interval is not asked."""
        value = self.measured.value
        if value != value:
            return None
        return self.least <= value and (value < self.most if self.strict else value <= self.most)

    def as_dict(self) -> dict[str, Any]:
        return {
            "target": self.target, "measured": asdict(self.measured), "least": self.least, "most": self.most,
            "met": self.met,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class PredictionFigures:
    """How well quantiles at 50, 80 and 95 % fit the waits."""

    coverage: tuple[Estimate, ...]
    pinball: Estimate
    """Mean loss of the three, s."""

    @classmethod
    def of(cls, waits: Floats, quantiles: Floats, bootstrap: Bootstrap) -> "PredictionFigures":
        inside = within(waits, quantiles)
        return cls(tuple(bootstrap.ratio(column) for column in inside.T), bootstrap.ratio(pinball(waits, quantiles)))


def policy_figures(outcome: Outcome, policy: str, turns: Sequence[TraceTurn], bootstrap: Bootstrap) -> PolicyFigures:
    """Return what *policy* reached under *outcome*'s setting."""
    found = outcome.heard[policy]
    judged = outcome.heard.get(JUDGED)
    spoken = float(found.spoken.sum())
    return PolicyFigures(
        first_sound=_spread(found.first_sound),
        silence=_spread(found.gap),
        silence_over=tuple(float(found.over(limit).mean()) for limit in OVER_S),
        silence_beds_silent=_spread(found.gap_beds_silent),
        silence_over_beds_silent=tuple(float(found.over(limit, beds_are_sound=False).mean()) for limit in OVER_S),
        reply_delay_mean=_mean(found.reply_delay),
        reply_delay_p95=_spread(found.reply_delay)[1],
        needless=_mean(found.needless),
        cuts_per_turn=_mean(found.cuts),
        spoken_per_turn=_mean(found.spoken),
        spoken_per_waiting_minute=_per_minute(spoken, float(found.waited.sum())),
        spoken_per_conversation_minute=_per_minute(spoken, conversation_s(turns)),
        cost=bootstrap.ratio(found.cost),
        parts={name: _mean(column) for name, column in zip(PARTS, found.parts.T, strict=True)},
        beyond_judged=None if judged is None else bootstrap.ratio(found.cost - judged.cost),
    )


def conversation_s(turns: Sequence[TraceTurn]) -> float:
    """Return how long the conversations of *turns* last, in all."""
    spans: dict[str, tuple[float, float]] = {}
    for turn in turns:
        start, end = turn.started_at, turn.started_at + turn.end_ms / 1000.0
        low, high = spans.get(turn.conversation_id, (start, end))
        spans[turn.conversation_id] = (min(low, start), max(high, end))
    return sum(high - low for low, high in spans.values())


def cost_ratio(outcome: Outcome, other: str, bootstrap: Bootstrap) -> Estimate:
    """Return the judged policy's cost over *other*'s; NaN if one of them was not replayed or *other* costs nothing."""
    if JUDGED not in outcome.heard or other not in outcome.heard:
        return Estimate(np.nan, np.nan, np.nan)
    return bootstrap.ratio(outcome.heard[JUDGED].cost, outcome.heard[other].cost)


def best_other(outcome: Outcome) -> str | None:
    """Return which of what others do costs least; None if none was replayed."""
    there = [name for name in OTHERS if name in outcome.heard]
    return min(there, key=lambda name: float(outcome.heard[name].cost.mean()), default=None)


def verdicts(
    outcome: Outcome, running: Floats, bootstrap: Bootstrap, slowed_from: int | None = None
) -> Iterator[Verdict]:
    """Yield how the judged policy stands to the targets; nothing if it was not replayed.

    Args:
        outcome: Of one setting.
        running: Running empirical quantiles, as `running_quantiles` gives them.
        bootstrap: Of the trace's conversations.
        slowed_from: The turn from which on all waits are longer; None: they are as they were measured.
    """
    judged = outcome.heard.get(JUDGED)
    if judged is None:
        return
    most = 0.76 if slowed_from is None else 0.72
    if outcome.setting.config.costs.ambience_credit == 0.0:
        most = 0.88
    yield Verdict("cost / best ladder in hindsight", cost_ratio(outcome, BEST_LADDER, bootstrap), 0.0, most)
    yield Verdict("cost / best cue sheet in hindsight", cost_ratio(outcome, "best-sheet", bootstrap), 0.0, 1.0, True)
    other = best_other(outcome)
    name = "the best of what others do" if other is None else f"the best of what others do: {other}"
    yield Verdict(f"cost / {name}", cost_ratio(outcome, other or "", bootstrap), 0.0, 1.0, True)
    ladder = outcome.heard.get(BEST_LADDER)
    fewer = bootstrap.ratio(judged.spoken, ladder.spoken) if ladder is not None else Estimate(np.nan, np.nan, np.nan)
    yield Verdict("spoken fillers / best ladder's", fewer, 0.0, 1.0, True)
    yield Verdict("turns with over 1 s of silence", bootstrap.ratio(judged.over(1.0)), 0.0, 0.02, form="{:.2%}")
    delay_ms = bootstrap.ratio(1000.0 * judged.reply_delay)
    yield Verdict("reply held back: mean", delay_ms, 0.0, 10.0, form="{:.1f} ms")
    yield Verdict("needless first fillers", bootstrap.ratio(judged.needless), 0.0, 0.03, form="{:.2%}")
    inside = within(judged.replied, judged.quantiles)
    yield Verdict("replies within the 80 % quantile", bootstrap.ratio(inside[:, 1]), 0.78, 0.82, form="{:.2%}")
    yield Verdict("replies within the 95 % quantile", bootstrap.ratio(inside[:, 2]), 0.93, 0.97, form="{:.2%}")
    if slowed_from is not None:
        after = np.full_like(inside, np.nan)
        after[slowed_from : slowed_from + WINDOW] = inside[slowed_from : slowed_from + WINDOW]
        for place, least in ((1, 0.75), (2, 0.90)):
            name = f"the same, {WINDOW} turns from the change on: {LEVELS[place]:.0%} quantile"
            yield Verdict(name, bootstrap.ratio(after[:, place]), least, least + 0.1, form="{:.2%}")
    losses = pinball(judged.replied, judged.quantiles), pinball(judged.replied, running)
    yield Verdict("pinball loss / running quantiles'", bootstrap.ratio(*losses), 0.0, 1.0, True)


def sliding_coverage(waits: Floats, quantiles: Floats) -> Floats:
    """Return the share of replies within their quantiles over the last `WINDOW` turns, after each turn from the
    WINDOW-th on, shape (turns - WINDOW + 1, 3)."""
    inside = within(waits, quantiles)
    sums = np.cumsum(np.concatenate([np.zeros((1, 3)), np.nan_to_num(inside)]), axis=0)
    counts = np.cumsum(np.concatenate([[0.0], ~np.isnan(waits)]))
    known = np.maximum(counts[WINDOW:] - counts[:-WINDOW], 1.0)
    return np.asarray((sums[WINDOW:] - sums[:-WINDOW]) / known[:, np.newaxis])


def _spread(values: Floats) -> tuple[float, float]:
    known = values[~np.isnan(values)]
    if not len(known):
        return float("nan"), float("nan")
    return float(np.quantile(known, 0.5)), float(np.quantile(known, 0.95))


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _per_minute(count: float, seconds: float) -> float:
    return 60.0 * count / seconds if seconds > 0.0 else float("nan")
