"""What plays if the reply keeps not arriving: costs, policies, the planner."""

from ._casting import CastCue, cast, playable_clips
from ._classes import GRID_S, ClipClass, clip_classes
from ._costs import Sound, TurnCost, silence_cost, silent_gaps, spoken_cost, turn_cost
from ._induction import Induction, Start, Step
from ._ladder import Ladder, NoFillers
from ._mixture import Mixture, regret_bound
from ._planner import Planner
from ._restraint import NEEDLESS_S, Prices, Restraint
from ._situation import PlannedCue, Policy, Sheet, Situation

__all__ = [
    "GRID_S",
    "NEEDLESS_S",
    "CastCue",
    "ClipClass",
    "Induction",
    "Ladder",
    "Mixture",
    "NoFillers",
    "PlannedCue",
    "Planner",
    "Policy",
    "Prices",
    "Restraint",
    "Sheet",
    "Situation",
    "Sound",
    "Start",
    "Step",
    "TurnCost",
    "cast",
    "clip_classes",
    "playable_clips",
    "regret_bound",
    "silence_cost",
    "silent_gaps",
    "spoken_cost",
    "turn_cost",
]
