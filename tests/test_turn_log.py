"""The log of turns: what is written, what survives, and what is left out."""

import csv
import json
import logging
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from stopgap.benchmarks import TraceTurn, read_trace
from stopgap.benchmarks import replay as replayed
from stopgap.benchmarks.traces import TraceNews
from stopgap.engine import FillerManager, Session, SilentOutput, TurnRecord, VirtualClock
from stopgap.engine import _rowbase as rowbase
from stopgap.engine import _rowfile as rowfile
from stopgap.engine._rowbase import RowBase
from stopgap.engine._rowfile import RowFile
from stopgap.engine.turns import MILESTONES, ROW_COLUMNS, MilestoneRecord, PredictionRecord, WaitRecord, turn_row
from stopgap.fillers import ClipBank, Config, ConfigError, load_config

ONE = np.zeros(1, np.float32)
BEGAN_AT = 1_000.0


def a_record(**changes: Any) -> TurnRecord:
    """Return the record of a turn that was answered after 1.5 s."""
    plain = TurnRecord(
        id="call-5", session="+49 30 1234", agent="a", language="en-US", outcome="replied", speech_ended_at=2.0,
        began_s=0.0, ended_s=1.6, cancel_reason=None, policy="predictive", prediction=PredictionRecord(1.0, 2.0, 3.0),
        milestones=(MilestoneRecord("speech_ended", 0.0),), waits=(WaitRecord(0.0, 1.5, 1.5, 0.0),),
    )  # fmt: skip
    return replace(plain, **changes)


def a_row(number: int, **changes: Any) -> dict[str, Any]:
    row = turn_row(a_record(**changes), turn_id=f"t{number}", conversation_id="c", started_at=float(number))
    assert row is not None
    return row


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def manager_at(path: Path, bank: ClipBank, **settings: Any) -> tuple[FillerManager, VirtualClock]:
    clock = VirtualClock(BEGAN_AT)
    return FillerManager(Config(turn_log=str(path), seed=1, **settings), clock=clock, bank=bank), clock


def answered(session: Session, clock: VirtualClock, wait_s: float = 1.0) -> None:
    turn = session.begin(agent="a")
    clock.advance(wait_s)
    turn.write(ONE)
    turn.finish()
    clock.advance(1.0)


# A row ---------------------------------------------------------------------------------------------------------

NAMES = st.none() | st.text(max_size=12)
NEWS = st.builds(
    MilestoneRecord, st.sampled_from((*MILESTONES, "waiting_again")), st.floats(-5.0, 5000.0), st.none() | st.text()
)
RECORDS = st.builds(
    a_record,
    agent=NAMES,
    waits=st.tuples(st.builds(WaitRecord, st.just(0.0), st.none() | st.floats(0.0, 5000.0), st.none(), st.none())),
    milestones=st.lists(NEWS, max_size=5).map(tuple),
    outcome=st.sampled_from(("replied", "cancelled", "retracted", "waiting")),
    cut_off_s=st.none() | st.floats(0.0, 5000.0),
    prompt_tokens=st.none() | st.integers(1, 10**9),
)


def expected(record: TurnRecord, started_at: float) -> TraceTurn | None:
    """Say in the words of traces what happened in *record*'s first wait."""
    ready, cut_off = record.waits[0].available_s, record.cut_off_s
    end = ready if ready is not None else cut_off
    if record.outcome in ("retracted", "waiting") or end is None:
        return None
    end_ms = round(1000.0 * end, 3)
    within = end_ms <= 3_600_000.0
    news = [
        TraceNews(n.name, max(0.0, round(1000.0 * n.at_s, 3)), named(n.tool))
        for n in sorted(dict.fromkeys(record.milestones), key=lambda n: n.at_s)
        if n.name in MILESTONES and n.name != "speech_ended"
    ]
    return TraceTurn(
        turn_id="t", conversation_id="c", started_at=round(started_at, 6), agent=named(record.agent),
        reply_ready_ms=end_ms if ready is not None and within else None,
        cancelled_ms=None if ready is not None and within else min(end_ms, 3_600_000.0),
        news=tuple(n for n in news if n.at_ms < min(end_ms, 3_600_000.0)), prompt_tokens=record.prompt_tokens,
    )  # fmt: skip


