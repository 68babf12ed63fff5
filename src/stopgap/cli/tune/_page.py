"""What tuning found, as tables, pictures and a page."""

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import stopgap
from stopgap.benchmarks.tuning._report import WHAT, compared, sentences
from stopgap.benchmarks.tuning._search import Tuning
from stopgap.benchmarks.tuning._space import differing

from .._console import new_table
from .._intervals import with_interval
from .._page import as_html, coloured, document, figure
from .._plot import as_svg

if TYPE_CHECKING:
    from rich.table import Table

MODE_COLOURS = {"ladder": "#5b8def", "predictive": "#1f8a5b"}
SIZE = (6.4, 4.2)
MOST_PANELS = 9


def tables(tuning: Tuning) -> "Iterator[Table]":
    """Yield what changed on the test turns, then what each choice bought."""
    right = ("before", "after", "change")
    table = new_table("on the test turns", *right, "", title=f"tuned ({tuning.chosen_mode})", right=right)
    for row in compared(tuning, tuning.chosen):
        what, form, _ = WHAT[row.figure]
        cells = (with_interval(value, form) for value in (row.before, row.after, row.change))
        table.add_row(what, *cells, row.verdict)
    yield table
    right = ("cost more without it, s", "held back more, ms", "said more a minute")
    bought = new_table("choice", "value", "instead of", *right, title="what each choice buys there", right=right)
    for one in tuning.bought:
        after = tuning.chosen.test
        bought.add_row(
            ".".join(one.path), _short(one.value), _short(one.instead), f"{one.without.cost - after.cost:+.4f}",
            f"{1000.0 * (one.without.reply_delay - after.reply_delay):+.1f}",
            f"{one.without.spoken_per_minute - after.spoken_per_minute:+.1f}",
        )  # fmt: skip
    if tuning.bought:
        yield bought


def front_table(tuning: Tuning) -> "Table":
    """Return the trials that no other one dominates."""
    names = ("dead_air", "reply_delay", "spoken_per_minute", "cost")
    right = tuple(WHAT[name][0] for name in names)
    table = new_table("trial", *right, title="the front, on the turns that were searched on", right=right)
    for mode, one in tuning.front:
        cells = (WHAT[name][1].format(WHAT[name][2] * getattr(one.figures, name)) for name in names)
        table.add_row(f"{mode} {one.number}", *cells)
    return table


def page(tuning: Tuning, trace: str, toml: str) -> str:
    """Return the report as HTML."""
    pictures = [
        figure("Dead air against delay against talk", as_svg(lambda panel: _draw_front(panel, tuning), "front", SIZE)),
        figure("The search: least cost so far", as_svg(lambda panel: _draw_progress(panel, tuning), "search", SIZE)),
        figure(
            "What each choice buys on the test turns", as_svg(lambda panel: _draw_bought(panel, tuning), "bought", SIZE)
        ),
        *_sensitivity(tuning),
    ]
    body = [
        "<h1>What tuning found</h1>",
        f"<p>stopgap {escape(stopgap.__version__)}, {escape(trace)}</p>",
        *(as_html(table) for table in tables(tuning)),
        *(f"<p>{coloured(escape(line))}</p>" for line in sentences(tuning)),
        '<div class="pictures">', *pictures, "</div>",
        as_html(front_table(tuning)),
        "<h2>The configuration</h2>", f"<pre>{escape(toml)}</pre>",
    ]  # fmt: skip
    return document(f"stopgap tune: {trace}", body)


