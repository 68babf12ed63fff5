"""Conversations of an organization in pages, and the turns of one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, func, select, tuple_

from ....fillers import UsageError
from ._conditions import OWNED, missing, named
from ._database import Database
from ._history import as_conversation, as_interaction
from ._ids import is_organization, well_formed
from ._records import Conversation, Interaction
from ._tables import CONVERSATIONS, INTERACTIONS, ConversationRow, InteractionRow

MOST_CONVERSATIONS = 150
"""Conversations read at once."""
MOST_TURNS_LISTED = 100
"""Turns read at once."""
MOST_TOKEN = 1 << 52
"""The greatest of tokens: every client can hold it exactly, one that knows of floats alone, too."""
_TOKEN_DIGITS = 13
_REST = 24 - _TOKEN_DIGITS
_KEY = (CONVERSATIONS.c.created_at, CONVERSATIONS.c.id)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which conversations: those of which all of this is true. Of several values one has to fit; none: any does."""

    users: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    is_finished: bool | None = None


ANY = Wanted()


@dataclass(frozen=True, slots=True)
class Listed:
    """A conversation, and what was said in it in short."""

    conversation: Conversation
    message_count: int
    final_message: str
    """The agent's last one; empty where turns were told without their messages."""


@dataclass(frozen=True, slots=True)
class ConversationPage:
    """Some of the conversations that were wanted."""

    conversations: tuple[Listed, ...]
    """In the order that was asked for."""
    next_token: int | None
    """For the page after it; None: this is the last one."""


@dataclass(frozen=True, slots=True)
class TurnPage:
    """Some turns of a conversation."""

    conversation: Conversation
    interactions: tuple[Interaction, ...]
    """In order."""
    has_more: bool
    """Whether others come after them."""


