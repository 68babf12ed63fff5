"""A trace as a picture: how long waits are, how that changed, and what was cancelled."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from stopgap.benchmarks import TraceTurn
from stopgap.benchmarks.traces import grouped, quantile_s, survival, tools_of

from ._plot import load_pyplot, save_figure

COLOURS = ("#2f5fb3", "#e07b39", "#1f8a5b", "#8e44ad", "#d4577b", "#7a6a53", "#f2b134", "#3aa6b9")
REST = "#8a8a8a"
SHOWN = 7
"""Agents or tools that have a colour of their own; the others are drawn as one."""
LONGEST_NAME = 28
"""Characters of a name."""
LEAST = 5
"""Turns of which a curve is drawn."""
WINDOW_SHARE, WINDOW_LEAST = 15, 20
"""The rolling median takes a 15th of an agent's turns, but at least 20."""
POINTS = 500
"""Points of a line at most."""
TICKS_S = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 180, 600, 1800, 3600)

Groups = list[tuple[str, list[TraceTurn]]]
"""Agents or tools, the largest first. Two names may be alike once they are shortened."""


def plot_trace(turns: Sequence[TraceTurn], name: str, path: Path) -> None:
    """Draw *turns*, of the trace *name*, into a file."""
    pyplot = load_pyplot()
    agents, tools = _named(turns, "agent"), _named(turns, "tool")
    figure, panels = pyplot.subplots(2, 2, figsize=(13.0, 8.6), layout="constrained")
    cancelled = sum(turn.cancelled_ms is not None for turn in turns)
    figure.suptitle(
        f"{Path(name).name}: {len(turns):,} turns, {100.0 * cancelled / len(turns):.1f} % cancelled",
        fontsize=11, x=0.01, ha="left",
    )  # fmt: skip
    _draw_survival(panels[0, 0], agents, "Waits by agent")
    _draw_survival(panels[0, 1], tools, "Waits by tool")
    _draw_drift(panels[1, 0], turns, agents)
    _draw_cancelled(panels[1, 1], agents, tools)
    save_figure(figure, path)


def _named(turns: Sequence[TraceTurn], what: str) -> Groups:
    """Return the turns of each agent or tool by its name, the smaller ones together."""
    found = grouped(turns, tools_of if what == "tool" else lambda turn: [turn.agent])
    items = list(found.items())
    # no more than one group beyond the colours, and none that is drawn alone as "1 more"
    alone = len(items) if len(items) <= SHOWN + 1 else SHOWN
    named = [(_short(key) if key is not None else f"no {what}", group) for key, group in items[:alone]]
    if items[alone:]:
        named.append((f"{len(items) - alone} more {what}s", [turn for _, group in items[alone:] for turn in group]))
    return named


def _short(name: str) -> str:
    plain = name.replace("$", r"\$")  # matplotlib would typeset what stands between two of them
    return plain if len(plain) <= LONGEST_NAME else plain[: LONGEST_NAME - 1] + "…"


def _coloured(groups: Groups) -> list[tuple[str, list[TraceTurn], str]]:
    return [
        (name, turns, REST if place == SHOWN and " more " in name else COLOURS[place])
        for place, (name, turns) in enumerate(groups)
    ]


def _draw_survival(panel: Any, groups: Groups, title: str) -> None:
    for name, turns, colour in _coloured(groups):
        if len(turns) < LEAST:
            continue
        times, longer = survival(turns)
        if len(times) > POINTS:
            kept = np.unique(np.linspace(0, len(times) - 1, POINTS).astype(int))
            times, longer = times[kept], longer[kept]
        times = np.maximum(times, 0.001)
        panel.step(
            np.concatenate([[times[0]], times]), 100.0 * np.concatenate([[1.0], longer]), where="post", color=colour,
            lw=1.5, label=f"{name} ({len(turns):,})",
        )  # fmt: skip
    every = np.array([turn.end_ms / 1000.0 for _, group in groups for turn in group])
    _scale(panel.xaxis, panel.set_xscale, panel.set_xlim, every)
    panel.set_ylim(0.0, 101.0)
    panel.set_xlabel("s from the end of the user's speech (logarithmic)", fontsize=8)
    panel.set_ylabel("% of replies that take longer (Kaplan–Meier)", fontsize=8)
    _dress(panel, title, "both")
    if panel.lines:
        panel.legend(fontsize=7, frameon=False, loc="upper right")
    else:
        _say(panel, f"fewer than {LEAST} turns each")


