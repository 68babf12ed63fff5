"""Reports as one page that needs nothing else: no script, no other file."""

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

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
pre { white-space: pre-wrap; font-size: 13px; background: #f6f7f8; padding: .8rem; }
"""


def document(title: str, body: Iterable[str]) -> str:
    """Return a whole page with *title*, which is escaped here, and the lines of *body*."""
    lines = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>",
        *body,
        "</body>\n</html>\n",
    ]
    return "\n".join(lines)


def figure(title: str, svg: str) -> str:
    """Return an ``<svg>`` element with its title."""
    labelled = svg.replace("<svg", f'<svg role="img" aria-label="{escape(title)}"', 1)
    return f"<figure><figcaption>{escape(title)}</figcaption>\n{labelled}</figure>"


def as_html(table: "Table") -> str:
    """Return a table of the terminal's as one of the page's."""
    sides = [' class="right"' if column.justify == "right" else "" for column in table.columns]
    heads = (f"<th{side}>{escape(str(c.header))}</th>" for c, side in zip(table.columns, sides, strict=True))
    rows = []
    for cells in zip(*(column.cells for column in table.columns), strict=True):
        words = [str(cell) for cell in cells]
        kind = ' class="judged"' if words[0] == "predictive" else ""
        fields = (f"<td{side}>{coloured(escape(word))}</td>" for word, side in zip(words, sides, strict=True))
        rows.append(f"<tr{kind}>{''.join(fields)}</tr>")
    body = "\n".join(rows)
    title = escape(str(table.title))
    return f'<div class="wide"><table><caption>{title}</caption>\n<tr>{"".join(heads)}</tr>\n{body}\n</table></div>'


def coloured(text: str) -> str:
    """Return *text* with a colour where it says whether a target was met."""
    if text == "met":
        return f'<span class="met">{text}</span>'
    return text.replace("MISSED", '<span class="missed">MISSED</span>', 1)
