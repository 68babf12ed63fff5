"""Traces of real waits, replay through the real engine, and the figures it answers to."""

from ._heard import sounds_of
from ._ladders import LadderShape, best_ladder, ladder_grid
from ._policies import BEST_LADDER, NAMES, Contender, check_policies, contender
from ._replay import POLICIES, ReplayedTurn, benchmark_config, replay, write_jsonl
from ._score import Score, score
from ._trace import TraceTurn, read_trace
from ._tracecheck import TraceCheck, check_trace
from ._traceconvert import convert_trace
from ._tracerows import BUNDLED, bundled_trace
from ._tracestats import WaitStats, trace_stats

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
