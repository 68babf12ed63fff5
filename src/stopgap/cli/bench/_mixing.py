"""The mixing benchmark's figures, for people: tables, sentences, a picture."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stopgap.benchmarks.mixing._engines import FRAME_MS
from stopgap.benchmarks.mixing._figures import (
    BATCH,
    TARGET_SESSIONS,
    MixingReport,
    Range,
    Row,
    Verdict,
    times_of,
    times_of_written,
)

from .._console import new_table
from .._plot import load_pyplot, save_figure

if TYPE_CHECKING:
    from rich.table import Table

DISTURBED = 1.1
"""Times its CPU time that a row's wall time may be."""
COLOURS = {24_000: "#3aa676", 48_000: "#5b8def"}


def sessions_tables(report: MixingReport) -> "Iterator[Table]":
    """Yield how many sessions a core carries, a table for each kind of work."""
    for work in dict.fromkeys(row.work for row in report.rows):
        rows = [row for row in report.rows if row.work == work]
        times = f"{BATCH} is, ×"
        right = ("frame, ms", "sessions", "per core", "min - max", "by CPU time", times, "with writing", "then, ×")
        table = new_table("kHz", "engine", *right, title=f"sessions per core: {work}", right=right)
        for row, following in zip(rows, [*rows[1:], None], strict=True):
            batch = next((r for r in rows if r.engine == BATCH and r.rate == row.rate and r is not row), None)
            table.add_row(
                f"{row.rate / 1000:g}", row.engine, f"{row.frame_ms:g}", *_cells(row, batch),
                end_section=following is None or following.rate != row.rate,
            )  # fmt: skip
        yield table


def _cells(row: Row, batch: Row | None) -> tuple[str, ...]:
    if row.missing:
        return ("-",) * 7
    return (
        str(row.sessions), _count(row.per_core.median), _min_max(row.per_core), _count(row.per_core_cpu.median),
        "" if batch is None else _times(times_of(batch, row)), _count(row.per_core_written.median),
        "" if batch is None else _times(times_of_written(batch, row)),
    )  # fmt: skip


def render_table(report: MixingReport) -> "Table | None":
    """Return the render function's run times, or None without the C core."""
    times = report.render
    if times is None:
        return None
    right = ("p50", "p99", "p99.9", "max")
    title = (
        f"render function: {times.voices} voices and a reply, {times.block_frames} frames at {times.rate / 1000:g} kHz "
        f"({times.block_us / 1e3:.3f} ms), {times.calls} calls"
    )
    table = new_table("", *right, title=title, right=right)
    values = (times.p50_us, times.p99_us, times.p999_us, times.max_us)
    table.add_row("µs", *map(_short, values))
    table.add_row("% of the block", *(_short(100.0 * value / times.block_us) for value in values))
    return table


def verdict_table(report: MixingReport) -> "Table":
    """Return how the C core stands to the targets."""
    table = new_table("target", "measured", "limit", "", title="targets", right=("measured", "limit"))
    for verdict in report.verdicts:
        word = {True: "met", False: "MISSED", None: "not measured"}[verdict.met]
        table.add_row(verdict.target, _value(verdict, verdict.value), _limit(verdict), word)
    return table


def sentences(report: MixingReport) -> Iterator[str]:
    """Yield how to read the figures, what was left out, and the sum of the verdicts."""
    yield f"measured on: {report.machine}; load average {report.load[0]:.1f} before, {report.load[1]:.1f} after"
    kept = [row for row in report.rows if row.per_core_cpu.median > DISTURBED * row.per_core.median]
    if kept:
        yield (
            f"other processes used the core: wall time is over {DISTURBED:g} times CPU time in "
            f"{len(kept)} of {len(report.rows)} rows; take the figures again on an idle machine"
        )
    if report.versions:
        yield "beside: " + ", ".join(f"{name} {version}" for name, version in report.versions.items())
    yield (
        "with writing: handing the reply's samples to the mixer counts, too (1 s at a time with two voices, 20 ms at "
        "a time under speech, as the frameworks' mixers get theirs with the call)"
    )
    if report.render is not None:
        yield (
            "the render function's quantiles are upper edges of buckets about 19 % wide, the maximum is exact; calls "
            "follow each other, so caches are warm"
        )
    yield from dict.fromkeys(f"left out: {row.engine}: {row.missing}" for row in report.rows if row.missing)
    judged = [verdict for verdict in report.verdicts if verdict.met is not None]
    missed = [verdict for verdict in judged if not verdict.met]
    yield f"targets: {len(judged) - len(missed)} of {len(judged)} met"
    for verdict in missed:
        yield f"MISSED: {verdict.target}: {_value(verdict, verdict.value)}, limit {_limit(verdict)}"


