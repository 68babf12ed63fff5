"""Pages of what metrics have found.

Pages go by number rather than by count, and each value of a filter is read by an index of its own from where the page
before ended: a page costs the same wherever it is.
"""

import heapq
from dataclasses import dataclass, replace
from itertools import islice, product
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, select

from ....fillers import UsageError
from ._database import Database
from ._ids import is_organization
from ._metricresults import SOURCES, StoredResult, as_result
from ._metrictables import METRIC_COUNTERS, METRIC_RESULTS

MOST_RESULTS = 500
"""Read at once."""
MOST_VALUES = 100
"""Of one filter."""
_C = METRIC_RESULTS.c
_MINE = _C.organization_id == bindparam("organization")
_LATEST = select(METRIC_COUNTERS.c.results).where(METRIC_COUNTERS.c.organization_id == bindparam("organization"))
_SINCE = select(_C.number).where(_MINE, _C.created_at >= bindparam("at")).order_by(_C.created_at, _C.number).limit(1)
_UNTIL = (
    select(_C.number)
    .where(_MINE, _C.created_at <= bindparam("at"))
    .order_by(_C.created_at.desc(), _C.number.desc())
    .limit(1)
)
_OF_CONVERSATIONS = select(_C.number, _C.id, _C.organization_id, _C.metric_id, _C.source, _C.created_at).where(
    _C.conversation_id.in_(bindparam("conversations", expanding=True))
)
_FOUND = select(METRIC_RESULTS).where(_C.id.in_(bindparam("ids", expanding=True)))


def _ordered(down: bool, of_metric: bool) -> Select[Any]:
    wanted = and_(_MINE, _C.source == bindparam("source"), _C.number.between(bindparam("first"), bindparam("last")))
    if of_metric:
        wanted = and_(wanted, _C.metric_id == bindparam("metric"))
    return select(_C.number, _C.id).where(wanted).order_by(_C.number.desc() if down else _C.number).limit(
        bindparam("most")
    )  # fmt: skip


_ORDERED = {(down, of_metric): _ordered(down, of_metric) for down, of_metric in product((False, True), repeat=2)}


def _metrics_with_results() -> Select[Any]:
    """Return the metrics one after the other, each found by a look into the index: not by reading every result."""
    lowest = select(_C.metric_id).where(_MINE).order_by(_C.metric_id).limit(1)
    seen = select(lowest.scalar_subquery().label("metric_id")).cte("seen", recursive=True)
    following = (
        select(_C.metric_id)
        .where(_MINE, _C.metric_id > seen.c.metric_id)
        .order_by(_C.metric_id)
        .limit(1)
        .scalar_subquery()
    )
    seen = seen.union_all(select(following).where(seen.c.metric_id.is_not(None)))
    return select(seen.c.metric_id).where(seen.c.metric_id.is_not(None))


_METRICS = _metrics_with_results()


@dataclass(frozen=True, slots=True)
class ResultFilter:
    """Which results are wanted: all, unless told otherwise. Of each field one value must fit."""

    metrics: tuple[str, ...] | None = None
    sources: tuple[str, ...] | None = None
    conversations: tuple[str, ...] | None = None
    since: float | None = None
    """s since the epoch: created then or later."""
    until: float | None = None
    """s since the epoch: created then or earlier."""

    def __post_init__(self) -> None:
        for what in ("metrics", "sources", "conversations"):
            values = getattr(self, what)
            if values is not None and len(values) > MOST_VALUES:
                raise UsageError(f"{len(values)} {what} are asked for at once; name at most {MOST_VALUES}")


EVERY_RESULT = ResultFilter()


@dataclass(frozen=True, slots=True)
class ResultPage:
    """Some of the results that were wanted."""

    results: tuple[StoredResult, ...]
    """In the order that was asked for."""
    has_more: bool
    """Whether others come after them."""


