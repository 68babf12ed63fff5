"""How long the reply will take: life tables and the predictor."""

from ._context import Context, Lesson, octave
from ._distribution import LEVELS, WaitDistribution, log_normal
from ._file import WaitsError, load_waits, read_waits, save_waits
from ._lifetable import LifeTable, kaplan_meier
from ._predictor import LatencyPredictor
from ._report import Report
from ._snapshot import Snapshot, TableCounts, merged

__all__ = [
    "LEVELS",
    "Context",
    "LatencyPredictor",
    "Lesson",
    "LifeTable",
    "Report",
    "Snapshot",
    "TableCounts",
    "WaitDistribution",
    "WaitsError",
    "kaplan_meier",
    "load_waits",
    "log_normal",
    "merged",
    "octave",
    "read_waits",
    "save_waits",
]
