"""The turns that commands are given: a log of turns, a trace, or records."""

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from stopgap.benchmarks.traces import Row, TraceTurn, open_rows, parsed
from stopgap.engine.metrics import facts_of, facts_of_wait, record_of
from stopgap.engine.turns import TurnRecord
from stopgap.fillers import TraceError, UsageError

if TYPE_CHECKING:
    from stopgap.engine.metrics import TurnFacts


def read_facts(path: str) -> "list[TurnFacts]":
    """Return the turns of a file, in its order.

    Raises:
        TraceError: as `read_trace`, or if the file holds none.
    """
    return [facts_of(turn) if isinstance(turn, TurnRecord) else _from_log(turn) for turn in _read(path)]


def read_plain(path: str) -> list[dict[str, Any]]:
    """Return the turns of a file as plain data: records as `TurnRecord.as_dict` gives them, or rows of a log of turns.

    Raises:
        TraceError: as `read_facts`.
    """
    return [turn.as_dict() if isinstance(turn, TurnRecord) else _as_row(turn) for turn in _read(path)]


def _read(path: str) -> list[TurnRecord | TraceTurn]:
    turns: list[TurnRecord | TraceTurn] = []
    with open_rows(path) as rows:
        first = next(rows, None)
        if first is not None and "sounds" in first.cells and "waits" in first.cells:
            turns += _records(chain([first], rows))
        elif first is not None:
            turns += [turn for _, turn in parsed(chain([first], rows))]
    if not turns:
        raise TraceError(f"{path} holds no turns; give a log of turns, a trace, or a turn record a line")
    return turns


def _records(rows: Iterator[Row]) -> Iterator[TurnRecord]:
    seen: set[str] = set()
    for row in rows:
        if row.torn:
            continue
        try:
            record = record_of({str(name): value for name, value in row.cells.items()})
        except UsageError as exc:
            raise row.error(str(exc)) from None
        if record.id in seen:
            raise row.error(f"turn {record.id!r} occurs twice; write each turn once, when it is over")
        seen.add(record.id)
        yield record


def _as_row(turn: TraceTurn) -> dict[str, Any]:
    return {
        "turn_id": turn.turn_id, "conversation_id": turn.conversation_id, "started_at": turn.started_at,
        "agent": turn.agent, "tool": next((news.tool for news in turn.news if news.name == "tool_started"), None),
        "reply_ready_ms": turn.reply_ready_ms, "cancelled_ms": turn.cancelled_ms, "prompt_tokens": turn.prompt_tokens,
    }  # fmt: skip


def _from_log(turn: TraceTurn) -> "TurnFacts":
    return facts_of_wait(
        id=turn.turn_id,
        conversation=turn.conversation_id,
        started_at=turn.started_at,
        agent=turn.agent,
        tool=next((news.tool for news in turn.news if news.name == "tool_started"), None),
        reply_ready_s=_s(turn.reply_ready_ms),
        cancelled_s=_s(turn.cancelled_ms),
        prompt_tokens=turn.prompt_tokens,
    )


def _s(ms: float | None) -> float | None:
    return None if ms is None else ms / 1000.0
