"""Records of turns: read for what is worked out of them, and taken in from agents that run elsewhere."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Text, bindparam, cast, insert, select, update

from ....fillers import UsageError
from ._conditions import OWNED, check_user, missing, named
from ._database import Database
from ._errors import FullError, NoInteractionsError, NotFoundError
from ._following import follow
from ._ids import ID_DIGITS, check_json, checked_id, well_formed
from ._tables import CONVERSATIONS, INTERACTIONS
from ._upsert import by_dialect

MOST_TURNS = 2000
"""Of one conversation: what is read at once."""
ELSEWHERE = "0" * ID_DIGITS
"""The service of a conversation of which none was told."""
POSTED = {"posted turns": None}
"""Tags of a conversation that was held elsewhere."""
_STORED = (
    select(
        INTERACTIONS.c.id,
        INTERACTIONS.c.started_at,
        INTERACTIONS.c.agent_message_id,
        cast(INTERACTIONS.c.record, Text).label("record"),
    )
    .select_from(CONVERSATIONS.outerjoin(INTERACTIONS, INTERACTIONS.c.conversation_id == CONVERSATIONS.c.id))
    .where(OWNED)
    .order_by(INTERACTIONS.c.number)
    .limit(MOST_TURNS + 1)
)
_BEGIN = by_dialect(
    lambda insert: insert(CONVERSATIONS).on_conflict_do_nothing(index_elements=[CONVERSATIONS.c.id])
)  # fmt: skip
_HOLD = (
    select(CONVERSATIONS.c.id, CONVERSATIONS.c.interaction_count)
    .where(CONVERSATIONS.c.id.in_(bindparam("conversations", expanding=True)))
    .order_by(CONVERSATIONS.c.id)
    .with_for_update(key_share=True)
)
_KNOWN = select(INTERACTIONS.c.id, INTERACTIONS.c.conversation_id).where(
    INTERACTIONS.c.id.in_(bindparam("ids", expanding=True))
)
_ADD = insert(INTERACTIONS)
_COUNT = (
    update(CONVERSATIONS)
    .where(CONVERSATIONS.c.id == bindparam("conversation"))
    .values(interaction_count=bindparam("interactions"))
)


@dataclass(frozen=True, slots=True)
class StoredTurn:
    """What was recorded of an interaction's turn."""

    interaction: str
    message: str
    """Id of the agent's message."""
    started_at: float
    """s on a clock that the conversation's turns share."""
    record: str | None
    """JSON."""


@dataclass(frozen=True, slots=True)
class NewTurn:
    """A turn of an agent that runs elsewhere.

    Raises:
        UsageError: if the record cannot be stored.
    """

    session: str
    """Names the conversation there."""
    id: str
    """Names the turn within it."""
    started_at: float
    """s on a clock that the session's turns share."""
    record: Mapping[str, Any]
    behaviors: tuple[tuple[str, int], ...] = ()
    """Ids and versions of the behaviours that were triggered."""
    assigned: tuple[tuple[str, int], ...] = ()
    """Ids and versions of those that the conversation was dealt."""

    def __post_init__(self) -> None:
        check_json(self.record, "turn records")

    def ids(self, organization: str) -> tuple[str, str]:
        """Return the ids that the conversation and the interaction have in *organization*: always the same."""
        return (
            _made_id(f"stopgap conversation {organization} {self.session}"),
            _made_id(f"stopgap turn {organization} {self.session} {self.id}"),
        )


@dataclass(frozen=True, slots=True)
class Posted:
    """What became of turns that were posted."""

    conversations: tuple[str, ...]
    """Ids, in the order in which the turns name them."""
    interactions: tuple[str, ...]
    """Id of each turn's interaction."""
    new: int
    """How many were not there yet."""


