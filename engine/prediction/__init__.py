"""How long the reply will take: life tables and the predictor."""

from ._distribution import WaitDistribution, log_normal
from ._lifetable import LifeTable, kaplan_meier
from ._predictor import Context, LatencyPredictor, Lesson

__all__ = [
    "Context",
    "LatencyPredictor",
    "Lesson",
    "LifeTable",
    "WaitDistribution",
    "kaplan_meier",
    "log_normal",
]