def _draw_drift(panel: Any, turns: Sequence[TraceTurn], agents: Groups) -> None:
    # by turns rather than by the time of day: nights and pauses would take most of the room
    places = {turn.turn_id: place for place, turn in enumerate(turns, 1)}
    highest = 0.0
    for name, found, colour in _coloured(agents):
        ordered = sorted(found, key=lambda turn: places[turn.turn_id])
        window = max(WINDOW_LEAST, len(ordered) // WINDOW_SHARE)
        if len(ordered) < window:
            continue
        ends = np.unique(np.linspace(window, len(ordered), POINTS).astype(int))
        medians = [quantile_s(ordered[end - window : end], 0.5) for end in ends]
        values = [np.nan if median is None else median for median in medians]
        at = [places[ordered[end - 1].turn_id] for end in ends]
        panel.plot(at, values, color=colour, lw=1.3, label=f"{name} (of {window})")
        highest = max(highest, *(median for median in medians if median is not None), 0.0)
    panel.set_xlabel("turn of the trace, in order of time", fontsize=8)
    panel.set_ylabel("rolling median of the wait, s", fontsize=8)
    _dress(panel, "Drift", "both")
    if highest:
        panel.set_xlim(0.0, 1.01 * len(turns))
        panel.set_ylim(0.0, 1.4 * highest)  # room for the legend
        panel.legend(fontsize=7, frameon=False, loc="upper left", ncol=2)
    else:
        _say(panel, f"fewer than {WINDOW_LEAST} turns each")


def _draw_cancelled(panel: Any, agents: Groups, tools: Groups) -> None:
    """Draw how many turns were cancelled, and when: what is known of longer waits is known from the others."""
    _dress(panel, "Cancelled turns", "x")
    if not any(turn.cancelled_ms is not None for _, turns in agents for turn in turns):
        _say(panel, "no turn was cancelled")
        return
    bars = [*_coloured(agents), *_coloured(tools)]
    places = [row + (row >= len(agents)) * 0.6 for row in range(len(bars))]
    highest = 0.0
    for at, (_, turns, colour) in zip(places, bars, strict=True):
        cut = [turn.cancelled_ms / 1000.0 for turn in turns if turn.cancelled_ms is not None]
        share = 100.0 * len(cut) / len(turns)
        highest = max(highest, share)
        panel.barh(at, share, height=0.66, color=colour)
        words = f"{len(cut):,} of {len(turns):,}" + (f", half of them before {np.median(cut):.1f} s" if cut else "")
        panel.annotate(words, (share, at), xytext=(4, 0), textcoords="offset points", va="center", fontsize=7)
    panel.set_yticks(places, [name for name, _, _ in bars])
    panel.set_ylim(places[-1] + 0.6, -0.6)
    panel.set_xlim(0.0, 1.6 * highest)  # room for the words
    panel.set_xlabel("% of turns cancelled before the reply (censored); above by agent, below by tool", fontsize=8)


def _scale(axis: Any, set_scale: Any, set_limits: Any, values: Any) -> None:
    """Make the axis logarithmic, with ticks in plain seconds, from the 0.2 % to the 100 % quantile of *values*."""
    low, high = max(0.02, float(np.quantile(values, 0.002)) * 0.8), max(0.05, float(values.max()) * 1.15)
    set_scale("log")
    set_limits(min(low, high / 3.0), high)
    ticks = [tick for tick in TICKS_S if min(low, high / 3.0) <= tick <= high]
    axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.set_ticks([], minor=True)


def _say(panel: Any, text: str) -> None:
    """Say why there is nothing to see."""
    panel.set_axis_off()
    panel.text(0.5, 0.5, text, transform=panel.transAxes, ha="center", va="center", fontsize=8, color=REST)


def _dress(panel: Any, title: str, grid: str) -> None:
    panel.set_title(title, fontsize=9, loc="left")
    panel.tick_params(labelsize=8)
    panel.grid(axis=grid, color="#e8e8e8", lw=0.6)
    panel.set_axisbelow(True)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
