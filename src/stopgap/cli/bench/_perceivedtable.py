"""The perceived-latency benchmark's figures, for people."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stopgap.benchmarks.perceived._figures import JUDGED, OVER_S, Verdict, best_other, cost_ratio
from stopgap.benchmarks.perceived._report import PerceivedReport, TraceReport
from stopgap.benchmarks.perceived._settings import DEFAULT, LIMITED, NO_CREDIT
from stopgap.benchmarks.policies import BEST_LADDER
from stopgap.benchmarks.replays import PARTS

from .._console import new_table
from .._figures import ladder_words
from .._intervals import with_interval, written

if TYPE_CHECKING:
    from rich.table import Table

ALWAYS_SHOWN = (NO_CREDIT, DEFAULT, LIMITED)
"""Settings whose targets are listed one by one."""


def tables(report: TraceReport) -> "Iterator[Table]":
    """Yield the tables of one trace: what needs no assumption first."""
    yield _silence_table(report)
    yield _filler_table(report)
    if report.prediction:
        yield _prediction_table(report)
    for name in (NO_CREDIT, DEFAULT):
        yield _cost_table(report, name)
    if JUDGED in report.policies:
        yield _sweep_table(report)
        for name, verdicts in report.verdicts.items():
            if name in ALWAYS_SHOWN:
                yield _verdict_table(f"{report.label}: targets, {name}", verdicts)


def sentences(report: PerceivedReport) -> Iterator[str]:
    """Yield how to read the tables, and what was missed."""
    if report.quick:
        yield "quick: the best ladder is that of a coarse grid, and the weights were not swept; leave out --quick"
    yield (
        "[ ]: 95 % bootstrap interval, conversations drawn anew, policies paired turn by turn; what was chosen in "
        "hindsight (best-ladder, best-sheet) is not chosen anew. best-ladder, best-sheet and oracle know the trace"
    )
    if any(trace.verdicts[DEFAULT] for trace in report.traces):
        yield "the targets were set for mixed calls, as in voice_mixed_dev; other traffic may be harder or easier"
    for trace in report.traces:
        for outcome in trace.outcomes:
            if outcome.ladder is not None and outcome.setting.name in ALWAYS_SHOWN:
                yield f"{trace.label}, {outcome.setting.name}: the best ladder is {ladder_words(outcome.ladder)}"
    for trace in report.traces:
        for name, verdicts in trace.verdicts.items():
            if name in ALWAYS_SHOWN:
                yield from _sum_of(f"{trace.label}, {name}", verdicts)


def _sum_of(where: str, verdicts: tuple[Verdict, ...]) -> Iterator[str]:
    judged = [verdict for verdict in verdicts if verdict.met is not None]
    if judged:
        yield f"{where}: {sum(bool(v.met) for v in judged)} of {len(judged)} targets met"
    for verdict in judged:
        if not verdict.met:
            measured = with_interval(verdict.measured, verdict.form)
            yield f"MISSED, {where}: {verdict.target}: {measured}, {limit(verdict)}"


def _silence_table(report: TraceReport) -> "Table":
    over = "> " + "/".join(f"{limit:g}" for limit in OVER_S) + " s, %"
    right = ("first, s", "silence, s", over, "beds silent, s", f"{over} ")
    title = f"{report.label}: first sound and longest silence of a turn, median / 95 %"
    table = new_table("policy", *right, title=title, right=right)
    for policy, found in report.figures[DEFAULT].items():
        table.add_row(
            policy, _pair(found.first_sound), _pair(found.silence), _shares(found.silence_over),
            _pair(found.silence_beds_silent), _shares(found.silence_over_beds_silent),
        )  # fmt: skip
    return table


def _filler_table(report: TraceReport) -> "Table":
    right = ("held back, ms", "needless, %", "cuts/turn", "spoken/turn", "/min waiting", "/min of calls")
    title = f"{report.label}: replies held back (mean / 95 %), and fillers"
    table = new_table("policy", *right, title=title, right=right)
    for policy, found in report.figures[DEFAULT].items():
        values = (
            (100.0 * found.needless, "{:.1f}"), (found.cuts_per_turn, "{:.3f}"), (found.spoken_per_turn, "{:.2f}"),
            (found.spoken_per_waiting_minute, "{:.1f}"), (found.spoken_per_conversation_minute, "{:.1f}"),
        )  # fmt: skip
        mean, high = (written(1000.0 * value, "{:.0f}") for value in (found.reply_delay_mean, found.reply_delay_p95))
        table.add_row(policy, f"{mean} / {high}", *(written(*value) for value in values))
    return table


def _prediction_table(report: TraceReport) -> "Table":
    right = ("within 50 %", "within 80 %", "within 95 %", "pinball, s")
    table = new_table(
        "", *right, title=f"{report.label}: replies within the quantiles predicted at time 0", right=right
    )
    for name, found in report.prediction.items():
        shares = (with_interval(share, "{:.1%}") for share in found.coverage)
        table.add_row(name, *shares, with_interval(found.pinball, "{:.3f}", "{:.2f}"))
    return table


def _cost_table(report: TraceReport, setting: str) -> "Table":
    right = ("cost, s", *(name.removeprefix("reply_") for name in PARTS), f"minus {JUDGED}")
    title = f"{report.label}: cost of a turn in s of plain waiting, {setting}"
    table = new_table("policy", *right, title=title, right=right)
    for policy, found in report.figures[setting].items():
        beyond = found.beyond_judged
        table.add_row(
            policy, with_interval(found.cost, "{:.3f}", "{:.2f}"),
            *(written(found.parts[name], "{:.2f}") for name in PARTS),
            "" if beyond is None or policy == JUDGED else with_interval(beyond, "{:.3f}", "{:.2f}"),
        )  # fmt: skip
    return table


def _sweep_table(report: TraceReport) -> "Table":
    right = (JUDGED, "/ best ladder", "/ sheet", "/ others", "/ oracle", "targets")
    title = f"{report.label}: cost of {JUDGED}, and over that of others, under other weights"
    table = new_table("weights", *right, title=title, right=right)
    for outcome in report.outcomes:
        others = best_other(outcome) or ""
        ratios = [cost_ratio(outcome, name, report.bootstrap) for name in (BEST_LADDER, "best-sheet", others, "oracle")]
        judged = [v.met for v in report.verdicts[outcome.setting.name] if v.met is not None]
        name = outcome.setting.name
        table.add_row(
            name, written(report.figures[name][JUDGED].cost.value, "{:.3f}"), with_interval(ratios[0], "{:.2f}"),
            *(written(ratio.value, "{:.2f}") for ratio in ratios[1:]), f"{sum(map(bool, judged))}/{len(judged)}",
        )  # fmt: skip
    return table


def _verdict_table(title: str, verdicts: tuple[Verdict, ...]) -> "Table":
    table = new_table("target", "measured", "limit", "", title=title, right=("measured", "limit"))
    for verdict in verdicts:
        word = {True: "met", False: "MISSED", None: "not measured"}[verdict.met]
        table.add_row(verdict.target, with_interval(verdict.measured, verdict.form), limit(verdict), word)
    return table


def limit(verdict: Verdict) -> str:
    """Return what meets the target."""
    most = verdict.form.format(verdict.most)
    if verdict.least > 0.0:
        return f"{verdict.form.format(verdict.least)} to {most}"
    return f"{'<' if verdict.strict else '<='} {most}"


def _pair(values: tuple[float, float]) -> str:
    return " / ".join(written(value, "{:.2f}") for value in values)


def _shares(values: tuple[float, ...]) -> str:
    return " / ".join(written(100.0 * value, "{:.1f}") for value in values)
