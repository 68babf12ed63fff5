"""Tuning by several processes over a real database server."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from postgres_server import Server, running_server
from stopgap.benchmarks.tuning._study import storage_at

HEADER = "turn_id,conversation_id,started_at,agent,tool,tool_started_ms,tool_ended_ms,reply_ready_ms,cancelled_ms\n"
NAME = "calls ladder"


@pytest.fixture
def server() -> Iterator[Server]:
    with running_server() as found:
        yield found


def command(trace: Path, url: str, out: Path, trials: int) -> list[str]:
    return [
        sys.executable, "-m", "stopgap", "tune", str(trace), "--mode", "ladder", "--trials", str(trials),
        "--workers", "1", "--storage", url, "--out", str(out),
    ]  # fmt: skip


def test_several_processes_share_a_search(server: Server, tmp_path: Path) -> None:
    """Two processes that start together make the trials of one search; with the server gone each says so."""
    trace = tmp_path / "calls.csv"
    rows = [f"t{n},c{n // 3},{9.0 * n},a,,,,{1000 + 37 * (n % 11)},\n" for n in range(60)]
    trace.write_text(HEADER + "".join(rows), encoding="utf-8")
    commands = [command(trace, server.url, tmp_path / f"{name}.toml", 12) for name in "ab"]
    running = [subprocess.Popen(one, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for one in commands]
    ended = [(one.communicate(timeout=120)[1], one.returncode) for one in running]
    assert [code for _, code in ended] == [0, 0], ended
    with storage_at(server.url) as storage:
        trials = optuna.load_study(study_name=NAME, storage=storage).trials
    done = [trial for trial in trials if trial.state is optuna.trial.TrialState.COMPLETE]
    assert 12 <= len(done) <= 13  # both may have begun the last one
    assert all("figures" in trial.user_attrs for trial in done)
    assert (tmp_path / "a.toml").read_text() != ""
    server.stop()
    gone = subprocess.run(commands[0], capture_output=True, text=True, check=False)
    assert gone.returncode == 2
    assert "does not answer" in gone.stderr
    assert "Traceback" not in gone.stderr
