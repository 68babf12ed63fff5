"""Agents: what they are asked, and what they answer."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import numpy.typing as npt

from .. import InForce
from ._actions import AnyAction

MessageType = Literal["user-message", "external-event", "skip"]


@dataclass(frozen=True, slots=True)
class Message:
    """Something that was said before."""

    role: Literal["user", "agent"]
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Speech:
    """Sound: what the user said, or a piece of what the agent says."""

    samples: npt.NDArray[Any] | bytes
    """Mono float32 or int16 samples, shape (frames,), or bytes of 16-bit little-endian PCM."""
    rate: int
    """Hz."""


@dataclass(frozen=True, slots=True)
class ExternalEvent:
    """Something that happened outside of the conversation."""

    content: str
    at: datetime


@dataclass(frozen=True, slots=True, eq=False)
class AgentRequest:
    """What an agent is asked."""

    organization: str
    user_id: str
    conversation_id: str
    service: str
    """The service's name in the configuration."""
    response_format: Literal["text", "voice"]
    message_type: MessageType = "user-message"
    """``skip``: the agent speaks first, or on."""
    text: str | None = None
    """What the user wrote; None where they spoke, or said nothing."""
    audio: Speech | None = None
    """What the user said: float32 samples. Yield a `UserSaid` first, if you recognise it."""
    external_events: tuple[ExternalEvent, ...] = ()
    """Oldest first."""
    history: tuple[Message, ...] = ()
    """The conversation before this, oldest first: its last 200 interactions."""
    behavior: InForce | None = None
    """The behaviour that the user's words triggered: ``behavior.rule`` has its instruction and tools, for you to
    follow."""


@dataclass(frozen=True, slots=True)
class UserSaid:
    """What was recognised of the user's speech."""

    text: str


@dataclass(frozen=True, slots=True)
class Milestone:
    """News of the pending answer, see `Turn.milestone`."""

    name: str
    tool: str | None = None


@dataclass(frozen=True, slots=True)
class EndConversation:
    """The agent regards the conversation as over, once this answer is complete."""


Answer = str | Speech | AnyAction | Milestone | UserSaid | EndConversation
"""What an agent yields: text (the answer, or beside speech its transcript), speech, and what it is doing."""
Agent = Callable[[AgentRequest], AsyncGenerator[Answer, None]]
