"""What a stored turn says of waiting: the numbers that metrics take, from either form of record."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from ...metrics import facts_of
from ...turns import TurnRecord


class Timing(BaseModel):
    """A turn in numbers. All ``_s`` are seconds from the end of the user's speech; null: not known, or none."""

    wait_s: float | None
    """Until the reply was available."""
    first_sound_s: float | None = None
    """Until any sound, filler or reply."""
    answer_heard_s: float | None = None
    """Until the first sound of what no further wait followed."""
    longest_dead_air_s: float | None = None
    """The longest stretch of silence in a wait."""
    dead_air_s: float | None = None
    """All silence of the waits."""
    reply_delay_s: float | None = None
    """By which fillers held replies back."""
    behavior: tuple[str, int] | None = None
    """Name, of a stored set its id, and version of the behaviour that was in force."""
    assigned: list[tuple[str, int]] = []
    """The same of each behaviour of which the conversation was dealt one of several versions."""


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[TurnRecord]:
    return TypeAdapter(TurnRecord)


def timing_of(record: Mapping[str, Any]) -> Timing | None:
    """Return what *record* says, a `TurnRecord.as_dict` or a row of a latency trace; None: it is neither."""
    if "turn_id" in record:
        ready_ms = record.get("reply_ready_ms")
        return Timing(wait_s=ready_ms / 1000.0 if isinstance(ready_ms, int | float) else None)
    try:
        # what is stored was checked before: this is quicker than `record_of`, and a list has many
        facts = facts_of(_adapter().validate_python(record))
    except (ValidationError, ArithmeticError):
        return None
    return Timing(
        wait_s=facts.wait_s,
        first_sound_s=facts.first_sound_s,
        answer_heard_s=facts.answer_heard_s,
        longest_dead_air_s=facts.longest_dead_air_s,
        dead_air_s=facts.dead_air_s,
        reply_delay_s=facts.reply_delay_s,
        behavior=facts.behavior,
        assigned=list(facts.assigned),
    )
