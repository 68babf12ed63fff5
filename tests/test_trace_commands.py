"""``stopgap trace``: what it finds, counts, draws and converts."""

import csv
import json
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stopgap.benchmarks import TraceTurn, WaitStats, check_trace, convert_trace, read_trace, replay, trace_stats
from stopgap.benchmarks.traces import quantile_s, survival
from stopgap.engine import FillerManager, SilentOutput, VirtualClock
from stopgap.fillers import ClipBank, Config, TraceError, UsageError

HEADER = (
    "turn_id", "conversation_id", "started_at", "agent", "tool", "tool_started_ms", "tool_ended_ms", "reply_ready_ms",
    "cancelled_ms", "milestones",
)  # fmt: skip
FORMATS = (".csv", ".jsonl", ".parquet", ".sqlite")


Run = Callable[..., Any]


@pytest.fixture
def run(run: Run) -> Run:
    """A runner of ``stopgap trace``, in an empty folder."""
    return partial(run, "trace")


def written(path: Path, rows: list[dict[str, Any]], *, columns: tuple[str, ...] = HEADER, rest: str = "") -> Path:
    """Write *rows*, and then *rest* as it is."""
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.DictWriter(file, columns, restval="")
        lines.writeheader()
        lines.writerows(rows)
        file.write(rest)
    return path


def a_row(number: int, **changes: Any) -> dict[str, Any]:
    plain = {"turn_id": f"t{number}", "conversation_id": "c", "started_at": 10 * number, "agent": "a"}
    return {**plain, **({} if "cancelled_ms" in changes else {"reply_ready_ms": 1000 + 10 * number}), **changes}


def a_turn(number: int, ready_ms: float | None, cancelled_ms: float | None = None) -> TraceTurn:
    return TraceTurn(f"t{number}", "c", float(number), "a", ready_ms, cancelled_ms)


def good_rows() -> list[dict[str, Any]]:
    """Return rows of every sort, out of order, with a column that the format does not know."""
    news = '[{"name":"llm_started","at_ms":12.5},{"name":"first_token","at_ms":600}]'
    tools = {"tool": "look, up", "tool_started_ms": 200.5, "tool_ended_ms": 900}
    return [
        a_row(3, agent="ä \"quoted\", 'b'", weather="fine, 20 °C"),
        a_row(1, milestones=news, weather=""),
        a_row(2, cancelled_ms=700, **tools, weather="rain"),
        *(a_row(number, weather="3") for number in range(4, 60)),
    ]


# check -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["voice_mixed_dev", "llm_ttft_dev", "web_search_dev"])
def test_the_bundled_traces_are_fine(run: Run, name: str) -> None:
    """A trace without problems ends with 0."""
    found = run("check", name)
    assert (found.code, found.err) == (0, "")
    assert found.out.startswith(f"{name} is fine: {len(read_trace(name))} usable turns")


def test_check_tells_all_problems(run: Run, tmp_path: Path) -> None:
    """Each row's problem is told with its place, what concerns all rows after them, and the end is 1."""
    rows = [
        a_row(1), a_row(1), a_row(3, reply_ready_ms=-4), a_row(4, started_at=2), a_row(5, reply_ready_ms=700_000),
        a_row(6, milestones='[{"name":"thinking","at_ms":5}]'), a_row(7, cancelled_ms=20, reply_ready_ms=30),
        a_row(8, agent="x,y"),
    ]  # fmt: skip
    found = run("check", written(tmp_path / "bad.csv", rows, rest="t9,c,90,a,,,,1,\nt10,c,1"))
    lines = found.out.splitlines()
    assert found.code == 1
    assert lines[0] == "line 3: turn_id 't1' occurs twice; make it unique"
    assert lines[1].startswith("line 4: reply_ready_ms is -4; write a number from 0")
    assert lines[2] == "line 6: reply_ready_ms is 700000, more than ten minutes; leave it out if nobody ended it"
    assert lines[3].startswith('line 7: milestones must be a JSON list of {"name": ..., "at_ms": ..., "tool": ...}, na')
    assert lines[4] == "line 8: exactly one of reply_ready_ms and cancelled_ms must be given"
    assert lines[5] == "line 10: the number of fields differs from the header's; quote commas"
    assert lines[6] == "line 11: torn by a crash; it counts as nothing, and whoever logs here next cuts it off"
    assert lines[7] == "line 5: started_at goes back; sort the rows by it: stopgap trace convert IN OUT"
    assert lines[8] == "5 usable turns: too few to tune on; record at least 50"
    assert lines[9] == f"{tmp_path / 'bad.csv'} has problems: 5 usable turns, 0.0 % cancelled"
    assert len(lines) == 10


