"""Traces of real waits, replay through the real engine, and the figures it answers to."""

from .policies import BEST_LADDER, NAMES, Contender, LadderShape, best_ladder, check_policies, contender, ladder_grid
from .replays import POLICIES, ReplayedTurn, Score, benchmark_config, replay, score, sounds_of, write_jsonl
from .traces import (
    BUNDLED,
    TraceCheck,
    TraceTurn,
    WaitStats,
    bundled_trace,
    check_trace,
    convert_trace,
    read_trace,
    trace_stats,
)

__all__ = [
    "BEST_LADDER",
    "BUNDLED",
    "NAMES",
    "POLICIES",
    "Contender",
    "LadderShape",
    "ReplayedTurn",
    "Score",
    "TraceCheck",
    "TraceTurn",
    "WaitStats",
    "benchmark_config",
    "best_ladder",
    "bundled_trace",
    "check_policies",
    "check_trace",
    "contender",
    "convert_trace",
    "ladder_grid",
    "read_trace",
    "replay",
    "score",
    "sounds_of",
    "trace_stats",
    "write_jsonl",
]
