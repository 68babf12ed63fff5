"""What is read of conversations."""

from sqlalchemy import Connection, bindparam, select

from ....fillers import UsageError
from ._conditions import OWNED, missing, named
from ._database import Database
from ._errors import NotFoundError
from ._ids import is_id, well_formed
from ._records import Conversation, Interaction, Transcript
from ._tables import INTERACTIONS, ConversationRow, InteractionRow

MOST_INTERACTIONS = 500
"""Read at once."""
MOST_UNFINISHED = 100
_WORDS = (
    select(INTERACTIONS.c.user_message, INTERACTIONS.c.agent_message)
    .where(INTERACTIONS.c.conversation_id == bindparam("conversation"))
    .order_by(INTERACTIONS.c.number.desc())
    .limit(bindparam("last"))
)
_RECORDS = (
    select(INTERACTIONS.c.started_at, INTERACTIONS.c.record)
    .where(INTERACTIONS.c.conversation_id == bindparam("conversation"))
    .order_by(INTERACTIONS.c.number.desc())
    .limit(bindparam("last"))
)
Words = tuple[tuple[str | None, str], ...]
"""What the user said (None: nothing) and what the agent answered, in order."""


class History:
    """Reads conversations, always of one organization.

    Args:
        database: Where.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(
        self, organization: str, conversation: str, *, user: str | None, last: int = MOST_INTERACTIONS
    ) -> Transcript:
        """Return a conversation and what was said.

        Args:
            organization: Whose conversation it must be.
            conversation: Its id.
            user: Whose it must be; None: anybody's in the organization.
            last: Interactions, the newest ones, at most `MOST_INTERACTIONS`.

        Raises:
            NotFoundError: if there is no such conversation.
            DatabaseError: if the database does not answer.
        """
        if not 1 <= last <= MOST_INTERACTIONS:
            raise UsageError(f"last = {last}: write 1 to {MOST_INTERACTIONS}")
        with self._database.reading() as session:
            row = session.scalar(select(ConversationRow).where(OWNED), named(organization, conversation, user))
            if row is None:
                raise missing(organization, conversation)
            newest = (
                select(InteractionRow)
                .where(InteractionRow.conversation_id == row.id)
                .order_by(InteractionRow.number.desc())
                .limit(last)
            )
            found = [as_interaction(interaction) for interaction in session.scalars(newest)]
            return Transcript(as_conversation(row), tuple(reversed(found)))

    def heard(self, conversation: str, *, last: int) -> tuple[tuple[str, float], ...]:
        """Return the fillers that were heard in the *last* interactions of a conversation that one has a lease on, in
        order.

        Returns:
            Ids of clips, each with how many s ago it began.

        Raises:
            DatabaseError: if the database does not answer.
        """
        with self._database.asking() as connection:
            now = self._database.now(connection)
            newest = connection.execute(_RECORDS, {"conversation": conversation, "last": last}).all()
        return tuple(
            (sound["clip"], now - started_at - sound["start_s"])
            for started_at, record in reversed(newest)
            for sound in (record or {}).get("sounds", ())
        )

    def interaction(
        self, organization: str, conversation: str, interaction: str, *, user: str | None
    ) -> tuple[Conversation, Interaction]:
        """Return one interaction, and the conversation that it must be of.

        Raises:
            NotFoundError: if there is no such interaction.
            DatabaseError: if the database does not answer.
        """
        if not is_id(interaction):
            raise NotFoundError("there is no such interaction")
        with self._database.reading() as session:
            found = session.execute(
                select(ConversationRow, InteractionRow)
                .join(InteractionRow, InteractionRow.conversation_id == ConversationRow.id)
                .where(OWNED, InteractionRow.id == interaction),
                named(organization, conversation, user),
            ).one_or_none()
            if found is None:
                raise NotFoundError(f"there is no interaction {interaction} of conversation {conversation}")
            return as_conversation(found[0]), as_interaction(found[1])

    def unfinished(self, organization: str, user: str, *, service: str | None = None) -> tuple[Conversation, ...]:
        """Return the user's conversations that are not finished, the newest first.

        Args:
            organization: Whose they are.
            user: Whose they are.
            service: Only those with this service; None: all.

        Raises:
            DatabaseError: if the database does not answer.
        """
        if not well_formed(organization, user, service):
            return ()
        wanted = (
            select(ConversationRow)
            .where(ConversationRow.organization_id == organization, ConversationRow.user_id == user)
            .where(ConversationRow.finished_at.is_(None))
            .order_by(ConversationRow.created_at.desc(), ConversationRow.id)
            .limit(MOST_UNFINISHED)
        )
        if service is not None:
            wanted = wanted.where(ConversationRow.service_id == service)
        with self._database.reading() as session:
            return tuple(as_conversation(row) for row in session.scalars(wanted))


def words(connection: Connection, conversation: str, last: int) -> Words:
    """Return only the words of a conversation's *last* interactions: what an agent is told each time."""
    newest = connection.execute(_WORDS, {"conversation": conversation, "last": last})
    return tuple((said, answer) for said, answer in newest)[::-1]


def as_conversation(row: ConversationRow) -> Conversation:
    """Return *row* as callers get it."""
    return Conversation(
        id=row.id,
        organization=row.organization_id,
        user=row.user_id,
        service=row.service_id,
        created_at=row.created_at,
        finished_at=row.finished_at,
        tags=dict(row.tags),
        is_test=row.is_test,
        interaction_count=row.interaction_count,
    )


def as_interaction(row: InteractionRow) -> Interaction:
    """Return *row* as callers get it."""
    return Interaction(
        id=row.id,
        conversation=row.conversation_id,
        number=row.number,
        started_at=row.started_at,
        completed_at=row.completed_at,
        user_message_id=row.user_message_id,
        user_message=row.user_message,
        agent_message_id=row.agent_message_id,
        agent_message=row.agent_message,
        actions=tuple(row.actions),
        record=row.record,
    )