def test_check_as_json(run: Run, tmp_path: Path) -> None:
    """The same for programs."""
    found = run("check", written(tmp_path / "few.csv", [a_row(1, cancelled_ms=50), a_row(2)]), "--json")
    assert found.code == 1
    assert json.loads(found.out) == {
        "ok": False, "trace": str(tmp_path / "few.csv"), "turns": 2, "cancelled": 0.5, "more": 0,
        "problems": ["2 usable turns: too few to tune on; record at least 50"],
    }  # fmt: skip


def test_check_shows_twenty_problems(run: Run, tmp_path: Path) -> None:
    """Beyond that they are counted; what concerns all rows is always shown."""
    found = run("check", written(tmp_path / "bad.csv", [a_row(n, reply_ready_ms="soon") for n in range(30)]))
    lines = found.out.splitlines()
    assert lines[18].startswith("line 20: reply_ready_ms is 'soon'")
    assert lines[19].startswith("0 usable turns: too few")
    assert lines[20] == "and 11 more problems"
    assert len(lines) == 22


def test_check_knows_poor_traces(tmp_path: Path) -> None:
    """Seconds in the place of milliseconds, and mostly cancelled turns, are problems."""
    seconds = check_trace(written(tmp_path / "s.csv", [a_row(n, reply_ready_ms=1.5) for n in range(60)]))
    assert seconds.problems == ("half of the waits are below 1.5 ms; if they are seconds, write milliseconds",)
    rows = [a_row(n, cancelled_ms=500) if n % 5 else a_row(n) for n in range(100)]
    assert check_trace(written(tmp_path / "c.csv", rows)).problems == (
        "80 % of the turns were cancelled, so that long waits are unknown; cancel turns only where the user barged in "
        "or hung up, and finish the others",
    )


def test_check_says_where_reading_ended(tmp_path: Path) -> None:
    """What makes the rest unreadable is a problem like others."""
    path = written(tmp_path / "q.csv", [a_row(1)], rest='t2,"c"x,20,a,,,,1000,,\n')
    first, _ = check_trace(path).problems
    assert first == "line 3: ',' expected after '\"'; write plain CSV (nothing was read from there on)"


def test_check_of_no_file_is_wrong_usage(run: Run) -> None:
    """A file that is not there ends with 2."""
    found = run("check", "none.csv")
    assert (found.code, found.out) == (2, "")
    assert "none.csv cannot be read (No such file or directory); give a .csv, .jsonl, .parquet or" in found.err


# stats -----------------------------------------------------------------------------------------------------------


def test_quantiles_know_of_cancelled_turns() -> None:
    """A cancelled wait counts as longer than it was: the textbook's figures of Kaplan and Meier."""
    turns = [a_turn(1, 1000.0), a_turn(2, None, 2000.0), a_turn(3, 3000.0), a_turn(4, 4000.0)]
    times, longer = survival(turns)
    assert times.tolist() == [1.0, 2.0, 3.0, 4.0]
    assert longer == pytest.approx([0.75, 0.75, 0.375, 0.0])
    assert [quantile_s(turns, level) for level in (0.25, 0.5, 0.8)] == [1.0, 3.0, 4.0]
    assert quantile_s([a_turn(1, 1000.0), a_turn(2, None, 5000.0)], 0.8) is None


@given(st.lists(st.floats(1.0, 1e5), min_size=1, max_size=60), st.sampled_from([0.5, 0.8, 0.95]))
def test_without_cancelled_turns_quantiles_are_plain(waits: list[float], level: float) -> None:
    """Then they are those of the waits themselves."""
    found = quantile_s([a_turn(n, wait) for n, wait in enumerate(waits)], level)
    assert found == pytest.approx(np.quantile(waits, level, method="inverted_cdf") / 1000.0)


