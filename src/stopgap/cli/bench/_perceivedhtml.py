"""The perceived-latency benchmark as one page that needs nothing else: no script, no other file."""

from collections.abc import Iterator
from html import escape
from pathlib import Path

import stopgap
from stopgap.benchmarks.perceived._report import PerceivedReport, TraceReport
from stopgap.benchmarks.policies import BASELINES, SAYS

from .._page import as_html, coloured, document, figure
from ._perceivedplot import pictures, svg
from ._perceivedtable import sentences, tables


def page(report: PerceivedReport) -> str:
    """Return *report* as HTML."""
    names = [trace.trace for trace in report.traces]
    policies = dict.fromkeys(policy for trace in report.traces for policy in trace.policies)
    lines = [
        "<h1>What users feel while they wait</h1>",
        f"<p>stopgap {escape(stopgap.__version__)}: measured waits through the real engine under every policy; "
        f"the end of speech is known after {report.known_after_ms:g} ms; seed {report.seed}.</p>",
        "<dl>", *map(_policy, policies), "</dl>",
        *(part for place, trace in enumerate(report.traces) for part in _section(trace, place)),
        "<h2>How to read this</h2>", *(f"<p>{coloured(escape(line))}</p>" for line in sentences(report)),
    ]  # fmt: skip
    return document(f"stopgap: {', '.join(names)}", lines)


def _policy(name: str) -> str:
    """Return what a policy does, and where its numbers come from."""
    source = next((f" ({baseline.source})" for baseline in BASELINES if baseline.name == name), "")
    return f"<dt>{name}</dt><dd>{escape(SAYS[name] + source)}</dd>"


def _section(report: TraceReport, place: int) -> Iterator[str]:
    answered = sum(turn.reply_ready_ms is not None for turn in report.turns)
    calls = len({turn.conversation_id for turn in report.turns})
    yield f"<h2>{escape(report.trace)}{escape(report.label.removeprefix(Path(report.trace).name))}</h2>"
    yield f"<p>{len(report.turns)} turns of {calls} conversations, {answered} of them answered.</p>"
    yield '<div class="pictures">'
    for number, (title, draw) in enumerate(pictures(report)):
        picture = svg(report, draw, f"{place}-{number}")
        yield figure(title, picture)
    yield "</div>"
    for table in tables(report):
        yield as_html(table)
