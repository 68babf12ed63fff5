"""Organizations, their users, and their users' API keys."""

from collections.abc import Iterable

from sqlalchemy import bindparam, select, update
from sqlalchemy.exc import IntegrityError

from ._conditions import changed
from ._database import Database
from ._errors import NotFoundError, TakenError
from ._ids import checked_id, checked_organization, new_id, well_formed
from ._records import StoredKey, User
from ._tables import USERS, ApiKeyRow, OrganizationRow, UserRow

MOST_LISTED = 1000
_USER = select(USERS.c.permissions, USERS.c.created_at, USERS.c.disabled_at).where(
    USERS.c.id == bindparam("user"), USERS.c.organization_id == bindparam("organization")
)


class Accounts:
    """Reads and writes who there is.

    Args:
        database: Where.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def organizations(self) -> tuple[str, ...]:
        """Return the organizations' ids.

        Raises:
            DatabaseError: if the database does not answer.
        """
        with self._database.reading() as session:
            return tuple(session.scalars(select(OrganizationRow.id).order_by(OrganizationRow.id).limit(MOST_LISTED)))

    def add_organization(self, organization: str) -> None:
        """Add an organization.

        Raises:
            UsageError: if this can be no organization's id.
            TakenError: if it exists already.
            DatabaseError: if the database does not answer.
        """
        checked_organization(organization)
        try:
            with self._database.writing() as session:
                session.add(OrganizationRow(id=organization, created_at=self._database.now(session)))
        except IntegrityError as exc:
            raise TakenError(f"organization {organization} exists already") from exc

    def add_user(self, organization: str, permissions: Iterable[str]) -> User:
        """Add a user, with an id that is made up.

        Raises:
            NotFoundError: if there is no such organization.
            DatabaseError: if the database does not answer.
        """
        if not well_formed(organization):
            raise NotFoundError("there is no such organization")
        try:
            with self._database.writing() as session:
                row = UserRow(
                    id=new_id(),
                    organization_id=organization,
                    permissions=sorted(set(permissions)),
                    created_at=self._database.now(session),
                )
                session.add(row)
                session.flush()
                return _as_user(row)
        except IntegrityError as exc:
            raise NotFoundError(f"there is no organization {organization}") from exc

    def user(self, organization: str, user: str) -> User | None:
        """Return a user of *organization*, disabled or not; None: there is no such user.

        Raises:
            DatabaseError: if the database does not answer.
        """
        if not well_formed(organization, user):
            return None
        with self._database.asking() as connection:
            row = connection.execute(_USER, {"user": user, "organization": organization}).one_or_none()
        return None if row is None else User(user, organization, frozenset(row[0]), row[1], row[2])

    def users(self, organization: str) -> tuple[User, ...]:
        """Return the users of *organization*, the oldest first.

        Raises:
            DatabaseError: if the database does not answer.
        """
        if not well_formed(organization):
            return ()
        wanted = select(UserRow).where(UserRow.organization_id == organization)
        with self._database.reading() as session:
            rows = session.scalars(wanted.order_by(UserRow.created_at, UserRow.id).limit(MOST_LISTED))
            return tuple(_as_user(row) for row in rows)

    def disable_user(self, organization: str, user: str) -> None:
        """Let a user in no more, by key or by a token that is still valid.

        Raises:
            NotFoundError: if there is no such user.
            DatabaseError: if the database does not answer.
        """
        if not well_formed(organization, user):
            raise NotFoundError("there is no such user")
        with self._database.writing() as session:
            wanted = update(UserRow).where(UserRow.id == user, UserRow.organization_id == organization)
            if not changed(session, wanted.values(disabled_at=self._database.now(session))):
                raise NotFoundError(f"there is no user {user} in {organization}")

    def add_key(self, organization: str, user: str, hash: str, *, id: str | None = None) -> StoredKey:
        """Add a user's API key.

        Args:
            organization: The user's.
            user: Whose key it is.
            hash: Of the key.
            id: Of the key; None: one is made up.

        Raises:
            NotFoundError: if there is no such user.
            DatabaseError: if the database does not answer.
        """
        if not well_formed(organization, user):
            raise NotFoundError("there is no such user")
        with self._database.writing() as session:
            wanted = select(UserRow.id).where(UserRow.id == user, UserRow.organization_id == organization)
            if session.scalar(wanted) is None:
                raise NotFoundError(f"there is no user {user} in {organization}")
            key = checked_id(id or new_id(), "key")
            row = ApiKeyRow(id=key, user_id=user, hash=hash, created_at=self._database.now(session))
            session.add(row)
            session.flush()
            return _as_key(row, organization)

    def key(self, organization: str, user: str, key: str) -> StoredKey | None:
        """Return a key, revoked or not; None: that user has no such key.

        Raises:
            DatabaseError: if the database does not answer.
        """
        if not well_formed(organization, user, key):
            return None
        with self._database.reading() as session:
            row = session.scalar(
                select(ApiKeyRow)
                .join(UserRow, UserRow.id == ApiKeyRow.user_id)
                .where(ApiKeyRow.id == key, UserRow.id == user, UserRow.organization_id == organization)
            )
            return None if row is None else _as_key(row, organization)

    def keys(self, organization: str) -> tuple[StoredKey, ...]:
        """Return the keys of all users of *organization*, the oldest first.

        Raises:
            DatabaseError: if the database does not answer.
        """
        if not well_formed(organization):
            return ()
        wanted = select(ApiKeyRow).join(UserRow, UserRow.id == ApiKeyRow.user_id)
        wanted = wanted.where(UserRow.organization_id == organization).order_by(ApiKeyRow.created_at, ApiKeyRow.id)
        with self._database.reading() as session:
            return tuple(_as_key(row, organization) for row in session.scalars(wanted.limit(MOST_LISTED)))

    def revoke_key(self, organization: str, key: str) -> None:
        """Let nobody in with this key any more; tokens that it was exchanged for run out by themselves.

        Raises:
            NotFoundError: if there is no such key, or it has been revoked before.
            DatabaseError: if the database does not answer.
        """
        if not well_formed(organization, key):
            raise NotFoundError("there is no such key")
        theirs = select(UserRow.id).where(UserRow.organization_id == organization)
        with self._database.writing() as session:
            wanted = update(ApiKeyRow).where(ApiKeyRow.id == key, ApiKeyRow.user_id.in_(theirs))
            wanted = wanted.where(ApiKeyRow.revoked_at.is_(None))
            if not changed(session, wanted.values(revoked_at=self._database.now(session))):
                raise NotFoundError(f"there is no key {key} in {organization} that could be revoked")

    def key_was_used(self, key: StoredKey) -> None:
        """Note the time.

        Raises:
            DatabaseError: if the database does not answer.
        """
        with self._database.writing() as session:
            now = self._database.now(session)
            session.execute(update(ApiKeyRow).where(ApiKeyRow.id == key.id).values(last_used_at=now))


def _as_user(row: UserRow) -> User:
    return User(row.id, row.organization_id, frozenset(row.permissions), row.created_at, row.disabled_at)


def _as_key(row: ApiKeyRow, organization: str) -> StoredKey:
    return StoredKey(row.id, row.user_id, organization, row.hash, row.created_at, row.last_used_at, row.revoked_at)
