"""Conversations and their turns as answers have them.

A conversation has the fields of the API that is followed, and a few more that a list of them needs; turns are this
service's own.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from .._wire import told_time
from ..storage import Interaction, Listed
from ._turntiming import Timing, timing_of

SUMMED_TURNS = 30
"""Turns of a conversation that its summary looks at: the newest ones."""


class Summary(BaseModel):
    """What the newest turns of a conversation say of it."""

    turns: int
    """Turns that were looked at."""
    longest_dead_air_s: float | None
    """s of the longest silence of a wait; null: no turn tells."""
    behaviors: list[tuple[str, int]]
    """Name, of a stored set its id, and version of each behaviour that was in force, in the order of the first time."""

    @classmethod
    def of(cls, records: Sequence[Mapping[str, Any]]) -> "Summary":
        """Return what *records* say."""
        timings = [timing_of(record) for record in records]
        silences = [t.longest_dead_air_s for t in timings if t is not None and t.longest_dead_air_s is not None]
        behaviors = dict.fromkeys(t.behavior for t in timings if t is not None and t.behavior is not None)
        return cls(turns=len(records), longest_dead_air_s=max(silences, default=None), behaviors=list(behaviors))


class ConversationTold(BaseModel):
    """A conversation in a list."""

    id: str
    user_id: str
    service_id: str
    created_at: datetime
    finished_at: datetime | None
    is_finished: bool
    is_analyzed: bool = False
    """Nothing is analyzed here when a conversation ends."""
    completed_post_processings: list[str] = []
    version_set_info: None = None
    """There is one version set, ``release``."""
    final_message: str
    """Empty without permission to get messages."""
    num_messages: int
    num_interactions: int
    tags: dict[str, str | None]
    is_test: bool
    summary: Summary | None
    """Null: it was not asked for, may not be seen, or the conversation is too far down its page."""

    @classmethod
    def of(cls, listed: Listed, *, with_message: bool, summary: Summary | None) -> "ConversationTold":
        """Return what is told of a stored one."""
        stored = listed.conversation
        return cls(
            id=stored.id,
            user_id=stored.user,
            service_id=stored.service,
            created_at=told_time(stored.created_at),
            finished_at=None if stored.finished_at is None else told_time(stored.finished_at),
            is_finished=stored.finished_at is not None,
            final_message=listed.final_message if with_message else "",
            num_messages=listed.message_count,
            num_interactions=stored.interaction_count,
            tags=dict(stored.tags),
            is_test=stored.is_test,
            summary=summary,
        )


class ConversationsTold(BaseModel):
    """A page of conversations."""

    conversations: list[ConversationTold]
    has_more: bool
    continuation_token: int | None
    """For the next page; null: this is the last one."""


class MessageTold(BaseModel):
    """Something that was said."""

    id: str
    message_type: Literal["user-message", "agent-message"]
    message: str


class TurnTold(BaseModel):
    """One turn: what was said, and when something was heard."""

    interaction_id: str
    number: int
    """From 1, within the conversation."""
    started_at: datetime
    completed_at: datetime
    messages: list[MessageTold]
    """In order; none where a turn was told without its messages."""
    actions: list[str] | None
    """Types of the actions, in order; null: they may not be seen."""
    record: dict[str, Any] | None = Field(
        description="A turn record, or a row of a latency trace; null: there is none, or it may not be seen."
    )
    timing: Timing | None
    """What the record says; null: there is none, or it says nothing."""

    @classmethod
    def of(cls, stored: Interaction, *, with_insights: bool) -> "TurnTold":
        """Return what is told of a stored interaction."""
        messages = []
        if stored.user_message_id is not None and stored.user_message is not None:
            messages.append(
                MessageTold(id=stored.user_message_id, message_type="user-message", message=stored.user_message)
            )
        if stored.agent_message:
            messages.append(
                MessageTold(id=stored.agent_message_id, message_type="agent-message", message=stored.agent_message)
            )
        record = stored.record if with_insights else None
        return cls(
            interaction_id=stored.id,
            number=stored.number,
            started_at=told_time(stored.started_at),
            completed_at=told_time(stored.completed_at),
            messages=messages,
            actions=[str(action.get("type", "")) for action in stored.actions] if with_insights else None,
            record=None if record is None else dict(record),
            timing=None if record is None else timing_of(record),
        )


class TurnsTold(BaseModel):
    """A page of a conversation's turns."""

    conversation_id: str
    user_id: str
    service_id: str
    created_at: datetime
    is_finished: bool
    tags: dict[str, str | None]
    num_interactions: int
    turns: list[TurnTold]
    has_more: bool
    continuation_token: int | None
    """For the next page; null: this is the last one."""
