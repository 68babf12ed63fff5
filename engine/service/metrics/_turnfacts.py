"""What stored turns say, whether this service held them or somebody posted them."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ....fillers import UsageError
from ...metrics import TurnFacts, facts_of, facts_of_wait, record_of_json
from ..storage import StoredTurn


def stored_facts(turns: Iterable[StoredTurn], conversation: str) -> list[TurnFacts]:
    """Return what *turns* of *conversation* say, without those that have no record, or none that can be read.

    Their ids are those of the agent's messages, and they share a clock, whichever process they were in.
    """
    found = []
    for turn in turns:
        facts = None if turn.record is None else _read(turn.record)
        if facts is not None:
            found.append(replace(facts, id=turn.message, conversation=conversation, started_at=turn.started_at))
    return found


def _read(record: str) -> TurnFacts | None:
    try:
        # within a text a quote has a backslash before it: this is a key and nothing else
        return facts_of_row(json.loads(record)) if '"turn_id":' in record else facts_of(record_of_json(record))
    except (UsageError, KeyError):  # of another version, or no record at all
        return None


def facts_of_row(row: Mapping[str, Any]) -> TurnFacts:
    """Return what a row of a log of turns says that was checked when it was posted."""
    ready_ms, cancelled_ms = row["reply_ready_ms"], row["cancelled_ms"]
    return facts_of_wait(
        id=row["turn_id"],
        conversation=row["conversation_id"],
        started_at=row["started_at"],
        agent=row["agent"],
        tool=row["tool"],
        reply_ready_s=None if ready_ms is None else ready_ms / 1000.0,
        cancelled_s=None if cancelled_ms is None else cancelled_ms / 1000.0,
        prompt_tokens=row["prompt_tokens"],
    )
