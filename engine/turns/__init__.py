"""Turns: their state, and the records of what was heard."""

from ._conversation import Conversation
from ._records import MilestoneRecord, Outcome, PredictionRecord, SoundRecord, TurnRecord, WaitRecord
from ._row import NUMBER_COLUMNS, ROW_COLUMNS, Cell, turn_row
from ._turn import ANNOUNCING, MILESTONES, News, TurnState, Wait

__all__ = [
    "ANNOUNCING",
    "MILESTONES",
    "NUMBER_COLUMNS",
    "ROW_COLUMNS",
    "Cell",
    "Conversation",
    "MilestoneRecord",
    "News",
    "Outcome",
    "PredictionRecord",
    "SoundRecord",
    "TurnRecord",
    "TurnState",
    "Wait",
    "WaitRecord",
    "turn_row",
]
