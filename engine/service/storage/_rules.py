"""Rules: what follows when a behaviour was triggered."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, bindparam, func, insert, or_, select, update

from ....fillers import UsageError
from ._conditions import changed
from ._database import Database
from ._errors import NotFoundError
from ._ids import checked_id, new_id, storable, well_formed
from ._ruletables import DELIVERIES, RULES
from ._tables import USERS, OrganizationRow

MOST_RULES = 100
"""Rules of an organization at once: each that fits is written with the interaction, while its caller waits."""
MOST_RULE_METRICS = 10
"""Metrics of a rule."""
MOST_VERSION = 2**31 - 1
RULE_DELETED = "rule deleted"
"""What is said of a delivery that ended with its rule."""

_ORGANIZATIONS = OrganizationRow.__table__
_HOLD = select(_ORGANIZATIONS.c.id).where(_ORGANIZATIONS.c.id == bindparam("organization")).with_for_update()
_CREATOR = select(USERS.c.id).where(
    USERS.c.id == bindparam("user"),
    USERS.c.organization_id == bindparam("organization"),
    USERS.c.disabled_at.is_(None),
)
_LIVING = and_(RULES.c.organization_id == bindparam("organization"), RULES.c.deleted_at.is_(None))
_COUNT = select(func.count()).select_from(RULES).where(_LIVING)
_ADD = insert(RULES)
_NAMED = and_(RULES.c.id == bindparam("rule"), _LIVING)
_FIND = select(RULES).where(_NAMED)
_AFTER = select(RULES.c.created_at).where(
    RULES.c.id == bindparam("rule"), RULES.c.organization_id == bindparam("organization")
)
_LISTED = select(RULES).where(_LIVING).order_by(RULES.c.created_at.desc(), RULES.c.id.desc()).limit(bindparam("most"))
_LISTED_ON = _LISTED.where(
    or_(
        RULES.c.created_at < bindparam("at"),
        and_(RULES.c.created_at == bindparam("at"), RULES.c.id < bindparam("last")),
    )
)
_DELETE = update(RULES).where(_NAMED).values(deleted_at=bindparam("now"))
_END = (
    update(DELIVERIES)
    .where(DELIVERIES.c.rule_id == bindparam("rule"), DELIVERIES.c.state == "pending")
    .values(
        state="failed", last_problem=RULE_DELETED, ended_at=bindparam("now"), lease_owner=None, lease_until=None
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class NewRule:
    """A rule before it is stored.

    Raises:
        UsageError: if it cannot be stored, or does nothing.
    """

    name: str
    behavior: str
    """Id of a set, or of a configured behaviour. It need not be there: an agent that runs elsewhere may have it."""
    version: int | None = None
    """None: any version."""
    metrics: tuple[str, ...] = ()
    """Ids of metrics, which are evaluated in this order."""
    url: str | None = None
    """Which is called with them; None: nothing is."""
    host: str = ""
    """Of *url*, with its port."""

    def __post_init__(self) -> None:
        if not self.name:
            raise UsageError("a rule has no name; write one")
        object.__setattr__(self, "name", storable(self.name, "name"))
        checked_id(self.behavior, "behavior")
        if self.version is not None and not 1 <= self.version <= MOST_VERSION:
            raise UsageError(f"version {self.version}: write a number from 1, or none for any")
        if len(self.metrics) > MOST_RULE_METRICS or len(set(self.metrics)) != len(self.metrics):
            raise UsageError(f"a rule has at most {MOST_RULE_METRICS} metrics, none of them twice")
        for metric in self.metrics:
            checked_id(metric, "metric")
        if not self.metrics and self.url is None:
            raise UsageError("the rule does nothing; write metric_ids, url, or both")
        if (self.url is None) != (self.host == ""):
            raise UsageError("a rule has either a URL and its host, or neither")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule. It never changes."""

    id: str
    organization: str
    name: str
    behavior: str
    version: int | None
    metrics: tuple[str, ...]
    url: str | None
    host: str
    creator: str
    created_at: float
    deleted_at: float | None


@dataclass(frozen=True, slots=True)
class RulePage:
    """Some of an organization's rules."""

    rules: tuple[Rule, ...]
    """The newest first."""
    has_more: bool