def named(text: str | None) -> str | None:
    return "".join(c if c.isprintable() else " " for c in (text or "")[:200]) or None


def without_tools_ended(turn: TraceTurn) -> list[Any]:
    """Return the news in any order; an end that names no tool may have got its name from the start."""
    started = [n.tool for n in turn.news if n.name == "tool_started"]
    tool = started[0] if len(started) == 1 else None
    return sorted((n.at_ms, n.name, (n.tool or tool if n.name == "tool_ended" else n.tool) or "") for n in turn.news)


@given(RECORDS, st.floats(0.0, 4e9))
@example(a_record(milestones=(MilestoneRecord("tool_started", 1.4999999, "x"),)), 0.0)
@example(
    a_record(milestones=(MilestoneRecord("tool_started", 0.1, "x"), MilestoneRecord("tool_ended", 0.2, None))), 1.7e9
)
def test_a_row_read_back_is_what_happened(tmp_path: Path, record: TurnRecord, started_at: float) -> None:
    """Whatever a turn was, its row says the same when it is read as a trace."""
    row = turn_row(record, turn_id="t", conversation_id="c", started_at=started_at)
    was = expected(record, started_at)
    assert (row is None) == (was is None)
    if row is None or was is None:
        return
    path = tmp_path / "log.csv"
    path.unlink(missing_ok=True)
    file = RowFile(path, 10**9, 1)
    file.append(row)
    file.close()
    (turn,) = read_trace(path)
    assert replace(turn, news=()) == replace(was, news=())
    assert without_tools_ended(turn) == without_tools_ended(was)


def test_a_row_has_the_columns_of_the_format() -> None:
    """A tool is told in the columns and among the milestones; of other texts there is nothing."""
    milestones = (
        MilestoneRecord("speech_ended", 0.0),
        MilestoneRecord("llm_started", 0.1),
        MilestoneRecord("tool_started", 0.2, "look"),
        MilestoneRecord("tool_ended", 0.9, "look"),
    )
    row = a_row(1, milestones=milestones, prompt_tokens=900, notes=("secret",), cancel_reason="secret")
    assert tuple(row) == ROW_COLUMNS
    assert row == {
        "turn_id": "t1", "conversation_id": "c", "started_at": 1.0, "agent": "a", "tool": "look",
        "tool_started_ms": 200.0, "tool_ended_ms": 900.0, "user_words": None, "reply_ready_ms": 1500.0,
        "cancelled_ms": None, "composed": 0, "source": "stopgap turn log", "prompt_tokens": 900,
        "milestones": '[{"name":"llm_started","at_ms":100.0},{"name":"tool_started","at_ms":200.0,"tool":"look"},'
        '{"name":"tool_ended","at_ms":900.0,"tool":"look"}]',
    }  # fmt: skip


def test_several_tools_are_told_by_milestones_alone() -> None:
    """The columns hold one tool, so they stay empty where there were two."""
    news = tuple(MilestoneRecord("tool_started", 0.1 * n, f"tool-{n}") for n in (1, 2))
    row = a_row(1, milestones=news)
    assert (row["tool"], row["tool_started_ms"], row["tool_ended_ms"]) == ("tool-1", None, None)
    assert [item["tool"] for item in json.loads(row["milestones"])] == ["tool-1", "tool-2"]


def test_of_several_waits_the_first_is_logged() -> None:
    """What was told while the user waited again is not in the row, nor is the tool that ran on there twice."""
    news = (
        MilestoneRecord("tool_started", 0.5, "look"), MilestoneRecord("tool_started", 0.5, "look"),
        MilestoneRecord("tool_ended", 7.0, "look"),
    )  # fmt: skip
    waits = (WaitRecord(0.0, 1.0, 1.0, 0.0), WaitRecord(3.0, 8.0, 8.0, 0.0))
    row = a_row(1, milestones=news, waits=waits)
    assert (row["reply_ready_ms"], row["tool_started_ms"], row["tool_ended_ms"]) == (1000.0, 500.0, None)


