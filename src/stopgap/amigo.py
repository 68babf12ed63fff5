"""Amigo conversations: ``async for event in watch_interaction(turn, stream)`` has a turn follow an agent's events.

*stream* is what the SDK returns (``pip install 'stopgap[amigo]'``), or the body of a response; the SDK is not needed
for that.
"""

from stopgap.engine.integrations._versions import warn_if_untested
from stopgap.engine.integrations.amigo import (
    Action,
    ActionTooLong,
    BehaviorSelected,
    ConversationCreated,
    DecisionStarted,
    Event,
    EventParser,
    ExitConditionSelected,
    FillerAudio,
    Fillers,
    InteractionComplete,
    InteractionFailed,
    MessageFragment,
    NewMessage,
    OtherAction,
    ReflectionGenerated,
    ReflectionStarted,
    StateTransitioned,
    ToolCallEnded,
    ToolCallStarted,
    ToolOutputAvailable,
    ToolParamsGenerated,
    ToolRetrieved,
    UnknownEvent,
    UserMessageAvailable,
    VersionInfo,
    filler_audio,
    parse_event,
    parse_events,
    watch_interaction,
)

warn_if_untested("amigo-sdk", ("2.5", "2.5"))

__all__ = [
    "Action",
    "ActionTooLong",
    "BehaviorSelected",
    "ConversationCreated",
    "DecisionStarted",
    "Event",
    "EventParser",
    "ExitConditionSelected",
    "FillerAudio",
    "Fillers",
    "InteractionComplete",
    "InteractionFailed",
    "MessageFragment",
    "NewMessage",
    "OtherAction",
    "ReflectionGenerated",
    "ReflectionStarted",
    "StateTransitioned",
    "ToolCallEnded",
    "ToolCallStarted",
    "ToolOutputAvailable",
    "ToolParamsGenerated",
    "ToolRetrieved",
    "UnknownEvent",
    "UserMessageAvailable",
    "VersionInfo",
    "filler_audio",
    "parse_event",
    "parse_events",
    "watch_interaction",
]