class Rules:
    """Reads and writes rules, always of one organization.

    Args:
        database: Where.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, organization: str, rule: NewRule, *, creator: str) -> Rule:
        """Store a rule. It is for interactions that end from now on.

        Args:
            organization: Whose it will be.
            rule: What it says.
            creator: A user of the organization.

        Raises:
            NotFoundError: if there is no such user.
            UsageError: if the organization has `MOST_RULES` already.
            DatabaseError: if the database does not answer.
        """
        if not well_formed(organization, creator):
            raise NotFoundError("there is no such user")
        names = {"organization": organization}
        with self._database.changing() as connection:
            connection.execute(_HOLD, names)  # of two who create the last one that is allowed, one waits
            if connection.scalar(_CREATOR, {**names, "user": creator}) is None:
                raise NotFoundError(f"there is no user {creator} in {organization}")
            if (connection.scalar(_COUNT, names) or 0) >= MOST_RULES:
                raise UsageError(f"{organization} has {MOST_RULES} rules, which is the most; delete one first")
            made = Rule(
                new_id(), organization, rule.name, rule.behavior, rule.version, rule.metrics, rule.url, rule.host,
                creator, self._database.now(connection), None,
            )  # fmt: skip
            values = {
                "id": made.id, "organization_id": organization, "name": rule.name, "behavior_id": rule.behavior,
                "version": rule.version, "metric_ids": list(rule.metrics), "url": rule.url, "host": rule.host,
                "creator_id": creator, "created_at": made.created_at,
            }  # fmt: skip
            connection.execute(_ADD, values)
            return made

    def find(self, organization: str, rule: str) -> Rule:
        """Return a rule that has not been deleted.

        Raises:
            NotFoundError: if there is no such rule.
            DatabaseError: if the database does not answer.
        """
        if well_formed(organization, rule):
            with self._database.asking() as connection:
                row = connection.execute(_FIND, {"organization": organization, "rule": rule}).one_or_none()
            if row is not None:
                return as_rule(row)
        raise missing_rule(organization, rule)

    def listed(self, organization: str, *, after: str | None = None, limit: int = 10) -> RulePage:
        """Return some of the organization's rules, the newest first. What is created meanwhile moves nothing.

        Args:
            organization: Whose.
            after: Id of the last rule of the page before, which may have been deleted since; None: the first page.
            limit: Rules at most.

        Raises:
            UsageError: if there never was a rule *after*.
            DatabaseError: if the database does not answer.
        """
        if not well_formed(organization, after):
            raise UsageError("continuation_token is none of this list's; take the one of the page before")
        names: dict[str, Any] = {"organization": organization, "most": limit + 1}
        with self._database.asking() as connection:
            statement = _LISTED
            if after is not None:
                at = connection.scalar(_AFTER, {"organization": organization, "rule": after})
                if at is None:
                    raise UsageError("continuation_token is none of this list's; take the one of the page before")
                statement, names = _LISTED_ON, {**names, "at": at, "last": after}
            rows = connection.execute(statement, names).all()
        return RulePage(tuple(as_rule(row) for row in rows[:limit]), len(rows) > limit)

    def delete(self, organization: str, rule: str) -> None:
        """End a rule; what it still had to deliver has failed then. What it delivered can be read on.

        Raises:
            NotFoundError: if there is no such rule, or no longer.
            DatabaseError: if the database does not answer.
        """
        if not well_formed(organization, rule):
            raise missing_rule(organization, rule)
        with self._database.changing() as connection:
            names = {"organization": organization, "rule": rule, "now": self._database.now(connection)}
            if not changed(connection, _DELETE, names):
                raise missing_rule(organization, rule)
            connection.execute(_END, {"rule": rule, "now": names["now"]})


def as_rule(row: Any) -> Rule:
    """Return a row of the table as a record."""
    return Rule(
        row.id, row.organization_id, row.name, row.behavior_id, row.version, tuple(row.metric_ids), row.url, row.host,
        row.creator_id, row.created_at, row.deleted_at,
    )  # fmt: skip


def missing_rule(organization: str, rule: str) -> NotFoundError:
    """Return the error that says so."""
    return NotFoundError(f"there is no rule {rule} in {organization}")
