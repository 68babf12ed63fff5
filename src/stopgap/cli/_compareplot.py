"""A comparison of versions as a picture: a forest plot of the differences, a panel for each metric."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stopgap.engine.metrics import Comparison, Difference, Report

from ._comparetable import TOO_FEW, heading, scale_of, unit_of
from ._plot import load_pyplot, save_figure

COLOURS = {"better": "#1f8a5b", "worse": "#b03030", "not decided yet": "#5b6b8a", "too few": "#a0a0a0"}
FIXED = "#b9b9b9"
"""Of the interval that is only valid for a number of conversations that was fixed beforehand."""
WIDTH = 9.5
"""Inches."""
PER_PANEL, PER_ROW = 0.85, 0.42
"""Inches that a panel has beside its rows, and that a row has."""


def plot_comparison(report: Report, path: Path) -> None:
    """Draw one row a version and metric: the difference to the control and both intervals."""
    pyplot = load_pyplot()
    rows = [max(1, len(comparison.differences)) for comparison in report.metrics]
    heights = [PER_PANEL + PER_ROW * number for number in rows]
    figure, panels = pyplot.subplots(
        len(rows), 1, figsize=(WIDTH, 1.1 + sum(heights)), height_ratios=heights, squeeze=False, layout="constrained"
    )
    for panel, comparison in zip(panels[:, 0], report.metrics, strict=True):
        _draw(panel, comparison)
    notes = [_plain(heading(report)), *map(_plain, report.notes())]
    figure.suptitle("\n".join(_lines(notes)), fontsize=9, x=0.01, ha="left")
    handles = [
        pyplot.Line2D([], [], color=COLOURS["not decided yet"], lw=3, marker="o", ms=6),
        pyplot.Line2D([], [], color=FIXED, lw=1.5, marker="|", ms=6),
    ]
    level = f"{100.0 * (1.0 - report.alpha):g} % together"
    figure.legend(
        handles,
        [f"holds however often you look ({level})", "only if the number of conversations was fixed beforehand (Welch)"],
        loc="outside lower left", ncol=2, fontsize=8, frameon=False,
    )  # fmt: skip
    save_figure(figure, path)


def _draw(panel: Any, comparison: Comparison) -> None:
    metric, scale = comparison.metric, scale_of(comparison.metric)
    panel.axvline(0.0, color="black", lw=0.9, zorder=1)
    furthest = 0.0
    for row, difference in enumerate(comparison.differences):
        furthest = max(furthest, _draw_row(panel, row, difference, scale))
    panel.set_xlim(-1.12 * (furthest or 1.0), 1.12 * (furthest or 1.0))
    panel.set_yticks(range(len(comparison.differences)), [_named(comparison, d) for d in comparison.differences])
    panel.set_ylim(len(comparison.differences) - 0.45, -0.55)
    panel.set_title(_plain(f"{metric.title} ({metric.name})"), fontsize=9, loc="left")
    unit = f", {unit_of(metric)}" if unit_of(metric) else ""
    side = "left" if comparison.better == "low" else "right"
    words = f"difference to version {comparison.control}{unit}; {side} of 0 is better"
    panel.set_xlabel(_plain(words), fontsize=8)
    panel.tick_params(labelsize=8)
    panel.tick_params(axis="y", length=0)
    panel.grid(axis="x", color="#e8e8e8", lw=0.6)
    panel.set_axisbelow(True)
    for edge in ("top", "left", "right"):
        panel.spines[edge].set_visible(False)


def _draw_row(panel: Any, row: int, found: Difference, scale: float) -> float:
    """Draw a version and return how far from 0 it reaches."""
    colour = COLOURS[found.verdict]
    words = TOO_FEW if found.verdict == "too few" else found.verdict
    panel.text(
        1.01, row, words, transform=panel.get_yaxis_transform(), fontsize=8, ha="left", va="center", color=colour
    )
    reach = [0.0]
    if found.fixed_sample_interval is not None:
        bounds = [scale * bound for bound in found.fixed_sample_interval]
        panel.plot(bounds, [row + 0.22] * 2, color=FIXED, lw=1.5, marker="|", ms=6, zorder=2)
        reach += map(abs, bounds)
    if found.interval is not None:
        bounds = [scale * bound for bound in found.interval]
        panel.plot(bounds, [row] * 2, color=colour, lw=3, solid_capstyle="butt", zorder=3)
        reach += map(abs, bounds)
    if found.difference is not None:
        panel.plot(scale * found.difference, row, "o", color=colour, ms=6, mec="white", mew=0.8, zorder=4)
        reach.append(abs(scale * found.difference))
    return max(reach)


def _named(comparison: Comparison, found: Difference) -> str:
    n, against = (comparison.arms[arm].count for arm in (found.arm, comparison.control))
    return f"version {found.arm}\nn = {n} against {against}"


def _lines(texts: list[str]) -> Iterator[str]:
    from textwrap import wrap

    for text in texts:
        yield from wrap(text, 120)


def _plain(text: str) -> str:
    return text.replace("$", r"\$")  # matplotlib would typeset what stands between two of them
