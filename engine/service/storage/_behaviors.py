"""Dynamic behavior sets and their versions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, bindparam, func, insert, select, update

from ....fillers import UsageError
from ._behaviorrecords import BehaviorVersion, NewBehavior, NewSet
from ._conditions import check_user
from ._database import Database
from ._errors import NotFoundError, NotNextError
from ._ids import new_id, well_formed
from ._tables import BEHAVIOR_SETS, BEHAVIOR_VERSIONS

MOST_LISTED = 10
"""Versions read at once."""
MOST_SETS = 1000
"""Sets of an organization."""
NAMED = and_(BEHAVIOR_SETS.c.id == bindparam("set"), BEHAVIOR_SETS.c.organization_id == bindparam("organization"))
_COUNT = select(BEHAVIOR_SETS.c.version_count).where(NAMED)
_COUNT_UP = (
    update(BEHAVIOR_SETS)
    .where(NAMED)
    .values(version_count=BEHAVIOR_SETS.c.version_count + 1)
    .returning(BEHAVIOR_SETS.c.version_count)
)
_SETS = select(func.count()).where(BEHAVIOR_SETS.c.organization_id == bindparam("organization"))
_ADD_SET = insert(BEHAVIOR_SETS)
_ADD_VERSION = insert(BEHAVIOR_VERSIONS)
_LISTED = (
    select(BEHAVIOR_VERSIONS)
    .where(
        BEHAVIOR_VERSIONS.c.set_id == bindparam("set"),
        BEHAVIOR_VERSIONS.c.number.between(bindparam("first"), bindparam("last")),
    )
    .order_by(BEHAVIOR_VERSIONS.c.number)
)


@dataclass(frozen=True, slots=True)
class VersionRange:
    """Which versions of a set are wanted: all, unless told otherwise."""

    lower: int | None = 1
    """The first number; None: the latest one's."""
    upper: int | None = None
    """The last number, included; None: the latest one's."""


EVERY = VersionRange()


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the versions that were wanted."""

    versions: tuple[BehaviorVersion, ...]
    """In the order that was asked for."""
    has_more: bool
    """Whether others come after them."""


class BehaviorVersions:
    """Reads and writes dynamic behavior sets, always of one organization.

    Args:
        database: Where.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, organization: str, new: NewSet, behavior: NewBehavior, *, creator: str) -> BehaviorVersion:
        """Store a set with its first version.

        Args:
            organization: Whose it will be.
            new: The set; its shares, if it has any, are of version 1.
            behavior: What its first version says.
            creator: A user of the organization.

        Raises:
            NotFoundError: if there is no such user.
            UsageError: if the organization has as many sets as it may have.
            DatabaseError: if the database does not answer.
        """
        if not well_formed(organization, creator):
            raise NotFoundError("there is no such user")
        with self._database.changing() as connection:
            check_user(connection, organization, creator)
            now, id = self._database.now(connection), new_id()
            if (connection.scalar(_SETS, {"organization": organization}) or 0) >= MOST_SETS:
                raise UsageError(f"{organization} has {MOST_SETS} behavior sets, which is all that it may have")
            values: dict[str, Any] = {
                "name": new.name, "services": list(new.services), "tags": dict(new.tags), "is_active": new.is_active,
                "shares": written_shares(new.shares), "shares_since": now, "creator_id": creator, "created_at": now,
                "updated_by": creator,
                "updated_at": now, "version_count": 1,
            }  # fmt: skip
            connection.execute(_ADD_SET, {"id": id, "organization_id": organization, **values})
            return _added(connection, organization, id, 1, now, behavior, creator)

    def add(
        self, organization: str, set: str, behavior: NewBehavior, *, creator: str, number: int | None = None
    ) -> BehaviorVersion:
        """Store a set's next version. Of several that are added at once, each has a number of its own.

        Args:
            organization: Whose set it must be.
            set: Its id.
            behavior: What the version says.
            creator: A user of the organization.
            number: Which the version has to get; None: whichever is next.

        Raises:
            NotFoundError: if there is no such set, or user.
            NotNextError: if *number* is not the next one.
            DatabaseError: if the database does not answer.
        """
        names = named_set(organization, set)
        if not well_formed(organization, creator):
            raise NotFoundError("there is no such user")
        with self._database.changing() as connection:
            # this holds the set until the transaction ends: who comes meanwhile waits, and counts on from here
            found = connection.scalar(_COUNT_UP, names)
            if found is None:
                raise missing_set(organization, set)
            if number is not None and number != found:
                raise NotNextError(f"the next version of behavior set {set} is {found}; write that, or no version")
            check_user(connection, organization, creator)
            return _added(connection, organization, set, found, self._database.now(connection), behavior, creator)

    def versions(
        self,
        organization: str,
        set: str,
        wanted: VersionRange = EVERY,
        *,
        newest_first: bool = False,
        after: int = 0,
        limit: int = MOST_LISTED,
    ) -> Page:
        """Return some of a set's versions, by number.

        Pages go by number rather than by count: what is added meanwhile moves nothing.

        Args:
            organization: Whose set it must be.
            set: Its id.
            wanted: Which versions.
            newest_first: Whether the numbers go down.
            after: Number of the last version of the page before; 0: this is the first page.
            limit: Versions at most, 1 to `MOST_LISTED`.

        Raises:
            NotFoundError: if there is no such set. That there are no such versions is no error.
            DatabaseError: if the database does not answer.
        """
        if not 1 <= limit <= MOST_LISTED:
            raise UsageError(f"limit = {limit}: write 1 to {MOST_LISTED}")
        names = named_set(organization, set)
        with self._database.asking() as connection:
            latest = connection.scalar(_COUNT, names)
            if latest is None:
                raise missing_set(organization, set)
            first, last = _bounds(wanted, latest, newest_first, after)
            has_more = last - first >= limit  # numbers have no gaps
            if has_more and newest_first:
                first = last - limit + 1
            elif has_more:
                last = first + limit - 1
            if first > last:
                return Page((), False)
            rows = connection.execute(_LISTED, {"set": set, "first": first, "last": last}).all()
        found = tuple(as_version(row, organization) for row in rows)
        return Page(found[::-1] if newest_first else found, has_more)