def test_stats_by_agent_and_tool(tmp_path: Path) -> None:
    """Turns are counted under their agent and under each tool they started, the largest group first."""
    path = written(tmp_path / "t.csv", [])
    convert_trace([written(tmp_path / "raw.csv", [{k: v for k, v in r.items() if k in HEADER} for r in good_rows()])],
                  path)  # fmt: skip
    rows = trace_stats(read_trace(path))
    assert [(row.group, row.name, row.turns) for row in rows] == [
        ("all", None, 59), ("agent", "a", 58), ("agent", "ä \"quoted\", 'b'", 1), ("tool", None, 58),
        ("tool", "look, up", 1),
    ]  # fmt: skip
    everything = rows[0]
    assert everything.cancelled == pytest.approx(1 / 59)
    assert everything.max_s == 1.59
    assert everything.median_s == pytest.approx(1.31, abs=0.011)


def test_drift_is_told(tmp_path: Path) -> None:
    """Medians of successive blocks show a slow-down, and its ratio."""
    turns = [a_turn(n, 1000.0 if n < 80 else 1700.0) for n in range(160)]
    everything = trace_stats(turns)[0]
    assert everything.drift_s == (1.0,) * 4 + (1.7,) * 4
    assert everything.drift == pytest.approx(1.7)
    few = trace_stats(turns[:12])[0]
    assert (few.drift_s, few.drift) == ((1.0,), None)
    assert trace_stats([])[0] == WaitStats("all", None, 0, 0.0, None, None, None, None, (), None)


def test_stats_prints_a_table_or_json(run: Run) -> None:
    """Both hold the same rows."""
    table = run("stats", "voice_mixed_dev")
    assert table.code == 0
    assert any(line.split()[:6] == ["agent", "bland", "429", "6.1", "%", "1.73"] for line in table.out.splitlines())
    data = json.loads(run("stats", "voice_mixed_dev", "--json").out)
    assert [row["turns"] for row in data["waits"][:4]] == [1271, 429, 429, 413]
    assert data["waits"][0]["median_s"] == pytest.approx(1.59, abs=0.01)


def test_stats_marks_what_is_not_known(run: Run, tmp_path: Path) -> None:
    """A quantile that cancelled turns hide is a question mark, and explained."""
    rows = [a_row(1, cancelled_ms=2000), a_row(2)]
    found = run("stats", written(tmp_path / "t.csv", rows))
    assert "?: not known, since too many turns were cancelled before" in found.out


def test_an_empty_trace_has_no_stats(run: Run, tmp_path: Path) -> None:
    """There is nothing to count, which is said."""
    found = run("stats", written(tmp_path / "none.csv", []))
    assert found.code == 2
    assert "none.csv holds no turns; give a trace with at least one row below its header" in found.err


# plot ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "begins"), [("p.png", b"\x89PNG"), ("p.svg", b"<?xml"), ("p.pdf", b"%PDF")])
def test_plot_draws(run: Run, tmp_path: Path, name: str, begins: bytes) -> None:
    """Each kind of picture can be written, by the file's ending."""
    pytest.importorskip("matplotlib")
    assert run("plot", "voice_mixed_dev", "--out", name).out == f"wrote {name}\n"
    assert (tmp_path / name).read_bytes().startswith(begins)


@pytest.mark.parametrize("count", [1, 3, 60])
def test_plot_of_small_and_odd_traces(run: Run, tmp_path: Path, count: int) -> None:
    """Few turns, waits of no time, one wait for all, and names that look like formulas can be drawn."""
    pytest.importorskip("matplotlib")
    rows = [a_row(n, agent=f"${'x' * 40}{n}$", reply_ready_ms=0) for n in range(count)]
    rows += [a_row(n, cancelled_ms=5) for n in range(count, 2 * count)]
    assert run("plot", written(tmp_path / "t.csv", rows), "--out", "t.png").code == 0


def test_plot_says_what_it_can_write(run: Run) -> None:
    """Another ending is refused."""
    pytest.importorskip("matplotlib")
    assert "give a .png, .svg or .pdf in a folder that exists" in run("plot", "voice_mixed_dev", "-o", "t.doc").err


