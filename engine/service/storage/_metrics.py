"""Metrics that organizations have defined."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, insert, select
from sqlalchemy.exc import IntegrityError

from ....fillers import UsageError
from ._conditions import check_user
from ._database import Database
from ._errors import FullError, NotFoundError, TakenError
from ._ids import check_json, is_id, is_organization, new_id, storable, well_formed
from ._metriccounters import count
from ._metrictables import METRICS

MOST_METRICS = 1000
"""That an organization may have."""
MOST_METRICS_LISTED = 50
MOST_METRIC_NAME = 64
"""Characters."""
_ADD = insert(METRICS)
_FIND = select(METRICS).where(
    METRICS.c.organization_id == bindparam("organization"), METRICS.c.id.in_(bindparam("ids", expanding=True))
)
_LISTED = (
    select(METRICS)
    .where(METRICS.c.organization_id == bindparam("organization"), METRICS.c.number > bindparam("after"))
    .order_by(METRICS.c.number)
    .limit(bindparam("most"))
)


@dataclass(frozen=True, slots=True)
class StoredMetric:
    """A metric that an organization has defined. It never changes."""

    id: str
    organization: str
    number: int
    """From 1, within the organization, without gaps."""
    name: str
    definition: Mapping[str, Any]
    """As plain data."""
    creator: str
    """A user of the organization."""
    created_at: float


class Metrics:
    """Reads and writes definitions of metrics, always of one organization.

    Args:
        database: Where.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def define(self, organization: str, name: str, definition: Mapping[str, Any], *, creator: str) -> StoredMetric:
        """Store a metric.

        Args:
            organization: Whose it will be.
            name: 1 to 64 characters, unlike those of the organization's others.
            definition: What it says, as JSON.
            creator: A user of the organization.

        Raises:
            NotFoundError: if there is no such user.
            TakenError: if there is one of that name.
            FullError: if the organization has `MOST_METRICS`.
            UsageError: if the name or the definition cannot be stored.
            DatabaseError: if the database does not answer.
        """
        clean = storable(name, "name")
        if not 1 <= len(clean) <= MOST_METRIC_NAME:
            raise UsageError(f"a metric's name has {len(clean)} characters; write 1 to {MOST_METRIC_NAME}")
        check_json(definition, "definitions")
        if not well_formed(organization, creator):
            raise NotFoundError("there is no such user")
        try:
            with self._database.changing() as connection:
                check_user(connection, organization, creator)
                counted = count(self._database, connection, organization, metrics=1)
                if counted.metrics > MOST_METRICS:
                    raise FullError(f"{organization} has {MOST_METRICS} metrics, as many as are kept; use one of them")
                new = StoredMetric(
                    new_id(), organization, counted.metrics, clean, dict(definition), creator, counted.at
                )
                values = {
                    "id": new.id, "organization_id": organization, "number": new.number, "name": clean,
                    "definition": new.definition, "creator_id": creator, "created_at": new.created_at,
                }  # fmt: skip
                connection.execute(_ADD, values)
                return new
        except IntegrityError as exc:
            raise TakenError(f"{organization} has a metric {clean!r} already; give this one another name") from exc

    def find(self, organization: str, ids: Iterable[str]) -> dict[str, StoredMetric]:
        """Return those of *ids* that there are, by id.

        Raises:
            DatabaseError: if the database does not answer.
        """
        wanted = [id for id in ids if is_id(id)]
        if not wanted or not is_organization(organization):
            return {}
        with self._database.asking() as connection:
            rows = connection.execute(_FIND, {"organization": organization, "ids": wanted}).all()
        return {row.id: _as_metric(row) for row in rows}

    def listed(
        self, organization: str, *, after: int = 0, limit: int = MOST_METRICS_LISTED
    ) -> tuple[tuple[StoredMetric, ...], bool]:
        """Return some of an organization's metrics, the oldest first, and whether others come after them.

        Args:
            organization: Whose.
            after: Number of the last metric of the page before; 0: this is the first page.
            limit: Metrics at most, 0 to `MOST_METRICS_LISTED`.

        Raises:
            DatabaseError: if the database does not answer.
        """
        if not 0 <= limit <= MOST_METRICS_LISTED:
            raise UsageError(f"limit = {limit}: write 0 to {MOST_METRICS_LISTED}")
        if not is_organization(organization):
            return (), False
        with self._database.asking() as connection:
            names = {"organization": organization, "after": after, "most": limit + 1}
            rows = connection.execute(_LISTED, names).all()
        return tuple(map(_as_metric, rows[:limit])), len(rows) > limit


def _as_metric(row: Any) -> StoredMetric:
    return StoredMetric(
        row.id, row.organization_id, row.number, row.name, row.definition, row.creator_id, row.created_at
    )
