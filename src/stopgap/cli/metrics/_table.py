"""Metrics of many conversations, summed up for people and for programs."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from stopgap.engine.metrics import Boolean, Categorical, Metric, MetricResult, Numerical, Value

from .._console import new_table

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True, slots=True)
class Summary:
    """One metric over the conversations of a group."""

    group: str | None
    """The agent, where turns are told apart by it; empty: none was named. None: all turns."""
    metric: Metric
    results: tuple[MetricResult, ...]
    """One a conversation."""

    @property
    def told(self) -> list[tuple[str, Value]]:
        """The conversations that have a value."""
        return [(str(result.conversation), result.value) for result in self.results if result.value is not None]

    @property
    def worst(self) -> str | None:
        """The conversation with the worst value; None: none has one, or all have the same."""
        ranked = sorted(self.told, key=lambda item: self.metric.badness(item[1]), reverse=True)
        if not ranked or (len(ranked) > 1 and ranked[0][1] == ranked[-1][1]):
            return None
        return ranked[0][0]

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as plain data."""
        values = [value for _, value in self.told]
        plain: dict[str, Any] = {**self.metric.as_dict(), "n": len(values), "worst": self.worst}
        match self.metric.value_type:
            case Boolean():
                plain["share"] = _share(values)
            case Categorical(categories=names):
                counts = Counter(values)
                plain["shares"] = {name: counts[name] / len(values) for name in names} if values else None
            case Numerical():
                plain["median"], plain["p95"] = _quantiles(values)
        return plain

    def cells(self) -> tuple[str, ...]:
        """Return the table's cells: the value in words, how many conversations have one, and the worst."""
        values = [value for _, value in self.told]
        unit = f" {self.metric.unit}" if self.metric.unit else ""
        if not values:
            words = "-"
        elif isinstance(self.metric.value_type, Boolean):
            words = f"{_share(values):.1%} yes"
        elif isinstance(self.metric.value_type, Categorical):
            counts = Counter(values)
            names = [name for name in self.metric.value_type.categories if counts[name]]
            words = ", ".join(f"{name} {counts[name] / len(values):.1%}" for name in names)
        elif len(values) == 1:
            words = f"{_written(float(values[0]))}{unit}"
        else:
            median, p95 = _quantiles(values)
            words = f"{_written(median)} / {_written(p95)}{unit}"
        return words, str(len(values)), self.worst or "-"


def summary_table(turns: str, summaries: Sequence[Summary], *, groups: bool) -> "Table":
    """Return a table of one row a metric, for each group if there are *groups*."""
    first = ("agent",) if groups else ()
    table = new_table(
        *first, "metric", "", "value", "n", "worst", title=f"{turns}: conversations, median / 95 % or shares",
        right=("value", "n"),
    )  # fmt: skip
    before = summaries[0].group if summaries else None
    for summary in summaries:
        if summary.group != before:
            table.add_section()
            before = summary.group
        named = (summary.group or "-",) if groups else ()
        table.add_row(*named, summary.metric.name, summary.metric.title, *summary.cells())
    return table


def result_table(turns: str, summaries: Sequence[Summary]) -> "Table":
    """Return a table of one row a conversation and metric."""
    columns = ("conversation", "metric", "value", "turn", "why")
    table = new_table(*columns, title=f"{turns}: by conversation", right=("value",))
    before: str | None = None
    for metric, result in _by_conversation(summaries):
        if before is not None and result.conversation != before:
            table.add_section()
        name = str(result.conversation) if result.conversation != before else ""
        before = result.conversation
        turn = result.references[0] if result.references else "-"
        table.add_row(name, metric.name, _value(result.value, metric), turn, result.justification)
    return table


def reasons(summaries: Sequence[Summary]) -> Iterator[str]:
    """Yield why metrics have no value at all, each reason once."""
    empty = [summary for summary in summaries if not summary.told and summary.results]
    for reason in dict.fromkeys(_reason(summary) for summary in empty):
        names = [_named(summary) for summary in empty if _reason(summary) == reason]
        yield f"-: {', '.join(names)}: {reason}"


def _named(summary: Summary) -> str:
    return f"{summary.metric.name} of {summary.group}" if summary.group else summary.metric.name


def _reason(summary: Summary) -> str:
    if len(summary.results) == 1 or "a log holds" not in summary.results[0].justification:
        return summary.results[0].justification
    return "Not applicable: a log holds the waits, not what was heard; give records of the turns."


def _by_conversation(summaries: Sequence[Summary]) -> Iterator[tuple[Metric, MetricResult]]:
    if summaries:
        for place in range(len(summaries[0].results)):
            yield from ((summary.metric, summary.results[place]) for summary in summaries)


def _value(value: Value | None, metric: Metric) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case str():
            return value
    return f"{_written(float(value))} {metric.unit}".strip()


def _written(number: float) -> str:
    return f"{number:.0f}" if abs(number) >= 1000.0 else f"{number:.3g}"


def _share(values: Sequence[Value]) -> float:
    return sum(map(bool, values)) / len(values) if values else float("nan")


def _quantiles(values: Sequence[Value]) -> tuple[float, float]:
    if not values:
        return float("nan"), float("nan")
    numbers = [float(value) for value in values]
    return float(np.quantile(numbers, 0.5)), float(np.quantile(numbers, 0.95))
