"""Which version of a behaviour conversations had, and what metrics found in them: what an A/B report adds up."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, bindparam, func, or_, select, update

from ._armtables import CONVERSATION_ARMS as ARMS
from ._conditions import changed
from ._database import Database
from ._ids import is_id, well_formed
from ._metrictables import METRIC_RESULTS as RESULTS
from ._rules import MOST_VERSION
from ._upsert import by_dialect

IDLE_S = 60.0
"""s without an interaction after which a conversation's metrics are evaluated."""
CLAIM_S = 120.0
"""s for which a process has a conversation to itself that it evaluates; then it is due again."""
Arm = tuple[str, int, bool]
"""Id and version of a behaviour, and whether the version was dealt; else it was only seen in force."""
_NAMES = ("organization_id", "behavior_id", "conversation_id", "version", "dealt", "noted_at", "due_at")


def _built(insert: Any) -> Any:
    new = insert(ARMS).values({name: bindparam(name) for name in _NAMES})
    return new.on_conflict_do_update(
        index_elements=[ARMS.c.organization_id, ARMS.c.behavior_id, ARMS.c.conversation_id, ARMS.c.version],
        set_={"due_at": new.excluded.due_at, "dealt": or_(ARMS.c.dealt, new.excluded.dealt)},
    )


_NOTE = by_dialect(_built)
_DUE = (
    select(ARMS.c.organization_id, ARMS.c.conversation_id, func.max(ARMS.c.due_at).label("due_at"))
    .where(ARMS.c.due_at <= bindparam("now"))
    .group_by(ARMS.c.organization_id, ARMS.c.conversation_id)
    .order_by(func.min(ARMS.c.due_at))
    .limit(bindparam("most"))
)
_ONE = and_(ARMS.c.conversation_id == bindparam("conversation"), ARMS.c.organization_id == bindparam("organization"))
_CLAIM = update(ARMS).where(_ONE, ARMS.c.due_at <= bindparam("at")).values(due_at=bindparam("until"))
_DONE = update(ARMS).where(_ONE, ARMS.c.due_at == bindparam("at")).values(due_at=None)
_NAMED = and_(ARMS.c.organization_id == bindparam("organization"), ARMS.c.behavior_id == bindparam("behavior"))
_IS_DEALT = select(ARMS.c.version).where(_NAMED, ARMS.c.dealt, ARMS.c.noted_at >= bindparam("since")).limit(1)
_OF_ONE = (
    select(
        ARMS.c.conversation_id,
        func.min(ARMS.c.version).label("version"),
        func.count().label("versions"),
        func.count(ARMS.c.due_at).label("due"),
    )
    .where(_NAMED, or_(ARMS.c.dealt, bindparam("seen")))
    .group_by(ARMS.c.conversation_id)
    .having(func.min(ARMS.c.noted_at) >= bindparam("since"))
    .subquery("arms")
)
_COUNTS = select(
    _OF_ONE.c.version,
    func.count().filter(_OF_ONE.c.versions == 1).label("conversations"),
    func.count().filter(_OF_ONE.c.versions == 1, _OF_ONE.c.due > 0).label("due"),
    func.count().filter(_OF_ONE.c.versions > 1).label("several"),
).group_by(_OF_ONE.c.version)
_FIGURES = (
    select(
        RESULTS.c.metric_id,
        _OF_ONE.c.version,
        RESULTS.c.category,
        func.count(RESULTS.c.value).label("values"),
        func.count().label("all"),
        func.coalesce(func.sum(RESULTS.c.value), 0.0).label("total"),
        func.coalesce(func.sum(RESULTS.c.value * RESULTS.c.value), 0.0).label("squares"),
    )
    .select_from(_OF_ONE.join(RESULTS, RESULTS.c.conversation_id == _OF_ONE.c.conversation_id))
    .where(
        _OF_ONE.c.versions < 2,  # with == PostgreSQL expects next to no rows, and sorts a million of them on disk
        _OF_ONE.c.due < 1,  # what a rule found halfway is no conversation's; likewise not == 0
        RESULTS.c.metric_id.in_(bindparam("metrics", expanding=True)),
        RESULTS.c.source == "post-session",
    )
    .group_by(RESULTS.c.metric_id, _OF_ONE.c.version, RESULTS.c.category)
)


