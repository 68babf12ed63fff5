"""Figures of a conversation that know of fillers: from records of its turns, or from a log of them."""

from ._builtin import Targets, builtin_metrics
from ._defined import MetricDefinition, defined_metric, load_metrics
from ._facts import TurnFacts, by_conversation, facts_of, facts_of_wait, in_order
from ._metric import Finding, Metric, MetricResult
from ._names import NAMES
from ._parsing import record_of, record_of_json
from ._values import Boolean, Categorical, Numerical, Value, ValueType

__all__ = [
    "NAMES",
    "Boolean",
    "Categorical",
    "Finding",
    "Metric",
    "MetricDefinition",
    "MetricResult",
    "Numerical",
    "Targets",
    "TurnFacts",
    "Value",
    "ValueType",
    "builtin_metrics",
    "by_conversation",
    "defined_metric",
    "facts_of",
    "facts_of_wait",
    "in_order",
    "load_metrics",
    "record_of",
    "record_of_json",
]
