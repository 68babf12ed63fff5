"""What a comparison needs of each arm: count, mean and variance of a metric's values, one a conversation."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from ...fillers import UsageError
from ._metric import Metric
from ._values import Boolean, Categorical, Value


@dataclass(frozen=True, slots=True)
class ArmStats:
    """A metric's values in the conversations of one arm, summed up: all that `compare` asks for.

    A boolean counts as 0 or 1. A categorical value counts as 0 if it is the best category and as 1 if it is not, so
    that the mean is the share of conversations that were not the best they could be.

    Raises:
        UsageError: if a count or the variance is negative, or a number is not finite.
    """

    count: int
    """Conversations that have a value."""
    mean: float
    """Of the values, in the metric's unit; 0 where there are none."""
    variance: float
    """Of the values, in the square of the unit, with count - 1 as the divisor; 0 for fewer than two."""
    not_applicable: int = 0
    """Conversations that have no value; they count nowhere else."""
    shares: Mapping[str, float] = field(default_factory=dict)
    """Of each category, for people to look at; nothing is computed from them. Empty: not categorical, or not known."""

    def __post_init__(self) -> None:
        if self.count < 0 or self.not_applicable < 0:
            raise UsageError(
                f"count {self.count} and not_applicable {self.not_applicable} count conversations; give numbers from 0"
            )
        if not (math.isfinite(self.mean) and 0.0 <= self.variance < math.inf):
            raise UsageError(f"mean {self.mean:g} and variance {self.variance:g} must be finite, the variance from 0")

    @classmethod
    def of_sums(cls, count: int, total: float, squares: float, *, not_applicable: int = 0) -> Self:
        """Return the figures of *count* values from what a database adds up.

        The difference of two sums loses digits where values vary little around a large mean; waits and shares do not.

        Args:
            count: Number of values.
            total: Their sum.
            squares: The sum of their squares.
            not_applicable: Conversations without a value.
        """
        mean = total / count if count else 0.0
        variance = max(0.0, squares - count * mean * mean) / (count - 1) if count > 1 else 0.0
        return cls(count, mean, variance, not_applicable)

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as plain data, ready for JSON; mean and variance are None where there are none."""
        return {
            "count": self.count, "mean": self.mean if self.count else None,
            "variance": self.variance if self.count > 1 else None, "not_applicable": self.not_applicable,
            **({"shares": dict(self.shares)} if self.shares else {}),
        }  # fmt: skip


def arm_stats(metric: Metric, values: Iterable[Value | None]) -> ArmStats:
    """Return the figures of an arm.

    Args:
        metric: Whose values they are.
        values: One a conversation; None: not applicable.
    """
    every = list(values)
    told = [value for value in every if value is not None]
    numbers = [as_number(metric, value) for value in told]
    count = len(numbers)
    mean = math.fsum(numbers) / count if count else 0.0
    variance = math.fsum((number - mean) ** 2 for number in numbers) / (count - 1) if count > 1 else 0.0
    shares = {}
    if isinstance(metric.value_type, Categorical) and told:
        found = Counter(told)
        shares = {name: found[name] / count for name in metric.value_type.categories}
    return ArmStats(count, mean, variance, len(every) - count, shares)


def as_number(metric: Metric, value: Value) -> float:
    """Return as what *value* counts: itself, 0 or 1."""
    if isinstance(metric.value_type, Categorical):
        return float(value != metric.value_type.categories[0])
    return float(value)


def counts_yes(metric: Metric) -> bool:
    """Tell whether each conversation counts as 0 or 1, so that the mean is a share of conversations."""
    return isinstance(metric.value_type, Boolean | Categorical)


def better_of(metric: Metric) -> Literal["low", "high"]:
    """Return which mean is the good one, "low" or "high"; of categories it is the share that is not the best."""
    return "low" if isinstance(metric.value_type, Categorical) else metric.better
