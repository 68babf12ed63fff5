"""What a metric's value may be."""

from dataclasses import dataclass
from typing import Any

from ...fillers import UsageError

Value = bool | float | str
"""Of a boolean, a numerical or a categorical metric."""


@dataclass(frozen=True, slots=True)
class Boolean:
    """True or false."""

    def as_dict(self) -> dict[str, Any]:
        return {"type": "boolean"}

    def fitted(self, value: Value) -> Value:
        """Return *value* as a boolean."""
        return bool(value)


@dataclass(frozen=True, slots=True)
class Numerical:
    """A number within bounds.

    Raises:
        UsageError: if the bounds are no finite numbers in order.
    """

    lower_bound: float
    upper_bound: float

    def __post_init__(self) -> None:
        if not -float("inf") < self.lower_bound < self.upper_bound < float("inf"):
            raise UsageError(
                f"bounds {self.lower_bound:g} and {self.upper_bound:g} are not in order; give two finite numbers, the "
                "lower one first"
            )

    def as_dict(self) -> dict[str, Any]:
        return {"type": "numerical", "lower_bound": self.lower_bound, "upper_bound": self.upper_bound}

    def fitted(self, value: Value) -> Value:
        """Return *value*, or the bound that it exceeds."""
        return min(max(float(value), self.lower_bound), self.upper_bound)


@dataclass(frozen=True, slots=True)
class Categorical:
    """One of a few words, the best one first."""

    categories: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return {"type": "categorical", "categories": list(self.categories)}

    def fitted(self, value: Value) -> Value:
        """Return *value* if it is one of the categories.

        Raises:
            UsageError: if it is not.
        """
        if value not in self.categories:
            raise UsageError(f"{value!r} is no category; it must be one of {', '.join(self.categories)}")
        return value


ValueType = Boolean | Numerical | Categorical
