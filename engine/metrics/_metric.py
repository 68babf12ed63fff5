"""A metric: one value for a conversation, the turns that it rests on, and why."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ...fillers import UsageError
from ._facts import TurnFacts, in_order
from ._values import Categorical, Numerical, Value, ValueType

MAX_REFERENCES = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """What a metric found."""

    value: Value | None
    """None: not applicable."""
    turns: tuple[TurnFacts, ...]
    """Those that the value rests on most, the foremost first."""
    justification: str
    """One sentence with numbers."""


@dataclass(frozen=True, slots=True)
class MetricResult:
    """A metric of one conversation."""

    metric: str
    conversation: str | None
    """None: there were no turns."""
    value: Value | None
    """None: not applicable."""
    references: tuple[str, ...]
    """Ids of the turns that the value rests on most, the foremost first."""
    justification: str

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain data, ready for JSON."""
        return {**asdict(self), "references": list(self.references)}


@dataclass(frozen=True, slots=True)
class Metric:
    """How one number, word or verdict is found for a conversation."""

    name: str
    title: str
    """What it says, for people."""
    value_type: ValueType
    measure: Callable[[Sequence[TurnFacts]], Finding]
    """From the turns of one conversation, in order of time, without retracted ones."""
    unit: str = ""
    better: Literal["low", "high"] = "low"
    """Which numbers are good; false is lower than true. Categories are in the order of their goodness."""

    def evaluate(self, turns: Iterable[TurnFacts], *, up_to: str | None = None) -> MetricResult:
        """Return the metric of a conversation.

        Args:
            turns: Its turns, in any order. Retracted ones do not count: the user had not finished.
            up_to: Id of the last turn to look at; None: all.

        Raises:
            UsageError: if there is no such turn.
            ConfigError: if an expression fails on a turn.
        """
        ordered = in_order(turns)
        if up_to is not None:
            ordered = _up_to(ordered, up_to)
        found = self.measure([turn for turn in ordered if turn.outcome != "retracted"])
        value, justification = found.value, found.justification
        if value is not None:
            fitted = self.value_type.fitted(value)
            if isinstance(self.value_type, Numerical) and fitted != value:
                justification = f"{justification.removesuffix('.')}; counted as the bound, {fitted:g}."
            value = fitted
        return MetricResult(
            metric=self.name,
            conversation=ordered[0].conversation if ordered else None,
            value=value,
            references=tuple(turn.id for turn in found.turns[:MAX_REFERENCES]),
            justification=justification,
        )

    def badness(self, value: Value) -> float:
        """Return a number that is the higher the worse *value* is."""
        if isinstance(self.value_type, Categorical):
            return float(self.value_type.categories.index(str(value)))
        return float(value) if self.better == "low" else -float(value)

    def as_dict(self) -> dict[str, Any]:
        """Return what the metric is as plain data, ready for JSON."""
        return {
            "name": self.name, "title": self.title, "unit": self.unit, "better": self.better,
            "value_type": self.value_type.as_dict(),
        }  # fmt: skip


def _up_to(turns: Sequence[TurnFacts], last: str) -> list[TurnFacts]:
    for place, turn in enumerate(turns, 1):
        if turn.id == last:
            return list(turns[:place])
    raise UsageError(
        f"turn {last!r} is none of the conversation's {len(turns)}; give the id of one of them, or leave it out"
    )
