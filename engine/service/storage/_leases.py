"""Leases: whoever holds one has a conversation to itself, in whatever process."""

import secrets
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, and_, bindparam, select, update

from ....fillers import UsageError
from ._conditions import OWNED, changed, missing, named, vacant
from ._database import Database
from ._errors import BusyError, FinishedError, LeaseLostError, NotFoundError
from ._history import Words, words
from ._ids import new_id, well_formed
from ._tables import CONVERSATIONS, USERS

LEASE_S = 60.0
"""s without renewal after which a process is taken for dead."""

_GRANTED: dict[str, Any] = {"lease_owner": bindparam("owner"), "lease_until": bindparam("until")}
_USER = and_(
    USERS.c.id == bindparam("user"), USERS.c.organization_id == bindparam("organization"), USERS.c.disabled_at.is_(None)
)
_FIND_USER = select(USERS.c.id).where(_USER)
_RESERVE = update(USERS).where(_USER, vacant(USERS)).values(_GRANTED)
_FIND = select(CONVERSATIONS.c.finished_at).where(OWNED)
_CLAIM = (
    update(CONVERSATIONS)
    .where(OWNED, CONVERSATIONS.c.finished_at.is_(None), vacant(CONVERSATIONS))
    .values(_GRANTED)
    .returning(CONVERSATIONS.c.user_id, CONVERSATIONS.c.service_id, CONVERSATIONS.c.interaction_count)
)
HELD_USER = and_(
    USERS.c.id == bindparam("user"),
    USERS.c.organization_id == bindparam("organization"),
    USERS.c.lease_owner == bindparam("owner"),
)
"""Finds what a lease for a new conversation holds (`Lease.names`), and nothing once it is lost."""
HELD = and_(OWNED, CONVERSATIONS.c.lease_owner == bindparam("owner"))
"""The same for a lease on a conversation."""
GIVEN_BACK = {"lease_owner": None, "lease_until": None}
_RENEW_USER = update(USERS).where(HELD_USER).values(lease_until=bindparam("until"))
_RENEW = update(CONVERSATIONS).where(HELD).values(lease_until=bindparam("until"))
_RELEASE_USER = update(USERS).where(HELD_USER).values(GIVEN_BACK)
_RELEASE = update(CONVERSATIONS).where(HELD).values(GIVEN_BACK)


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

    @property
    def names(self) -> dict[str, str]:
        """The parameters of `HELD` and `HELD_USER`."""
        found = {"organization": self.organization, "user": self.user, "owner": self.owner}
        return found if self.creates else {**found, "conversation": self.conversation}


@dataclass(frozen=True, slots=True)
class Resumed:
    """A conversation that may be gone on with."""

    lease: Lease
    service: str
    """Id of the service that it is with."""
    interactions: int
    """That it has been through."""
    words: Words


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
            now = self._database.now(connection)
            lease = self._new(now, organization, user, new_id(), creates=True)
            if not changed(connection, _RESERVE, {**lease.names, "until": lease.until, "now": now}):
                if connection.scalar(_FIND_USER, lease.names) is None:
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
            return self._claim(connection, organization, conversation, user)[0]

    def resume(self, organization: str, conversation: str, *, user: str | None, last: int) -> Resumed:
        """Like `claim`, and read the words of the *last* interactions in the same transaction.

        Raises:
            NotFoundError: as of `claim`, like the others.
        """
        with self._database.changing() as connection:
            lease, service, interactions = self._claim(connection, organization, conversation, user)
            return Resumed(lease, service, interactions, words(connection, conversation, last))

    def renew(self, lease: Lease) -> Lease:
        """Return the lease with as much time as a new one.

        Raises:
            LeaseLostError: if somebody else has taken it.
            DatabaseError: if the database does not answer.
        """
        with self._database.changing() as connection:
            renewed = replace(lease, until=self._database.now(connection) + self._lease_s)
            statement = _RENEW_USER if lease.creates else _RENEW
            if not changed(connection, statement, {**lease.names, "until": renewed.until}):
                raise lost(lease)
            return renewed

    def release(self, lease: Lease) -> None:
        """Give the lease back without an interaction. One that is lost, or used up, is gone already.

        Raises:
            DatabaseError: if the database does not answer; the lease runs out by itself.
        """
        with self._database.changing() as connection:
            connection.execute(_RELEASE_USER if lease.creates else _RELEASE, lease.names)

    def _claim(
        self, connection: Connection, organization: str, conversation: str, user: str | None
    ) -> tuple[Lease, str, int]:
        names, now = named(organization, conversation, user), self._database.now(connection)
        lease = self._new(now, organization, user or "", conversation, creates=False)
        granted = {**names, "owner": lease.owner, "until": lease.until, "now": now}
        taken = connection.execute(_CLAIM, granted).one_or_none()
        if taken is not None:
            return replace(lease, user=taken.user_id), taken.service_id, taken.interaction_count
        found = connection.execute(_FIND, names).one_or_none()
        if found is None:
            raise missing(organization, conversation)
        if found.finished_at is not None:
            raise FinishedError(f"conversation {conversation} is finished")
        raise BusyError(f"conversation {conversation} is busy with another request")

    def _new(self, now: float, organization: str, user: str, conversation: str, *, creates: bool) -> Lease:
        return Lease(organization, user, conversation, secrets.token_hex(16), now + self._lease_s, creates)


def lost(lease: Lease) -> LeaseLostError:
    """Return the error that says so."""
    return LeaseLostError(f"conversation {lease.conversation} has been taken over by another request")
