"""``stopgap trace``: what a trace, or a log of turns, holds."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ._console import new_table, print_json, print_table
from ._options import JsonOption

if TYPE_CHECKING:
    from stopgap.benchmarks import TraceTurn, WaitStats

trace_app = typer.Typer(name="trace", help="Look into traces of waits, and logs of turns.", no_args_is_help=True)

TraceArgument = Annotated[
    str,
    typer.Argument(
        metavar="TRACE",
        help="A .csv, .jsonl, .parquet or .sqlite file, or voice_mixed_dev, llm_ttft_dev or web_search_dev, which are "
        "bundled.",
    ),
]


@trace_app.command("check")
def check(trace: TraceArgument, as_json: JsonOption = False) -> None:
    """Tell all that is wrong with a trace, or makes it a poor one to tune on; end with 1 if there is anything."""
    from stopgap.benchmarks import check_trace

    found = check_trace(trace)
    if as_json:
        print_json(found.as_dict())
    else:
        for problem in found.problems:
            typer.echo(problem)
        if found.more:
            typer.echo(f"and {found.more} more problem{'s' if found.more > 1 else ''}")
        state = "is fine" if not found.problems else "has problems"
        turns = f"{found.turns} usable turn{'' if found.turns == 1 else 's'}"
        typer.echo(f"{trace} {state}: {turns}, {100.0 * found.cancelled:.1f} % cancelled")
    if found.problems:
        raise typer.Exit(1)


@trace_app.command("stats")
def stats(trace: TraceArgument, as_json: JsonOption = False) -> None:
    """Print how long waits are per agent and tool, and how they drifted; cancelled ones count as cut off."""
    from stopgap.benchmarks import trace_stats

    rows = trace_stats(_turns(trace))
    if as_json:
        print_json({"trace": trace, "waits": [row.as_dict() for row in rows]})
    else:
        _print_stats(trace, rows)


@trace_app.command("plot")
def plot(
    trace: TraceArgument,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="A .png, .svg or .pdf file to write.")],
) -> None:
    """Draw the waits' distributions per agent and tool, their drift, and what was cancelled."""
    from ._plot import load_pyplot

    load_pyplot()
    from ._traceplot import plot_trace

    plot_trace(_turns(trace), trace, out)
    typer.echo(f"wrote {out}")


@trace_app.command("convert")
def convert(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="IN... OUT",
            help="Traces or logs, several of which become one, and the file to write. Endings tell the formats: .csv, "
            ".jsonl, .parquet, .sqlite.",
        ),
    ],
) -> None:
    """Convert a trace or a log, sorted by started_at, which then counts from the first turn."""
    from stopgap.benchmarks import convert_trace
    from stopgap.fillers import UsageError

    if len(files) < 2:
        raise UsageError(f"convert {files[0]} to what? write stopgap trace convert IN OUT")
    number = convert_trace(files[:-1], files[-1])
    typer.echo(f"wrote {files[-1]}: {number} turn{'' if number == 1 else 's'}")


def _turns(trace: str) -> "list[TraceTurn]":
    from stopgap.benchmarks import read_trace
    from stopgap.fillers import TraceError

    turns = read_trace(trace)
    if not turns:
        raise TraceError(f"{trace} holds no turns; give a trace with at least one row below its header")
    return turns


def _print_stats(trace: str, rows: "list[WaitStats]") -> None:
    numbers = ("turns", "cancelled", "median", "80 %", "95 %", "max", "last/first")
    table = new_table("", *numbers, "median over time", title=f"{trace}: waits in s", right=numbers)
    group = "all"
    for row in rows:
        if row.group != group:
            table.add_section()
            group = row.group
        name = "all turns" if row.group == "all" else f"{row.group} {row.name}" if row.name else f"no {row.group}"
        table.add_row(
            name, str(row.turns), f"{100.0 * row.cancelled:.1f} %", _s(row.median_s), _s(row.p80_s), _s(row.p95_s),
            _s(row.max_s), "" if row.drift is None else f"{row.drift:.2f}", " ".join(map(_s, row.drift_s)),
        )  # fmt: skip
    print_table(table)
    if any(None in (row.median_s, row.p80_s, row.p95_s) for row in rows):
        typer.echo("?: not known, since too many turns were cancelled before")


def _s(seconds: float | None) -> str:
    return "?" if seconds is None else f"{seconds:.2f}"
