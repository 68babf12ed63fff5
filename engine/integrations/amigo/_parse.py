"""From the data of an event to its class: documented forms, those of the SDK, and whatever else may come."""

from collections.abc import Callable, Mapping
from typing import Any

from ._events import (
    ActionTooLong,
    BehaviorSelected,
    ConversationCreated,
    DecisionStarted,
    Event,
    ExitConditionSelected,
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
)
from ._fields import Fields, alignment, seconds, table, text, version_info, whole
from ._plain import plain

_NAVIGATE = "navigate-state-machine-"

_ACTIONS: dict[str, Callable[[Fields], Event]] = {
    "select-dynamic-behavior-completed": lambda f: BehaviorSelected(
        version_info(f, "selected_dynamic_behavior_set_version_info"),
        version_info(f, "previous_selected_dynamic_behavior_set_version_info"),
    ),
    "dynamic-behavior-triggered": lambda f: BehaviorSelected(
        version_info(f, "dynamic_behavior_set_version_info"), None
    ),
    f"{_NAVIGATE}state-transitioned": lambda f: StateTransitioned(text(f, "prev_state"), text(f, "next_state")),
    f"{_NAVIGATE}decision-state-decision-started": lambda f: DecisionStarted(),
    f"{_NAVIGATE}exit-condition-selected": lambda f: ExitConditionSelected(
        text(f, "exit_condition"), text(f, "next_state_name")
    ),
    f"{_NAVIGATE}reflection-state-prompt-retrieved": lambda f: ReflectionStarted(text(f, "prompt")),
    f"{_NAVIGATE}reflection-state-reflection-generated": lambda f: ReflectionGenerated(text(f, "reflection")),
    "designated-tool-retrieved": lambda f: ToolRetrieved(text(f, "tool_id"), text(f, "tool_version")),
    "designated-tool-call-params-generated": lambda f: ToolParamsGenerated(
        text(f, "tool_id"), text(f, "tool_version"), f.get("tool_call_params")
    ),
    f"{_NAVIGATE}tool-call-state-tool-output-available": lambda f: ToolOutputAvailable(
        text(f, "tool_id"), text(f, "tool_version"), text(f, "tool_output"), seconds(f, "duration"),
        table(f, "input_arguments"),
    ),
    "tool-call-started": lambda f: ToolCallStarted(
        text(f, "tool_id"), text(f, "tool_version"), whole(f, "tool_round_index"),
        table(f, "input_params", "input_parameters"),
    ),
    "tool-call-ended": lambda f: ToolCallEnded(
        text(f, "tool_id"), text(f, "tool_version"), whole(f, "tool_round_index"),
        table(f, "input_parameters", "input_params"), text(f, "result"), seconds(f, "duration"),
    ),
    "engage-user-message-fragment-generated": lambda f: MessageFragment(
        whole(f, "index"), text(f, "fragment"), f.get("is_final") is True
    ),
    "action-too-long": lambda f: ActionTooLong(text(f, "filler"), f.get("previously_started_event")),
}  # fmt: skip

_OTHER_ACTIONS = frozenset(
    {
        "select-dynamic-behavior-vector-generated",
        "select-dynamic-behavior-relevance-retrieval-completed",
        "check-if-active-memory-needed-completed",
        "extract-active-memories-completed",
        "engage-user-dynamic-behavior-override",
        f"{_NAVIGATE}dynamic-behavior-override",
        f"{_NAVIGATE}action-state-action-selected",
        f"{_NAVIGATE}recall-state-dynamic-queries-generated",
        f"{_NAVIGATE}recall-state-static-queries-retrieved",
        f"{_NAVIGATE}recall-state-active-memory-retrieved",
        f"{_NAVIGATE}annotation-state-annotation-retrieved",
    }
)

_EVENTS: dict[str, Callable[[Fields], Event]] = {
    "conversation-created": lambda f: ConversationCreated(text(f, "conversation_id")),
    "user-message-available": lambda f: UserMessageAvailable(text(f, "message_id"), text(f, "user_message")),
    "new-message": lambda f: NewMessage(
        text(f, "message"), f.get("stop") is True, whole(f, "sequence_number"), text(f, "message_id"), alignment(f)
    ),
    "interaction-complete": lambda f: InteractionComplete(
        text(f, "message_id"), text(f, "interaction_id"), text(f, "full_message"),
        f.get("conversation_completed") is True,
    ),
    "error": lambda f: InteractionFailed(whole(f, "http_error_code"), text(f, "error_description", "message")),
}  # fmt: skip


def parse_event(source: Any) -> Event:
    """Return what *source* tells: an object of the SDK, an event's JSON as a mapping, or one of these classes.

    Never raises. Fields that are unknown are left out, those that are missing or of another type are empty, and what
    has no known type becomes an `UnknownEvent`.
    """
    if isinstance(source, Event):
        return source
    fields = plain(source)
    if not isinstance(fields, Mapping):
        return UnknownEvent("", {})
    type = text(fields, "type")
    if type in _EVENTS:
        return _EVENTS[type](fields)
    if type != "current-agent-action":
        return _action(type, fields)  # the documentation has action-too-long at the top
    action = fields.get("action")
    if not isinstance(action, Mapping):
        return UnknownEvent(type, fields)
    return _action(text(action, "type"), action)


def _action(type: str, fields: Fields) -> Event:
    if type in _ACTIONS:
        return _ACTIONS[type](fields)
    rest = {name: value for name, value in fields.items() if name != "type"}
    return OtherAction(type, rest) if type in _OTHER_ACTIONS else UnknownEvent(type, rest)