# A session -----------------------------------------------------------------------------------------------------


def test_a_session_is_logged_as_it_happened(tmp_path: Path, bank: ClipBank) -> None:
    """Answered, cancelled, barged-in and superseded turns are rows with their times."""
    manager, clock = manager_at(tmp_path / "log.csv", bank)
    before = time.time()
    with manager, manager.session(SilentOutput(24_000), id="+49 30 1234") as session:
        turn = session.begin(agent="gpt-x", prompt_tokens=700)
        clock.advance(0.25)
        turn.milestone("tool_started", tool="lookup")
        clock.advance(1.0)
        turn.milestone("tool_ended", tool="lookup")
        clock.advance(0.5)
        turn.write(ONE)
        turn.finish()
        clock.advance(10.0)
        turn = session.begin(agent="gpt-x", id="secret")
        clock.advance(2.0)
        session.user_speaking()
        clock.advance(1.0)
        turn.cancel("barge-in")
        session.begin(agent="b")
        clock.advance(0.5)
        session.begin()
        clock.advance(0.125)
        assert manager.statistics()["turns_logged"] == 3
    first, second, third, last = read_trace(tmp_path / "log.csv")
    assert first.news == (TraceNews("tool_started", 250.0, "lookup"), TraceNews("tool_ended", 1250.0, "lookup"))
    assert (first.agent, first.reply_ready_ms, first.cancelled_ms, first.prompt_tokens) == ("gpt-x", 1750.0, None, 700)
    assert (second.agent, second.reply_ready_ms, second.cancelled_ms) == ("gpt-x", None, 2000.0)
    assert (third.agent, third.cancelled_ms) == ("b", 500.0)
    assert (last.agent, last.cancelled_ms) == (None, 125.0)
    assert len({turn.conversation_id for turn in (first, second, third, last)}) == 1
    assert len({turn.turn_id for turn in (first, second, third, last)}) == 4
    assert before - 100.0 < first.started_at < before + 100.0
    assert second.started_at - first.started_at == pytest.approx(11.75, abs=1e-5)
    text = (tmp_path / "log.csv").read_text(encoding="utf-8")
    assert "1234" not in text
    assert "secret" not in text


def test_what_taught_nothing_is_left_out(tmp_path: Path, bank: ClipBank) -> None:
    """Retracted turns, turns never confirmed, and turns that finished without a reply are no rows."""
    manager, clock = manager_at(tmp_path / "log.csv", bank)
    with manager, manager.session(SilentOutput(24_000)) as session:
        turn = session.begin(tentative=True)
        clock.advance(0.5)
        turn.retract()
        session.begin().finish()
        turn = session.begin(tentative=True)
        clock.advance(0.5)
        turn.write(ONE)
        turn.finish()
        turn.retract()
        assert not (tmp_path / "log.csv").exists()
        turn = session.begin(tentative=True)
        clock.advance(0.5)
        turn.commit()
        clock.advance(0.5)
        turn.write(ONE)
        turn.finish()
    (row,) = rows_of(tmp_path / "log.csv")
    assert row["reply_ready_ms"] == "1000.0"


def test_rehearsals_and_replays_are_no_traffic(tmp_path: Path, bank: ClipBank) -> None:
    """What is played again to compare policies leaves no rows, in production or in replay."""
    manager, clock = manager_at(tmp_path / "log.csv", bank)
    judge = manager._engine.judge
    assert judge is not None
    with manager, manager.session(SilentOutput(24_000)) as session:
        for _ in range(60):  # one turn in eight is rehearsed, twice
            answered(session, clock)
    assert len(rows_of(tmp_path / "log.csv")) == 60
    config = Config(turn_log=str(tmp_path / "replayed.csv"))
    assert len(list(replayed(read_trace(tmp_path / "log.csv")[:3], config, bank=bank))) == 3
    assert not (tmp_path / "replayed.csv").exists()


