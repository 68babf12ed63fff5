"""The output benchmark's figures, for people."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stopgap.benchmarks._spread import Spread
from stopgap.benchmarks.output._output import OutputReport, Row, Verdict

from .._console import new_table

if TYPE_CHECKING:
    from rich.table import Table


def callback_table(report: OutputReport) -> "Table":
    """Return what became of the callbacks."""
    right = (
        "callbacks", "of", "ms between, p50 / p99 / max", "ms in one, p50 / p99 / max", "over period", "xruns",
        "server's count",
    )  # fmt: skip
    table = new_table("load", "engine", *right, title=f"callbacks; {report.server}", right=right)
    for row in report.rows:
        figures = row.callbacks
        table.add_row(
            row.load, row.engine, str(figures.seen), f"{figures.expected:.0f}", _spread(figures.arrival),
            _spread(figures.duration), str(figures.over_period), str(figures.xruns),
            "-" if row.server_xruns is None else str(row.server_xruns), end_section=_last_of_load(report, row),
        )  # fmt: skip
    return table


def delay_table(report: OutputReport) -> "Table":
    """Return what became of what was asked for."""
    handed, off = "published -> handed over, ms p50 / p99 / max", "armed start off by, ms p50 / p99 / max"
    right = (handed, "sounds", off, "starts", "load's longest call, ms")
    table = new_table("load", "engine", *right, title="delays", right=right)
    for row in report.rows:
        table.add_row(
            row.load, row.engine, _spread(row.handed), _of(row.handed, row.triggers), _spread(row.lateness),
            _of(row.lateness, row.armed), _ms(row.longest_call_ms) if row.longest_call_ms else "-",
            end_section=_last_of_load(report, row),
        )  # fmt: skip
    return table


def verdict_table(report: OutputReport) -> "Table":
    """Return how the native engine stands to the targets."""
    right = ("measured", "limit", "n")
    table = new_table("target of native", "load", *right, "", title="targets", right=right)
    for verdict in report.verdicts:
        table.add_row(
            verdict.target, verdict.load, _value(verdict, verdict.value), _value(verdict, verdict.limit),
            str(verdict.count), {True: "met", False: "MISSED", None: "not measured"}[verdict.met],
        )  # fmt: skip
    return table


def sentences(report: OutputReport) -> Iterator[str]:
    """Yield what was played to, what was left out, and the sum of the verdicts."""
    block = f"{report.rows[0].callbacks.block_ms:.2f} ms" if report.rows else ""
    yield f"played to: {report.server}; a callback fills {block}"
    if report.rows and any(row.realtime is False for row in report.rows):
        yield "callbacks had no real-time priority, which the targets are for: gaps come from the scheduler, too"
    for words in report.left_out:
        yield f"left out: {words}"
    late = sum(row.armed_too_late for row in report.rows)
    if late:
        yield f"{late} starts are left out that the caller, kept waiting by the load, armed less than 50 ms ahead"
    judged = [verdict for verdict in report.verdicts if verdict.met is not None]
    missed = [verdict for verdict in judged if not verdict.met]
    if judged:
        yield f"targets: {len(judged) - len(missed)} of {len(judged)} met"
    for verdict in missed:
        value, limit = _value(verdict, verdict.value), _value(verdict, verdict.limit)
        yield f"MISSED beside {verdict.load}: {verdict.target}: {value}, limit {limit}"


def _last_of_load(report: OutputReport, row: Row) -> bool:
    return row is [other for other in report.rows if other.load == row.load][-1]


def _of(spread: Spread, asked: int) -> str:
    return f"{spread.count}/{asked}" if asked else "-"


def _spread(spread: Spread) -> str:
    return " / ".join(map(_ms, (spread.p50, spread.p99, spread.max))) if spread.count else "-"


def _ms(value: float) -> str:
    return f"{value:.3f}" if value < 1.0 else f"{value:.2f}" if value < 100.0 else f"{value:.0f}"


def _value(verdict: Verdict, value: float) -> str:
    if value != value:
        return "-"
    return f"{_ms(value)} {verdict.unit}" if verdict.unit else f"{value:.0f}"
