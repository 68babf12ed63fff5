"""Leases: whoever holds one has a conversation to itself, in whatever process."""

import secrets
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, CursorResult, and_, false, or_, select, update
from sqlalchemy.orm import Session

from ....fillers import UsageError
from ._database import Database
from ._errors import BusyError, FinishedError, LeaseLostError, NotFoundError
from ._ids import new_id, well_formed
from ._tables import ConversationRow, UserRow

LEASE_S = 60.0
"""s without renewal after which a process is taken for dead."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write the next interaction of one conversation, or to create one."""

    organization: str
    user: str
    """Whose conversation it is."""
    conversation: str
    owner: str = field(repr=False)
    """Unique to the lease."""
    until: float
    """s since the epoch: from then on somebody else may claim it. Renew it well before."""
    creates: bool
    """Whether the conversation is yet to be created."""


class Leases:
    """Gives out leases. Each change is one conditional UPDATE, which a database lets only one of two succeed.

    A lease that has run out still holds until somebody else takes it: a process that was late but alone is not
    punished.

    Args:
        database: Where.
        lease_s: s that a lease holds without renewal.
    """

    def __init__(self, database: Database, *, lease_s: float = LEASE_S) -> None:
        if not 0.0 < lease_s < float("inf"):
            raise UsageError(f"lease_s = {lease_s}: write a number of seconds above 0")
        self._database = database
        self._lease_s = lease_s

    def reserve(self, organization: str, user: str) -> Lease:
        """Take the right to create the user's next conversation, whose id is the lease's; nothing of it is stored yet.

        Held while `History.unfinished` is asked and the first interaction goes on, so that of two requests at once
        one does not miss the other's conversation.

        Raises:
            NotFoundError: if there is no such user, or no longer.
            BusyError: if another conversation of the user is being created.
            DatabaseError: if the database does not answer.
        """
        if not well_formed(organization, user):
            raise NotFoundError("there is no such user")
        with self._database.changing() as connection:
            lease = self._new(connection, organization, user, new_id(), creates=True)
            wanted = [UserRow.id == user, UserRow.organization_id == organization, UserRow.disabled_at.is_(None)]
            if not _take(connection, UserRow, lease, wanted, now=lease.until - self._lease_s):
                if connection.scalar(select(UserRow.id).where(*wanted)) is None:
                    raise NotFoundError(f"there is no user {user} in {organization}")
                raise BusyError("another conversation of this user is being created")
            return lease

    def claim(self, organization: str, conversation: str, *, user: str | None) -> Lease:
        """Take the right to write the conversation's next interaction.

        Args:
            organization: Whose conversation it must be.
            conversation: Its id.
            user: Whose it must be; None: anybody's in the organization.

        Raises:
            NotFoundError: if there is no such conversation.
            FinishedError: if it is over.
            BusyError: if somebody else is at it.
            DatabaseError: if the database does not answer.
        """
        with self._database.changing() as connection:
            wanted = owned(organization, conversation, user)
            found = select(ConversationRow.user_id, ConversationRow.finished_at).where(*wanted)
            row = connection.execute(found).one_or_none()
            if row is None:
                raise NotFoundError(f"there is no conversation {conversation} in {organization}")
            if row.finished_at is not None:
                raise FinishedError(f"conversation {conversation} is finished")
            lease = self._new(connection, organization, row.user_id, conversation, creates=False)
            open_ones = [*wanted, ConversationRow.finished_at.is_(None)]
            if not _take(connection, ConversationRow, lease, open_ones, now=lease.until - self._lease_s):
                raise BusyError(f"conversation {conversation} is busy with another request")
            return lease

    def renew(self, lease: Lease) -> Lease:
        """Return the lease with as much time as a new one.

        Raises:
            LeaseLostError: if somebody else has taken it.
            DatabaseError: if the database does not answer.
        """
        with self._database.changing() as connection:
            renewed = replace(lease, until=self._database.now(connection) + self._lease_s)
            row = UserRow if lease.creates else ConversationRow
            if not changed(connection, update(row).where(*held(lease)).values(lease_until=renewed.until)):
                raise lost(lease)
            return renewed

    def release(self, lease: Lease) -> None:
        """Give the lease back without an interaction. One that is lost, or used up, is gone already.

        Raises:
            DatabaseError: if the database does not answer; the lease runs out by itself.
        """
        with self._database.changing() as connection:
            row = UserRow if lease.creates else ConversationRow
            connection.execute(update(row).where(*held(lease)).values(lease_owner=None, lease_until=None))

    def _new(self, connection: Connection, organization: str, user: str, conversation: str, *, creates: bool) -> Lease:
        until = self._database.now(connection) + self._lease_s
        return Lease(organization, user, conversation, secrets.token_hex(16), until, creates)


Row = type[UserRow] | type[ConversationRow]


def owned(organization: str, conversation: str, user: str | None) -> list[ColumnElement[bool]]:
    """Return what finds a conversation of *organization*, and of *user* unless None."""
    if not well_formed(organization, conversation, user):
        return [false()]
    found = [ConversationRow.id == conversation, ConversationRow.organization_id == organization]
    return found if user is None else [*found, ConversationRow.user_id == user]


def vacant(row: Row, now: float) -> ColumnElement[bool]:
    """Return what finds rows that nobody holds."""
    return or_(row.lease_owner.is_(None), row.lease_until.is_(None), row.lease_until <= now)


def held(lease: Lease) -> list[ColumnElement[bool]]:
    """Return what finds the row that *lease* holds, and nothing once it is lost."""
    if lease.creates:
        at = and_(UserRow.id == lease.user, UserRow.organization_id == lease.organization)
        return [at, UserRow.lease_owner == lease.owner]
    return [*owned(lease.organization, lease.conversation, lease.user), ConversationRow.lease_owner == lease.owner]


def lost(lease: Lease) -> LeaseLostError:
    """Return the error that says so."""
    return LeaseLostError(f"conversation {lease.conversation} has been taken over by another request")


def changed(session: Session | Connection, statement: Any) -> bool:
    """Return whether *statement*, an UPDATE, found its row."""
    result = session.execute(statement, execution_options={"synchronize_session": False})
    assert isinstance(result, CursorResult)
    return result.rowcount > 0


def _take(connection: Connection, row: Row, lease: Lease, wanted: list[ColumnElement[bool]], *, now: float) -> bool:
    taken = update(row).where(*wanted, vacant(row, now)).values(lease_owner=lease.owner, lease_until=lease.until)
    return changed(connection, taken)
