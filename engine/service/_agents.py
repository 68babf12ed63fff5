"""Agents: what they are asked, what they answer, and where they come from."""

import importlib
import inspect
import os
import sys
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import numpy.typing as npt

from ...fillers import ConfigError
from ._actions import AnyAction
from ._settings import ServiceSettings

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


def load_agent(settings: ServiceSettings) -> Agent:
    """Return the agent that *settings* name. ``module`` is looked for in the working directory, too.

    Raises:
        ConfigError: if there is no such module or async generator function, or the endpoint's client is missing.
    """
    if settings.agent_url is not None:
        from ._chat import ChatAgent

        return ChatAgent(
            settings.agent_url, settings.model, settings.instructions, os.environ.get(settings.api_key_env, "none")
        )
    module_name, _, name = (settings.agent or "").partition(":")
    sys.path.insert(0, os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except ImportError as exc:
        raise ConfigError(f"agent {settings.agent!r}: {exc}; give module:function, run where the module is") from exc
    finally:
        sys.path.remove(os.getcwd())
    agent: Any = getattr(module, name, None)
    if not inspect.isasyncgenfunction(agent):
        raise ConfigError(
            f"agent {settings.agent!r} is no async generator function; write `async def {name}(request): yield ...`"
        )
    found: Agent = agent
    return found
