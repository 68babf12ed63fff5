"""What rules have to deliver is written with the interaction that they are for: both are there, or neither."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select

from ._ids import is_id, new_id
from ._rules import MOST_VERSION
from ._ruletables import DELIVERIES, RULES

Triggered = tuple[str, int]
"""Id and version of a behaviour that was triggered."""
MOST_TRIGGERED = 50
"""Behaviours of an interaction that rules are looked up for."""

_FITTING = select(RULES.c.id, RULES.c.behavior_id, RULES.c.version).where(
    RULES.c.organization_id == bindparam("organization"),
    RULES.c.behavior_id.in_(bindparam("behaviors", expanding=True)),
    RULES.c.deleted_at.is_(None),
)
_ADD = insert(DELIVERIES)


def enqueue(
    connection: Connection,
    organization: str,
    conversation: str,
    interaction: str,
    behaviors: Sequence[Triggered],
    *,
    now: float,
) -> int:
    """Write what the organization's rules have to deliver of an interaction, in the transaction that stores it.

    Nothing is executed where no behaviour was triggered, and one SELECT where no rule is for those that were.

    Args:
        connection: With the transaction; the interaction is stored in it already.
        organization: Whose conversation it is.
        conversation: Its id.
        interaction: The interaction's.
        behaviors: What was triggered in it, in order; what is no behaviour's id or version is left out: agents may have
            said so.
        now: s since the epoch, as `Database.now` has it.

    Returns:
        How many deliveries that are. Where there are some, wake who delivers once the transaction is committed.
    """
    sound = [(id, version) for id, version in behaviors if is_id(id) and 0 <= version <= MOST_VERSION][:MOST_TRIGGERED]
    if not sound:
        return 0
    names = {"organization": organization, "behaviors": sorted({id for id, _ in sound})}
    rows: list[dict[str, Any]] = []
    for rule in connection.execute(_FITTING, names):
        versions = [v for id, v in sound if id == rule.behavior_id and rule.version in (None, v)]
        if versions:
            rows.append(
                {
                    "id": new_id(), "organization_id": organization, "rule_id": rule.id,
                    "conversation_id": conversation, "interaction_id": interaction, "behavior_version": versions[-1],
                    "state": "pending", "attempts": 0, "due_at": now, "created_at": now,
                }
            )  # fmt: skip
    if rows:
        connection.execute(_ADD, rows)
    return len(rows)