def test_in_real_time_the_service_thread_writes(tmp_path: Path, bank: ClipBank) -> None:
    """With a real clock a turn is on the disk when the manager has closed, stamped with the time of day."""
    config = Config(turn_log=str(tmp_path / "log.csv"))
    before = time.time()
    with FillerManager(config, bank=bank) as manager, manager.session(SilentOutput(24_000)) as session:
        turn = session.begin(agent="a")
        turn.write(ONE)
        turn.finish()
    (turn_read,) = read_trace(tmp_path / "log.csv")
    assert before - 0.1 <= turn_read.started_at <= time.time() + 0.1


# The file ------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="modes of POSIX")
@pytest.mark.parametrize("name", ["log.csv", "log.sqlite"])
def test_only_its_owner_may_read_it(tmp_path: Path, bank: ClipBank, name: str) -> None:
    """The file is made with mode 0600."""
    manager, clock = manager_at(tmp_path / name, bank)
    with manager, manager.session(SilentOutput(24_000)) as session:
        answered(session, clock)
        assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_a_new_process_goes_on_with_the_file(tmp_path: Path) -> None:
    """The header is written once."""
    for number in (1, 2):
        file = RowFile(tmp_path / "log.csv", 10**6, 1)
        file.append(a_row(number))
        file.close()
    assert [row["turn_id"] for row in rows_of(tmp_path / "log.csv")] == ["t1", "t2"]


@pytest.mark.parametrize("torn", ["t9", "t9,c,1.0,a,,,,,15", 't9,c,1.0,a,,,,,1500.0,,0,log,,"[{""na', "x" * 200_000])
def test_a_torn_line_is_cut_off(tmp_path: Path, torn: str) -> None:
    """A last line without its end is no row to a reader, and gone once the file is written to again."""
    path = tmp_path / "log.csv"
    file = RowFile(path, 10**6, 1)
    file.append(a_row(1))
    file.close()
    with path.open("a", encoding="utf-8") as out:
        out.write(torn)
    if len(torn) < 100_000:
        assert [turn.turn_id for turn in read_trace(path)] == ["t1"]
    file.append(a_row(2))
    assert [turn.turn_id for turn in read_trace(path)] == ["t1", "t2"]


def test_a_line_torn_by_another_process_is_cut_off(tmp_path: Path) -> None:
    """Who has the file open notices what a dying neighbour left."""
    file = RowFile(tmp_path / "log.csv", 10**6, 1)
    file.append(a_row(1))
    with (tmp_path / "log.csv").open("a", encoding="utf-8") as out:
        out.write("t9,c,")
    file.append(a_row(2))
    assert [row["turn_id"] for row in rows_of(tmp_path / "log.csv")] == ["t1", "t2"]


def test_a_torn_header_is_written_anew(tmp_path: Path) -> None:
    """A process that died within the very first write leaves nothing to mend by hand."""
    (tmp_path / "log.csv").write_text("turn_id,conv", encoding="utf-8")
    RowFile(tmp_path / "log.csv", 10**6, 1).append(a_row(1))
    assert [turn.turn_id for turn in read_trace(tmp_path / "log.csv")] == ["t1"]


def test_the_log_rotates(tmp_path: Path) -> None:
    """A full file is put aside, the newest as 1; beyond the limit the oldest go; each begins with the header."""
    room = len(rowfile.HEADER) + 3 * len(",".join(map(str, a_row(10).values()))) + 60
    file = RowFile(tmp_path / "log.csv", room, 2)
    for number in range(10, 50):
        file.append(a_row(number))
    found = {path.name: rows_of(path) for path in sorted(tmp_path.iterdir())}
    assert list(found) == ["log.1.csv", "log.2.csv", "log.csv"]
    assert all((tmp_path / name).stat().st_size <= room for name in found)
    kept = [int(row["turn_id"][1:]) for name in ("log.2.csv", "log.1.csv", "log.csv") for row in found[name]]
    assert kept == list(range(kept[0], 50))


