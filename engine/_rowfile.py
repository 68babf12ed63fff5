"""Rows appended to a CSV file that other processes append to as well, and that a crash must not spoil."""

import csv
import io
import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from .turns import ROW_COLUMNS, Cell

if sys.platform != "win32":
    import fcntl

PATIENCE_S = 0.5
"""s to wait for another process's lock: it is held for a few µs, unless that process was stopped meanwhile."""
PAUSE_S = 0.001
BLOCK = 65_536
"""Bytes read at once while looking for the last whole line."""


class RowFile:
    """Appends rows with one `write` each, so that only the last one can be torn; a torn one is cut off on opening.

    Those who append share a lock; who writes the header, repairs or rotates has it alone. Where the system has no
    such lock (Windows) a process should have a file of its own.

    Args:
        path: Opened with the first row, mode 0600.
        most_bytes: The file is put aside as ``name.1.csv`` (and that one as ``name.2.csv``…) before it exceeds this.
        most_files: Files put aside that are kept.
    """

    def __init__(self, path: Path, most_bytes: int, most_files: int) -> None:
        self._path = path
        self._most_bytes = most_bytes
        self._most_files = most_files
        self._number: int | None = None

    def append(self, row: dict[str, Cell]) -> None:
        """Write *row* whole, in its columns' order.

        Raises:
            OSError: if it cannot be written.
        """
        line = _line([row[column] for column in ROW_COLUMNS])
        try:
            while True:
                number = self._number if self._number is not None else self._open()
                match self._write(number, line):
                    case "written":
                        return
                    case "full":
                        self._rotate(number, len(line))
                self.close()
        except OSError:
            self.close()  # the next row opens it anew, and cuts off what was half written
            raise

    def close(self) -> None:
        number, self._number = self._number, None
        if number is not None:
            with suppress(OSError):
                os.close(number)

    def after_fork(self) -> None:
        """A forked child opens the file anew: a lock belongs to the opening, which it would share."""
        self.close()

    def _write(self, number: int, line: bytes) -> Literal["written", "full", "moved", "torn"]:
        """Write *line* at the end, if that is where it belongs."""
        with _locked(number, alone=False):
            if not self._is_at_path(number):
                return "moved"
            size = os.fstat(number).st_size
            if not _ends_whole(number, size):
                return "torn"
            if size > len(HEADER) and size + len(line) > self._most_bytes:
                return "full"
            written = os.write(number, line)
        if written < len(line):
            raise OSError(f"only {written} of {len(line)} bytes could be written")
        return "written"

    def _open(self) -> int:
        """Open the file, write the header if it is empty, and cut off a last line that a crash has torn."""
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        number = self._number = os.open(self._path, flags, 0o600)
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise OSError("it is no regular file")
        with _locked(number, alone=True) as alone:
            if not alone:
                raise OSError("another process keeps it locked")
            _repair(number)
            if os.fstat(number).st_size == 0:
                os.write(number, HEADER)
            os.lseek(number, 0, os.SEEK_SET)
            if os.read(number, len(HEADER)) != HEADER:
                raise OSError("it holds something else than a log of turns; give another name")
        return number

    def _is_at_path(self, number: int) -> bool:
        """Return whether the open file is still the one at the path, not put aside or deleted."""
        try:
            found, held = os.stat(self._path), os.fstat(number)
        except FileNotFoundError:
            return False
        return (found.st_dev, found.st_ino) == (held.st_dev, held.st_ino)

    def _rotate(self, number: int, room: int) -> None:
        """Put the full file aside, unless another process has just done it."""
        with _locked(number, alone=True) as alone:
            if not alone:
                raise OSError("another process keeps it locked")
            if not self._is_at_path(number) or os.fstat(number).st_size + room <= self._most_bytes:
                return
            # the file itself last: before that nobody begins a new one, which could be put aside in its turn
            for place in range(self._most_files, 1, -1):
                with suppress(FileNotFoundError):
                    os.replace(self._aside(place - 1), self._aside(place))
            if sys.platform == "win32":
                self.close()  # an open file cannot be renamed there
            os.replace(self._path, self._aside(1))

    def _aside(self, place: int) -> Path:
        return self._path.with_name(f"{self._path.stem}.{place}{self._path.suffix}")


def _line(cells: list[Cell] | list[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode("utf-8", "replace")


HEADER = _line(list(ROW_COLUMNS))


def _ends_whole(number: int, size: int) -> bool:
    os.lseek(number, max(0, size - 1), os.SEEK_SET)
    return os.read(number, 1) == b"\n"


def _repair(number: int) -> None:
    """Cut off what follows the last line's end."""
    size = end = os.fstat(number).st_size
    while end:
        start = max(0, end - BLOCK)
        os.lseek(number, start, os.SEEK_SET)
        place = os.read(number, end - start).rfind(b"\n")
        if place >= 0:
            end = start + place + 1
            break
        end = start
    if end < size:
        os.ftruncate(number, end)


@contextmanager
def _locked(number: int, *, alone: bool) -> Iterator[bool]:
    """Hold the file's lock, *alone* or shared; yield whether it was had within `PATIENCE_S`."""
    if sys.platform == "win32":
        yield True
        return
    flags = (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            fcntl.flock(number, flags)
            held = True
        except BlockingIOError:
            held = False
        except OSError:  # a file system without locks
            held = True
            break
        if held or time.monotonic() >= until:
            break
        time.sleep(PAUSE_S)
    try:
        yield held
    finally:
        with suppress(OSError):
            fcntl.flock(number, fcntl.LOCK_UN)
