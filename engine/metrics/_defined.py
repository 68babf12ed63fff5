"""Metrics that users define, in TOML or as plain data: an expression for each turn, and an aggregate."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from ...fillers import ConfigError, Section, read_toml, validated
from ._aggregates import CONDITIONS, VERDICTS, Aggregate, Aggregated
from ._builtin import builtin_metrics
from ._expression import MAX_CHARACTERS, Expression
from ._metric import Metric
from ._values import Boolean, Numerical, ValueType

MAX_METRICS = 100
WIDEST = 1e9
"""Bounds of a metric that says none: whatever a turn's numbers add up to is far within."""
MetricName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class MetricDefinition(Section):
    """A ``[metrics.NAME]`` table."""

    of: Annotated[str, StringConstraints(min_length=1)]
    """What to take of each turn: a number for mean, median, p95, max, min and sum, a condition for the others."""
    aggregate: Aggregate
    """How the turns of a conversation become one value; all and any make it true or false."""
    where: str | None = None
    """A condition: which turns count. None: all."""
    title: Text | None = None
    """What it says, for people. None: the aggregate and the expression."""
    unit: Annotated[str, StringConstraints(max_length=20)] = ""
    better: Literal["low", "high"] | None = None
    """Which values are good, false being lower than true: tells which turns and conversations are the worst. None: low,
    but high for all."""
    lower_bound: float | None = Field(default=None, ge=-WIDEST, le=WIDEST)
    upper_bound: float | None = Field(default=None, ge=-WIDEST, le=WIDEST)
    """Values beyond count as the bound. None: 0 to 1 for a share, from 0 on for a count, none to speak of otherwise."""

    @model_validator(mode="after")
    def _bounds_make_sense(self) -> Self:
        if self.aggregate in VERDICTS and (self.lower_bound is not None or self.upper_bound is not None):
            raise ValueError(f"{self.aggregate} gives true or false; leave the bounds out")
        lower, upper = self.bounds
        if not lower < upper:
            raise ValueError(f"lower_bound {lower:g} is not below upper_bound {upper:g}; write the lower one first")
        return self

    @property
    def good(self) -> Literal["low", "high"]:
        """Which values are good."""
        return self.better or ("high" if self.aggregate == "all" else "low")

    @property
    def bounds(self) -> tuple[float, float]:
        """The lower and the upper bound of a number."""
        lowest = 0.0 if self.aggregate in CONDITIONS else -WIDEST
        highest = 1.0 if self.aggregate == "share" else WIDEST
        return (
            lowest if self.lower_bound is None else self.lower_bound,
            highest if self.upper_bound is None else self.upper_bound,
        )


class MetricsFile(Section):
    """A file of metrics."""

    metrics: dict[MetricName, MetricDefinition] = Field(min_length=1, max_length=MAX_METRICS)


def load_metrics(source: Path | Mapping[str, Any]) -> dict[str, Metric]:
    """Return the metrics that a TOML file, or what one holds, defines: at least one, at most 100.

    Raises:
        ConfigError: naming the metric, what is wrong with it and what to write instead.
        UsageError: with the install command, if simpleeval is missing.
    """
    data = read_toml(source, what="metrics") if isinstance(source, Path) else dict(source)
    where = str(source) if isinstance(source, Path) else "metrics"
    found = validated(MetricsFile, data, where=where)
    return {name: defined_metric(name, definition, where=where) for name, definition in found.metrics.items()}


def defined_metric(name: str, definition: MetricDefinition, *, where: str = "metrics") -> Metric:
    """Return the metric that *definition* says.

    Args:
        name: Its name: none of those that are built in.
        definition: Its table.
        where: Where it was written, for messages.

    Raises:
        ConfigError: as `load_metrics`.
        UsageError: as `load_metrics`.
    """
    if name in builtin_metrics():
        raise ConfigError(f"{where}: metric {name!r} is built in; give yours another name")
    of = Expression(definition.of, f"{where}: metric {name!r}: of")
    counted = None if definition.where is None else Expression(definition.where, f"{where}: metric {name!r}: where")
    lower, upper = definition.bounds
    value_type: ValueType = Boolean() if definition.aggregate in VERDICTS else Numerical(lower, upper)
    words = " ".join(definition.of.split())
    if len(words) > MAX_CHARACTERS // 5:
        words = f"{words[: MAX_CHARACTERS // 5 - 3]}..."
    measure = Aggregated(
        aggregate=definition.aggregate,
        of=of.condition if definition.aggregate in CONDITIONS else of.number,
        what=words,
        unit=definition.unit,
        better=definition.good,
        needs_heard=of.needs_heard or (counted is not None and counted.needs_heard),
        where=None if counted is None else counted.condition,
    )
    title = definition.title or f"{definition.aggregate} of {words}"
    return Metric(name, title, value_type, measure, definition.unit, definition.good)
