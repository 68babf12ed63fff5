"""A database as a service has it after a month: conversations of two organizations, and what metrics found in them."""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection, update
from stopgap.engine.metrics import MetricDefinition
from stopgap.engine.service.identity import Permission
from stopgap.engine.service.metrics._evaluating import Evaluating
from stopgap.engine.service.storage import (
    Accounts,
    BehaviorSets,
    BehaviorVersions,
    Database,
    Metrics,
    NewBehavior,
    NewSet,
)
from stopgap.engine.service.storage._armtables import CONVERSATION_ARMS
from stopgap.engine.service.storage._metriccounters import count
from stopgap.engine.service.storage._metrictables import METRIC_RESULTS
from stopgap.engine.service.storage._tables import BEHAVIOR_SETS, BEHAVIOR_VERSIONS, CONVERSATIONS, INTERACTIONS
from stopgap.fillers import dealt

from ._bulk import insert_rows
from ._turns import VERSIONS, SampleConversation

ORGANIZATIONS = {"bench": 0.99, "bench-small": 0.01}
"""Share of the turns of each."""
USERS = 20
"""Of each organization."""
SHARES = {1: 0.5, 2: 0.5}
"""How versions are dealt."""
SERVICE = "b" * 24
OWN = MetricDefinition.model_validate({"of": "longest_dead_air_s > 1 and wait_s < 5", "aggregate": "share"})
"""The tenth metric, defined by an expression."""
LASTS_S = 30 * 86_400.0
"""s over which conversations began."""
IDLE_S = 60.0
"""s after a conversation's last turn at which it was evaluated."""
AT_ONCE = 1000
"""Conversations written in one transaction. Their turns alternate, as those of calls at one time do."""
MOST_VERSIONS = 10_000
"""Of a behaviour that changes often."""
_USER_MESSAGE = "I would like to know whether the parcel that I ordered on Monday will be here before the weekend."
_AGENT_MESSAGE = (
    "I have looked it up: it left the warehouse this morning and should be with you on Friday between nine and noon. "
    "Shall I send you a message when it is on its way?"
)


@dataclass(slots=True)
class Organization:
    """One organization of the database, and what is measured of it."""

    id: str
    users: list[str]
    metrics: list[str]
    """Ids: the built-in ones', then that of the own one."""
    behavior: str
    """Id of the set of which two versions are dealt."""
    history: str
    """Id of the set that has many versions."""
    versions: int
    """How many."""
    conversations: list[tuple[str, int]] = field(default_factory=list)
    """Id and turns of each, in the order in which they began."""


class _Rows(NamedTuple):
    """Rows of some conversations, by the time at which they are written."""

    conversations: list[tuple[Any, ...]]
    interactions: list[tuple[float, tuple[Any, ...]]]
    arms: list[tuple[Any, ...]]
    results: list[tuple[float, Organization, str, SampleConversation, list[str]]]
    """What is needed for them: they are numbered in the end."""


_CONVERSATION = ("id", "organization_id", "user_id", "service_id", "created_at", "tags", "is_test",
                 "interaction_count", "finished_at")  # fmt: skip
_INTERACTION = ("id", "conversation_id", "number", "started_at", "completed_at", "user_message_id", "user_message",
                "agent_message_id", "agent_message", "actions", "record")  # fmt: skip
_ARM = ("organization_id", "behavior_id", "conversation_id", "version", "dealt", "noted_at")
_RESULT = ("id", "organization_id", "number", "metric_id", "conversation_id", "source", "value", "is_boolean",
           "category", "message_ids", "justification", "created_at", "updated_at")  # fmt: skip
_VERSION = ("id", "set_id", "number", "conversation_triggers", "actions", "creator_id", "created_at", "changes")