class MetricResults:
    """Reads results of metrics, always of one organization.

    Args:
        database: Where.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self,
        organization: str,
        wanted: ResultFilter = EVERY_RESULT,
        *,
        newest_first: bool = False,
        after: int = 0,
        limit: int = MOST_RESULTS,
    ) -> ResultPage:
        """Return some results in the order in which they were first found.

        What is found meanwhile comes last, or with *newest_first* not at all; what is overwritten meanwhile keeps its
        place, with the new value if that page is yet to come. No result is shown twice, or left out.

        Args:
            organization: Whose.
            wanted: Which.
            newest_first: Whether the latest comes first.
            after: Number of the last result of the page before; 0: this is the first page.
            limit: Results at most, 0 to `MOST_RESULTS`.

        Raises:
            DatabaseError: if the database does not answer.
        """
        if not 0 <= limit <= MOST_RESULTS:
            raise UsageError(f"limit = {limit}: write 0 to {MOST_RESULTS}")
        if not is_organization(organization):
            return ResultPage((), False)
        with self._database.asking() as connection:
            find = _by_index if wanted.conversations is None else _by_conversation
            found = find(connection, organization, wanted, newest_first, after, limit + 1)
            rows = connection.execute(_FOUND, {"ids": found[:limit]}).all() if found[:limit] else ()
        results = sorted(map(as_result, rows), key=lambda result: result.number, reverse=newest_first)
        return ResultPage(tuple(results), len(found) > limit)

    def metrics(self, organization: str) -> tuple[str, ...]:
        """Return the ids of the metrics of which the organization has results.

        Raises:
            DatabaseError: if the database does not answer.
        """
        if not is_organization(organization):
            return ()
        with self._database.asking() as connection:
            return tuple(connection.scalars(_METRICS, {"organization": organization}))


def _by_index(
    connection: Connection, organization: str, wanted: ResultFilter, down: bool, after: int, most: int
) -> list[str]:
    """Return the ids of the next results."""
    names = {"organization": organization}
    first = 1 if wanted.since is None else connection.scalar(_SINCE, {**names, "at": wanted.since})
    # several questions are asked: all look at what there was at the first one
    last = connection.scalar(_LATEST, names)
    if wanted.until is not None and last is not None:
        until = connection.scalar(_UNTIL, {**names, "at": wanted.until})
        last = None if until is None else min(last, until)
    if first is None or last is None:
        return []
    if after > 0 and down:
        last = min(last, after - 1)
    elif after > 0:
        first = max(first, after + 1)
    sources = SOURCES if wanted.sources is None else tuple(source for source in SOURCES if source in wanted.sources)
    metrics = (None,) if wanted.metrics is None else tuple(dict.fromkeys(wanted.metrics))
    bounds = {**names, "first": first, "last": last, "most": most}
    runs = [
        connection.execute(_ORDERED[down, metric is not None], {**bounds, "source": source, "metric": metric}).all()
        for metric, source in product(metrics, sources)
    ]
    merged = heapq.merge(*runs, key=lambda row: row.number, reverse=down)
    return [row.id for row in islice(merged, most)]


def _by_conversation(
    connection: Connection, organization: str, wanted: ResultFilter, down: bool, after: int, most: int
) -> list[str]:
    """Return the same for a few conversations, each of which has as many results as there are metrics, by source."""
    rows = connection.execute(_OF_CONVERSATIONS, {"conversations": list(wanted.conversations or ())}).all()
    here = replace(wanted, conversations=None)
    fitting = [row for row in rows if row.organization_id == organization and _fits(row, here)]
    if after > 0:
        fitting = [row for row in fitting if (row.number < after if down else row.number > after)]
    fitting.sort(key=lambda row: row.number, reverse=down)
    return [row.id for row in fitting[:most]]


def _fits(row: Any, wanted: ResultFilter) -> bool:
    return (
        (wanted.metrics is None or row.metric_id in wanted.metrics)
        and (wanted.sources is None or row.source in wanted.sources)
        and (wanted.since is None or row.created_at >= wanted.since)
        and (wanted.until is None or row.created_at <= wanted.until)
    )
