"""A comparison of versions, for people."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stopgap.engine.metrics import ArmStats, Boolean, Categorical, Difference, Interval, Metric, Report

from ._console import new_table

if TYPE_CHECKING:
    from rich.table import Table

TOO_FEW = "too few (< 30)"


def comparison_table(report: Report) -> "Table":
    """Return a table of one row a metric and version."""
    against = f"minus version {report.control}"
    table = new_table(
        "metric", "", "version", "n", "mean or share", against, "at any time", "verdict", title=heading(report),
        right=("version", "n", "mean or share", against, "at any time"),
    )  # fmt: skip
    for comparison in report.metrics:
        table.add_section()
        differences = {difference.arm: difference for difference in comparison.differences}
        for place, (version, stats) in enumerate(comparison.arms.items()):
            metric = comparison.metric
            named = (metric.name, f"{metric.title}; {comparison.better} is good") if place == 0 else ("", "")
            cells = (str(version), _n(stats), value_of(metric, stats))
            table.add_row(*named, *cells, *_cells(metric, differences.get(version)))
    return table


def heading(report: Report) -> str:
    """Return what is compared, in a line."""
    counts = ", ".join(f"{number} with version {version}" for version, number in report.conversations.items())
    how = "as dealt" if report.randomized else "as seen"
    return f"{report.behavior}: {counts} ({how})"


def reading(report: Report) -> Iterator[str]:
    """Yield what to know for reading the figures."""
    yield from report.notes()
    yield (
        f"at any time: the interval of the difference; all {report.comparisons} hold together, however often you look, "
        f"with a probability of {100.0 * (1.0 - report.alpha):g} %"
    )


def value_of(metric: Metric, stats: ArmStats) -> str:
    """Return an arm's mean or share in words."""
    if not stats.count:
        return "-"
    match metric.value_type:
        case Boolean():
            return f"{stats.mean:.1%} yes"
        case Categorical(categories=names):
            return f"{stats.mean:.1%} not {names[0]}"
    return f"{_written(stats.mean)} {metric.unit}".strip()


def unit_of(metric: Metric) -> str:
    """Return the unit of a difference."""
    return "% points" if isinstance(metric.value_type, Boolean | Categorical) else metric.unit


def scale_of(metric: Metric) -> float:
    """Return by how much a difference is multiplied to be in that unit."""
    return 100.0 if isinstance(metric.value_type, Boolean | Categorical) else 1.0


def _n(stats: ArmStats) -> str:
    return f"{stats.count} (+ {stats.not_applicable} n/a)" if stats.not_applicable else str(stats.count)


def _cells(metric: Metric, found: Difference | None) -> tuple[str, str, str]:
    if found is None:
        return "", "", "control"
    scale, unit = scale_of(metric), unit_of(metric)
    difference = "-" if found.difference is None else f"{_signed(scale * found.difference)} {unit}".strip()
    return difference, _bounds(found.interval, scale), TOO_FEW if found.verdict == "too few" else found.verdict


def _bounds(interval: Interval | None, scale: float) -> str:
    return "-" if interval is None else f"{_signed(scale * interval.low)} .. {_signed(scale * interval.high)}"


def _signed(number: float) -> str:
    return f"{number:+.0f}" if abs(number) >= 1000.0 else f"{number:+.3g}"


def _written(number: float) -> str:
    return f"{number:.0f}" if abs(number) >= 1000.0 else f"{number:.3g}"
