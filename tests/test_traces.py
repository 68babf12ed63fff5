"""Traces: what is read, what is refused, and what comes along."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stopgap.benchmarks import BUNDLED, TraceTurn, bundled_trace, read_trace
from stopgap.benchmarks.traces import TraceNews
from stopgap.fillers import TraceError

HEADER = "turn_id,conversation_id,started_at,agent,tool,tool_started_ms,tool_ended_ms,reply_ready_ms,cancelled_ms"
GOOD = "t1,c1,0.0,a,,,,1500.0,"

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A writer of a trace: ``write(*lines, header=...)``."""

    def make(*lines: str, header: str = HEADER, encoding: str = "utf-8") -> Path:
        path = tmp_path / "trace.csv"
        path.write_bytes("\n".join([header, *lines, ""]).encode(encoding))
        return path

    return make


def refusal(path: str | Path) -> str:
    with pytest.raises(TraceError) as caught:
        read_trace(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# What is read --------------------------------------------------------------------------------------------------


def test_row(write: Write) -> None:
    """A row becomes a turn; its tool becomes two milestones."""
    assert read_trace(write("t1,c1,2.5,a,search,300,1200.5,1500.0,")) == [
        TraceTurn(
            turn_id="t1",
            conversation_id="c1",
            started_at=2.5,
            agent="a",
            reply_ready_ms=1500.0,
            cancelled_ms=None,
            news=(TraceNews("tool_started", 300.0, "search"), TraceNews("tool_ended", 1200.5, "search")),
        )
    ]


def test_prompt_tokens(write: Write) -> None:
    """The prompt's size is optional, and a whole number."""
    header = f"{HEADER},prompt_tokens"
    known, unknown = read_trace(write(f"{GOOD},1200", f"t2{GOOD[2:]},", header=header))
    assert (known.prompt_tokens, unknown.prompt_tokens) == (1200, None)
    for wrong in ("0", "12.5", "-3", "many"):
        assert "prompt_tokens" in refusal(write(f"{GOOD},{wrong}", header=header))


def test_cancelled_row(write: Write) -> None:
    """A cancelled turn ends at its cancellation, and what would have come later is not in it."""
    (turn,) = read_trace(write("t1,c1,0,a,search,300,1200,,900"))
    assert (turn.reply_ready_ms, turn.cancelled_ms, turn.end_ms) == (None, 900.0, 900.0)
    assert turn.news == (TraceNews("tool_started", 300.0, "search"),)


def test_milestone_at_the_end_is_no_news(write: Write) -> None:
    """A tool that ends with the reply tells nothing more."""
    (turn,) = read_trace(write("t1,c1,0,a,search,0,900,900,"))
    assert turn.news == (TraceNews("tool_started", 0.0, "search"),)


def test_missing_conversation_and_agent(write: Write) -> None:
    """Without a conversation each turn is one; without an agent there is none."""
    (turn,) = read_trace(write("t1,,0,,,,,900,"))
    assert (turn.conversation_id, turn.agent) == ("t1", None)


def test_unknown_columns_are_ignored(write: Write) -> None:
    """Other columns, anywhere, change nothing."""
    path = write('x,t1,c1,0.0,a,,,,1500.0,,"more, yes"', header=f"weather,{HEADER},source")
    plain = read_trace(path)
    assert plain == read_trace(write(GOOD))


def test_optional_columns_may_be_missing(write: Write) -> None:
    """Only identity, time, agent and end are needed."""
    short = "turn_id,conversation_id,started_at,agent,reply_ready_ms,cancelled_ms"
    plain = read_trace(write("t1,c1,0.0,a,1500.0,", header=short))
    assert plain == read_trace(write(GOOD))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_byte_order_mark(write: Write, encoding: str) -> None:
    """The mark that spreadsheets put in front is not part of the first column's name."""
    assert len(read_trace(write(GOOD, encoding=encoding))) == 1


def test_empty_trace(write: Write) -> None:
    """A header alone is a trace of no turns."""
    assert read_trace(write()) == []


def test_equal_times_are_sorted(write: Write) -> None:
    """Turns may start at the same time; rows keep their order."""
    turns = read_trace(write("b,c1,1,a,,,,900,", "a,c2,1,a,,,,900,"))
    assert [turn.turn_id for turn in turns] == ["b", "a"]


# Milestones of v2 ----------------------------------------------------------------------------------------------


def v2_row(milestones: Any, tool: str = ",,") -> str:
    text = milestones if isinstance(milestones, str) else json.dumps(milestones)
    quoted = '"' + text.replace('"', '""') + '"'
    return f"t1,c1,0,a,{tool},2000,,{quoted}"


def test_milestones(write: Write) -> None:
    """Milestones come in order of time, those at or after the end left out, and time 0 itself."""
    row = v2_row(
        [
            {"name": "first_token", "at_ms": 1800},
            {"name": "speech_ended", "at_ms": 0},
            {"name": "tool_started", "at_ms": 200.5, "tool": "search"},
            {"name": "tool_ended", "at_ms": 1500, "tool": "search"},
            {"name": "tts_started", "at_ms": 2000},
        ]
    )
    (turn,) = read_trace(write(row, header=f"{HEADER},milestones"))
    assert turn.news == (
        TraceNews("tool_started", 200.5, "search"),
        TraceNews("tool_ended", 1500.0, "search"),
        TraceNews("first_token", 1800.0),
    )


def test_milestones_and_tool_columns(write: Write) -> None:
    """What both say is taken once, from the columns."""
    row = v2_row(
        [{"name": "tool_started", "at_ms": 1, "tool": "x"}, {"name": "llm_started", "at_ms": 5}], "search,300,400"
    )
    (turn,) = read_trace(write(row, header=f"{HEADER},milestones"))
    assert [(news.name, news.at_ms, news.tool) for news in turn.news] == [
        ("llm_started", 5.0, None),
        ("tool_started", 300.0, "search"),
        ("tool_ended", 400.0, "search"),
    ]


def test_no_milestones(write: Write) -> None:
    """An empty cell and an empty list mean none."""
    header = f"{HEADER},milestones"
    assert read_trace(write(v2_row([]), header=header)) == read_trace(write("t1,c1,0,a,,,,2000,,", header=header))


@pytest.mark.parametrize(
    "milestones",
    [
        "llm_started",
        "{}",
        "3",
        "[3]",
        '[{"name": "llm_started"}]',
        '[{"name": "llm_started", "at_ms": "5"}]',
        '[{"name": "llm_started", "at_ms": true}]',
        '[{"name": "llm_started", "at_ms": -1}]',
        '[{"name": "llm_started", "at_ms": NaN}]',
        '[{"name": "llm_started", "at_ms": 1e9}]',
        '[{"name": "started", "at_ms": 5}]',
        '[{"name": ["llm_started"], "at_ms": 5}]',
        '[{"name": "tool_started", "at_ms": 5, "tool": 3}]',
        "[" * 100_000,
    ],
)
def test_bad_milestones(write: Write, milestones: str) -> None:
    """Anything else in the column names its line and shows the form."""
    text = refusal(write(v2_row(milestones), header=f"{HEADER},milestones"))
    assert 'line 2: milestones must be a JSON list of {"name": ..., "at_ms": ..., "tool": ...}' in text


# What is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("t2,c1,1,a,,,,soon,", "line 3: reply_ready_ms is 'soon'; write a number"),
        ("t2,c1,1,a,,,,nan,", "line 3: reply_ready_ms is nan; write a number from 0 to 3.6e+06"),
        ("t2,c1,1,a,,,,inf,", "line 3: reply_ready_ms is inf; write a number from 0"),
        ("t2,c1,1,a,,,,-5,", "line 3: reply_ready_ms is -5; write a number from 0"),
        ("t2,c1,1,a,,,,99999999,", "line 3: reply_ready_ms is 99999999; write a number from 0"),
        ("t2,c1,1,a,,,,,-5", "line 3: cancelled_ms is -5; write a number from 0"),
        ("t2,c1,now,a,,,,5,", "line 3: started_at is 'now'; write a number"),
        ("t2,c1,-1,a,,,,5,", "line 3: started_at is -1; write a number from 0"),
        ("t2,c1,,a,,,,5,", "line 3: turn_id and started_at must be given"),
        (",c1,1,a,,,,5,", "line 3: turn_id and started_at must be given"),
        ("t2,c1,1,a,,,,,", "line 3: exactly one of reply_ready_ms and cancelled_ms must be given"),
        ("t2,c1,1,a,,,,5,5", "line 3: exactly one of reply_ready_ms and cancelled_ms must be given"),
        ("t2,c1,1,a,x,,9,50,", "line 3: tool_ended_ms without tool_started_ms"),
        ("t2,c1,1,a,x,9,8,50,", "line 3: tool_ended_ms is before tool_started_ms"),
        ("t2,c1,1,a,x,early,8,50,", "line 3: tool_started_ms is 'early'; write a number"),
        ("t2,c1,1,a", "line 3: the number of fields differs from the header's; quote commas"),
        ("t2,c1,1,a,,,,5,,more", "line 3: the number of fields differs from the header's; quote commas"),
        ("t1,c1,1,a,,,,5,", "line 3: turn_id 't1' occurs twice; make it unique"),
        ('t2,"c1,1,a,,,,5,', "line 3: unexpected end of data; write plain CSV"),
    ],
)
def test_bad_row(write: Write, row: str, message: str) -> None:
    """The first bad value is named with its line and column."""
    assert message in refusal(write(GOOD, row))