# convert -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", FORMATS)
@pytest.mark.parametrize("second", FORMATS)
def test_formats_say_the_same(run: Run, tmp_path: Path, first: str, second: str) -> None:
    """From any format to any other the turns stay as they were, in order of time."""
    if ".parquet" in (first, second):
        pytest.importorskip("pyarrow")
    source = written(tmp_path / "raw.csv", good_rows(), columns=(*HEADER, "weather"))
    assert run("convert", source, tmp_path / f"one{first}").out.endswith(": 59 turns\n")
    assert run("convert", tmp_path / f"one{first}", tmp_path / f"two{second}").code == 0
    turns = read_trace(tmp_path / f"two{second}")
    assert turns == read_trace(tmp_path / f"one{first}")
    assert [turn.turn_id for turn in turns] == [f"t{number}" for number in range(1, 60)]
    assert [turn.started_at for turn in turns[:3]] == [0.0, 10.0, 20.0]
    assert [news.name for turn in turns[:2] for news in turn.news] == ["llm_started", "first_token", "tool_started"]


@pytest.mark.parametrize("between", [".csv", ".jsonl", ".parquet"])
def test_unknown_columns_are_kept(tmp_path: Path, between: str) -> None:
    """What the format does not know goes along, but for databases, which have the columns of a log."""
    if between == ".parquet":
        pytest.importorskip("pyarrow")
    source = written(tmp_path / "raw.csv", good_rows(), columns=(*HEADER, "weather"))
    convert_trace([source], tmp_path / f"between{between}")
    convert_trace([tmp_path / f"between{between}"], tmp_path / "back.csv")
    with (tmp_path / "back.csv").open(encoding="utf-8", newline="") as file:
        back = {row["turn_id"]: row["weather"] for row in csv.DictReader(file)}
    assert back == {row["turn_id"]: row["weather"] for row in good_rows()}


def test_a_bundled_trace_comes_back_byte_for_byte(tmp_path: Path) -> None:
    """CSV through CSV changes nothing where nothing is to be sorted."""
    from stopgap.benchmarks import bundled_trace

    convert_trace(["voice_mixed_dev"], tmp_path / "v.csv")
    assert (tmp_path / "v.csv").read_bytes() == bundled_trace("voice_mixed_dev").read_bytes()


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@given(st.lists(st.tuples(CELLS, CELLS, st.floats(0.0, 1e6), st.floats(0.0, 3.6e6)), min_size=1, max_size=5))
def test_whatever_texts_are_they_come_back(tmp_path: Path, rows: list[tuple[str, str, float, float]]) -> None:
    """Names with any characters, and numbers to the last digit, survive all formats in turn."""
    columns = ("turn_id", "conversation_id", "started_at", "agent", "reply_ready_ms", "cancelled_ms", "more")
    cells = [
        {"turn_id": f"{n}{agent}", "started_at": at, "agent": agent, "reply_ready_ms": wait, "more": more}
        for n, (agent, more, at, wait) in enumerate(rows)
    ]
    cells.append({"turn_id": "first", "started_at": 0, "reply_ready_ms": 1})
    path = written(tmp_path / "raw.csv", cells, columns=columns)
    (tmp_path / "3.sqlite").unlink(missing_ok=True)
    names = ["0.csv", "1.jsonl", "2.parquet", "3.sqlite", "4.csv"]
    for name in names:
        convert_trace([path], tmp_path / name)
        path = tmp_path / name
    first, *_, last = (read_trace(tmp_path / name) for name in names)
    assert first == last
    assert len(first) == len(cells)


def test_several_logs_become_one(run: Run, tmp_path: Path) -> None:
    """Logs that were put aside are joined in order of time; the same turn twice is refused."""
    written(tmp_path / "log.1.csv", [a_row(2), a_row(1)])
    written(tmp_path / "log.csv", [a_row(4), a_row(3)], rest="t5,c,50")
    assert run("convert", "log.csv", "log.1.csv", "all.jsonl").out == "wrote all.jsonl: 4 turns\n"
    assert [turn.turn_id for turn in read_trace("all.jsonl")] == ["t1", "t2", "t3", "t4"]
    found = run("convert", "log.csv", "log.csv", "all.jsonl")
    assert (found.code, "turn_id 't4' occurs twice; make it unique" in found.err) == (2, True)