def plot_mixing(report: MixingReport, path: Path) -> None:
    """Draw sessions per core, a panel for each kind of work, a bar for each engine and rate."""
    pyplot = load_pyplot()
    works = list(dict.fromkeys(row.work for row in report.rows))
    engines = {work: list(dict.fromkeys(map(_label, _of_work(report, work)))) for work in works}
    figure, axes = pyplot.subplots(
        len(works), 1, figsize=(9, 1.4 + 0.62 * sum(map(len, engines.values()))), sharex=True, squeeze=False,
        gridspec_kw={"height_ratios": [len(engines[work]) for work in works]}, layout="constrained",
    )  # fmt: skip
    axes[0, 0].axvline(TARGET_SESSIONS, color="black", lw=0.8, ls=":", zorder=0)
    for panel, work in zip(axes[:, 0], works, strict=True):
        rates = sorted({row.rate for row in _of_work(report, work)})
        for row in _of_work(report, work):
            place = engines[work].index(_label(row)) + 0.38 * (rates.index(row.rate) - 0.5 * (len(rates) - 1))
            _draw(panel, row, place)
        panel.set_xscale("log")
        panel.xaxis.set_major_formatter("{x:,g}")
        panel.set_yticks(range(len(engines[work])), engines[work], fontsize=8)
        panel.set_ylim(len(engines[work]) - 0.4, -0.6)
        panel.set_title(work, fontsize=9, loc="left")
        panel.tick_params(axis="y", length=0)
        panel.tick_params(axis="x", labelsize=8)
        panel.grid(axis="x", color="#e8e8e8", lw=0.6)
        panel.set_axisbelow(True)
        for side in ("top", "left", "right"):
            panel.spines[side].set_visible(False)
    low, high = axes[0, 0].get_xlim()
    axes[0, 0].set_xlim(0.5 * low, 1.5 * high)  # room for the figures
    axes[-1, 0].set_xlabel(
        f"sessions per core; ⋯ {TARGET_SESSIONS:,.0f}, the target of the batch at 24 kHz\n"
        "— lowest and highest; ◇ where handing over the speech counts, too", fontsize=8,
    )  # fmt: skip
    handles = [pyplot.Rectangle((0, 0), 1, 1, color=colour) for colour in COLOURS.values()]
    names = [f"{rate / 1000:g} kHz" for rate in COLOURS]
    figure.legend(handles, names, loc="outside upper right", ncol=2, fontsize=8, frameon=False)
    save_figure(figure, path)


def _draw(panel: Any, row: Row, place: float) -> None:
    if row.missing:
        words = row.missing.partition(":")[0]
        panel.text(0.01, place, words, transform=panel.get_yaxis_transform(), fontsize=7, va="center", color="#8a8a8a")
        return
    found = row.per_core
    panel.barh(place, found.median, height=0.34, color=COLOURS[row.rate])
    panel.plot([found.min, found.max], [place, place], color="black", lw=1)
    if row.per_core_written != found:
        panel.plot(row.per_core_written.median, place, "D", color="black", ms=5, mfc="white")
    panel.text(found.max * 1.06, place, _count(found.median), fontsize=7, va="center")


def _label(row: Row) -> str:
    return row.engine if row.frame_ms == FRAME_MS else f"{row.engine}, {row.frame_ms:g} ms"


def _of_work(report: MixingReport, work: str) -> list[Row]:
    return [row for row in report.rows if row.work == work]


def _min_max(found: Range) -> str:
    return f"{_count(found.min)} - {_count(found.max)}"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100.0 else f"{value:.2g}"


def _count(value: float) -> str:
    return f"{value:,.0f}" if value >= 100.0 else f"{value:.3g}"


def _times(value: float) -> str:
    return f"{value:.0f}" if value >= 100.0 else f"{value:.1f}"


def _value(verdict: Verdict, value: float) -> str:
    if value != value:
        return "-"
    if not verdict.unit:
        return _count(value)
    return f"{value:.2g} %" if verdict.unit == "%" else f"{_times(value)} {verdict.unit}"


def _limit(verdict: Verdict) -> str:
    return f"{'>=' if verdict.at_least else '<'} {_value(verdict, verdict.limit)}"
