"""A turn as a row of a latency trace (format v2, see ``benchmarks/data/SOURCE.md``)."""

import json

from ._records import MilestoneRecord, TurnRecord
from ._turn import MILESTONES

Cell = str | float | int | None
"""None: an empty cell."""

NUMBER_COLUMNS = (
    "started_at",
    "tool_started_ms",
    "tool_ended_ms",
    "user_words",
    "reply_ready_ms",
    "cancelled_ms",
    "composed",
    "prompt_tokens",
)
ROW_COLUMNS = (
    "turn_id",
    "conversation_id",
    "started_at",
    "agent",
    "tool",
    "tool_started_ms",
    "tool_ended_ms",
    "user_words",
    "reply_ready_ms",
    "cancelled_ms",
    "composed",
    "source",
    "prompt_tokens",
    "milestones",
)
SOURCE = "stopgap turn log"
LONGEST_MS = 3_600_000.0
"""ms. A wait beyond an hour, which no trace may hold, is written as cut off there: that much of it is true."""
LONGEST_NAME = 200
"""Characters of an agent's or tool's name."""


def turn_row(record: TurnRecord, *, turn_id: str, conversation_id: str, started_at: float) -> dict[str, Cell] | None:
    """Return the first wait of *record*'s turn as the cells of `ROW_COLUMNS`; None if it taught nothing.

    A turn teaches nothing while it is open, when it was retracted, and when it finished without any reply. Of text
    only the names of the agent and its tools are in the row, neither what was said nor the record's own ids.

    Args:
        record: Of a turn that is over.
        turn_id: Unique among all rows that may ever meet in one trace.
        conversation_id: The same for the turns of one conversation.
        started_at: s since the epoch: the end of the user's speech.
    """
    ready_s, cut_off_s = record.waits[0].available_s, record.cut_off_s
    end_s = ready_s if ready_s is not None else cut_off_s
    if record.outcome not in ("replied", "cancelled") or end_s is None:
        return None
    end_ms = _ms(end_s)
    replied = ready_s is not None and end_ms <= LONGEST_MS
    news = _news(record.milestones, min(end_ms, LONGEST_MS))
    tool = next((item for item in news if item.name == "tool_started"), None)
    span = _span(news)
    return {
        "turn_id": turn_id,
        "conversation_id": conversation_id,
        "started_at": round(started_at, 6),
        "agent": _name(record.agent),
        "tool": None if tool is None else _name(tool.tool),
        "tool_started_ms": None if span is None else span[0],
        "tool_ended_ms": None if span is None else span[1],
        "user_words": None,
        "reply_ready_ms": end_ms if replied else None,
        "cancelled_ms": None if replied else min(end_ms, LONGEST_MS),
        "composed": 0,
        "source": SOURCE,
        "prompt_tokens": record.prompt_tokens,
        "milestones": json.dumps([_plain(item) for item in news], ensure_ascii=False, separators=(",", ":")),
    }


def _news(milestones: tuple[MilestoneRecord, ...], end_ms: float) -> list[MilestoneRecord]:
    """Return the news of the first wait in order of time: not time 0, and none twice."""
    # a further wait repeats the start of the tool that runs on
    found = dict.fromkeys(item for item in milestones if item.name in MILESTONES and item.name != "speech_ended")
    return sorted((item for item in found if _ms(item.at_s) < end_ms), key=lambda item: item.at_s)


def _span(news: list[MilestoneRecord]) -> tuple[float, float | None] | None:
    """Return when the tool ran, in ms, if it was a single one: the columns can't say more; the milestones can."""
    started = [item for item in news if item.name == "tool_started"]
    ended = [item for item in news if item.name == "tool_ended"]
    if len(started) != 1 or len(ended) > 1:
        return None
    if not ended:
        return _ms(started[0].at_s), None
    if ended[0].at_s < started[0].at_s or ended[0].tool not in (None, started[0].tool):
        return None
    return _ms(started[0].at_s), _ms(ended[0].at_s)


def _plain(item: MilestoneRecord) -> dict[str, Cell]:
    plain: dict[str, Cell] = {"name": item.name, "at_ms": _ms(item.at_s)}
    tool = _name(item.tool)
    return plain if tool is None else {**plain, "tool": tool}


def _ms(seconds: float) -> float:
    """Return ms, not below 0: what came before the end of speech was known at once."""
    return max(0.0, round(seconds * 1000.0, 3))


def _name(text: str | None) -> str | None:
    """Return *text* as one short printable line; None if nothing is left."""
    return "".join(c if c.isprintable() else " " for c in (text or "")[:LONGEST_NAME]) or None
