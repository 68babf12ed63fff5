"""How long the waits of a trace are, per agent and tool, and how that changed."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from stopgap.engine.prediction import kaplan_meier

from .._arrays import Floats
from ._trace import TraceTurn

LEVELS = (0.5, 0.8, 0.95)
BLOCKS = 8
"""Successive parts of a trace whose medians are compared."""
SMALLEST_BLOCK = 10
"""Turns of which a median is worth telling."""

Group = Literal["all", "agent", "tool"]


@dataclass(frozen=True, slots=True)
class WaitStats:
    """The waits of some turns, from the end of the user's speech to the reply. Cancelled ones count as cut off."""

    group: Group
    name: str | None
    """Of the agent or tool; None: turns without one, or all turns."""
    turns: int
    cancelled: float
    """Share of the turns, 0 to 1."""
    median_s: float | None
    """s. Like the other quantiles by Kaplan and Meier; None: too many turns were cancelled before it."""
    p80_s: float | None
    p95_s: float | None
    max_s: float | None
    """s. The longest wait that ended with a reply."""
    drift_s: tuple[float | None, ...]
    """s. Medians of up to `BLOCKS` successive blocks of equal size."""
    drift: float | None
    """The last of them over the first; None: there is one block, or an end of them is unknown."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def tools_of(turn: TraceTurn) -> list[str | None]:
    """Return the tools that were started in *turn*, each once; a list of None if there were none."""
    return list(dict.fromkeys(news.tool for news in turn.news if news.name == "tool_started")) or [None]


def grouped(turns: Sequence[TraceTurn], keys: Callable[[TraceTurn], Sequence[str | None]]) -> dict[str | None, Any]:
    """Return lists of turns by each of their *keys*, the largest list first."""
    found: dict[str | None, list[TraceTurn]] = {}
    for turn in turns:
        for key in keys(turn):
            found.setdefault(key, []).append(turn)
    return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0] or "")))


def trace_stats(turns: Sequence[TraceTurn]) -> list[WaitStats]:
    """Return the figures of all *turns*, then by agent, then by tool; a turn counts for each tool it started."""
    rows = [_stats("all", None, turns)]
    rows += [_stats("agent", name, found) for name, found in grouped(turns, lambda turn: [turn.agent]).items()]
    rows += [_stats("tool", name, found) for name, found in grouped(turns, tools_of).items()]
    return rows


def survival(turns: Sequence[TraceTurn]) -> tuple[Floats, Floats]:
    """Return the times, s, at which waits of *turns* end, and the share that is longer (Kaplan & Meier 1958)."""
    waits = np.array([turn.end_ms / 1000.0 for turn in turns])
    replied = np.array([turn.reply_ready_ms is not None for turn in turns], bool)
    times, places = np.unique(waits, return_inverse=True)
    ended = np.bincount(places[replied], minlength=len(times)).astype(np.float64)
    censored = np.bincount(places[~replied], minlength=len(times)).astype(np.float64)
    return times, kaplan_meier(ended, censored)[1:]


def quantile_s(turns: Sequence[TraceTurn], level: float) -> float | None:
    """Return the wait in s that a share of *level* does not exceed; None if cancellations hide it."""
    times, longer = survival(turns)
    reached = np.flatnonzero(longer <= 1.0 - level + 1e-9)
    return float(times[reached[0]]) if len(reached) else None


def _stats(group: Group, name: str | None, turns: Sequence[TraceTurn]) -> WaitStats:
    replies = [turn.reply_ready_ms / 1000.0 for turn in turns if turn.reply_ready_ms is not None]
    blocks = max(1, min(BLOCKS, len(turns) // SMALLEST_BLOCK))
    edges = np.linspace(0, len(turns), blocks + 1).round().astype(int)
    medians = [quantile_s(turns[start:end], 0.5) for start, end in pairwise(edges)] if turns else []
    first, last = (medians[0], medians[-1]) if len(medians) > 1 else (None, None)
    median, p80, p95 = (quantile_s(turns, level) if turns else None for level in LEVELS)
    return WaitStats(
        group=group,
        name=name,
        turns=len(turns),
        cancelled=1.0 - len(replies) / len(turns) if turns else 0.0,
        median_s=median,
        p80_s=p80,
        p95_s=p95,
        max_s=max(replies, default=None),
        drift_s=tuple(medians),
        drift=last / first if first and last is not None else None,
    )