def test_rotation_is_configured(tmp_path: Path, bank: ClipBank) -> None:
    """``turn_log_mb`` and ``turn_log_files`` say how much is kept."""
    manager, clock = manager_at(tmp_path / "log.csv", bank, turn_log_mb=0.0005, turn_log_files=3)
    with manager, manager.session(SilentOutput(24_000)) as session:
        for _ in range(20):
            answered(session, clock)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.1.csv", "log.2.csv", "log.3.csv", "log.csv"]


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be taken away there")
@pytest.mark.parametrize("name", ["log.csv", "log.sqlite"])
def test_a_deleted_log_begins_anew(tmp_path: Path, name: str) -> None:
    """Whoever takes the file away, as log shippers do, gets a new one."""
    path = tmp_path / name
    rows = RowFile(path, 10**6, 1) if name == "log.csv" else RowBase(path, 10**6)
    rows.append(a_row(1))
    path.unlink()
    rows.append(a_row(2))
    rows.close()
    assert [turn.turn_id for turn in read_trace(path)] == ["t2"]


# Trouble -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["nowhere/log.csv", "nowhere/log.sqlite", "foreign.csv", "foreign.db", "folder.csv"])
def test_trouble_warns_once_and_the_agent_goes_on(
    tmp_path: Path, bank: ClipBank, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """A file that cannot be written, or is something else, is left alone: one warning, and the turns are counted."""
    (tmp_path / "foreign.csv").write_text("when,what\n1,my own\n", encoding="utf-8")
    (tmp_path / "foreign.db").write_text("something else, and long enough to be looked at" * 10, encoding="utf-8")
    (tmp_path / "folder.csv").mkdir()
    manager, clock = manager_at(tmp_path / name, bank)
    with caplog.at_level(logging.WARNING, "stopgap"), manager, manager.session(SilentOutput(24_000)) as session:
        for _ in range(3):
            answered(session, clock)
        assert session.turn is not None
        assert session.turn.record.reply_heard_s is not None
        assert manager.statistics()["turns_unlogged"] == 3
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "turns cannot be logged in" in caplog.text
    assert (tmp_path / "foreign.csv").read_text(encoding="utf-8") == "when,what\n1,my own\n"


def test_logging_goes_on_when_the_trouble_is_over(tmp_path: Path, bank: ClipBank) -> None:
    """Once the folder is there, rows are written."""
    manager, clock = manager_at(tmp_path / "later" / "log.csv", bank)
    with manager, manager.session(SilentOutput(24_000)) as session:
        answered(session, clock)
        (tmp_path / "later").mkdir()
        answered(session, clock)
        assert (manager.statistics()["turns_unlogged"], manager.statistics()["turns_logged"]) == (1, 1)


def test_other_formats_are_refused() -> None:
    """A name that promises a format in which no log is written is refused, before anything plays."""
    with pytest.raises(ConfigError, match=r"turn_log: log.jsonl: logs are CSV or SQLite; name it .csv or .sqlite"):
        load_config({"turn_log": "log.jsonl"})


# Processes -----------------------------------------------------------------------------------------------------

LOGGING = """
import sys
import numpy as np
from stopgap.engine import FillerManager, SilentOutput, VirtualClock
from stopgap.fillers import Config
clock = VirtualClock()
manager = FillerManager(Config(mode="none", turn_log=sys.argv[1]), clock=clock)
session = manager.session(SilentOutput(8_000))
while True:
    turn = session.begin(agent="a")
    clock.advance(1.0)
    turn.write(np.zeros(1, np.float32))
    turn.finish()
    clock.advance(1.0)
    print(int(manager.statistics()["turns_logged"]), flush=True)
"""

APPENDING = """
import sys
from pathlib import Path
from stopgap.engine._rowfile import RowFile
from stopgap.engine._rowbase import RowBase
from stopgap.engine.turns import ROW_COLUMNS
path, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
rows = RowBase(path, 10**9) if path.suffix == ".sqlite" else RowFile(path, 40_000, 1000)
print("ready", flush=True)
sys.stdin.readline()
row = dict.fromkeys(ROW_COLUMNS)
for number in range(count):
    rows.append({**row, "turn_id": f"{name}-{number}", "started_at": number, "reply_ready_ms": 5, "agent": "a" * 90})
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal")
@pytest.mark.parametrize("name", ["log.csv", "log.sqlite"])
def test_a_killed_process_loses_at_most_the_last_turn(tmp_path: Path, name: str) -> None:
    """What was logged before a SIGKILL is there, whole."""
    path = tmp_path / name
    with subprocess.Popen([sys.executable, "-c", LOGGING, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = 0
        while told < 200:
            told = int(process.stdout.readline())
        process.kill()
        told = int((process.stdout.read().splitlines() or [str(told)])[-1] or told)
    if name == "log.csv":
        found = len(read_trace(path))
    else:
        with sqlite3.connect(path) as base:
            ((found,),) = base.execute("SELECT count(*) FROM turns")
        base.close()
    assert told <= found <= told + 1


@pytest.mark.parametrize("name", ["log.csv", "log.sqlite"])
def test_processes_that_write_at_once_lose_nothing(tmp_path: Path, name: str) -> None:
    """Rows of processes that write, and rotate, at once are all there, each once and whole."""
    count = 1000 if name == "log.csv" else 100
    writers = "pqrs"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", APPENDING, str(tmp_path / name), who, str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for who in writers
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0] * len(writers)
    if name == "log.csv":
        assert len(list(tmp_path.iterdir())) > 5
        found = [row["turn_id"] for path in tmp_path.iterdir() for row in rows_of(path)]
    else:
        base = sqlite3.connect(tmp_path / name)
        found = [row[0] for row in base.execute("SELECT turn_id FROM turns")]
        base.close()
    assert sorted(found) == sorted(f"{who}-{number}" for who in writers for number in range(count))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.parametrize("name", ["log.csv", "log.db"])
def test_a_forked_child_writes_under_its_own_name(tmp_path: Path, bank: ClipBank, name: str) -> None:
    """Parent and child may both go on; their turns are told apart."""
    manager, clock = manager_at(tmp_path / name, bank)
    with manager:
        with manager.session(SilentOutput(24_000)) as session:
            answered(session, clock)
        child = os.fork()
        if child == 0:
            with manager.session(SilentOutput(24_000)) as session:
                answered(session, clock)
            os._exit(0)
        os.waitpid(child, 0)
        with manager.session(SilentOutput(24_000)) as session:
            answered(session, clock)
    if name == "log.csv":
        ids = [row["turn_id"] for row in rows_of(tmp_path / name)]
    else:
        base = sqlite3.connect(tmp_path / name)
        ids = [row[0] for row in base.execute("SELECT turn_id FROM turns ORDER BY rowid")]
        base.close()
    assert len(set(ids)) == 3
    writers = [text.split("-")[0] for text in ids]
    assert (writers[0] == writers[2], writers[0] == writers[1]) == (True, False)


# SQLite --------------------------------------------------------------------------------------------------------


def test_a_database_has_the_same_columns(tmp_path: Path) -> None:
    """Each row of the table ``turns`` is a row of the CSV log, numbers as numbers; others may read meanwhile."""
    rows = RowBase(tmp_path / "log.sqlite", 10**9)
    rows.append(a_row(1))
    base = sqlite3.connect(tmp_path / "log.sqlite")
    assert base.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    found = base.execute("SELECT * FROM turns")
    assert tuple(column[0] for column in found.description) == ROW_COLUMNS
    assert list(found) == [tuple(a_row(1).values())]
    base.close()
    rows.close()


def test_a_database_drops_its_oldest_turns(tmp_path: Path) -> None:
    """Beyond the limit the oldest rows go, and the file stops growing."""
    rows = RowBase(tmp_path / "log.sqlite", 60_000)
    for number in range(20 * rowbase.LOOK_EVERY):
        rows.append(a_row(number))
    rows.close()
    base = sqlite3.connect(tmp_path / "log.sqlite")
    kept = [int(row[0][1:]) for row in base.execute("SELECT turn_id FROM turns ORDER BY rowid")]
    base.close()
    assert kept == list(range(kept[0], 20 * rowbase.LOOK_EVERY))
    assert 100 < len(kept) < 1000
    assert (tmp_path / "log.sqlite").stat().st_size < 100_000
