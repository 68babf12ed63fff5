"""``stopgap bench plugins``: fillers inside the frameworks, measured."""

from typing import TYPE_CHECKING, Annotated

import typer

from .._console import new_table, print_json, print_table, progress
from .._options import JsonOption

if TYPE_CHECKING:
    from rich.table import Table
    from stopgap.benchmarks.plugins._plugins import PluginReport, PluginRow


def plugins(
    trials: Annotated[int, typer.Option(min=5, max=10_000, help="Fillers and replies that are heard.")] = 100,
    frames: Annotated[int, typer.Option(min=100, max=100_000, help="Frames of 20 ms whose cost is timed.")] = 2500,
    seed: Annotated[int, typer.Option(help="Seed of the moments at which things happen.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Measure fillers inside Pipecat and LiveKit Agents, where installed, beside what these do by themselves.

    Real pipelines and sessions on a paced fake sink at 24 kHz, in real time (some minutes): how soon a filler is heard,
    whether the reply is later for it, what sounds after an interruption, and what a frame costs.
    """
    from stopgap.benchmarks.plugins._plugins import FRAMEWORKS, measure_plugins

    with progress("measuring", len(FRAMEWORKS)) as advance:
        report = measure_plugins(trials=trials, frames=frames, seed=seed, advance=advance)
    if as_json:
        print_json(report.as_dict())
        return
    if report.rows:
        print_table(_table(report))
    for name in report.missing:
        typer.echo(f"left out: {name} is not installed (pip install 'stopgap[{name}]')")
    versions = ", ".join(f"{name} {number}" for name, number in report.versions.items())
    typer.echo(f"measured on: {report.machine}{'; with ' + versions if versions else ''}")
    judged = [row for row in report.rows if row.met is not None]
    typer.echo(f"targets: {sum(row.met is True for row in judged)} of {len(judged)} met (of the 99th percentiles)")


def _table(report: "PluginReport") -> "Table":
    right = ("n", "median", "p99", "max", "beside: median", "p99", "target")
    table = new_table("", "", right[0], "", *right[1:4], "beside", *right[4:], "", title="plug-ins", right=right)
    for row, following in zip(report.rows, [*report.rows[1:], None], strict=True):
        other = ("", "", "") if row.other is None else (row.beside, _short(row.other.p50), _short(row.other.p99))
        verdict = "" if row.met is None else "met" if row.met else "MISSED"
        table.add_row(
            row.framework, row.what, str(row.found.count), row.unit, _short(row.found.p50), _short(row.found.p99),
            _short(row.found.max), *other, _limit(row), verdict,
            end_section=following is None or following.framework != row.framework,
        )  # fmt: skip
    return table


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100.0 else f"{value:.1f}"


def _limit(row: "PluginRow") -> str:
    if row.limit is None:
        return ""
    return f"+{_short(row.limit)}" if row.added else _short(row.limit)