def _bounds(wanted: VersionRange, latest: int, newest_first: bool, after: int) -> tuple[int, int]:
    """Return the first and the last number that are still to come, which are none where the first is greater."""
    first = latest if wanted.lower is None else max(wanted.lower, 1)
    last = latest if wanted.upper is None else min(wanted.upper, latest)
    if after > 0 and newest_first:
        last = min(last, after - 1)
    elif after > 0:
        first = max(first, after + 1)
    return first, last


def named_set(organization: str, set: str) -> dict[str, Any]:
    if not well_formed(organization, set):
        raise missing_set(organization, set)
    return {"organization": organization, "set": set}


def missing_set(organization: str, set: str) -> NotFoundError:
    return NotFoundError(f"there is no behavior set {set} in {organization}")


def _added(
    connection: Connection, organization: str, set: str, number: int, now: float, behavior: NewBehavior, creator: str
) -> BehaviorVersion:
    values: dict[str, Any] = {
        "id": new_id(),
        "set_id": set,
        "number": number,
        "conversation_triggers": list(behavior.conversation_triggers),
        "actions": [dict(action) for action in behavior.actions],
        "changes": dict(behavior.changes),
        "creator_id": creator,
        "created_at": now,
    }
    connection.execute(_ADD_VERSION, values)
    return BehaviorVersion(
        values["id"], set, organization, number, behavior.conversation_triggers, tuple(values["actions"]),
        values["changes"], creator, now,
    )  # fmt: skip


def written_shares(shares: Mapping[int, float] | None) -> dict[str, float] | None:
    """Return *shares* as JSON has them."""
    return None if shares is None else {str(version): share for version, share in sorted(shares.items())}


def as_version(row: Any, organization: str) -> BehaviorVersion:
    return BehaviorVersion(
        id=row.id,
        set=row.set_id,
        organization=organization,
        number=row.number,
        conversation_triggers=tuple(row.conversation_triggers),
        actions=tuple(row.actions),
        changes=dict(row.changes),
        creator=row.creator_id,
        created_at=row.created_at,
    )
