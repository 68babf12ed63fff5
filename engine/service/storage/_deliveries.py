"""What rules have to deliver: claimed by one process at a time, and ended once."""

import secrets
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import and_, bindparam, or_, select, update

from ....fillers import UsageError
from ._conditions import changed, vacant
from ._database import Database
from ._errors import LeaseLostError, NotFailedError, NotFoundError
from ._ids import storable, well_formed
from ._rules import Rule, as_rule, missing_rule
from ._ruletables import DELIVERIES, RULES

State = Literal["pending", "delivered", "failed"]
TRY_S = 60.0
"""s after which a process that tries is taken for dead. One try takes 10 s, and what is evaluated for it little."""
MOST_PROBLEM = 500
"""Characters of what is kept of a problem."""
CANDIDATES = 8
"""Due deliveries looked at for one that nobody else takes meanwhile."""

_PENDING = DELIVERIES.c.state == "pending"
_READY = and_(_PENDING, DELIVERIES.c.due_at <= bindparam("now"), vacant(DELIVERIES))
_DUE = (
    select(DELIVERIES.c.id)
    .join(RULES, RULES.c.id == DELIVERIES.c.rule_id)
    .where(_READY, RULES.c.host.not_in(bindparam("busy", expanding=True)))
    .order_by(DELIVERIES.c.due_at, DELIVERIES.c.id)
    .limit(CANDIDATES)
)
_CLAIM = (
    update(DELIVERIES)
    .where(DELIVERIES.c.id == bindparam("delivery"), _READY)
    .values(lease_owner=bindparam("owner"), lease_until=bindparam("until"), attempts=DELIVERIES.c.attempts + 1)
    .returning(DELIVERIES)
)
_RULE = select(RULES).where(RULES.c.id == bindparam("rule"))
_HELD = and_(DELIVERIES.c.id == bindparam("delivery"), DELIVERIES.c.lease_owner == bindparam("owner"), _PENDING)
_GIVEN_BACK: dict[str, Any] = {"lease_owner": None, "lease_until": None}
_TOLD: dict[str, Any] = {"last_status": bindparam("status"), "last_problem": bindparam("problem")}
_FIX = update(DELIVERIES).where(_HELD).values(body=bindparam("text"), lease_until=bindparam("until"))
_END = (
    update(DELIVERIES)
    .where(_HELD)
    .values(state=bindparam("ends_as"), ended_at=bindparam("now"), **_TOLD, **_GIVEN_BACK)
)
_LATER = update(DELIVERIES).where(_HELD).values(due_at=bindparam("due"), **_TOLD, **_GIVEN_BACK)
_UNTRIED = update(DELIVERIES).where(_HELD).values(attempts=DELIVERIES.c.attempts - 1, **_GIVEN_BACK)
_OWN = and_(DELIVERIES.c.rule_id == bindparam("rule"), DELIVERIES.c.organization_id == bindparam("organization"))
_NAMED = and_(DELIVERIES.c.id == bindparam("delivery"), _OWN)
_FIND = select(DELIVERIES).where(_NAMED)
_FIND_RULE = select(RULES).where(RULES.c.id == bindparam("rule"), RULES.c.organization_id == bindparam("organization"))
_AGAIN = (
    update(DELIVERIES)
    .where(_NAMED, DELIVERIES.c.state == "failed")
    .values(state="pending", attempts=0, due_at=bindparam("now"), ended_at=None, **_GIVEN_BACK)
    .returning(DELIVERIES)
)
_LISTED = (
    select(DELIVERIES)
    .where(_OWN)
    .order_by(DELIVERIES.c.created_at.desc(), DELIVERIES.c.id.desc())
    .limit(bindparam("most"))
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is told of a delivery."""

    id: str
    organization: str
    rule: str
    behavior: str
    version: int
    """Which was triggered."""
    conversation: str
    interaction: str
    state: State
    attempts: int
    """Tries so far, with one that is under way."""
    due_at: float
    """When the next try is due, while pending."""
    last_status: int | None
    """HTTP status of the last try; None: there was no answer."""
    last_problem: str | None
    created_at: float
    ended_at: float | None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this process may try now."""

    id: str
    rule: Rule
    version: int
    conversation: str
    interaction: str
    attempts: int
    """With the one that begins."""
    body: str | None
    """None: it has yet to be made."""
    created_at: float
    owner: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """Some of a rule's deliveries."""

    deliveries: tuple[Delivery, ...]
    """The newest first."""
    has_more: bool


class Deliveries:
    """Reads deliveries, and has them tried by one process at a time.

    A process that is killed holds its deliveries until their leases run out; then another one tries them. Who comes
    back after that finds that they are not its own any more: each is ended once.

    Args:
        database: Where.
        lease_s: s that a claim holds.
    """

    def __init__(self, database: Database, *, lease_s: float = TRY_S) -> None:
        self._database = database
        self._lease_s = lease_s

    def claim(self, busy: frozenset[str] = frozenset()) -> Claimed | None:
        """Take the delivery that is due longest; None: none is.

        Args:
            busy: Hosts that are not to be called now.

        Raises:
            DatabaseError: if the database does not answer.
        """
        with self._database.asking() as connection:  # which takes no lock: most times there is nothing
            now = self._database.now(connection)
            found = connection.scalars(_DUE, {"now": now, "busy": sorted(busy)}).all()
        for id in found:
            with self._database.changing() as connection:
                now, owner = self._database.now(connection), secrets.token_hex(16)
                names = {"delivery": id, "now": now, "owner": owner, "until": now + self._lease_s}
                row = connection.execute(_CLAIM, names).one_or_none()
                if row is not None:
                    rule = as_rule(connection.execute(_RULE, {"rule": row.rule_id}).one())
                    return Claimed(
                        row.id, rule, row.behavior_version, row.conversation_id, row.interaction_id, row.attempts,
                        row.body, row.created_at, owner,
                    )  # fmt: skip
        return None

    def fix(self, claimed: Claimed, body: str) -> None:
        """Keep what every try sends, and hold the claim as long as a new one.

        Raises:
            LeaseLostError: if somebody else has it, or the rule is deleted.
            DatabaseError: if the database does not answer.
        """
        with self._database.changing() as connection:
            until = self._database.now(connection) + self._lease_s
            if not changed(connection, _FIX, {**_names(claimed), "text": body, "until": until}):
                raise LeaseLostError(f"delivery {claimed.id} has been taken over by another process")

    def end(
        self, claimed: Claimed, state: Literal["delivered", "failed"], status: int | None, problem: str | None
    ) -> bool:
        """End it; return whether it was still this process's.

        Raises:
            DatabaseError: if the database does not answer.
        """
        with self._database.changing() as connection:
            told = {"status": status, "problem": _told(problem), "ends_as": state}
            return changed(connection, _END, {**_names(claimed), **told, "now": self._database.now(connection)})

    def later(self, claimed: Claimed, seconds: float, status: int | None, problem: str | None) -> bool:
        """Have it tried again in so many s; return whether it was still this process's.

        Raises:
            DatabaseError: if the database does not answer.
        """
        with self._database.changing() as connection:
            told = {"status": status, "problem": _told(problem), "due": self._database.now(connection) + seconds}
            return changed(connection, _LATER, {**_names(claimed), **told})

    def give_back(self, claimed: Claimed) -> None:
        """Let another process try it at once, as if it had not been tried. One that has ended stays as it is.

        Raises:
            DatabaseError: if the database does not answer; the claim runs out by itself.
        """
        with self._database.changing() as connection:
            connection.execute(_UNTRIED, _names(claimed))

    def listed(
        self, organization: str, rule: str, *, state: State | None = None, after: str | None = None, limit: int = 10
    ) -> DeliveryPage:
        """Return some of a rule's deliveries, the newest first. What comes meanwhile moves nothing.

        Args:
            organization: Whose rule it must be.
            rule: Its id; it may have been deleted.
            state: Only those in that state; None: all.
            after: Id of the last delivery of the page before; None: the first page.
            limit: Deliveries at most.

        Raises:
            NotFoundError: if there never was such a rule.
            UsageError: if it never had a delivery *after*.
            DatabaseError: if the database does not answer.
        """
        if not well_formed(organization, rule):
            raise missing_rule(organization, rule)
        names: dict[str, Any] = {"organization": organization, "rule": rule}
        statement = _LISTED if state is None else _LISTED.where(DELIVERIES.c.state == state)
        with self._database.asking() as connection:
            found = connection.execute(_FIND_RULE, names).one_or_none()
            if found is None:
                raise missing_rule(organization, rule)
            if after is not None:
                last = None
                if well_formed(organization, after):
                    last = connection.execute(_FIND, {**names, "delivery": after}).one_or_none()
                if last is None:
                    raise UsageError("continuation_token is none of this list's; take the one of the page before")
                same = and_(DELIVERIES.c.created_at == last.created_at, DELIVERIES.c.id < last.id)
                statement = statement.where(or_(DELIVERIES.c.created_at < last.created_at, same))
            rows = connection.execute(statement, {**names, "most": limit + 1}).all()
        return DeliveryPage(tuple(_as_delivery(row, found.behavior_id) for row in rows[:limit]), len(rows) > limit)

    def again(self, organization: str, rule: str, delivery: str) -> Delivery:
        """Have a failed delivery tried again, as often as a new one, and with the same body.

        Raises:
            NotFoundError: if there is no such rule, or no longer, or no such delivery of it.
            NotFailedError: if it has not failed.
            DatabaseError: if the database does not answer.
        """
        if not well_formed(organization, rule, delivery):
            raise missing_rule(organization, rule)
        names = {"organization": organization, "rule": rule, "delivery": delivery}
        with self._database.changing() as connection:
            found = connection.execute(_FIND_RULE, names).one_or_none()
            if found is None or found.deleted_at is not None:
                raise missing_rule(organization, rule)
            row = connection.execute(_AGAIN, {**names, "now": self._database.now(connection)}).one_or_none()
            if row is not None:
                return _as_delivery(row, found.behavior_id)
            there = connection.execute(_FIND, names).one_or_none()
            if there is None:
                raise NotFoundError(f"rule {rule} has no delivery {delivery}")
            raise NotFailedError(f"delivery {delivery} is {there.state}; only a failed one can be tried again")


def _names(claimed: Claimed) -> dict[str, Any]:
    return {"delivery": claimed.id, "owner": claimed.owner}


def _told(problem: str | None) -> str | None:
    return None if problem is None else storable(problem[:MOST_PROBLEM], "problem")


def _as_delivery(row: Any, behavior: str) -> Delivery:
    return Delivery(
        row.id, row.organization_id, row.rule_id, behavior, row.behavior_version, row.conversation_id,
        row.interaction_id, row.state, row.attempts, row.due_at, row.last_status, row.last_problem, row.created_at,
        row.ended_at,
    )  # fmt: skip
