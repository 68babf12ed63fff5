"""The perceived-latency benchmark as one page that needs nothing else: no script, no other file."""

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import stopgap
from stopgap.benchmarks._baselines import BASELINES
from stopgap.benchmarks._perceived_report import PerceivedReport, TraceReport
from stopgap.benchmarks._policies import SAYS

from ._perceivedplot import pictures, svg
from ._perceivedtable import sentences, tables

if TYPE_CHECKING:
    from rich.table import Table

STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 1180px; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; border-top: 1px solid #ddd; padding-top: 1rem; }
figure { margin: 0; } figcaption { font-weight: 600; margin-bottom: .3rem; }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(480px, 100%), 1fr)); gap: 1.5rem; }
svg { width: 100%; height: auto; }
.wide { overflow-x: auto; margin: 1.2rem 0; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding-bottom: .3rem; }
th { border-bottom: 1px solid #999; font-weight: 600; } th, td { padding: .15rem .7rem .15rem 0; text-align: left;
  white-space: nowrap; }
.right { text-align: right; } tr.judged { background: #e9f5ef; } .missed { color: #b03030; font-weight: 600; }
.met { color: #1f8a5b; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; font-size: 13px; }
dt { font-weight: 600; } dd { margin: 0; }
"""


def page(report: PerceivedReport) -> str:
    """Return *report* as HTML."""
    names = [trace.trace for trace in report.traces]
    policies = dict.fromkeys(policy for trace in report.traces for policy in trace.policies)
    lines = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>stopgap: {escape(', '.join(names))}</title>\n<style>{STYLE}</style>\n</head>\n<body>",
        "<h1>What users feel while they wait</h1>",
        f"<p>stopgap {escape(stopgap.__version__)}: measured waits through the real engine under every policy; "
        f"the end of speech is known after {report.known_after_ms:g} ms; seed {report.seed}.</p>",
        "<dl>", *map(_policy, policies), "</dl>",
        *(part for place, trace in enumerate(report.traces) for part in _section(trace, place)),
        "<h2>How to read this</h2>", *(f"<p>{_verdict_class(escape(line))}</p>" for line in sentences(report)),
        "</body>\n</html>\n",
    ]  # fmt: skip
    return "\n".join(lines)


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
        labelled = picture.replace("<svg", f'<svg role="img" aria-label="{escape(title)}"', 1)
        yield f"<figure><figcaption>{escape(title)}</figcaption>\n{labelled}</figure>"
    yield "</div>"
    for table in tables(report):
        yield _table(table)


def _table(table: "Table") -> str:
    """Return a table of the terminal's as one of the page's."""
    sides = [' class="right"' if column.justify == "right" else "" for column in table.columns]
    heads = (f"<th{side}>{escape(str(c.header))}</th>" for c, side in zip(table.columns, sides, strict=True))
    rows = []
    for cells in zip(*(column.cells for column in table.columns), strict=True):
        words = [str(cell) for cell in cells]
        kind = ' class="judged"' if words[0] == "predictive" else ""
        fields = (f"<td{side}>{_verdict_class(escape(word))}</td>" for word, side in zip(words, sides, strict=True))
        rows.append(f"<tr{kind}>{''.join(fields)}</tr>")
    body = "\n".join(rows)
    title = escape(str(table.title))
    return f'<div class="wide"><table><caption>{title}</caption>\n<tr>{"".join(heads)}</tr>\n{body}\n</table></div>'


def _verdict_class(text: str) -> str:
    """Return *text* with a colour where it says whether a target was met."""
    if text == "met":
        return f'<span class="met">{text}</span>'
    return text.replace("MISSED", '<span class="missed">MISSED</span>', 1)
