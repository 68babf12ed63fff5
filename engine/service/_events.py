"""The events of the API: one JSON object a line."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ._actions import AnyAction


class Event(BaseModel):
    model_config = ConfigDict(frozen=True)

    def line(self) -> bytes:
        """Return the event as it is sent.

        Raises:
            ValueError: if something in it cannot be sent.
        """
        return self.model_dump_json().encode() + b"\n"


class ConversationCreated(Event):
    type: Literal["conversation-created"] = "conversation-created"
    conversation_id: str


class UserMessageAvailable(Event):
    type: Literal["user-message-available"] = "user-message-available"
    message_id: str
    user_message: str
    """Text, or the transcript of what was said."""


class CurrentAgentAction(Event):
    type: Literal["current-agent-action"] = "current-agent-action"
    action: AnyAction


class NewMessage(Event):
    type: Literal["new-message"] = "new-message"
    message: str
    """Text, or base64 of 16-bit little-endian PCM, mono, 16 kHz."""
    transcript_alignment: list[tuple[int, str]] | None = None
    """Null: this service does not align."""
    stop: bool
    """Whether this is the last piece."""
    sequence_number: int
    message_id: str


class InteractionComplete(Event):
    """The interaction is stored."""

    type: Literal["interaction-complete"] = "interaction-complete"
    message_id: str
    interaction_id: str
    full_message: str
    conversation_completed: bool


class Failed(Event):
    """Before completion: nothing of the interaction was stored."""

    type: Literal["error"] = "error"
    http_error_code: int
    error_description: str


AnyEvent = Annotated[
    ConversationCreated | UserMessageAvailable | CurrentAgentAction | NewMessage | InteractionComplete | Failed,
    Field(discriminator="type"),
]
