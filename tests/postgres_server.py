"""PostgreSQL on a loopback port, for tests."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest


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
        unicode = ("--encoding=UTF8", "--locale=C")  # whatever the environment says
        self._run("initdb", "-D", str(self._data), "-A", "trust", "-U", "tuner", *unicode)
        self.start()
        self.url = self.new_database("waits")

    def start(self) -> None:
        options = f"-c listen_addresses=127.0.0.1 -p {self.port} -k {self._folder}"
        self._run("pg_ctl", "-D", str(self._data), "-o", options, "-l", str(self._folder / "log"), "-w", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self._data), "-m", "immediate", "-w", "stop")

    def new_database(self, name: str, *options: str) -> str:
        """Make an empty database, with *options* of ``createdb``; return its URL."""
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "tuner", *options, name)
        return f"postgresql://tuner@127.0.0.1:{self.port}/{name}"

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._bin / program), *arguments]
        kept: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}  # the server inherits them
        subprocess.run(command, check=True, user=self._user, cwd=self._folder, timeout=60, **kept)


@contextmanager
def running_server() -> Iterator[Server]:
    """Give a server that runs within the block; skip where PostgreSQL is missing, fail where it must not be."""
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