def test_unsorted(write: Write) -> None:
    """Rows are in order of time, or replay would know the future."""
    assert "line 3: started_at goes back; sort the rows by it" in refusal(write("a,c,5,,,,,9,", "b,c,4.9,,,,,9,"))


@pytest.mark.parametrize("missing", ["turn_id", "started_at", "agent", "reply_ready_ms", "cancelled_ms"])
def test_missing_column(write: Write, missing: str) -> None:
    """A column that is needed is named."""
    assert f"the header lacks {missing}; see the trace format" in refusal(write(header=HEADER.replace(missing, "x")))


def test_missing_columns_are_all_named(tmp_path: Path) -> None:
    """A file without a header lacks all of them."""
    (tmp_path / "empty.csv").write_bytes(b"")
    text = refusal(tmp_path / "empty.csv")
    assert "lacks turn_id, conversation_id, started_at, agent, reply_ready_ms, cancelled_ms;" in text


def test_missing_file(tmp_path: Path) -> None:
    """A file that is not there: the bundled names are offered."""
    assert all(name in refusal(tmp_path / "nope.csv") for name in ("nope.csv cannot be read", *BUNDLED))


def test_not_utf8(write: Write) -> None:
    """Another encoding is named as such."""
    assert "is not UTF-8 text" in refusal(write("t1,café,0,,,,,9,", encoding="latin-1"))