def _draw_front(panel: Any, tuning: Tuning) -> None:
    ahead = {(mode, one.number) for mode, one in tuning.front}
    for mode, tried in tuning.tried.items():
        for on_front in (False, True):
            points = [one.figures for one in tried if ((mode, one.number) in ahead) == on_front]
            panel.scatter(
                [point.dead_air for point in points], [1000.0 * point.reply_delay for point in points],
                s=[3.0 + point.spoken_per_minute for point in points], color=MODE_COLOURS[mode],
                alpha=0.9 if on_front else 0.18, lw=0, label=f"{mode}, on the front" if on_front else None,
            )  # fmt: skip
    for name, choice, mark in (("before", tuning.before, "X"), ("tuned", tuning.chosen, "*")):
        panel.plot(choice.train.dead_air, 1000.0 * choice.train.reply_delay, mark, color="black", ms=10, label=name)
    panel.set_yscale("symlog", linthresh=10.0)
    panel.yaxis.set_major_formatter("{x:g}")
    panel.set_ylim(bottom=0.0)
    panel.set_xlabel("dead air a turn, s (size: spoken fillers per minute of waiting)", fontsize=8)
    panel.set_ylabel("reply held back, ms", fontsize=8)
    panel.legend(fontsize=7, frameon=False)
    _dress(panel)


def _draw_progress(panel: Any, tuning: Tuning) -> None:
    for mode, tried in tuning.tried.items():
        costs = [one.figures.cost for one in tried]
        least = [min(costs[: n + 1]) for n in range(len(costs))]
        panel.plot(range(1, len(costs) + 1), costs, ".", color=MODE_COLOURS[mode], alpha=0.35, ms=4)
        panel.step(range(1, len(costs) + 1), least, where="post", color=MODE_COLOURS[mode], lw=1.6, label=mode)
    panel.axhline(tuning.before.train.cost, color="black", lw=0.8, ls=":", label="before")
    panel.set_yscale("log")
    for axis in (panel.yaxis.set_major_formatter, panel.yaxis.set_minor_formatter):
        axis("{x:g}")
    panel.set_xlabel("trial", fontsize=8)
    panel.set_ylabel("cost of a turn on the searched turns, s", fontsize=8)
    panel.legend(fontsize=7, frameon=False)
    _dress(panel)


def _draw_bought(panel: Any, tuning: Tuning) -> None:
    after = tuning.chosen.test.cost
    gains = sorted(((one.without.cost - after, ".".join(one.path)) for one in tuning.bought), key=lambda g: g[0])
    colours = ["#1f8a5b" if gain > 0.0 else "#d64545" for gain, _ in gains]
    panel.barh(range(len(gains)), [gain for gain, _ in gains], color=colours, height=0.6)
    panel.set_yticks(range(len(gains)), [name for _, name in gains], fontsize=8)
    panel.axvline(0.0, color="black", lw=0.8)
    panel.set_xlabel("s that a turn would cost more without it", fontsize=8)
    _dress(panel)


def _sensitivity(tuning: Tuning) -> Iterator[str]:
    """Yield a picture for each number that was searched in the chosen mode: cost against it."""
    tried = tuning.tried[tuning.chosen_mode]
    found: dict[str, list[tuple[float, float]]] = {}
    for one in tried:
        for path, value in differing(one.settings, tuning.base).items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                found.setdefault(".".join(path), []).append((float(value), one.figures.cost))
    for name, points in sorted(found.items(), key=lambda item: -len(item[1]))[:MOST_PANELS]:

        def draw(panel: Any, name: str = name, points: list[tuple[float, float]] = points) -> None:
            panel.plot([x for x, _ in points], [y for _, y in points], ".", color=MODE_COLOURS[tuning.chosen_mode])
            panel.axhline(tuning.before.train.cost, color="black", lw=0.8, ls=":")
            costs = [y for _, y in points]
            panel.set_ylim(0.98 * min(costs), 1.05 * float(np.quantile(costs, 0.9)))  # the worst trials say little
            panel.set_xlabel(name, fontsize=8)
            panel.set_ylabel("cost of a turn, s; ⋯ before", fontsize=8)
            _dress(panel)

        yield figure(f"Sensitivity: {name}", as_svg(draw, f"s-{name}", SIZE))


def _dress(panel: Any) -> None:
    panel.tick_params(labelsize=8)
    panel.grid(color="#e8e8e8", lw=0.6)
    panel.set_axisbelow(True)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)


def _short(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(f"{step.get('kind')} {step.get('after_ms', 0.0):g} ms" for step in value)
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else f"{value}"