class Turns:
    """Reads and takes in records of turns, always of one organization.

    Args:
        database: Where.
        on_enqueued: Called, in the thread that stores, once turns are committed of which something is to be delivered.
    """

    def __init__(self, database: Database, *, on_enqueued: Callable[[], None] = lambda: None) -> None:
        self._database = database
        self._on_enqueued = on_enqueued

    def of(self, organization: str, conversation: str) -> tuple[StoredTurn, ...]:
        """Return the turns of a conversation, in order of time: at most the first `MOST_TURNS` and one more.

        Raises:
            NotFoundError: if there is no such conversation.
            NoInteractionsError: if it has no turns.
            DatabaseError: if the database does not answer.
        """
        names = named(organization, conversation, None)
        with self._database.asking() as connection:
            rows = connection.execute(_STORED, names).all()
        if not rows:
            raise missing(organization, conversation)
        if rows[0].id is None:
            raise NoInteractionsError(f"conversation {conversation} has no interactions")
        turns = (StoredTurn(row.id, row.agent_message_id, row.started_at, row.record) for row in rows)
        return tuple(sorted(turns, key=lambda turn: turn.started_at))

    def post(
        self, organization: str, turns: Sequence[NewTurn], *, user: str, service: str | None = None
    ) -> Posted:  # fmt: skip
        """Store turns as interactions without words, in conversations that are finished: all of them, or none.

        A turn that is there already stays as it is. The id of a turn's message is that of its interaction.

        Args:
            organization: Whose they will be.
            turns: Some of one or several sessions.
            user: Whose conversations they will be, where those are new: a user of the organization.
            service: Id of what the users talked to, where the conversations are new.

        Raises:
            NotFoundError: if there is no such user.
            FullError: if a conversation had more than `MOST_TURNS`.
            UsageError: if a turn's id is another conversation's.
            DatabaseError: if the database does not answer.
        """
        if not well_formed(organization, user):
            raise NotFoundError("there is no such user")
        service = ELSEWHERE if service is None else checked_id(service, "service")
        ids = [turn.ids(organization) for turn in turns]
        conversations = tuple(dict.fromkeys(conversation for conversation, _ in ids))
        by_id: dict[str, tuple[str, NewTurn]] = {}
        for (conversation, id), turn in zip(ids, turns, strict=True):
            _check_same(turn, conversation, by_id.setdefault(id, (conversation, turn))[0])
        with self._database.changing() as connection:
            check_user(connection, organization, user)
            now = self._database.now(connection)
            counts = _held(connection, organization, conversations, user=user, service=service, now=now)
            for row in connection.execute(_KNOWN, {"ids": list(by_id)}):
                conversation, turn = by_id.pop(row.id)
                _check_same(turn, conversation, row.conversation_id)
            if by_id:
                connection.execute(_ADD, list(_rows(by_id, counts, now)))
                connection.execute(
                    _COUNT, [{"conversation": id, "interactions": number} for id, number in counts.items()]
                )
            to_deliver = sum(
                follow(connection, organization, conversation, id, turn.behaviors, turn.assigned, now=now)
                for id, (conversation, turn) in by_id.items()
            )
        if to_deliver:
            self._on_enqueued()
        return Posted(conversations, tuple(id for _, id in ids), len(by_id))


def _held(
    connection: Connection, organization: str, conversations: Iterable[str], *, user: str, service: str, now: float
) -> dict[str, int]:
    """Return how many interactions each conversation has, which nobody changes until the transaction ends."""
    in_one_order = sorted(conversations)  # of two that want the same ones, none waits for the other's second one
    common = {
        "organization_id": organization, "user_id": user, "service_id": service, "created_at": now, "tags": POSTED,
        "is_test": False, "interaction_count": 0, "finished_at": now,
    }  # fmt: skip
    connection.execute(_BEGIN[connection.dialect.name], [{"id": id, **common} for id in in_one_order])
    return {row.id: row.interaction_count for row in connection.execute(_HOLD, {"conversations": in_one_order})}


def _rows(new: Mapping[str, tuple[str, NewTurn]], counts: dict[str, int], now: float) -> Iterable[dict[str, Any]]:
    """Yield the interactions of *new* turns, in order of time, and count them in *counts*."""
    for id, (conversation, turn) in sorted(new.items(), key=lambda item: item[1][1].started_at):
        counts[conversation] += 1
        if counts[conversation] > MOST_TURNS:
            raise FullError(
                f"session {turn.session[:40]!r} has more than {MOST_TURNS} turns; give the rest of them another session"
            )
        yield {
            "id": id, "conversation_id": conversation, "number": counts[conversation], "started_at": turn.started_at,
            "completed_at": now, "user_message_id": None, "user_message": None, "agent_message_id": id,
            "agent_message": "", "actions": [], "record": dict(turn.record),
        }  # fmt: skip


def _check_same(turn: NewTurn, conversation: str, found: str) -> None:
    if found != conversation:
        raise UsageError(
            f"turn {turn.id[:40]!r} of session {turn.session[:40]!r} cannot be told from a turn of another session "
            "whose name begins alike; write sessions and turns without spaces"
        )


def _made_id(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:ID_DIGITS]
