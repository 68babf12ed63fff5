"""Turns of agents that run elsewhere, as requests and answers have them."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from ....fillers import UsageError
from ...metrics import facts_of, record_of
from .._settings import Id
from ..behaviors._forms import Part
from ..behaviors._triggered import assigned, triggered
from ..storage import NewTurn

MOST_POSTED = 1000
"""Turns of one request."""
MOST_TURNS_BODY = 4_000_000
"""Bytes of a request."""
MOST_TURN = 32_768
"""Characters of a turn as JSON."""
LATEST_S = 1e11
"""s. Beyond, no calendar has a date for it."""
LONGEST_MS = 3_600_000.0
"""ms of a wait: what a trace may hold."""
_UNSTORABLE = str.maketrans({0: "\ufffd", **dict.fromkeys(range(0xD800, 0xE000), "\ufffd")})
MOST_NAME = 200
"""Characters of what a turn, a session, an agent or a behaviour is called."""
Name = Annotated[str, StringConstraints(min_length=1, max_length=MOST_NAME)]
Ms = Annotated[float, Field(ge=0, le=LONGEST_MS)]


class TurnsRequest(Part):
    """Turns of conversations that were held elsewhere."""

    turns: list[dict[str, Any]] = Field(
        min_length=1, max_length=MOST_POSTED,
        description="Each a turn's record, as TurnRecord.as_dict gives it, or a row of a log of turns (trace format "
        "v2). All turns of a session are one conversation.",
    )  # fmt: skip
    service_id: Id | None = None
    """What the users talked to; left out: not known."""


class PostedTurns(BaseModel):
    conversation_ids: list[str]
    """In the order in which the turns name them."""
    interaction_ids: list[str]
    """Of each turn, which are its message's as well."""
    new_turns: int
    """How many were not there yet."""


class LoggedTurn(BaseModel):
    """A row of a log of turns, with `ROW_COLUMNS`."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    turn_id: Name
    conversation_id: Name
    started_at: float = Field(ge=0, le=LATEST_S)
    agent: Name | None = None
    tool: Name | None = None
    tool_started_ms: Ms | None = None
    tool_ended_ms: Ms | None = None
    user_words: float | None = Field(default=None, ge=0, le=1e6)
    reply_ready_ms: Ms | None = None
    cancelled_ms: Ms | None = None
    composed: float | None = Field(default=None, ge=0, le=1)
    source: Annotated[str, Field(max_length=1000)] | None = None
    prompt_tokens: int | None = Field(default=None, ge=0, le=10**9)
    milestones: str | None = None
    """JSON."""

    @model_validator(mode="after")
    def _has_an_end(self) -> "LoggedTurn":
        if (self.reply_ready_ms is None) == (self.cancelled_ms is None):
            raise ValueError("write either reply_ready_ms or cancelled_ms")
        return self


def new_turns(turns: list[dict[str, Any]]) -> list[NewTurn]:
    """Return *turns* for storage.

    Raises:
        UsageError: naming the first one that is none, and what to write instead.
    """
    found = []
    for place, turn in enumerate(turns):
        try:
            found.append(_new_turn(turn))
        except UsageError as exc:
            raise UsageError(f"turns.{place}: {exc}") from None
    return found


def _new_turn(turn: Mapping[str, Any]) -> NewTurn:
    try:
        size = len(json.dumps(turn))
    except ValueError:
        raise UsageError("it holds a number of thousands of digits; write what the turn's record has") from None
    if size > MOST_TURN:
        raise UsageError(f"it has more than {MOST_TURN} characters as JSON; leave out what is not of the turn's record")
    clean = {str(_clean(name)): _clean(value) for name, value in turn.items()}
    return _from_row(clean) if "turn_id" in clean else _from_record(clean)


def _from_record(data: Mapping[str, Any]) -> NewTurn:
    record = record_of(data)
    if record.outcome == "waiting":
        raise UsageError("it is not over yet; post it when it is, for what is posted stays as it is")
    names = [("id", record.id), ("session", record.session), *(("assigned", name) for name, _ in record.assigned)]
    if record.behavior is not None:
        names.append(("behavior", record.behavior[0]))
    for what, name in names:
        if not 1 <= len(name) <= MOST_NAME:
            raise UsageError(f"{what}: write 1 to {MOST_NAME} characters")
    if not 0.0 <= record.speech_ended_at <= LATEST_S:
        raise UsageError(f"speech_ended_at: write a number of seconds from 0 to {LATEST_S:g}")
    facts_of(record)  # what cannot be measured is not taken in
    plain = record.as_dict()
    return NewTurn(record.session, record.id, record.speech_ended_at, plain, triggered((), plain), assigned(plain))


def _from_row(data: Mapping[str, Any]) -> NewTurn:
    try:
        row = LoggedTurn.model_validate(data)
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "reply_ready_ms"
        said = first["msg"].removeprefix("Value error, ")
        raise UsageError(
            f"{place}: {said[:1].lower()}{said[1:]}; write a row as a log of turns has it (trace format v2)"
        ) from None
    return NewTurn(row.conversation_id, row.turn_id, row.started_at, row.model_dump())


def _clean(value: Any) -> Any:
    """Return *value* with U+FFFD for characters that not every database takes."""
    match value:
        case str():
            return value.translate(_UNSTORABLE)
        case list():
            return [_clean(item) for item in value]
        case dict():
            return {_clean(name): _clean(item) for name, item in value.items()}
        case _:
            return value
