"""What goes into storage and what comes out: frozen records."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ....fillers import UsageError
from ._ids import check_json, checked_id, new_id, storable

MOST_TAGS = 20
MOST_TAG = 100
"""Characters of a tag's key, and of its value."""
_TAG = re.compile(rf"[\w\s_]{{1,{MOST_TAG}}}")


def clean_tags(tags: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return *tags* as they are stored.

    Raises:
        UsageError: if one cannot be stored, or there are too many.
    """
    if len(tags) > MOST_TAGS:
        raise UsageError(f"{len(tags)} tags; at most {MOST_TAGS} are stored")
    for key, value in tags.items():
        if _TAG.fullmatch(key) is None:
            raise UsageError(f"tag {key[:MOST_TAG]!r}: write 1 to {MOST_TAG} letters, digits, spaces or _")
        if value is not None and len(value) > MOST_TAG:
            raise UsageError(f"tag {key!r} has a value of {len(value)} characters; at most {MOST_TAG} are stored")
    return {key: None if value is None else storable(value, "tag") for key, value in tags.items()}


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may sign in."""

    id: str
    organization: str
    permissions: frozenset[str]
    created_at: float
    """s since the epoch, as all times here."""
    disabled_at: float | None = None


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What is kept of an API key: never the key itself."""

    id: str
    user: str
    organization: str
    hash: str = field(repr=False)
    created_at: float
    last_used_at: float | None = None
    revoked_at: float | None = None


@dataclass(frozen=True, slots=True)
class NewConversation:
    """What is known of a conversation before it is stored.

    Raises:
        UsageError: if an id or a tag cannot be stored.
    """

    service: str
    tags: Mapping[str, str | None] = field(default_factory=dict)
    is_test: bool = False

    def __post_init__(self) -> None:
        checked_id(self.service, "service")
        object.__setattr__(self, "tags", clean_tags(self.tags))


@dataclass(frozen=True, slots=True)
class NewInteraction:
    """An interaction that has come to its end, before it is stored.

    Raises:
        UsageError: if an id, a text, or the data cannot be stored.
    """

    started_at: float
    agent_message: str
    user_message: str | None = None
    """None: the agent opened, or the user's turn was skipped."""
    actions: tuple[Mapping[str, Any], ...] = ()
    """The action events that were sent, in order."""
    record: Mapping[str, Any] | None = None
    """The turn's `TurnRecord.as_dict`."""
    id: str = field(default_factory=new_id)
    agent_message_id: str = field(default_factory=new_id)
    user_message_id: str | None = None
    """None without a message; else an id is made up."""
    behaviors: tuple[tuple[str, int], ...] = ()
    """Ids and versions of the behaviours that were triggered: not kept here, but what rules are looked up for."""
    assigned: tuple[tuple[str, int], ...] = ()
    """Ids and versions of those that the conversation was dealt."""

    def __post_init__(self) -> None:
        if self.user_message is not None and self.user_message_id is None:
            object.__setattr__(self, "user_message_id", new_id())
        for what in ("id", "agent_message_id", "user_message_id"):
            if getattr(self, what) is not None:
                checked_id(getattr(self, what), what)
        object.__setattr__(self, "agent_message", storable(self.agent_message, "agent message"))
        if self.user_message is not None:
            object.__setattr__(self, "user_message", storable(self.user_message, "user message"))
        check_json(self.actions, "actions")
        check_json(self.record, "turn records")


@dataclass(frozen=True, slots=True)
class Interaction:
    """One exchange: what the user said and what the agent answered."""

    id: str
    conversation: str
    number: int
    """From 1, within the conversation."""
    started_at: float
    completed_at: float
    user_message_id: str | None
    user_message: str | None
    agent_message_id: str
    agent_message: str
    actions: tuple[Mapping[str, Any], ...]
    record: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation without what was said."""

    id: str
    organization: str
    user: str
    service: str
    created_at: float
    finished_at: float | None
    tags: Mapping[str, str | None]
    is_test: bool
    interaction_count: int


@dataclass(frozen=True, slots=True)
class Transcript:
    """A conversation and what was said."""

    conversation: Conversation
    interactions: tuple[Interaction, ...]
    """In order."""
