"""The plain alternative to the predictor: quantiles of the waits so far, per context."""

import heapq
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from stopgap.engine.prediction import log_normal
from stopgap.fillers import Config

from .._arrays import Floats
from ..replays import LEVELS
from ..traces import TraceTurn


def running_quantiles(turns: Sequence[TraceTurn], config: Config) -> Floats:
    """Return the empirical quantiles at `LEVELS` that were known when each turn began, s, shape (turns, 3).

    They are those of all waits of the same agent that had ended by then; without one those of all agents, and
    before anything was seen those of the configuration's prior. Cancelled turns are left out.
    """
    prior = log_normal(config.prediction.expected_ms / 1000.0, config.prediction.spread)
    first = [prior.quantile(level) for level in LEVELS]
    by_agent: defaultdict[str, list[float]] = defaultdict(list)
    everything: list[float] = []
    running: list[tuple[float, str, float]] = []
    rows = []
    for turn in turns:
        while running and running[0][0] <= turn.started_at:
            _, agent, wait_s = heapq.heappop(running)
            by_agent[agent].append(wait_s)
            everything.append(wait_s)
        seen = by_agent[turn.agent or ""] or everything
        rows.append(np.quantile(seen, LEVELS) if seen else first)
        if turn.reply_ready_ms is not None:
            wait_s = turn.reply_ready_ms / 1000.0
            heapq.heappush(running, (turn.started_at + wait_s, turn.agent or "", wait_s))
    return np.array(rows, dtype=float).reshape(len(turns), len(LEVELS))
