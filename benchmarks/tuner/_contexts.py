"""The waits of a trace by what they are learned and planned by: the agent, or the tool that runs."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from stopgap.engine.prediction import Context, LatencyPredictor

from .._arrays import Floats
from ..traces import TraceNews, TraceTurn

MOST_CONTEXTS = 100
"""Contexts that are shown, those with the most waits."""
BINS = 40
POINTS = 81
SHOWN_SHARE = 0.98
"""Of the waits are within what is shown."""
LEAST_SHOWN_S, MOST_SHOWN_S = 2.0, 30.0


@dataclass(frozen=True)
class WaitContext:
    """Waits of one agent (from the end of speech) or one tool (from its start)."""

    agent: str | None
    tool: str | None
    waits: Floats
    """s. Those that a reply ended."""
    cancelled: int
    """Waits that were cut off."""
    typical: TraceTurn
    """A turn that is in this wait and waits on."""
    origin_s: float
    """s from its time 0 to the wait's beginning."""
    shown_s: float
    """s from the wait's beginning that a picture of it shows."""
    survival: Floats
    """P(the reply has not come) at `POINTS` times, evenly from 0 to *shown_s*."""

    def as_dict(self) -> dict[str, Any]:
        """Return it with its histogram."""
        counts, _ = np.histogram(self.waits, bins=BINS, range=(0.0, self.shown_s))
        return {
            "agent": self.agent,
            "tool": self.tool,
            "replies": len(self.waits),
            "cancelled": self.cancelled,
            "median": round(float(np.median(self.waits)), 3) if len(self.waits) else None,
            "shown": self.shown_s,
            "counts": counts.tolist(),
            "beyond": int((self.waits > self.shown_s).sum()),
            "survival": [round(float(share), 4) for share in self.survival],
        }


def contexts_of(turns: Iterable[TraceTurn], predictor: LatencyPredictor) -> list[WaitContext]:
    """Return the contexts of *turns*, first agents, then tools, those with most waits first."""
    groups: dict[tuple[str | None, str | None, bool], list[tuple[TraceTurn, float]]] = {}
    for turn in turns:
        groups.setdefault((turn.agent, None, False), []).append((turn, 0.0))
        for news in turn.news:
            if news.name == "tool_started":
                groups.setdefault((None, news.tool, True), []).append((turn, news.at_ms / 1000.0))
    most = sorted(groups.items(), key=lambda item: (item[0][2], -len(item[1])))
    return [_context(*key, found, predictor) for key, found in most[:MOST_CONTEXTS]]


def _context(
    agent: str | None, tool: str | None, runs: bool, found: list[tuple[TraceTurn, float]], predictor: LatencyPredictor
) -> WaitContext:
    waits = np.array([t.reply_ready_ms / 1000.0 - since for t, since in found if t.reply_ready_ms is not None])
    origin_s = median(since for _, since in found)
    reach_s = float(np.quantile(waits, SHOWN_SHARE)) if len(waits) else LEAST_SHOWN_S
    shown_s = float(np.ceil(min(max(1.15 * reach_s, LEAST_SHOWN_S), MOST_SHOWN_S)))
    # the agent under whom a tool mostly runs decides about what is said before it starts
    agents = [t.agent for t, _ in found]
    news = (TraceNews("tool_started", 1000.0 * origin_s, tool),) if runs else ()
    typical = TraceTurn("", "", 0.0, max(agents, key=agents.count), 1000.0 * (origin_s + MOST_SHOWN_S), None, news)
    rest = predictor.predict("tool_started" if runs else "speech_ended", Context(agent=agent, tool=tool))
    survival = rest.survival(np.linspace(0.0, shown_s, POINTS))
    return WaitContext(agent, tool, waits, len(found) - len(waits), typical, origin_s, shown_s, survival)
