"""A JACK server without a sound card: a device with an exact clock, and real-time threads where they are allowed."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stopgap.fillers import OutputError

HOST_API = "JACK Audio Connection Kit"
"""PortAudio's name for it. It lists the server's devices only while the server runs."""
PRIORITY = 70
"""Of the server's real-time threads; those of its clients are five below."""
APART_S = 2.5
"""s between two servers: one that starts sooner after another fails without a word."""
STARTS_S = 10.0
"""s after which a server that does not answer counts as failed."""
REFUSED = "Cannot use real-time scheduling"
"""What the server says, and then goes on without."""
MISSED = (b"Process error", b"Process XRun")
"""What the server says, once a cycle, of one that a client did not finish, or that it was itself late for."""


@dataclass(frozen=True, slots=True)
class JackServer:
    """A running server."""

    name: str
    realtime: bool
    log: Path
    """What it says, while it runs."""

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment so that PortAudio finds this server and no other."""
        return {"JACK_DEFAULT_SERVER": self.name, "JACK_NO_START_SERVER": "1"}

    def __str__(self) -> str:
        return f"JACK dummy server, {'real-time (-R)' if self.realtime else 'not real-time (-r)'}"


class MissedCycles:
    """What a server counts as missed, over time.

    Args:
        log: What the server says.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._read = 0
        self._times: list[float] = []
        self._counts: list[int] = []

    def look(self, now: float) -> None:
        """Count what has been said by *now*, s."""
        with self._log.open("rb") as file:
            file.seek(self._read)
            fresh = file.read()
        whole = fresh[: fresh.rfind(b"\n") + 1]
        self._read += len(whole)
        more = sum(any(words in line for words in MISSED) for line in whole.splitlines())
        self._times.append(now)
        self._counts.append(more + (self._counts[-1] if self._counts else 0))

    def between(self, first: float, last: float) -> int:
        """Return how many cycles were missed from *first* to *last*, to within a look."""
        begin, end = bisect_left(self._times, first), bisect_left(self._times, last)
        if not self._counts:
            return 0
        newest = len(self._counts) - 1
        return self._counts[min(end, newest)] - self._counts[min(begin, newest)]


@contextlib.contextmanager
def jack_server(*, rate: int = 48_000, block_frames: int = 256, realtime: bool = True) -> Iterator[JackServer]:
    """Run a server with the dummy driver and two playback ports, and end it again.

    Args:
        rate: Hz.
        block_frames: Frames of a cycle.
        realtime: Try real-time scheduling first, and do without where it is refused.

    Raises:
        OutputError: if jackd is not installed or does not start.
    """
    if shutil.which("jackd") is None:
        raise OutputError(
            "jackd, which this plays to, is not installed; install it (Debian and Ubuntu: apt-get install jackd2) or "
            "name a device"
        )
    with _ended_by_sigterm(), tempfile.TemporaryDirectory(prefix="stopgap-jack-") as folder:
        log = Path(folder, "log")
        for number, wanted in enumerate((True, False) if realtime else (False,)):
            if number:
                time.sleep(APART_S)
            name = f"stopgap-{os.getpid()}-{number}"
            process = _spawn(name, rate, block_frames, wanted, log)
            try:
                if _answers(name, process) and not (wanted and REFUSED in log.read_text(errors="replace")):
                    yield JackServer(name, wanted, log)
                    return
            finally:
                _end(process)
        raise OutputError(f"jackd does not start; it says: {_last_words(log)}")


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM unwind the stack: else the server would live on."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: object) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _spawn(name: str, rate: int, block_frames: int, realtime: bool, log: Path) -> subprocess.Popen[bytes]:
    mode = ["-R", "-P", str(PRIORITY)] if realtime else ["-r"]
    driver = ["-d", "dummy", "-r", str(rate), "-p", str(block_frames), "-C", "2", "-P", "2"]
    with log.open("wb") as file:
        return subprocess.Popen(["jackd", "-n", name, *mode, *driver], stdout=file, stderr=subprocess.STDOUT)


def _answers(name: str, process: subprocess.Popen[bytes]) -> bool:
    """Wait until the server answers; return whether it does."""
    if shutil.which("jack_wait") is None:  # some distributions pack it elsewhere
        time.sleep(APART_S)
        return process.poll() is None
    until = time.monotonic() + STARTS_S
    environment = {**os.environ, "JACK_NO_START_SERVER": "1"}
    while time.monotonic() < until and process.poll() is None:
        asked = subprocess.run(["jack_wait", "-s", name, "-c"], env=environment, capture_output=True, timeout=STARTS_S)
        if b"not running" not in asked.stdout:
            return True
        time.sleep(0.2)
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(5.0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
