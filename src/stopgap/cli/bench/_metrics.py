"""``stopgap bench metrics``: metrics and reports over many stored turns."""

from typing import TYPE_CHECKING, Annotated

import typer

from .._console import new_table, print_json, print_table, progress
from .._extras import check_service_extra
from .._options import JsonOption

if TYPE_CHECKING:
    from rich.table import Table
    from stopgap.benchmarks.metrics._bench import MetricsReport


def metrics(
    turns: Annotated[int, typer.Option(min=1000, max=100_000_000, help="Turns to store.")] = 1_000_000,
    database: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="postgresql://… of an empty database, which is filled and keeps it. Default: an SQLite file for this "
            "run alone (3 GB for 1,000,000 turns).",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of ids, lengths and what is chosen.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Measure metrics over many stored turns: ten of a conversation, the report of a behaviour's versions, pages.

    Turns are records of real ones over the waits of a bundled trace, used again with other ids and times.
    """
    check_service_extra()
    from stopgap.benchmarks.metrics._bench import measure_metrics, steps

    with progress("turns", steps(turns)) as advance:
        report = measure_metrics(turns=turns, database=database, seed=seed, advance=advance)
    if as_json:
        print_json(report.as_dict())
        return
    print_table(_timings(report))
    print_table(_pages(report))
    typer.echo(
        f"{report.database}: {report.turns:,} turns in {report.conversations:,} conversations and {report.results:,} "
        f"results of metrics, {report.megabytes:,.0f} MB, written in {report.filled_s:.0f} s"
    )
    if report.database.startswith("PostgreSQL"):
        typer.echo("VACUUM and ANALYZE ran once in between, as autovacuum would have")
    typer.echo(f"measured on: {report.machine}")
    met = report.targets.values()
    typer.echo(f"targets: {sum(met)} of {len(met)} met")


def _timings(report: "MetricsReport") -> "Table":
    right = ("n", "first, ms", "median", "p99", "max")
    table = new_table("", *right, "target", "", title="requests", right=right)
    for timing in report.timings:
        first = "" if timing.first_ms is None else f"{timing.first_ms:,.1f}"
        spread = (f"{ms:,.1f}" for ms in (timing.ms.p50, timing.ms.p99, timing.ms.max))
        verdict = "" if timing.met is None else "met" if timing.met else "MISSED"
        table.add_row(timing.what, f"{timing.ms.count:,}", first, *spread, timing.target, verdict)
    return table


def _pages(report: "MetricsReport") -> "Table":
    from stopgap.benchmarks.metrics._bench import LAST_TO_FIRST

    right = ("first page, ms", "middle", "last", "last / first")
    table = new_table("", *right, "target", "", title="pages", right=right)
    for page in report.pages:
        times = (f"{ms:,.2f}" for ms in (page.first_ms, page.middle_ms, page.last_ms))
        verdict = "met" if page.ratio <= LAST_TO_FIRST else "MISSED"
        table.add_row(page.what, *times, f"{page.ratio:.2f}", f"≤ {LAST_TO_FIRST:g}", verdict)
    return table
