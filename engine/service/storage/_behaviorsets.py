"""Dynamic behavior sets without their versions: what there is, what is changed, what is in force."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import bindparam, select, tuple_, update

from ....fillers import UsageError
from ._behaviorrecords import BehaviorSet, BehaviorVersion, NewSet
from ._behaviors import NAMED, as_version, missing_set, named_set, written_shares
from ._conditions import check_user
from ._database import Database
from ._ids import well_formed
from ._tables import BEHAVIOR_SETS, BEHAVIOR_VERSIONS

_ALL = (
    select(BEHAVIOR_SETS)
    .where(BEHAVIOR_SETS.c.organization_id == bindparam("organization"))
    .order_by(BEHAVIOR_SETS.c.created_at, BEHAVIOR_SETS.c.id)
)
_ACTIVE = _ALL.where(BEHAVIOR_SETS.c.is_active)
_ONE = select(BEHAVIOR_SETS).where(NAMED)
_HELD = _ONE.with_for_update()
_UPDATE = update(BEHAVIOR_SETS).where(NAMED)
_CHANGES = ("name", "services", "tags", "is_active", "shares")


class BehaviorSets:
    """Reads and changes dynamic behavior sets, always of one organization.

    Args:
        database: Where.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self, organization: str) -> tuple[BehaviorSet, ...]:
        """Return the organization's sets, the oldest first.

        Raises:
            DatabaseError: if the database does not answer.
        """
        if not well_formed(organization):
            return ()
        with self._database.asking() as connection:
            return tuple(_as_set(row) for row in connection.execute(_ALL, {"organization": organization}))

    def one(self, organization: str, set: str) -> BehaviorSet:
        """Return a set.

        Raises:
            NotFoundError: if there is no such set.
            DatabaseError: if the database does not answer.
        """
        with self._database.asking() as connection:
            row = connection.execute(_ONE, named_set(organization, set)).one_or_none()
        if row is None:
            raise missing_set(organization, set)
        return _as_set(row)

    def update(self, organization: str, set: str, changes: Mapping[str, Any], *, user: str) -> BehaviorSet:
        """Change a set; its versions stay as they are.

        Args:
            organization: Whose set it must be.
            set: Its id.
            changes: Fields of `NewSet`.
            user: Of the organization.

        Raises:
            NotFoundError: if there is no such set, or user.
            UsageError: if it cannot be so, or *shares* are of a version that there is not.
            DatabaseError: if the database does not answer.
        """
        names = named_set(organization, set)
        with self._database.changing() as connection:
            row = connection.execute(_HELD, names).one_or_none()  # of two changes at once, the second keeps the first
            if row is None:
                raise missing_set(organization, set)
            check_user(connection, organization, user)
            found = _as_set(row)
            new = replace(NewSet(found.name, found.services, found.tags, found.is_active, found.shares), **changes)
            beyond = [version for version in new.shares or () if not 1 <= version <= found.version_count]
            if beyond:
                raise UsageError(f"there is no version {beyond[0]} to deal; the latest one is {found.version_count}")
            now = self._database.now(connection)
            values = {name: getattr(new, name) for name in _CHANGES}
            # where dealing ends, what was dealt last can still be told
            since = found.shares_since if new.shares in (None, found.shares) else now
            connection.execute(
                _UPDATE.values(
                    name=new.name, services=list(new.services), tags=dict(new.tags), is_active=new.is_active,
                    shares=written_shares(new.shares), shares_since=since, updated_by=user, updated_at=now,
                ), names,
            )  # fmt: skip
        return replace(found, **values, shares_since=since, updated_by=user, updated_at=now)

    def in_force(self, organization: str) -> tuple[tuple[BehaviorSet, tuple[BehaviorVersion, ...]], ...]:
        """Return the active sets, the oldest first, each with the versions that conversations may be dealt.

        Raises:
            DatabaseError: if the database does not answer.
        """
        if not well_formed(organization):
            return ()
        with self._database.asking() as connection:
            sets = [_as_set(row) for row in connection.execute(_ACTIVE, {"organization": organization})]
            wanted = [(found.id, number) for found in sets for number in found.shares or (found.version_count,)]
            if not wanted:
                return ()
            rows = connection.execute(
                select(BEHAVIOR_VERSIONS)
                .where(tuple_(BEHAVIOR_VERSIONS.c.set_id, BEHAVIOR_VERSIONS.c.number).in_(wanted))
                .order_by(BEHAVIOR_VERSIONS.c.number)
            ).all()
        versions = [as_version(row, organization) for row in rows]
        return tuple((found, tuple(v for v in versions if v.set == found.id)) for found in sets)


def _as_set(row: Any) -> BehaviorSet:
    return BehaviorSet(
        id=row.id,
        organization=row.organization_id,
        name=row.name,
        services=tuple(row.services),
        tags=dict(row.tags),
        is_active=row.is_active,
        shares=None if row.shares is None else {int(version): share for version, share in row.shares.items()},
        shares_since=row.shares_since,
        version_count=row.version_count,
        creator=row.creator_id,
        created_at=row.created_at,
        updated_by=row.updated_by,
        updated_at=row.updated_at,
    )
