"""A real terminal for commands: a pseudo-terminal of the kernel, and what was written to it."""

import errno
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from dataclasses import dataclass
from pathlib import Path

ROWS, COLUMNS = 24, 100
STOPGAP = ("-c", "from stopgap.cli import main; main()")
"""Arguments for Python, before those of the command line."""
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b.")
_FRAME = re.compile(r"(\w+) .*?(\d+)/(\d+) ")


@dataclass(frozen=True)
class OnTerminal:
    """A run of the command line that is over."""

    code: int
    out: bytes
    """What came on standard output, if that was a pipe."""
    shown: str
    """All that was written to the terminal, control characters included."""

    def counts(self, what: str) -> list[tuple[int, int]]:
        """Return what bars that say *what* counted, frame by frame: steps done, and of how many."""
        frames = (_FRAME.match(line) for line in re.split("[\r\n]+", _CONTROL.sub("", self.shown)))
        return [(int(frame[2]), int(frame[3])) for frame in frames if frame and frame[1] == what]


class Terminal:
    """A command whose standard error, and standard output if *all_of_it*, is a terminal.

    Args:
        arguments: For Python.
        here: The current folder.
        all_of_it: Else standard output is a pipe.
        term: What ``TERM`` says of it.
    """

    def __init__(self, *arguments: str, here: Path, all_of_it: bool = False, term: str = "xterm-256color") -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        hidden = ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS", "LINES")
        environment = {name: value for name, value in os.environ.items() if name not in hidden} | {"TERM": term}
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=here, env=environment, stdin=subprocess.DEVNULL, stdout=theirs if all_of_it else subprocess.PIPE,
            stderr=theirs,
        )  # fmt: skip
        os.close(theirs)
        self._shown = bytearray()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def ended(self) -> OnTerminal:
        """Wait for its end."""
        out, _ = self.process.communicate(timeout=120)
        self._reader.join(60.0)
        os.close(self._ours)
        return OnTerminal(self.process.returncode, out or b"", self._shown.decode())

    def _read(self) -> None:
        """Take what is written, so that nobody waits for a full buffer."""
        while True:
            try:
                found = os.read(self._ours, 65_536)
            except OSError as exc:
                if exc.errno != errno.EIO:  # nobody holds the other end any more
                    raise
                return
            if not found:
                return
            self._shown += found
