"""One metric in several arms: differences to the control, how sure they are, and what that says."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar

from ...fillers import UsageError
from ._arms import ArmStats, better_of, counts_yes
from ._fixedsample import welch_margin
from ._metric import Metric
from ._sequential import Sequential
from ._values import Numerical

LEAST = 30
"""Conversations with a value that each arm must have before anything is said: sums of fewer are not normal enough."""
FADING = 100.0
"""Conversations of an arm at which its own variance counts as much as that of both arms together."""
Verdict = Literal["better", "worse", "not decided yet", "too few"]
Arm = TypeVar("Arm", int, str)


class Interval(NamedTuple):
    """Bounds of a difference, in the metric's unit."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """An arm against the control."""

    arm: int | str
    difference: float | None
    """Of the means, arm minus control, in the metric's unit; None: one of them has no values."""
    interval: Interval | None
    """Of the difference; it holds however often one looks. None: too few values, or all of them are the same."""
    p_value: float | None
    """As valid, and multiplied by the number of comparisons: at most alpha where the interval leaves out 0."""
    fixed_sample_interval: Interval | None
    """Welch's, for reference: valid ONLY if the number of conversations was fixed beforehand and is looked at once."""
    verdict: Verdict

    def as_dict(self) -> dict[str, Any]:
        """Return the difference as plain data, ready for JSON."""
        return {
            "arm": self.arm, "difference": self.difference, "interval": self.interval and list(self.interval),
            "p_value": self.p_value,
            "fixed_sample_interval": self.fixed_sample_interval and list(self.fixed_sample_interval),
            "verdict": self.verdict,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Comparison:
    """A metric in all arms."""

    metric: Metric
    control: int | str
    arms: Mapping[int | str, ArmStats]
    differences: tuple[Difference, ...]
    """One for each arm but the control."""

    @property
    def better(self) -> Literal["low", "high"]:
        """Which means are good."""
        return better_of(self.metric)

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison as plain data, ready for JSON."""
        return {
            **self.metric.as_dict(),
            "compared": "share" if counts_yes(self.metric) else "mean",
            "better": self.better,
            "control": self.control,
            "arms": [{"arm": arm, **stats.as_dict()} for arm, stats in self.arms.items()],
            "differences": [difference.as_dict() for difference in self.differences],
        }


def compare(
    metric: Metric, arms: Mapping[Arm, ArmStats], *, control: Arm, alpha: float = 0.05, comparisons: int = 1
) -> Comparison:
    """Compare each arm's mean with the control's, at whatever moment, as often as one likes.

    Args:
        metric: What the values are of. True or false are compared by the share that is true, categories by the share
            of conversations that are not in the best one.
        arms: The figures of each arm, of independent conversations.
        control: The arm that the others are compared with.
        alpha: Probability of being wrong, in any of the comparisons, at any time.
        comparisons: How many there are in all, over arms and metrics: each one gets *alpha* divided by that
            (Bonferroni).

    Raises:
        UsageError: if *control* is no arm, or *alpha* or *comparisons* is no such number.
    """
    if control not in arms:
        raise UsageError(f"control {control!r} is no arm; choose one of {', '.join(map(repr, arms))}")
    if not 0.0 < alpha < 1.0:
        raise UsageError(f"alpha {alpha:g} is no probability of being wrong; give one between 0 and 1, such as 0.05")
    if comparisons < 1:
        raise UsageError(f"comparisons {comparisons} must be the number of all comparisons, 1 or more")
    differences = tuple(
        _difference(metric, arm, stats, arms[control], alpha / comparisons, comparisons)
        for arm, stats in arms.items()
        if arm != control
    )
    return Comparison(metric, control, dict(arms.items()), differences)


def _difference(
    metric: Metric, arm: int | str, stats: ArmStats, control: ArmStats, alpha: float, comparisons: int
) -> Difference:
    if not stats.count or not control.count:
        return Difference(arm, None, None, None, None, "too few")
    difference = stats.mean - control.mean
    if min(stats.count, control.count) < LEAST:
        return Difference(arm, difference, None, None, None, "too few")
    overall = _overall(stats, control)
    if not overall:  # all values are the same, but nobody knows that they always will be
        return Difference(arm, difference, None, None, None, "not decided yet")
    one, other = _spread(stats, overall), _spread(control, overall)
    # The difference of two arms' means is, but for what vanishes, the mean over the conversations of both of
    # value / share of the arm (minus that for the control), the variance of which this is.
    n = stats.count + control.count
    deviation = math.sqrt(n * (one / stats.count + other / control.count))
    boundary = Sequential(alpha)
    interval = _around(metric, difference, boundary.margin(n, deviation))
    fixed = None
    if stats.variance + control.variance:
        fixed = _around(metric, difference, welch_margin(stats, control, alpha))
    p_value = min(1.0, comparisons * boundary.p_value(n, difference, deviation))
    return Difference(arm, difference, interval, p_value, fixed, _verdict(metric, interval))


def _spread(arm: ArmStats, every: float) -> float:
    """Return the variance to reckon with: the arm's, and for small arms rather that of all conversations if larger.

    Where most values are alike and few are large (delays, rare failures), a small arm that has not met the large ones
    yet has both a low mean and a low variance: taken as they are, 5 % of errors became 24 % where one conversation
    in ten was dealt the new version. Lifted like this it is at most 5 % in all simulated cases (tests/test_compare.py).
    The weight fades as the arm grows, so nothing of it is left where the interval's theory needs to hold.
    """
    return arm.variance + max(0.0, every - arm.variance) * FADING / (FADING + arm.count)


def _overall(one: ArmStats, other: ArmStats) -> float:
    """Return the variance of both arms' values together."""
    n = one.count + other.count
    between = one.count * other.count / n * (one.mean - other.mean) ** 2
    return ((one.count - 1) * one.variance + (other.count - 1) * other.variance + between) / (n - 1)


def _around(metric: Metric, difference: float, margin: float) -> Interval:
    """Return the interval as far as the metric's bounds allow of it."""
    kind = metric.value_type
    widest = kind.upper_bound - kind.lower_bound if isinstance(kind, Numerical) else 1.0
    return Interval(max(difference - margin, -widest), min(difference + margin, widest))


def _verdict(metric: Metric, interval: Interval) -> Verdict:
    if interval.low <= 0.0 <= interval.high:
        return "not decided yet"
    return "better" if (interval.low > 0.0) == (better_of(metric) == "high") else "worse"