def set_up(database: Database, turns: int) -> list[Organization]:
    """Store the organizations with their users, metrics and behaviours, before any conversation."""
    accounts, metrics = Accounts(database), Metrics(database)
    versions, sets, found = BehaviorVersions(database), BehaviorSets(database), []
    for name in ORGANIZATIONS:
        accounts.add_organization(name)
        users = [accounts.add_user(name, frozenset(Permission)).id for _ in range(USERS)]
        own = metrics.define(name, "slow_turns", OWN.model_dump(exclude_none=True), creator=users[0])
        new = NewBehavior(("where is my parcel",))
        behavior = versions.create(name, NewSet("parcels", (SERVICE,)), new, creator=users[0]).set
        for _ in range(len(VERSIONS) - 1):
            versions.add(name, behavior, new, creator=users[0])
        sets.update(name, behavior, {"shares": SHARES}, user=users[0])
        history = versions.create(name, NewSet("changes often", is_active=False), new, creator=users[0]).set
        ids = [*Evaluating(database).builtin, own.id]
        found.append(Organization(name, users, ids, behavior, history, max(20, min(MOST_VERSIONS, turns // 100))))
    return found


def fill(
    database: Database,
    organizations: Sequence[Organization],
    samples: dict[int, list[SampleConversation]],
    turns: int,
    rng: random.Random,
    *,
    began_at: float,
    advance: Callable[[int], None],
) -> None:
    """Write *turns* turns in conversations, with the versions that these were dealt and what metrics found in them.

    Args:
        database: Where; `set_up` has been there.
        organizations: Of whom. Their conversations are added to them.
        samples: Conversations by version. Each is used many times, with other ids and times.
        turns: At least; the last conversation is whole.
        rng: Makes ids, and chooses.
        began_at: s since the epoch of the first conversation.
        advance: Called with the number of turns that were written.
    """
    with database.changing() as connection:
        for organization in organizations:
            _add_versions(connection, organization, rng, began_at)
    written, evaluated_at, numbers = 0, 0.0, {organization.id: 0 for organization in organizations}
    while written < turns:
        rows, before = _Rows([], [], [], []), written
        while written < turns and len(rows.conversations) < AT_ONCE:
            (organization,) = rng.choices(organizations, list(ORGANIZATIONS.values()))
            written += _add(rows, organization, samples, rng, began_at + LASTS_S * written / turns)
        with database.changing() as connection:
            insert_rows(connection, CONVERSATIONS, _CONVERSATION, rows.conversations)
            insert_rows(connection, INTERACTIONS, _INTERACTION, (row for _, row in sorted(rows.interactions)))
            insert_rows(connection, CONVERSATION_ARMS, _ARM, rows.arms)
            results: list[tuple[Any, ...]] = []
            for at, organization, id, sample, messages in sorted(rows.results, key=lambda row: row[0]):
                evaluated_at = max(evaluated_at, at)  # as the counters' clock, which is never put back
                results += _results(organization, id, sample, messages, evaluated_at, numbers, rng)
            insert_rows(connection, METRIC_RESULTS, _RESULT, results)
        advance(written - before)
    with database.changing() as connection:
        for organization in organizations:
            count(database, connection, organization.id, results=numbers[organization.id])


def _add(
    rows: _Rows, organization: Organization, samples: dict[int, list[SampleConversation]], rng: random.Random, at: float
) -> int:
    """Add a conversation to *rows*; return how many turns it has."""
    id, user = _id(rng), rng.choice(organization.users)
    version = dealt(SHARES, id, salt=organization.behavior)
    sample = rng.choice(samples[version])
    messages, ends_at = [_id(rng) for _ in sample.turns], at + sample.lasts_s
    rows.conversations.append(
        (id, organization.id, user, SERVICE, at, "{}", False, len(sample.turns), ends_at)
    )  # fmt: skip
    for number, ((turn, after_s), message) in enumerate(zip(sample.turns, messages, strict=True), 1):
        interaction, started_at = _id(rng), at + after_s
        record = turn.record(interaction, id, after_s, organization.behavior, version)
        ended_at = started_at + turn.lasts_s
        rows.interactions.append(
            (ended_at, (interaction, id, number, started_at, ended_at, _id(rng), _USER_MESSAGE, message, _AGENT_MESSAGE,
                        turn.actions, record))
        )  # fmt: skip
    rows.arms.append((organization.id, organization.behavior, id, version, True, at))
    rows.results.append((ends_at + IDLE_S, organization, id, sample, messages))
    organization.conversations.append((id, len(sample.turns)))
    return len(sample.turns)


def _results(
    organization: Organization, conversation: str, sample: SampleConversation, messages: list[str], at: float,
    numbers: dict[str, int], rng: random.Random,
) -> Iterator[tuple[Any, ...]]:  # fmt: skip
    for found in sample.results:
        numbers[organization.id] += 1
        value = found.value
        number = None if value is None or isinstance(value, str) else float(value)
        references = json.dumps([messages[place] for place in found.references])
        yield (
            _id(rng), organization.id, numbers[organization.id], organization.metrics[found.metric], conversation,
            "post-session", number, isinstance(value, bool), value if isinstance(value, str) else None, references,
            found.justified(messages), at, at,
        )  # fmt: skip


def _add_versions(connection: Connection, organization: Organization, rng: random.Random, at: float) -> None:
    """Write all versions but the first of the behaviour that changes often."""
    insert_rows(
        connection,
        BEHAVIOR_VERSIONS,
        _VERSION,
        (
            (_id(rng), organization.history, number, '["parcel"]', "[]", organization.users[0], at, "{}")
            for number in range(2, organization.versions + 1)
        ),
    )
    named = update(BEHAVIOR_SETS).where(BEHAVIOR_SETS.c.id == organization.history)
    connection.execute(named.values(version_count=organization.versions))


def _id(rng: random.Random) -> str:
    return f"{rng.getrandbits(96):024x}"