@dataclass(frozen=True, slots=True)
class DueConversation:
    """A conversation of which metrics are to be evaluated again."""

    organization: str
    id: str
    until: float
    """s since the epoch: so long it is this process's."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A metric's values in the conversations of one version, added up."""

    metric: str
    version: int
    category: str | None
    """Of a categorical metric: then the figure is of this category alone."""
    conversations: int
    values: int
    """Conversations that have a number, or a truth as 0 or 1."""
    total: float
    squares: float


@dataclass(frozen=True, slots=True)
class ArmSums:
    """What a report of a behaviour needs."""

    randomized: bool
    """Whether conversations count under the version that they were dealt; else under the one that they saw in force."""
    conversations: dict[int, int]
    """By version."""
    several: int
    """Conversations that had more than one version; they count nowhere else."""
    due: dict[int, int]
    """Those of *conversations* of which metrics are not evaluated yet, or not again; no figure is of them."""
    figures: tuple[Figure, ...]


def note_arms(connection: Connection, organization: str, conversation: str, arms: Iterable[Arm], *, now: float) -> None:
    """Note which versions of behaviours a conversation had, in the transaction that stores its interaction.

    Args:
        connection: With the transaction.
        organization: Whose conversation it is.
        conversation: Its id.
        arms: What is no behaviour's id or version is left out. None: nothing is executed.
        now: s since the epoch. Metrics are evaluated `IDLE_S` later, if nothing is noted until then.
    """
    rows = {
        (id, version): {
            "organization_id": organization, "behavior_id": id, "conversation_id": conversation, "version": version,
            "dealt": dealt, "noted_at": now, "due_at": now + IDLE_S,
        }
        for id, version, dealt in sorted(arms)
        if is_id(id) and 0 <= version <= MOST_VERSION
    }  # fmt: skip
    if rows:
        connection.execute(_NOTE[connection.dialect.name], list(rows.values()))


class Arms:
    """Reads which conversations had which version, and what metrics found in them.

    Args:
        database: Where.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, most: int) -> tuple[DueConversation, ...]:
        """Take conversations, of any organization, of which metrics are to be evaluated, the longest due first.

        Raises:
            DatabaseError: if the database does not answer.
        """
        with self._database.asking() as connection:  # which takes no lock: most times there is nothing
            now = self._database.now(connection)
            rows = connection.execute(_DUE, {"now": now, "most": most}).all()
        if not rows:
            return ()
        with self._database.changing() as connection:
            until = self._database.now(connection) + CLAIM_S
            return tuple(
                DueConversation(row.organization_id, row.conversation_id, until)
                for row in rows
                if changed(
                    connection,
                    _CLAIM,
                    {**_names(row.organization_id, row.conversation_id), "at": row.due_at, "until": until},
                )
            )

    def evaluated(self, due: DueConversation) -> None:
        """Take in that a conversation's metrics are evaluated; what has changed meanwhile stays due.

        Raises:
            DatabaseError: if the database does not answer.
        """
        with self._database.changing() as connection:
            connection.execute(_DONE, {**_names(due.organization, due.id), "at": due.until})

    def sums(self, organization: str, behavior: str, metrics: Sequence[str], *, since: float = 0.0) -> ArmSums:
        """Return what the conversations with each version of a behaviour add up to.

        Args:
            organization: Whose conversations.
            behavior: The behaviour's id.
            metrics: Ids.
            since: s since the epoch: only conversations that began to have a version then or later.

        Raises:
            DatabaseError: if the database does not answer.
        """
        if not well_formed(organization, behavior, *metrics):
            return ArmSums(False, {}, 0, {}, ())
        names: dict[str, Any] = {"organization": organization, "behavior": behavior, "since": since}
        with self._database.asking() as connection:
            randomized = connection.execute(_IS_DEALT, names).first() is not None
            names["seen"] = not randomized
            counts = connection.execute(_COUNTS, names).all()
            rows = connection.execute(_FIGURES, {**names, "metrics": list(metrics)}).all()
        return ArmSums(
            randomized,
            {row.version: row.conversations for row in counts if row.conversations},
            sum(row.several for row in counts),
            {row.version: row.due for row in counts},
            tuple(
                Figure(row.metric_id, row.version, row.category, row.all, row.values, row.total, row.squares)
                for row in rows
            ),
        )


def _names(organization: str, conversation: str) -> dict[str, str]:
    return {"organization": organization, "conversation": conversation}
