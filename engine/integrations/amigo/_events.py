"""What an Amigo conversation tells while it answers. Frozen, flat: an agent's action is an event like any other."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

VersionInfo = tuple[str, int]
"""An id and a version."""


@dataclass(frozen=True, slots=True)
class ConversationCreated:
    """A conversation was opened (``conversation-created``)."""

    conversation_id: str


@dataclass(frozen=True, slots=True)
class UserMessageAvailable:
    """What the user said is known (``user-message-available``)."""

    message_id: str
    user_message: str
    """Its text, or the transcript of its audio."""


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A piece of the agent's answer (``new-message``)."""

    message: str
    """Text; with ``response_format=voice`` base64 of 16-bit PCM."""
    stop: bool
    """Whether it is the message's last piece."""
    sequence_number: int | None
    message_id: str
    transcript_alignment: tuple[tuple[int, str], ...] | None
    """Characters and the ms at which each is said; None: not given with this piece."""


@dataclass(frozen=True, slots=True)
class InteractionComplete:
    """The answer is complete and saved (``interaction-complete``)."""

    message_id: str
    interaction_id: str
    full_message: str
    """Its text, or its transcript."""
    conversation_completed: bool


@dataclass(frozen=True, slots=True)
class InteractionFailed:
    """The server gives up (``error``). Before `InteractionComplete`: the interaction is void. After it: it is saved."""

    http_error_code: int | None
    error_description: str


# The agent's actions ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BehaviorSelected:
    """The dynamic behaviour of this interaction is chosen (``select-dynamic-behavior-completed``, or the
    documentation's ``dynamic-behavior-triggered``)."""

    selected: VersionInfo | None
    """None: none is active."""
    previous: VersionInfo | None


@dataclass(frozen=True, slots=True)
class StateTransitioned:
    """The agent goes on in another state (``navigate-state-machine-state-transitioned``)."""

    previous_state: str
    next_state: str


@dataclass(frozen=True, slots=True)
class DecisionStarted:
    """A decision state begins to choose the next state. No state is named."""


@dataclass(frozen=True, slots=True)
class ExitConditionSelected:
    """A state is to be left (``navigate-state-machine-exit-condition-selected``): ends a decision."""

    exit_condition: str
    next_state: str


@dataclass(frozen=True, slots=True)
class ReflectionStarted:
    """A reflection's prompt is there (``…reflection-state-prompt-retrieved``). No state is named."""

    prompt: str


@dataclass(frozen=True, slots=True)
class ReflectionGenerated:
    """A reflection is done (``…reflection-state-reflection-generated``)."""

    reflection: str


@dataclass(frozen=True, slots=True)
class ToolRetrieved:
    """The parameters of a state's own tool begin to be generated (``designated-tool-retrieved``)."""

    tool_id: str
    tool_version: str


@dataclass(frozen=True, slots=True)
class ToolParamsGenerated:
    """The parameters of a state's own tool are there (``designated-tool-call-params-generated``)."""

    tool_id: str
    tool_version: str
    params: Any


@dataclass(frozen=True, slots=True)
class ToolOutputAvailable:
    """A state's own tool has answered (``…tool-call-state-tool-output-available``)."""

    tool_id: str
    tool_version: str
    output: str
    duration_s: float | None
    """s that the call took."""
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolCallStarted:
    """A tool is called (``tool-call-started``)."""

    tool_id: str
    tool_version: str
    tool_round_index: int | None
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolCallEnded:
    """A tool has answered (``tool-call-ended``)."""

    tool_id: str
    tool_version: str
    tool_round_index: int | None
    params: Mapping[str, Any]
    result: str
    duration_s: float | None
    """s that the call took."""


@dataclass(frozen=True, slots=True)
class MessageFragment:
    """A part of the answer's text was written (``engage-user-message-fragment-generated``)."""

    index: int | None
    fragment: str
    is_final: bool


@dataclass(frozen=True, slots=True)
class ActionTooLong:
    """An action takes long; *filler* may be played until it is done (``action-too-long``)."""

    filler: str
    """base64 of a WAV, or text: `filler_audio` tells."""
    previously_started_event: Any
    """What takes long, as the server tells it; may be None."""


@dataclass(frozen=True, slots=True)
class OtherAction:
    """An action without a class of its own."""

    type: str
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UnknownEvent:
    """An event of a type that was not known when this was written."""

    type: str
    """Empty: it has none."""
    fields: Mapping[str, Any] = field(default_factory=dict)


Action = (
    BehaviorSelected
    | StateTransitioned
    | DecisionStarted
    | ExitConditionSelected
    | ReflectionStarted
    | ReflectionGenerated
    | ToolRetrieved
    | ToolParamsGenerated
    | ToolOutputAvailable
    | ToolCallStarted
    | ToolCallEnded
    | MessageFragment
    | ActionTooLong
    | OtherAction
)
Event = (
    ConversationCreated
    | UserMessageAvailable
    | NewMessage
    | InteractionComplete
    | InteractionFailed
    | Action
    | UnknownEvent
)
