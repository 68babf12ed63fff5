"""Traces of real waits: read, checked, converted, told of."""

from ._check import TraceCheck, check_trace
from ._convert import convert_trace
from ._rows import BUNDLED, Row, bundled_trace, open_rows
from ._slowdown import change_of, slowed
from ._stats import WaitStats, grouped, quantile_s, survival, tools_of, trace_stats
from ._trace import TraceNews, TraceTurn, parsed, read_trace

__all__ = [
    "BUNDLED",
    "Row",
    "TraceCheck",
    "TraceNews",
    "TraceTurn",
    "WaitStats",
    "bundled_trace",
    "change_of",
    "check_trace",
    "convert_trace",
    "grouped",
    "open_rows",
    "parsed",
    "quantile_s",
    "read_trace",
    "slowed",
    "survival",
    "tools_of",
    "trace_stats",
]
