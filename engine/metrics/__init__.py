"""Figures of a conversation that know of fillers, from records or a log of its turns, and how versions compare."""

from ._arms import ArmStats, arm_stats
from ._builtin import Targets, builtin_metrics
from ._compare import Comparison, Difference, Interval, Verdict, compare
from ._defined import MetricDefinition, defined_metric, load_metrics
from ._facts import TurnFacts, by_conversation, facts_of, facts_of_wait, in_order
from ._metric import Finding, Metric, MetricResult
from ._names import NAMES
from ._parsing import record_of, record_of_json
from ._ratio import SampleRatio, sample_ratio
from ._report import Report, compared, report_of
from ._values import Boolean, Categorical, Numerical, Value, ValueType
from ._versions import Versions, by_version

__all__ = [
    "NAMES",
    "ArmStats",
    "Boolean",
    "Categorical",
    "Comparison",
    "Difference",
    "Finding",
    "Interval",
    "Metric",
    "MetricDefinition",
    "MetricResult",
    "Numerical",
    "Report",
    "SampleRatio",
    "Targets",
    "TurnFacts",
    "Value",
    "ValueType",
    "Verdict",
    "Versions",
    "arm_stats",
    "builtin_metrics",
    "by_conversation",
    "by_version",
    "compare",
    "compared",
    "defined_metric",
    "facts_of",
    "facts_of_wait",
    "in_order",
    "load_metrics",
    "record_of",
    "record_of_json",
    "report_of",
    "sample_ratio",
]
