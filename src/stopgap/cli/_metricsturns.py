"""The turns that ``stopgap metrics`` is given: a log of turns, a trace, or records."""

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from stopgap.benchmarks._trace import TraceTurn, parsed
from stopgap.benchmarks._tracerows import Row, open_rows
from stopgap.engine.metrics import facts_of, facts_of_wait, record_of
from stopgap.fillers import TraceError, UsageError

if TYPE_CHECKING:
    from stopgap.engine.metrics import TurnFacts


def read_facts(path: str) -> "list[TurnFacts]":
    """Return the turns of a file, in its order.

    Raises:
        TraceError: as `read_trace`, or if the file holds none.
    """
    with open_rows(path) as rows:
        first = next(rows, None)
        if first is None:
            turns = []
        elif "sounds" in first.cells and "waits" in first.cells:
            turns = list(_from_records(chain([first], rows)))
        else:
            turns = [_from_log(turn) for _, turn in parsed(chain([first], rows))]
    if not turns:
        raise TraceError(f"{path} holds no turns; give a log of turns, a trace, or a turn record a line")
    return turns


def _from_records(rows: Iterator[Row]) -> "Iterator[TurnFacts]":
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
        yield facts_of(record)


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
