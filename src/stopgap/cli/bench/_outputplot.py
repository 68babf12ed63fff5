"""The output benchmark as a picture: a panel for each figure and load."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from stopgap.benchmarks._spread import Spread
from stopgap.benchmarks.output._output import HANDED_MARGIN_MS, LATENESS_LIMIT_MS, OutputReport, Row

from .._plot import load_pyplot, save_figure

COLOURS = {"native": "#3aa676", "numpy": "#5b8def", "plain": "#c05cc9", "rtmixer": "#f2b134", "nothing": "#8a8a8a"}
# (what it is, where it stands, the limit that is drawn)
FIGURES: tuple[tuple[str, Callable[[Row], Spread], Callable[[Row], float]], ...] = (
    ("between callbacks", lambda row: row.callbacks.arrival, lambda row: row.callbacks.block_ms),
    ("in a callback", lambda row: row.callbacks.duration, lambda row: row.callbacks.block_ms),
    ("published → handed over", lambda row: row.handed, lambda row: row.callbacks.block_ms + HANDED_MARGIN_MS),
    ("armed start off by", lambda row: row.lateness, lambda row: LATENESS_LIMIT_MS),
)


def plot_output(report: OutputReport, path: Path) -> None:
    """Draw p50, p99 and maximum of each figure, ms, one row of panels a figure, one column a load."""
    pyplot = load_pyplot()
    engines = list(dict.fromkeys(row.engine for row in report.rows))
    loads = list(dict.fromkeys(row.load for row in report.rows))
    figure, axes = pyplot.subplots(
        len(FIGURES), len(loads), figsize=(1.6 + 2.6 * len(loads), 0.9 + len(FIGURES) * (0.9 + 0.22 * len(engines))),
        sharex="row", sharey=True, squeeze=False, layout="constrained",
    )  # fmt: skip
    for line, (name, spread_of, limit_of) in enumerate(FIGURES):
        for column, load in enumerate(loads):
            panel = axes[line][column]
            for row in (row for row in report.rows if row.load == load):
                _draw(panel, engines.index(row.engine), spread_of(row), COLOURS[row.engine])
                panel.axvline(limit_of(row), color="black", lw=0.8, ls=":", zorder=0)
            _dress(panel, engines)
            if line == 0:
                panel.set_title(load, fontsize=9, pad=8)
            if column == 0:
                panel.set_ylabel(name, fontsize=8)
            panel.set_xlabel("ms", fontsize=7, labelpad=0)
    _write_xruns(axes[1], report, engines, loads)
    figure.suptitle(
        f"{report.server}; ● median  | 99 %  ○ maximum;  ⋯ block (rows 1, 2) and targets (rows 3, 4)",
        fontsize=9, x=0.01, ha="left",
    )  # fmt: skip
    save_figure(figure, path)


def _draw(panel: Any, at: int, spread: Spread, colour: str) -> None:
    if not spread.count:
        return
    panel.plot([spread.p50, spread.max], [at, at], color=colour, lw=1.2, alpha=0.6)
    panel.plot(spread.p50, at, "o", color=colour, ms=5)
    panel.plot(spread.p99, at, "|", color=colour, ms=10, mew=2)
    panel.plot(spread.max, at, "o", color=colour, ms=5, mfc="white")


def _dress(panel: Any, engines: list[str]) -> None:
    panel.set_xscale("log")
    panel.xaxis.set_major_formatter("{x:g}")
    panel.set_yticks(range(len(engines)), engines, fontsize=7)
    panel.set_ylim(len(engines) - 0.5, -0.5)
    panel.tick_params(axis="x", labelsize=7)
    panel.tick_params(axis="y", length=0)
    panel.grid(axis="x", color="#e8e8e8", lw=0.6)
    panel.set_axisbelow(True)
    for side in ("top", "left", "right"):
        panel.spines[side].set_visible(False)


def _write_xruns(panels: Any, report: OutputReport, engines: list[str], loads: list[str]) -> None:
    """Write the number of xruns beside the panels of the callbacks' run times."""
    for row in report.rows:
        panel = panels[loads.index(row.load)]
        panel.text(
            1.02, engines.index(row.engine), f"{row.callbacks.xruns} xruns", transform=panel.get_yaxis_transform(),
            fontsize=6, ha="left", va="center", color="#b03030" if row.callbacks.xruns else "#8a8a8a",
        )  # fmt: skip