def test_a_file_may_be_converted_in_place(run: Run, tmp_path: Path) -> None:
    """It is read whole before it is replaced."""
    path = written(tmp_path / "t.csv", [a_row(2), a_row(1)])
    assert run("convert", path, path).code == 0
    assert [turn.turn_id for turn in read_trace(path)] == ["t1", "t2"]
    assert [file.name for file in tmp_path.iterdir()] == ["t.csv"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["voice_mixed_dev"], "convert voice_mixed_dev to what? write stopgap trace convert IN OUT"),
        (["voice_mixed_dev", "t.xlsx"], "t.xlsx has no ending that tells a format; give a .csv, .jsonl, .parquet or"),
        (["voice_mixed_dev", "no/t.csv"], "no/t.csv cannot be written (No such file or directory); give a file in a"),
        (["voice_mixed_dev", "no/t.db"], "no/t.db cannot be written (unable to open database file); give a file in a"),
        (["voice_mixed_dev", "there.db"], "there.db exists, and a database is not replaced; give a new name"),
        (["none.jsonl", "t.csv"], "none.jsonl cannot be read (No such file or directory); give a .csv, .jsonl, .par"),
        (["there.db", "t.csv"], "there.db is no SQLite log (file is not a database); give one that `turn_log` has"),
        (["text.jsonl", "t.csv"], "text.jsonl, line 1: not JSON; write one object a line"),
        (["list.jsonl", "t.csv"], "list.jsonl, line 2: not a JSON object; write one object a line"),
        (["true.jsonl", "t.csv"], "true.jsonl, line 1: reply_ready_ms is 'True'; write a number"),
        (["lacks.jsonl", "t.csv"], "lacks.jsonl, line 1: turn_id and started_at must be given"),
    ],
)
def test_bad_conversions(run: Run, tmp_path: Path, arguments: list[str], sentence: str) -> None:
    """What cannot be done is said in one sentence, and no file appears."""
    (tmp_path / "there.db").write_text("no database at all, but long enough for a look\n" * 20, encoding="utf-8")
    (tmp_path / "text.jsonl").write_text("turn_id,conversation_id\n", encoding="utf-8")
    good = json.dumps(a_row(1)) + "\n"
    (tmp_path / "list.jsonl").write_text(f"{good}[1]\n", encoding="utf-8")
    (tmp_path / "true.jsonl").write_text(good.replace("1010", "true"), encoding="utf-8")
    (tmp_path / "lacks.jsonl").write_text('{"turn_id": "t"}\n', encoding="utf-8")
    before = sorted(tmp_path.iterdir())
    found = run("convert", *arguments)
    assert (found.code, found.out) == (2, "")
    assert sentence in " ".join(found.err.split())
    assert sorted(tmp_path.iterdir()) == before


