"""What metrics have found in conversations."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import bindparam, not_, or_

from ....fillers import UsageError
from ._database import Database
from ._ids import new_id, storable
from ._metriccounters import count
from ._metrictables import METRIC_RESULTS
from ._upsert import by_dialect

MetricSource = Literal["manual", "post-session"]
SOURCES: tuple[MetricSource, ...] = get_args(MetricSource)
_VALUES = (
    "evaluate_to_interaction_id", "invoked_by", "value", "is_boolean", "category", "message_ids", "justification",
    "updated_at",
)  # fmt: skip
"""What another evaluation overwrites."""
_NAMES = ("id", "organization_id", "number", "metric_id", "conversation_id", "source", "created_at", *_VALUES)


def _built(insert: Any) -> Any:
    new = insert(METRIC_RESULTS).values({name: bindparam(name) for name in _NAMES})
    kept = METRIC_RESULTS.c
    # rules look up to an interaction, maybe long after it: what was found by itself of all of them is not lost to that
    is_whole = kept.evaluate_to_interaction_id.is_(None)
    is_asked_for = new.excluded.source == "manual"
    return new.on_conflict_do_update(
        index_elements=[kept.conversation_id, kept.metric_id, kept.source],
        set_={name: new.excluded[name] for name in _VALUES},
        where=or_(is_asked_for, not_(is_whole), new.excluded.evaluate_to_interaction_id.is_(None)),
    )


_SAVE = by_dialect(_built)


@dataclass(frozen=True, slots=True)
class NewResult:
    """What a metric found, before it is stored."""

    metric: str
    value: bool | float | str | None
    """None: not applicable."""
    messages: tuple[str, ...]
    """Ids of the agent's messages that the value rests on most."""
    justification: str


@dataclass(frozen=True, slots=True)
class StoredResult:
    """What a metric found in a conversation."""

    id: str
    organization: str
    number: int
    """Grows with each result of the organization."""
    metric: str
    conversation: str
    source: MetricSource
    up_to: str | None
    """Id of the last interaction that was looked at; None: all."""
    invoked_by: str | None
    """A user; None: nobody, it was evaluated by itself."""
    value: bool | float | str | None
    messages: tuple[str, ...]
    justification: str
    created_at: float
    updated_at: float
    """When it was last evaluated."""


def save_results(
    database: Database,
    organization: str,
    conversation: str,
    results: Sequence[NewResult],
    *,
    source: MetricSource,
    up_to: str | None,
    invoked_by: str | None,
) -> None:
    """Store results for a conversation of *organization*; those from the same source are overwritten in their places.

    A ``post-session`` one of all interactions is not overwritten by one that looks at some of them.

    Raises:
        UsageError: if a manual evaluation is nobody's.
        DatabaseError: if the database does not answer; nothing is stored then.
    """
    if source == "manual" and invoked_by is None:
        raise UsageError("a manual evaluation needs the user who asked for it: give invoked_by")
    # in one order: of two that overwrite the same results, none waits for the other's second one
    ordered = sorted(results, key=lambda result: result.metric)
    with database.changing() as connection:
        counted = count(database, connection, organization, results=len(ordered))
        common = {
            "organization_id": organization, "conversation_id": conversation, "source": source,
            "evaluate_to_interaction_id": up_to, "invoked_by": invoked_by, "created_at": counted.at,
            "updated_at": counted.at,
        }  # fmt: skip
        first = counted.results - len(ordered) + 1
        rows = [{**common, "number": number, **_values(result)} for number, result in enumerate(ordered, first)]
        connection.execute(_SAVE[connection.dialect.name], rows)


def _values(result: NewResult) -> dict[str, Any]:
    value = result.value
    return {
        "id": new_id(),
        "metric_id": result.metric,
        "value": None if value is None or isinstance(value, str) else float(value),
        "is_boolean": isinstance(value, bool),
        "category": storable(value, "category") if isinstance(value, str) else None,
        "message_ids": list(result.messages),
        "justification": storable(result.justification, "justification"),
    }


def as_result(row: Any) -> StoredResult:
    """Return *row* as callers get it."""
    return StoredResult(
        id=row.id,
        organization=row.organization_id,
        number=row.number,
        metric=row.metric_id,
        conversation=row.conversation_id,
        source=row.source,
        up_to=row.evaluate_to_interaction_id,
        invoked_by=row.invoked_by,
        value=row.category if row.value is None else bool(row.value) if row.is_boolean else row.value,
        messages=tuple(row.message_ids),
        justification=row.justification,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
