"""Rows in an SQLite table, which other processes may write to as well."""

import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path

from .turns import NUMBER_COLUMNS, ROW_COLUMNS, Cell

PATIENCE_S = 0.5
"""s to wait for another process's transaction."""
PAUSE_S = 0.005
LOOK_EVERY = 64
"""Rows between two looks at the size."""
DROPPED = 0.125
"""Share of the rows, the oldest ones, that is deleted when there are too many."""
TABLE = "CREATE TABLE IF NOT EXISTS turns ({})".format(
    ", ".join(f"{name} {'REAL' if name in NUMBER_COLUMNS else 'TEXT'}" for name in ROW_COLUMNS)
)
INSERT = f"INSERT INTO turns ({', '.join(ROW_COLUMNS)}) VALUES ({', '.join('?' * len(ROW_COLUMNS))})"

_left_behind: list[sqlite3.Connection] = []


class RowBase:
    """Writes each row in a transaction of its own, in write-ahead mode: a killed process loses none that was written.

    Args:
        path: Opened with the first row, mode 0600.
        most_bytes: Beyond this the oldest rows are deleted, and their room is used again.
    """

    def __init__(self, path: Path, most_bytes: int) -> None:
        self._path = path
        self._most_bytes = most_bytes
        self._base: sqlite3.Connection | None = None
        self._until_look = 0

    def append(self, row: dict[str, Cell]) -> None:
        """Write *row*.

        Raises:
            OSError: if it cannot be written.
        """
        until = time.monotonic() + 2.0 * PATIENCE_S
        while True:
            try:
                if self._base is not None and not self._path.exists():  # taken away: begin anew
                    self.close()
                base = self._base if self._base is not None else self._open()
                base.execute(INSERT, [row[column] for column in ROW_COLUMNS])
                break
            except sqlite3.Error as exc:
                self.close()
                # who finds another process just switching to the write-ahead log is not made to wait, but refused
                if getattr(exc, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise OSError(str(exc)) from exc
                time.sleep(PAUSE_S)
        self._until_look -= 1
        if self._until_look <= 0:
            self._until_look = LOOK_EVERY
            with suppress(sqlite3.Error):  # the row is written; the next look comes soon enough
                self._drop(base)

    def close(self) -> None:
        base, self._base = self._base, None
        if base is not None:
            with suppress(sqlite3.Error):
                base.close()

    def after_fork(self) -> None:
        """Leave the parent's connection alone: SQLite forbids a forked child even to close it."""
        if self._base is not None:
            _left_behind.append(self._base)
            self._base = None

    def _open(self) -> sqlite3.Connection:
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite gives its other files the same mode
        # each statement is a transaction; the manager's closing thread is another than the one that writes
        base = self._base = sqlite3.connect(
            self._path, timeout=PATIENCE_S, isolation_level=None, check_same_thread=False
        )
        base.execute("PRAGMA journal_mode = WAL")
        base.execute("PRAGMA synchronous = NORMAL")
        base.execute(TABLE)
        return base

    def _drop(self, base: sqlite3.Connection) -> None:
        """Delete the oldest rows if the used pages exceed the limit."""
        pages, free, page_bytes = (
            base.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
        if (pages - free) * page_bytes > self._most_bytes:
            rows = base.execute("SELECT count(*) FROM turns").fetchone()[0]
            base.execute(
                "DELETE FROM turns WHERE rowid IN (SELECT rowid FROM turns ORDER BY rowid LIMIT ?)",
                (max(1, round(rows * DROPPED)),),
            )
