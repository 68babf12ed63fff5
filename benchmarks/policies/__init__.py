"""What is compared on a trace: the product's modes, what others do, and bounds chosen in hindsight."""

from ._baselines import BASELINES
from ._hindsight import marginal
from ._ladders import LadderShape, best_ladder, best_ladders, ladder_grid
from ._policies import (
    BEST_LADDER,
    BOUNDS,
    NAMES,
    OTHERS,
    PLANNED,
    SAYS,
    Contender,
    check_policies,
    contender,
    missing_kinds,
)

__all__ = [
    "BASELINES",
    "BEST_LADDER",
    "BOUNDS",
    "NAMES",
    "OTHERS",
    "PLANNED",
    "SAYS",
    "Contender",
    "LadderShape",
    "best_ladder",
    "best_ladders",
    "check_policies",
    "contender",
    "ladder_grid",
    "marginal",
    "missing_kinds",
]
