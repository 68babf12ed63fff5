"""Fixtures of the service's tests: an empty database of either kind, Redis, other processes.

A test module asks for them with ``pytest_plugins = ("service_databases",)``.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest
from postgres_server import Server, running_server
from service_helpers import NewUrl, Service, Worker, set_up

WORKER = Path(__file__).with_name("service_worker.py")
_databases = count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server for the run."""
    with running_server() as found:
        yield found


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest) -> NewUrl:
    """A maker of databases of either kind: ``new_url(folder)`` returns the URL of one that holds nothing.

    SQLite's lies in the folder and is not there yet. Of the module's tests, those of one kind run together, so that
    they can share a service.
    """
    if request.param == "sqlite":
        return lambda folder: f"sqlite:///{folder / 'service.db'}"
    server: Server = request.getfixturevalue("postgres")
    return lambda folder: server.new_database(f"service{next(_databases)}")


@pytest.fixture
def url(new_url: NewUrl, tmp_path: Path) -> str:
    """The URL of a database that holds nothing (SQLite's: is not there yet)."""
    return new_url(tmp_path)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of an SQLite database that is not there yet, for what no database does its own way."""
    return f"sqlite:///{tmp_path / 'service.db'}"


@pytest.fixture
def redis_url() -> Iterator[str]:
    """The URL of a Redis server with data of its own."""
    program = shutil.which("redis-server")
    if program is None:
        if os.environ.get("STOPGAP_REQUIRE_REDIS"):
            pytest.fail("redis-server is not installed")
        pytest.skip("redis-server is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="stopgap-redis-") as folder:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "no"]
        running = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _await_port(port, running)
            yield f"redis://127.0.0.1:{port}"
        finally:
            running.terminate()
            running.wait(timeout=30)


def _await_port(port: int, running: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + 30.0
    while time.monotonic() < until and running.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
            return
        time.sleep(0.02)
    pytest.fail("redis-server does not answer")


@pytest.fixture
def service(url: str) -> Iterator[Service]:
    """A database that is set up."""
    yield from set_up(url)


@pytest.fixture
def sqlite_service(sqlite_url: str) -> Iterator[Service]:
    """An SQLite database that is set up, for what no database does its own way."""
    yield from set_up(sqlite_url)


@pytest.fixture
def worker() -> Iterator[Worker]:
    """A starter of other processes: ``worker(job, *arguments)``, see `service_worker`. They end with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> "subprocess.Popen[str]":
        command = [sys.executable, str(WORKER), *map(str, arguments)]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True))
        return started[-1]

    yield start
    for one in started:
        if one.poll() is None:
            one.kill()
        one.communicate(timeout=30)
