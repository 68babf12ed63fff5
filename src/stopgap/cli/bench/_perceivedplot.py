"""The perceived-latency benchmark as pictures."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from stopgap.benchmarks.perceived._figures import JUDGED, WINDOW, best_other, sliding_coverage
from stopgap.benchmarks.perceived._report import PerceivedReport, TraceReport
from stopgap.benchmarks.perceived._settings import DEFAULT
from stopgap.benchmarks.policies import BEST_LADDER, BOUNDS
from stopgap.benchmarks.replays import LEVELS, PARTS

from .._plot import as_svg, load_pyplot, save_figure

COLOURS = {
    "none": "#8a8a8a", "ladder": "#5b8def", "predictive": "#1f8a5b", "vocode": "#c05cc9", "lex": "#e07b39",
    "agora": "#8e44ad", "short": "#f2b134", "median-gate": "#d4577b", "best-ladder": "#2f5fb3", "best-sheet": "#7fcdd6",
    "oracle": "#222222",
}  # fmt: skip
PART_COLOURS = ("#c9ced6", "#d64545", "#f2b134", "#8e44ad", "#7fcdd6")
SHOWN_S = 4.0
"""s of silence that are drawn."""
SIZE = (6.4, 4.2)
"""Inches of one picture."""
COLUMNS = 3
"""Pictures side by side."""
BESIDE: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)}
"""Where a legend stands that would cover something inside."""

Draw = Callable[[Any, TraceReport], None]


def pictures(report: TraceReport) -> Iterator[tuple[str, Draw]]:
    """Yield what can be drawn of *report*: a title, and who draws it."""
    yield "Cost of a turn by part", _draw_costs
    yield "Longest silence of a turn", _draw_silences
    yield "Silence against talk", _draw_trade
    if report.prediction:
        yield "Calibration of the prediction", _draw_calibration
        if len(report.turns) > WINDOW:
            yield f"Coverage over the last {WINDOW} turns", _draw_sliding
    if len(_by_credit(report)) > 1:
        yield "Cost against the credit for beds", _draw_credit


def plot_perceived(report: PerceivedReport, path: Path) -> None:
    """Draw all pictures into one file, those of a trace side by side."""
    pyplot = load_pyplot()
    lines = [
        (trace, drawn[first : first + COLUMNS])
        for trace in report.traces
        for drawn in [list(pictures(trace))]
        for first in range(0, len(drawn), COLUMNS)
    ]
    size = (SIZE[0] * COLUMNS, SIZE[1] * len(lines))
    figure, axes = pyplot.subplots(len(lines), COLUMNS, figsize=size, squeeze=False, layout="constrained")
    for panels, (trace, drawn) in zip(axes, lines, strict=True):
        for panel in panels[len(drawn) :]:
            panel.set_axis_off()
        for panel, (title, draw) in zip(panels, drawn, strict=False):
            draw(panel, trace)
            panel.set_title(f"{trace.label}: {title}", fontsize=9, loc="left")
    save_figure(figure, path)


def svg(report: TraceReport, draw: Draw, name: str) -> str:
    """Return one picture as an ``<svg>`` element; *name* as for `as_svg`."""
    return as_svg(lambda panel: draw(panel, report), name, SIZE)


def _draw_costs(panel: Any, report: TraceReport) -> None:
    found = report.figures[DEFAULT]
    for place, (policy, figures) in enumerate(found.items()):
        left = 0.0
        for part, colour in zip(PARTS, PART_COLOURS, strict=True):
            words = part.replace("_", " ") if place == 0 else None
            panel.barh(place, figures.parts[part], left=left, height=0.68, color=colour, label=words)
            left += figures.parts[part]
        cost = figures.cost
        if cost.low == cost.low:
            panel.plot([cost.low, cost.high], [place, place], color="black", lw=1)
        end = cost.high if cost.high == cost.high else cost.value
        weight = "bold" if policy == JUDGED else "normal"
        panel.annotate(
            f"{cost.value:.2f}", (end, place), xytext=(5, 0), textcoords="offset points", va="center", fontsize=8,
            fontweight=weight,
        )  # fmt: skip
    panel.set_yticks(range(len(found)), list(found), fontsize=8)
    panel.set_ylim(len(found) - 0.4, -0.6)
    panel.set_xlim(0.0, 1.12 * panel.get_xlim()[1])
    panel.set_xlabel("s of plain waiting; — 95 % interval", fontsize=8)
    panel.legend(fontsize=7, frameon=False, loc="lower right")
    _dress(panel, "x")


def _draw_silences(panel: Any, report: TraceReport) -> None:
    for policy, found in report.main.heard.items():
        gaps = np.sort(found.gap)
        shares = 100.0 * (1.0 - np.arange(1, len(gaps) + 1) / len(gaps))
        at, over = np.concatenate([[0.0], gaps]), np.concatenate([[100.0], shares])
        panel.step(at, over, where="post", color=COLOURS[policy], lw=2.4 if policy == JUDGED else 1.1, label=policy)
    panel.axvline(1.0, color="black", lw=0.8, ls=":", zorder=0)
    panel.set_xlim(0.0, SHOWN_S)
    panel.set_ylim(0.0, 101.0)
    panel.set_xlabel("longest silence of a turn, s (beds are sound)", fontsize=8)
    panel.set_ylabel("% of turns with a longer one", fontsize=8)
    panel.legend(fontsize=7, frameon=False, loc="upper right")
    _dress(panel, "both")


def _draw_trade(panel: Any, report: TraceReport) -> None:
    for policy, figures in report.figures[DEFAULT].items():
        x, y = figures.spoken_per_waiting_minute, 100.0 * figures.silence_over[1]
        known = policy in BOUNDS
        panel.plot(
            x, y, "D" if known else "o", color=COLOURS[policy], mfc="white" if known else COLOURS[policy], mew=1.6,
            ms=9 if policy == JUDGED else 6, label=policy, ls="none",
        )  # fmt: skip
    panel.axhline(2.0, color="black", lw=0.8, ls=":", zorder=0)
    panel.set_yscale("symlog", linthresh=1.0)
    panel.yaxis.set_major_formatter("{x:g}")
    panel.set_yticks([0, 1, 2, 5, 10, 20, 50, 100])
    panel.set_ylim(-0.15, 130.0)
    panel.margins(x=0.08)
    panel.set_xlabel("spoken fillers per minute of waiting", fontsize=8)
    panel.set_ylabel("% of turns with over 1 s of silence; ⋯ target", fontsize=8)
    panel.legend(fontsize=7, frameon=False, title="◇ knows the trace", title_fontsize=7, **BESIDE)
    _dress(panel, "both")


def _draw_calibration(panel: Any, report: TraceReport) -> None:
    panel.plot([45, 100], [45, 100], color="black", lw=0.8, ls=":", label="as promised")
    colours = (COLOURS[JUDGED], COLOURS["none"])
    for shift, (name, found), colour in zip((-0.4, 0.4), report.prediction.items(), colours, strict=True):
        for level, share in zip(LEVELS, found.coverage, strict=True):
            at = 100.0 * level + shift
            words = name if level == LEVELS[0] else None
            panel.plot(at, 100.0 * share.value, "o", color=colour, ms=6, label=words)
            if share.low == share.low:
                panel.plot([at, at], [100.0 * share.low, 100.0 * share.high], color=colour, lw=1.4)
    panel.set_xlabel("predicted quantile, %", fontsize=8)
    panel.set_ylabel("replies within it, %; | 95 % interval", fontsize=8)
    panel.legend(fontsize=7, frameon=False, loc="upper left")
    _dress(panel, "both")


def _draw_sliding(panel: Any, report: TraceReport) -> None:
    judged = report.main.heard[JUDGED]
    shares = 100.0 * sliding_coverage(judged.replied, judged.quantiles)
    at = np.arange(WINDOW, len(report.turns) + 1)
    for place, colour in ((1, COLOURS[JUDGED]), (2, COLOURS["ladder"])):
        level = 100.0 * LEVELS[place]
        panel.axhspan(level - 5.0, level + 5.0, color=colour, alpha=0.1, lw=0)
        panel.plot(at, shares[:, place], color=colour, lw=1.4, label=f"{level:.0f} % quantile, ±5 points")
    if report.slowed_from is not None:
        panel.axvline(report.slowed_from, color="black", lw=0.8, ls=":", label="the change")
    panel.set_xlabel("turns", fontsize=8)
    panel.set_ylabel("replies within the predicted quantile, %", fontsize=8)
    panel.legend(fontsize=7, frameon=False, loc="lower left")
    _dress(panel, "both")


def _draw_credit(panel: Any, report: TraceReport) -> None:
    costs = _by_credit(report)
    shown = [JUDGED, BEST_LADDER, "best-sheet", "ladder", best_other(report.main), "oracle"]
    for policy in [name for name in shown if name in report.policies]:
        line = [float(outcome.heard[policy].cost.mean()) for _, outcome in costs]
        width = 2.4 if policy == JUDGED else 1.2
        panel.plot([credit for credit, _ in costs], line, "o-", color=COLOURS[policy], lw=width, ms=4, label=policy)
    panel.set_ylim(0.0)
    panel.set_xticks([credit for credit, _ in costs])
    panel.set_xlabel("ambience_credit: share of a bed's time that does not count as silence", fontsize=8)
    panel.set_ylabel("cost of a turn, s of plain waiting", fontsize=8)
    panel.legend(fontsize=7, frameon=False, **BESIDE)
    _dress(panel, "both")


def _by_credit(report: TraceReport) -> list[tuple[float, Any]]:
    """Return the outcomes that differ from the configuration in the credit for beds alone, by that credit."""
    main = report.main.setting.config
    credits = {}
    for outcome in report.outcomes:
        costs = outcome.setting.config.costs
        same = costs.model_copy(update={"ambience_credit": main.costs.ambience_credit}) == main.costs
        if same and outcome.setting.config.limits == main.limits:
            credits[costs.ambience_credit] = outcome
    return sorted(credits.items())


def _dress(panel: Any, grid: str) -> None:
    panel.tick_params(labelsize=8)
    panel.grid(axis=grid, color="#e8e8e8", lw=0.6)
    panel.set_axisbelow(True)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
