"""Tuning by several processes over a real database server."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
import pytest
from stopgap.benchmarks._study import storage_at

HEADER = "turn_id,conversation_id,started_at,agent,tool,tool_started_ms,tool_ended_ms,reply_ready_ms,cancelled_ms\n"
NAME = "calls ladder"


def binaries() -> Path | None:
    """Return where PostgreSQL's programs are (Debian keeps them off the path)."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


class Server:
    """A PostgreSQL server on a loopback port, with data of its own."""

    def __init__(self, bin: Path, folder: Path) -> None:
        self._bin = bin
        self._data = folder / "data"
        self._folder = folder
        self._user = "postgres" if os.getuid() == 0 else None  # it refuses to run as root
        if self._user:
            shutil.chown(folder, self._user)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._run("initdb", "-D", str(self._data), "-A", "trust", "-U", "tuner")
        self.start()
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "tuner", "waits")
        self.url = f"postgresql://tuner@127.0.0.1:{self.port}/waits"

    def start(self) -> None:
        options = f"-c listen_addresses=127.0.0.1 -p {self.port} -k {self._folder}"
        self._run("pg_ctl", "-D", str(self._data), "-o", options, "-l", str(self._folder / "log"), "-w", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self._data), "-m", "immediate", "-w", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._bin / program), *arguments]
        kept: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}  # the server inherits them
        subprocess.run(command, check=True, user=self._user, cwd=self._folder, timeout=60, **kept)


@pytest.fixture
def server() -> Iterator[Server]:
    bin = binaries()
    if bin is None:
        if os.environ.get("STOPGAP_REQUIRE_DATABASE"):
            pytest.fail("PostgreSQL is not installed")
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="stopgap-pg-"))
    found = Server(bin, folder)
    try:
        yield found
    finally:
        with suppress(subprocess.CalledProcessError):
            found.stop()
        shutil.rmtree(folder, ignore_errors=True)


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
