"""Turns: their state, and the records of what was heard."""

from ._conversation import Conversation
from ._records import MilestoneRecord, Outcome, PredictionRecord, SoundRecord, TurnRecord, WaitRecord
from ._turn import ANNOUNCING, MILESTONES, News, TurnState, Wait

__all__ = [
    "ANNOUNCING",
    "MILESTONES",
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
]
