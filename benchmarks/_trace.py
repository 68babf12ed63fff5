"""Latency traces: one row a turn, as CSV (formats v1 and v2; see ``data/SOURCE.md``)."""

import csv
import json
import math
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from stopgap.engine.turns import MILESTONES
from stopgap.fillers import TraceError

REQUIRED = ("turn_id", "conversation_id", "started_at", "agent", "reply_ready_ms", "cancelled_ms")
MAX_BYTES = 1 << 30
MAX_MS = 3_600_000.0
BUNDLED = ("voice_mixed_dev", "llm_ttft_dev", "web_search_dev")


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


def bundled_trace(name: str) -> Path:
    """Return the path of a trace that comes with stopgap: one of `BUNDLED`."""
    return Path(str(files("stopgap.benchmarks"))) / "data" / f"{name}.csv"


def read_trace(path: str | Path) -> list[TraceTurn]:
    """Read a trace, in the order of its rows. *path* may be the name of a bundled one.

    Unknown columns are ignored.

    Raises:
        TraceError: naming the missing columns, or the line and column of the first bad value.
    """
    file = bundled_trace(str(path)) if str(path) in BUNDLED else Path(path)
    try:
        if file.stat().st_size > MAX_BYTES:
            raise TraceError(f"{file} is larger than 1 GiB; split it")
        with file.open(encoding="utf-8-sig", newline="") as lines:
            return _read(file, csv.DictReader(lines, strict=True))
    except OSError as exc:
        raise TraceError(
            f"{file} cannot be read ({exc.strerror}); give a CSV file or one of {', '.join(BUNDLED)}"
        ) from exc
    except UnicodeDecodeError as exc:
        raise TraceError(f"{file} is not UTF-8 text; save it as UTF-8 CSV") from exc


def _read(file: Path, rows: "csv.DictReader[str]") -> list[TraceTurn]:
    try:
        missing = [name for name in REQUIRED if name not in (rows.fieldnames or ())]
        if missing:
            raise TraceError(f"{file}: the header lacks {', '.join(missing)}; see the trace format")
        turns: list[TraceTurn] = []
        seen: set[str] = set()
        before = -math.inf
        for row in rows:
            turn = _turn(_Row(file, rows.line_num, row))
            if turn.turn_id in seen:
                raise TraceError(f"{file}, line {rows.line_num}: turn_id {turn.turn_id!r} occurs twice; make it unique")
            if turn.started_at < before:
                raise TraceError(f"{file}, line {rows.line_num}: started_at goes back; sort the rows by it")
            seen.add(turn.turn_id)
            before = turn.started_at
            turns.append(turn)
    except csv.Error as exc:
        raise TraceError(f"{file}, line {rows.reader.line_num}: {exc}; write plain CSV") from exc
    return turns


@dataclass(frozen=True, slots=True)
class _Row:
    file: Path
    line: int
    cells: dict[str | None, Any]

    def error(self, text: str) -> TraceError:
        return TraceError(f"{self.file}, line {self.line}: {text}")

    def text(self, column: str) -> str:
        value = self.cells.get(column)
        if value is not None and not isinstance(value, str):
            raise self.error(f"{column} is not text")
        return value or ""

    def number(self, column: str, most: float) -> float | None:
        """Return the number in *column*, None if empty; 0 <= number <= *most*."""
        text = self.text(column)
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            raise self.error(f"{column} is {text!r}; write a number") from None
        if not 0.0 <= value <= most:
            raise self.error(f"{column} is {text}; write a number from 0 to {most:g}")
        return value


def _turn(row: _Row) -> TraceTurn:
    if None in row.cells or None in row.cells.values():
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


def _tokens(row: _Row) -> int | None:
    tokens = row.number("prompt_tokens", 1e9)
    if tokens is not None and (tokens < 1.0 or tokens != int(tokens)):
        raise row.error(f"prompt_tokens is {tokens:g}; write a whole number from 1 on, or leave it empty")
    return None if tokens is None else int(tokens)


def _tool_news(row: _Row) -> list[TraceNews]:
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


def _listed_news(row: _Row) -> list[TraceNews]:
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
