"""Latency traces: one row a turn (formats v1 and v2; see ``data/SOURCE.md``)."""

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from stopgap.engine.turns import MILESTONES

from ._rows import Row, open_rows

MAX_MS = 3_600_000.0
UNSORTED = "started_at goes back; sort the rows by it: stopgap trace convert IN OUT"


@dataclass(frozen=True, slots=True)
class TraceNews:
    """A milestone of a traced turn."""

    name: str
    at_ms: float
    """ms from the end of the user's speech."""
    tool: str | None = None


@dataclass(frozen=True, slots=True)
class TraceTurn:
    """One measured turn. Times are ms from the end of the user's speech."""

    turn_id: str
    conversation_id: str
    started_at: float
    """s since the trace's beginning: the end of the user's speech."""
    agent: str | None
    reply_ready_ms: float | None
    """The reply's first audio was available; None: cancelled before."""
    cancelled_ms: float | None
    """The user barged in or hung up; exactly one of both is set."""
    news: tuple[TraceNews, ...] = ()
    """Milestones before the end, in order of time."""
    prompt_tokens: int | None = None
    """Size of the prompt that was answered."""

    @property
    def end_ms(self) -> float:
        return self.reply_ready_ms if self.reply_ready_ms is not None else (self.cancelled_ms or 0.0)


def read_trace(path: str | Path) -> list[TraceTurn]:
    """Read a trace, in the order of its rows. *path* may be the name of a bundled one.

    The file's ending tells its format: ``.jsonl``, ``.parquet``, ``.sqlite`` (a log of turns), anything else is CSV.
    Unknown columns are ignored, and so is a last line that a crash has torn.

    Raises:
        TraceError: naming the missing columns, or the line and column of the first bad value.
        UsageError: with the install command, if the file is Parquet and pyarrow is missing.
    """
    turns: list[TraceTurn] = []
    before = -math.inf
    with open_rows(path) as rows:
        for row, turn in parsed(rows):
            if turn.started_at < before:
                raise row.error(UNSORTED)
            before = turn.started_at
            turns.append(turn)
    return turns


def parsed(rows: Iterable[Row], seen: set[str] | None = None) -> Iterator[tuple[Row, TraceTurn]]:
    """Yield each row with the turn it says, in the file's order.

    Args:
        rows: As `open_rows` yields them.
        seen: Collects the turns' ids, of several files too.

    Raises:
        TraceError: for the first bad value, or a turn_id that occurs twice.
    """
    seen = set() if seen is None else seen
    for row in rows:
        if row.torn:
            continue
        turn = turn_of(row)
        if turn.turn_id in seen:
            raise row.error(f"turn_id {turn.turn_id!r} occurs twice; make it unique")
        seen.add(turn.turn_id)
        yield row, turn


def turn_of(row: Row) -> TraceTurn:
    """Return the turn that *row* says.

    Raises:
        TraceError: naming the row's place and the first bad value.
    """
    if row.uneven:
        raise row.error("the number of fields differs from the header's; quote commas")
    turn_id = row.text("turn_id")
    started_at = row.number("started_at", 1e12)
    if not turn_id or started_at is None:
        raise row.error("turn_id and started_at must be given")
    ready, cancelled = row.number("reply_ready_ms", MAX_MS), row.number("cancelled_ms", MAX_MS)
    if (ready is None) == (cancelled is None):
        raise row.error("exactly one of reply_ready_ms and cancelled_ms must be given")
    end = ready if ready is not None else cancelled
    assert end is not None
    news = [n for n in (*_tool_news(row), *_listed_news(row)) if n.at_ms < end]
    return TraceTurn(
        turn_id=turn_id,
        conversation_id=row.text("conversation_id") or turn_id,
        started_at=started_at,
        agent=row.text("agent") or None,
        reply_ready_ms=ready,
        cancelled_ms=cancelled,
        news=tuple(sorted(news, key=lambda n: n.at_ms)),
        prompt_tokens=_tokens(row),
    )


def _tokens(row: Row) -> int | None:
    tokens = row.number("prompt_tokens", 1e9)
    if tokens is not None and (tokens < 1.0 or tokens != int(tokens)):
        raise row.error(f"prompt_tokens is {tokens:g}; write a whole number from 1 on, or leave it empty")
    return None if tokens is None else int(tokens)


def _tool_news(row: Row) -> list[TraceNews]:
    tool = row.text("tool") or None
    started, ended = row.number("tool_started_ms", MAX_MS), row.number("tool_ended_ms", MAX_MS)
    if started is None:
        if ended is not None:
            raise row.error("tool_ended_ms without tool_started_ms")
        return []
    if ended is not None and ended < started:
        raise row.error("tool_ended_ms is before tool_started_ms")
    news = [TraceNews("tool_started", started, tool)]
    return news if ended is None else [*news, TraceNews("tool_ended", ended, tool)]


def _listed_news(row: Row) -> list[TraceNews]:
    """Return the milestones of a v2 trace; those that the tool columns say as well are left out."""
    text = row.text("milestones")
    if not text:
        return []
    wrong = 'milestones must be a JSON list of {"name": ..., "at_ms": ..., "tool": ...}'
    try:
        items = json.loads(text)
    except (ValueError, RecursionError):
        raise row.error(wrong) from None
    if not isinstance(items, list):
        raise row.error(wrong)
    by_columns = bool(row.text("tool_started_ms"))
    news = []
    for item in items:
        if not isinstance(item, dict) or item.get("name") not in MILESTONES:
            raise row.error(f"{wrong}, name one of {', '.join(MILESTONES)}")
        at = item.get("at_ms")
        if isinstance(at, bool) or not isinstance(at, int | float) or not 0.0 <= at <= MAX_MS:
            raise row.error(f"{wrong}, at_ms from 0 to {MAX_MS:g}")
        tool = item.get("tool")
        if tool is not None and not isinstance(tool, str):
            raise row.error(f"{wrong}, tool a text")
        if item["name"] == "speech_ended" or (by_columns and item["name"] in ("tool_started", "tool_ended")):
            continue
        news.append(TraceNews(item["name"], float(at), tool))
    return news
