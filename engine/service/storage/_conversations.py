"""What is written of conversations: each change whole or not at all."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from ....fillers import UsageError
from ._conditions import OWNED, changed, missing, named, vacant
from ._database import Database
from ._errors import BusyError, FinishedError, NoInteractionsError, TakenError
from ._following import follow
from ._history import as_conversation
from ._leases import GIVEN_BACK, HELD, HELD_USER, Lease, lost
from ._records import Conversation, Interaction, NewConversation, NewInteraction
from ._tables import CONVERSATIONS, INTERACTIONS, USERS, ConversationRow

_CREATED = update(USERS).where(HELD_USER).values(GIVEN_BACK)
_COMPLETED = (
    update(CONVERSATIONS)
    .where(HELD, CONVERSATIONS.c.finished_at.is_(None))
    .values(**GIVEN_BACK, interaction_count=CONVERSATIONS.c.interaction_count + 1, finished_at=bindparam("finished"))
    .returning(CONVERSATIONS.c.interaction_count)
)
_FINISHED = (
    update(CONVERSATIONS)
    .where(OWNED, CONVERSATIONS.c.finished_at.is_(None), vacant(CONVERSATIONS))
    .where(CONVERSATIONS.c.interaction_count > 0)
    .values(**GIVEN_BACK, finished_at=bindparam("now"))
)
_FIND = select(CONVERSATIONS.c.finished_at, CONVERSATIONS.c.interaction_count).where(OWNED)
_ADD = insert(INTERACTIONS)


class Conversations:
    """Writes conversations and their interactions.

    An interaction is stored when it has come to its end, in the transaction that gives the lease back; a conversation
    together with its first one. Of what failed halfway nothing is stored. What rules have to deliver of it is written
    in the same transaction.

    Args:
        database: Where.
        on_enqueued: Called, in the thread that stores, once an interaction is committed of which something is to be
            delivered.
    """

    def __init__(self, database: Database, *, on_enqueued: Callable[[], None] = lambda: None) -> None:
        self._database = database
        self._on_enqueued = on_enqueued

    def create(
        self, lease: Lease, conversation: NewConversation, interaction: NewInteraction, *, finished: bool = False
    ) -> tuple[Conversation, Interaction]:
        """Store a conversation with its first interaction, and give *lease* back.

        Args:
            lease: From `Leases.reserve`.
            conversation: What is known of it.
            interaction: Its first one.
            finished: Whether it is its last one, too.

        Raises:
            LeaseLostError: if it had run out and somebody else took it; nothing is stored.
            TakenError: if an id of the interaction is in use.
            DatabaseError: if the database does not answer.
            UsageError: if *lease* is not for creating.
        """
        if not lease.creates:
            raise UsageError("this lease is for a conversation that exists; use `complete`")
        with self._database.writing() as session:
            now = self._database.now(session)
            if not changed(session, _CREATED, lease.names):
                raise lost(lease)
            row = ConversationRow(
                id=lease.conversation,
                organization_id=lease.organization,
                user_id=lease.user,
                service_id=conversation.service,
                created_at=interaction.started_at,
                tags=dict(conversation.tags),
                is_test=conversation.is_test,
                interaction_count=1,
                finished_at=now if finished else None,
            )
            session.add(row)
            session.flush()
            connection = session.connection()
            created = as_conversation(row), _added(connection, lease.conversation, 1, now, interaction)
            enqueued = _enqueued(connection, lease, now, interaction)
        if enqueued:
            self._on_enqueued()
        return created

    def complete(self, lease: Lease, interaction: NewInteraction, *, finished: bool = False) -> Interaction:
        """Store an interaction, and give *lease* back.

        Args:
            lease: From `Leases.claim`.
            interaction: As it came to its end.
            finished: Whether the conversation ends with it.

        Raises:
            LeaseLostError: if it had run out and somebody else took it; nothing is stored.
            TakenError: if an id of the interaction is in use.
            DatabaseError: if the database does not answer.
            UsageError: if *lease* is for creating.
        """
        if lease.creates:
            raise UsageError("this lease is for a conversation that does not exist yet; use `create`")
        with self._database.changing() as connection:
            now = self._database.now(connection)
            number = connection.scalar(_COMPLETED, {**lease.names, "finished": now if finished else None})
            if number is None:
                raise lost(lease)
            completed = _added(connection, lease.conversation, number, now, interaction)
            enqueued = _enqueued(connection, lease, now, interaction)
        if enqueued:
            self._on_enqueued()
        return completed

    def finish(self, organization: str, conversation: str, *, user: str | None) -> None:
        """End a conversation.

        Args:
            organization: Whose conversation it must be.
            conversation: Its id.
            user: Whose it must be; None: anybody's in the organization.

        Raises:
            NotFoundError: if there is no such conversation.
            NoInteractionsError: if nothing was said in it.
            FinishedError: if it is over already.
            BusyError: if an interaction is under way.
            DatabaseError: if the database does not answer.
        """
        names = named(organization, conversation, user)
        with self._database.changing() as connection:
            if changed(connection, _FINISHED, {**names, "now": self._database.now(connection)}):
                return
            row = connection.execute(_FIND, names).one_or_none()
            if row is None:
                raise missing(organization, conversation)
            if row.finished_at is not None:
                raise FinishedError(f"conversation {conversation} is finished already")
            if row.interaction_count == 0:
                raise NoInteractionsError(f"conversation {conversation} has no interactions")
            raise BusyError(f"conversation {conversation} is busy with another request")


def _added(connection: Connection, conversation: str, number: int, now: float, new: NewInteraction) -> Interaction:
    added = Interaction(
        id=new.id,
        conversation=conversation,
        number=number,
        started_at=new.started_at,
        completed_at=now,
        user_message_id=new.user_message_id,
        user_message=new.user_message,
        agent_message_id=new.agent_message_id,
        agent_message=new.agent_message,
        actions=tuple(dict(action) for action in new.actions),
        record=None if new.record is None else dict(new.record),
    )
    values: dict[str, Any] = {name: getattr(added, name) for name in _COLUMNS}
    try:
        connection.execute(_ADD, {**values, "conversation_id": conversation, "actions": list(added.actions)})
    except IntegrityError as exc:
        raise TakenError(f"interaction {new.id} exists already") from exc
    return added


def _enqueued(connection: Connection, lease: Lease, now: float, new: NewInteraction) -> int:
    names = lease.organization, lease.conversation, new.id
    return follow(connection, *names, new.behaviors, new.assigned, now=now)


_COLUMNS = (
    "id", "number", "started_at", "completed_at", "user_message_id", "user_message", "agent_message_id",
    "agent_message", "record",
)  # fmt: skip
