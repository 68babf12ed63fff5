"""Numbers of metrics and of their results."""

from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, case

from ._database import Database
from ._metrictables import METRIC_COUNTERS
from ._upsert import by_dialect


class Counted(NamedTuple):
    """An organization's latest numbers."""

    metrics: int
    results: int
    at: float
    """s since the epoch, whole µs, never before the time of an earlier number."""


def _built(insert: Any) -> Any:
    new = insert(METRIC_COUNTERS).values({name: bindparam(name) for name in ("organization_id", *Counted._fields[:2])})
    new = new.values(counted_at=bindparam("at"))
    kept, added = METRIC_COUNTERS.c, new.excluded
    return new.on_conflict_do_update(
        index_elements=[kept.organization_id],
        set_={
            "metrics": kept.metrics + added.metrics,
            "results": kept.results + added.results,
            "counted_at": case((added.counted_at > kept.counted_at, added.counted_at), else_=kept.counted_at),
        },
    ).returning(kept.metrics, kept.results, kept.counted_at)


_COUNT = by_dialect(_built)


def count(
    database: Database, connection: Connection, organization: str, *, metrics: int = 0, results: int = 0
) -> Counted:
    """Number so many more, and hold the organization's counters until the transaction ends."""
    values = {"organization_id": organization, "metrics": metrics, "results": results}
    # whole µs: what an answer tells as a time can be asked for again, and is the same
    at = round(database.now(connection), 6)
    return Counted._make(connection.execute(_COUNT[connection.dialect.name], {**values, "at": at}).one())