def test_binary_file(tmp_path: Path) -> None:
    """A file of zeros is refused in words."""
    (tmp_path / "zeros.csv").write_bytes(b"\x00" * 1000)
    assert "zeros.csv" in refusal(tmp_path / "zeros.csv")


@given(lines=st.lists(st.text(st.characters(codec="utf-8"), max_size=40), max_size=4))
def test_junk_is_refused_in_words(tmp_path: Path, lines: list[str]) -> None:
    """Whatever the rows are, the answer is turns or a `TraceError`."""
    path = tmp_path / "junk.csv"
    path.write_bytes("\n".join([HEADER, *lines]).encode())
    text = "junk.csv"
    try:
        read_trace(path)
    except TraceError as exc:
        text = str(exc)
    assert "junk.csv" in text


# What comes along ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "turns", "with_tool", "cancelled"),
    [
        ("voice_mixed_dev", 1271, True, True),
        ("llm_ttft_dev", 2632, False, False),
        ("web_search_dev", 1032, True, False),
    ],
)
def test_bundled_traces(name: str, turns: int, with_tool: bool, cancelled: bool) -> None:
    """The bundled traces are read whole, by name or by path."""
    trace = read_trace(name)
    assert len(trace) == turns
    assert any(turn.news for turn in trace) == with_tool
    assert any(turn.cancelled_ms is not None for turn in trace) == cancelled
    assert read_trace(bundled_trace(name)) == trace


def test_turns_of_a_call_never_overlap() -> None:
    """In the voice trace a conversation's turns follow each other, as `SOURCE.md` says."""
    ends: dict[str, float] = {}
    for turn in read_trace("voice_mixed_dev"):
        assert turn.started_at >= ends.get(turn.conversation_id, 0.0), turn.turn_id
        ends[turn.conversation_id] = turn.started_at + turn.end_ms / 1000.0
