"""Dynamic behavior sets and their versions, as they go into storage and come out: frozen records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ....fillers import UsageError, checked_shares
from ._ids import check_json, checked_id, storable
from ._records import clean_tags

MOST_TRIGGERS = 50
"""Conversation triggers of a version."""
MOST_SERVICES = 100
"""Services that a set applies to."""
MOST_SHARES = 20
"""Versions that conversations are dealt."""


@dataclass(frozen=True, slots=True)
class NewSet:
    """What is known of a set beside its versions.

    Raises:
        UsageError: if it cannot be stored.
    """

    name: str
    """Not empty; several sets may have the same."""
    services: tuple[str, ...] = ()
    """Ids of the services that it applies to."""
    tags: Mapping[str, str | None] = field(default_factory=dict)
    is_active: bool = True
    """Whether its versions decide anything."""
    shares: Mapping[int, float] | None = None
    """By version: the share of conversations that are dealt it, adding up to 1. None: all have the latest one."""

    def __post_init__(self) -> None:
        if not self.name:
            raise UsageError("a behavior set has no name; write one")
        object.__setattr__(self, "name", storable(self.name, "name"))
        object.__setattr__(self, "tags", clean_tags(self.tags))
        if len(self.services) > MOST_SERVICES:
            raise UsageError(f"{len(self.services)} services; a behavior set applies to at most {MOST_SERVICES}")
        object.__setattr__(self, "services", tuple(dict.fromkeys(checked_id(id, "service") for id in self.services)))
        if self.shares is not None:
            _check_shares(self.shares)


@dataclass(frozen=True, slots=True)
class BehaviorSet:
    """A set without its versions."""

    id: str
    organization: str
    name: str
    services: tuple[str, ...]
    tags: Mapping[str, str | None]
    is_active: bool
    shares: Mapping[int, float] | None
    shares_since: float
    """s since the epoch: since when they are these; without shares: since when the last ones were."""
    version_count: int
    """Versions there are; the latest one's number."""
    creator: str
    created_at: float
    updated_by: str
    updated_at: float


@dataclass(frozen=True, slots=True)
class NewBehavior:
    """What a version of a dynamic behavior set says, before it is stored.

    Raises:
        UsageError: if it cannot be stored.
    """

    conversation_triggers: tuple[str, ...]
    """1 to 50, none empty."""
    actions: tuple[Mapping[str, Any], ...] = ()
    changes: Mapping[str, Any] = field(default_factory=dict)
    """What differs for fillers: ``fillers``, ``limits`` and ``costs`` of a `Behavior`, each as plain data."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.conversation_triggers) <= MOST_TRIGGERS:
            raise UsageError(f"{len(self.conversation_triggers)} conversation triggers: write 1 to {MOST_TRIGGERS}")
        if not all(self.conversation_triggers):
            raise UsageError("a conversation trigger is empty; write what it is triggered by")
        clean = tuple(storable(trigger, "conversation trigger") for trigger in self.conversation_triggers)
        object.__setattr__(self, "conversation_triggers", clean)
        check_json(clean, "conversation triggers")
        check_json(self.actions, "actions")
        check_json(self.changes, "changes")


@dataclass(frozen=True, slots=True)
class BehaviorVersion:
    """One version of a dynamic behavior set. It never changes."""

    id: str
    set: str
    organization: str
    number: int
    """From 1, within the set, without gaps."""
    conversation_triggers: tuple[str, ...]
    actions: tuple[Mapping[str, Any], ...]
    changes: Mapping[str, Any]
    creator: str
    """A user of the same organization."""
    created_at: float


def _check_shares(shares: Mapping[int, float]) -> None:
    if len(shares) > MOST_SHARES:
        raise UsageError(f"{len(shares)} shares; at most {MOST_SHARES} versions are dealt")
    checked_shares(shares)