class Listing:
    """Lists what is stored, always of one organization.

    A page begins behind the last conversation of the page before, which an index finds: the last page costs what the
    first one does, and what is stored meanwhile makes none show a conversation twice, or leave one out.

    Args:
        database: Where.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def conversations(
        self,
        organization: str,
        wanted: Wanted = ANY,
        *,
        user: str | None,
        oldest_first: bool = False,
        token: int = 0,
        limit: int = MOST_CONVERSATIONS,
    ) -> ConversationPage:
        """Return some of an organization's conversations, by when they began.

        Args:
            organization: Whose they are.
            wanted: Which.
            user: Whose they must be; None: anybody's in the organization.
            oldest_first: Whether the times go up.
            token: `ConversationPage.next_token` of the page before; 0: this is the first page.
            limit: Conversations at most, 1 to `MOST_CONVERSATIONS`.

        Raises:
            UsageError: if *token* is of no page.
            DatabaseError: if the database does not answer.
        """
        if not 1 <= limit <= MOST_CONVERSATIONS:
            raise UsageError(f"limit = {limit}: write 1 to {MOST_CONVERSATIONS}")
        if not well_formed(organization, user):
            return ConversationPage((), None)
        query = _owned(select(ConversationRow), organization, user)
        for column, values in (("user_id", wanted.users), ("service_id", wanted.services), ("id", wanted.ids)):
            if values:
                query = query.where(CONVERSATIONS.c[column].in_(values))
        if wanted.is_finished is not None:
            finished_at = CONVERSATIONS.c.finished_at
            query = query.where(finished_at.is_not(None) if wanted.is_finished else finished_at.is_(None))
        order = _KEY if oldest_first else [column.desc() for column in _KEY]
        with self._database.reading() as session:
            connection = session.connection()
            if token:
                last = tuple_(*_last(connection, organization, user, token))
                query = query.where(tuple_(*_KEY) > last if oldest_first else tuple_(*_KEY) < last)
            rows = session.scalars(query.order_by(*order).limit(limit + 1)).all()
            found = [as_conversation(row) for row in rows[:limit]]
            said = _said(connection, [one.id for one in found])
        listed = tuple(Listed(one, *said.get(one.id, (0, ""))) for one in found)
        return ConversationPage(listed, _token(found[-1].id) if len(rows) > limit else None)

    def turns(
        self, organization: str, conversation: str, *, user: str | None, after: int = 0, limit: int = MOST_TURNS_LISTED
    ) -> TurnPage:
        """Return some of a conversation's turns, in order.

        Args:
            organization: Whose conversation it must be.
            conversation: Its id.
            user: Whose it must be; None: anybody's in the organization.
            after: Number of the last turn of the page before; 0: this is the first page.
            limit: Turns at most, 1 to `MOST_TURNS_LISTED`.

        Raises:
            NotFoundError: if there is no such conversation.
            DatabaseError: if the database does not answer.
        """
        if not 1 <= limit <= MOST_TURNS_LISTED:
            raise UsageError(f"limit = {limit}: write 1 to {MOST_TURNS_LISTED}")
        with self._database.reading() as session:
            row = session.scalar(select(ConversationRow).where(OWNED), named(organization, conversation, user))
            if row is None:
                raise missing(organization, conversation)
            wanted = (
                select(InteractionRow)
                .where(InteractionRow.conversation_id == row.id, InteractionRow.number > after)
                .order_by(InteractionRow.number)
                .limit(limit + 1)
            )
            found = session.scalars(wanted).all()
            turns = tuple(as_interaction(interaction) for interaction in found[:limit])
            return TurnPage(as_conversation(row), turns, len(found) > limit)

    def records(self, conversations: Sequence[str], *, last: int) -> dict[str, tuple[dict[str, Any], ...]]:
        """Return the turn records of the *last* interactions of conversations that one may see, in order.

        Args:
            conversations: Their ids; of those that are not there nothing is returned.
            last: Interactions of each.

        Raises:
            DatabaseError: if the database does not answer.
        """
        query = (
            select(INTERACTIONS.c.conversation_id, INTERACTIONS.c.record)
            .join(CONVERSATIONS, CONVERSATIONS.c.id == INTERACTIONS.c.conversation_id)
            .where(INTERACTIONS.c.conversation_id.in_(conversations))
            .where(INTERACTIONS.c.number > CONVERSATIONS.c.interaction_count - last)
            .order_by(INTERACTIONS.c.conversation_id, INTERACTIONS.c.number)
        )
        found: dict[str, tuple[dict[str, Any], ...]] = {}
        with self._database.asking() as connection:
            for conversation, record in connection.execute(query):
                if record is not None:
                    found[conversation] = (*found.get(conversation, ()), record)
        return found


def _owned(query: Select[Any], organization: str, user: str | None) -> Select[Any]:
    query = query.where(CONVERSATIONS.c.organization_id == organization)
    return query if user is None else query.where(CONVERSATIONS.c.user_id == user)


def _token(conversation: str) -> int:
    """Return the token that finds *conversation* again: its id's first digits.

    In a million conversations no two share them, but for one case in ten thousand.
    """
    return int(conversation[:_TOKEN_DIGITS], 16) + 1


def _last(connection: Connection, organization: str, user: str | None, token: int) -> tuple[float, str]:
    """Return the key of the conversation that *token* is of.

    Raises:
        UsageError: if there is none.
    """
    if is_organization(organization) and 1 <= token <= MOST_TOKEN:
        digits = f"{token - 1:0{_TOKEN_DIGITS}x}"
        at = CONVERSATIONS.c.id.between(digits + "0" * _REST, digits + "f" * _REST)
        # whose it is is looked at here: asked for an organization's, SQLite looks through all that it has
        rows = connection.execute(select(*_KEY, CONVERSATIONS.c.organization_id, CONVERSATIONS.c.user_id).where(at))
        mine = [
            (row.created_at, row.id)
            for row in rows
            if row.organization_id == organization and user in (None, row.user_id)
        ]
        if mine:
            return min(mine)
    raise UsageError(f"continuation_token {token} is of no page; write the one of the page before, or 0")


def _said(connection: Connection, conversations: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Return how many messages there are in each of *conversations*, and the agent's last one."""
    if not conversations:
        return {}
    at = INTERACTIONS.c.conversation_id
    counts = (
        select(
            at,
            func.max(INTERACTIONS.c.number).label("number"),
            (func.count(func.nullif(INTERACTIONS.c.agent_message, "")) + func.count(INTERACTIONS.c.user_message_id)
             ).label("messages"),
        )
        .where(at.in_(conversations))
        .group_by(at)
        .subquery()
    )  # fmt: skip
    query = select(at, counts.c.messages, INTERACTIONS.c.agent_message).join(
        counts, (at == counts.c.conversation_id) & (INTERACTIONS.c.number == counts.c.number)
    )
    return {conversation: (messages, final) for conversation, messages, final in connection.execute(query)}
