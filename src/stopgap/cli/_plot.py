"""The demo's timeline as a picture."""

import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from stopgap.benchmarks import ReplayedTurn
from stopgap.fillers import Kind, UsageError

COLOURS = {
    "user": "#5b8def", "reply": "#3aa676", "dead air": "#e3e3e3", Kind.BACKCHANNEL: "#f2b134",
    Kind.HESITATION: "#f2b134", Kind.PHRASE: "#c05cc9", Kind.PROGRESS: "#8e44ad", Kind.AMBIENCE: "#7fcdd6",
    Kind.TONE: "#7fcdd6", Kind.HOLD: "#7fcdd6",
}  # fmt: skip
SHOWN_S = 1.2
"""s of the user's speech and of the reply that are drawn."""


def load_pyplot() -> Any:
    """Import matplotlib, without a display.

    Raises:
        UsageError: with the install command, if it is missing.
    """
    try:
        import matplotlib
    except ImportError:
        raise UsageError("pictures need matplotlib: pip install 'stopgap[plot]'") from None
    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def plot_turns(turns: Sequence[ReplayedTurn], titles: Sequence[str], path: Path, policy: str) -> None:
    """Draw one row a turn: the end of the user's speech, fillers, dead air, the reply."""
    pyplot = load_pyplot()
    figure, axes = pyplot.subplots(figsize=(11, 1.2 + 0.62 * len(turns)), layout="constrained")
    for row, (item, title) in enumerate(zip(turns, titles, strict=True)):
        end = (item.reply_start_ms or item.turn.end_ms) / 1000.0
        axes.barh(row, SHOWN_S, left=-SHOWN_S, height=0.5, color=COLOURS["user"])
        axes.barh(row, end, left=0.0, height=0.5, color=COLOURS["dead air"], hatch="...", edgecolor="white")
        for sound in sorted(item.record.sounds, key=lambda sound: sound.kind.spoken):
            stop = sound.end_s if sound.end_s is not None else end
            height = 0.5 if sound.kind.spoken else 0.28
            axes.barh(row, stop - sound.start_s, left=sound.start_s, height=height, color=COLOURS[sound.kind])
            if sound.text:
                axes.text(sound.start_s, row - 0.32, f"“{sound.text}”", fontsize=7, va="bottom")
        axes.barh(row, SHOWN_S, left=end, height=0.5, color=COLOURS["reply"])
        if item.turn.reply_ready_ms is not None:
            axes.plot([item.turn.reply_ready_ms / 1000.0] * 2, [row - 0.36, row + 0.36], color="black", lw=1)
        axes.text(-SHOWN_S + 0.04, row, title, fontsize=7, va="center", color="white")
    handles = [
        pyplot.Rectangle((0, 0), 1, 1, color=COLOURS[key])
        for key in ("user", "dead air", Kind.HESITATION, Kind.PHRASE, Kind.PROGRESS, Kind.AMBIENCE, "reply")
    ]
    names = ["user", "dead air", "hesitation, backchannel", "phrase", "progress", "ambience", "reply"]
    axes.legend(handles, names, loc="upper center", bbox_to_anchor=(0.5, 1.12), ncol=7, fontsize=7, frameon=False)
    axes.set_ylim(len(turns) - 0.4, -0.7)
    axes.set_yticks([])
    axes.set_xlabel("s from the end of the user's speech; the black mark is where the reply was available")
    axes.set_title(f"stopgap demo, policy {policy}", fontsize=9, loc="left", pad=22)
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)
    save_figure(figure, path)


def save_figure(figure: Any, path: Path) -> None:
    """Write *figure* and close it.

    Raises:
        UsageError: if *path* cannot be written.
    """
    try:
        figure.savefig(path, dpi=130)
    except (OSError, ValueError) as exc:
        raise UsageError(
            f"{path} cannot be written ({exc}); give a .png, .svg or .pdf in a folder that exists"
        ) from exc
    finally:
        load_pyplot().close(figure)


def as_svg(draw: Callable[[Any], None], name: str, size: tuple[float, float]) -> str:
    """Return what *draw* draws on a panel as an ``<svg>`` element.

    Args:
        draw: Gets the panel (matplotlib's axes).
        name: Keeps its ids apart from those of other pictures on the page.
        size: Inches.
    """
    pyplot = load_pyplot()
    with pyplot.rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif"}):
        figure, panel = pyplot.subplots(figsize=size, layout="constrained")
        draw(panel)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
        pyplot.close(figure)
    element = text.getvalue()
    element = element[element.index("<svg") :]
    return re.sub(r"\s*<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