def test_parquet_without_pyarrow_names_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A missing extra is named with its install command, on reading and on writing."""
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for call in (
        lambda: read_trace(tmp_path / "t.parquet"),
        lambda: convert_trace(["voice_mixed_dev"], tmp_path / "new.parquet"),
    ):
        with pytest.raises(UsageError, match=r"Parquet needs pyarrow: pip install 'stopgap\[trace\]'"):
            call()


# Other formats, read ---------------------------------------------------------------------------------------------


def test_json_lines_may_leave_out_what_is_empty(tmp_path: Path) -> None:
    """A turn needs its id, its time and its end; milestones may be a list; a torn last line is no row."""
    news = [{"name": "tool_started", "at_ms": 5, "tool": "x"}]
    lines = [
        {"turn_id": 7, "started_at": 0, "reply_ready_ms": 900, "milestones": news},
        {"turn_id": "b", "started_at": 1, "cancelled_ms": 90},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "t.jsonl").write_text(text + '\n{"turn_id": "c", "star', encoding="utf-8")
    first, second = read_trace(tmp_path / "t.jsonl")
    assert (first.turn_id, first.reply_ready_ms, first.news[0].tool) == ("7", 900.0, "x")
    assert (second.conversation_id, second.cancelled_ms) == ("b", 90.0)


def test_an_endless_json_line_is_refused(tmp_path: Path) -> None:
    """A file without line ends is not read whole into memory."""
    (tmp_path / "t.jsonl").write_text("[" * (1 << 21), encoding="utf-8")
    with pytest.raises(TraceError, match=r"line 1: longer than 1048576 characters; write one turn a line"):
        read_trace(tmp_path / "t.jsonl")


@pytest.mark.parametrize("ending", [".jsonl", ".parquet", ".sqlite"])
@given(junk=st.binary(max_size=200))
def test_junk_is_refused_in_words(tmp_path: Path, ending: str, junk: bytes) -> None:
    """Whatever the bytes are, the answer is turns or a `TraceError`."""
    path = tmp_path / f"junk{ending}"
    path.write_bytes(junk)
    text = path.name
    try:
        read_trace(path)
    except TraceError as exc:
        text = str(exc)
    assert path.name in text
    assert "\n" not in text


def test_a_damaged_parquet_file_is_refused_in_words(tmp_path: Path) -> None:
    """A byte that is wrong in the middle, or another type in a column, is no crash."""
    arrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    convert_trace(["voice_mixed_dev"], tmp_path / "good.parquet")
    raw = (tmp_path / "good.parquet").read_bytes()
    for place in range(4, len(raw), len(raw) // 60):
        (tmp_path / "bad.parquet").write_bytes(raw[:place] + bytes([raw[place] ^ 0xFF]) + raw[place + 1 :])
        text = "bad.parquet"
        try:
            read_trace(tmp_path / "bad.parquet")
        except TraceError as exc:
            text = str(exc)
        assert "bad.parquet" in text
    table = arrow.table({"turn_id": ["a"], "started_at": ["soon"]})
    pyarrow.parquet.write_table(table, tmp_path / "other.parquet")
    with pytest.raises(TraceError, match=r"the header lacks conversation_id, agent, reply_ready_ms, cancelled_ms; see"):
        read_trace(tmp_path / "other.parquet")


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("CREATE TABLE other (x)", "is no SQLite log (no such table: turns); give one that `turn_log` has written"),
        ("CREATE TABLE turns (turn_id)", "the header lacks conversation_id, started_at, agent, reply_ready_ms, can"),
    ],
)
def test_another_database_is_refused(tmp_path: Path, statement: str, sentence: str) -> None:
    """A database needs the table of a log."""
    base = sqlite3.connect(tmp_path / "t.sqlite")
    base.execute(statement)
    base.close()
    with pytest.raises(TraceError) as caught:
        read_trace(tmp_path / "t.sqlite")
    assert sentence in str(caught.value)


# From the log to replay ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["log.csv", "log.sqlite"])
def test_a_log_can_be_replayed(run: Run, tmp_path: Path, bank: ClipBank, name: str) -> None:
    """Turns of overlapping conversations are logged as they end, sorted by `convert`, and replayed."""
    clock = VirtualClock()
    config = Config(turn_log=str(tmp_path / name), seed=1)
    with FillerManager(config, clock=clock, bank=bank) as manager:
        one, two = manager.session(SilentOutput(8_000)), manager.session(SilentOutput(8_000))
        for _ in range(3):
            long = one.begin(agent="slow")
            clock.advance(0.5)
            short = two.begin(agent="quick")
            clock.advance(0.75)
            short.write(np.zeros(1, np.float32))
            short.finish()
            clock.advance(2.0)
            long.write(np.zeros(1, np.float32))
            long.finish()
            clock.advance(10.0)
    if name == "log.csv":
        with pytest.raises(TraceError, match=r"line 3: started_at goes back; .*stopgap trace convert IN OUT"):
            read_trace(tmp_path / name)
    assert run("convert", name, "turns.csv").code == 0
    turns = read_trace("turns.csv")
    assert [(turn.agent, turn.reply_ready_ms) for turn in turns] == [("slow", 3250.0), ("quick", 750.0)] * 3
    assert [turn.started_at for turn in turns] == pytest.approx([0.0, 0.5, 13.25, 13.75, 26.5, 27.0], abs=1e-5)
    again = list(replay(turns, Config(seed=1), bank=bank))
    assert [item.turn for item in again] == turns
    if name == "log.sqlite":  # a database is read in order of time, and its times are far from 0
        plain = [replace(turn, started_at=0.0) for turn in read_trace(tmp_path / name)]
        assert plain == [replace(turn, started_at=0.0) for turn in turns]
        assert len(list(replay(read_trace(tmp_path / name), Config(seed=1), bank=bank))) == 6
