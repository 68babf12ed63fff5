"""The log of turns: a process's own traffic, as a trace that can be tuned on."""

import hashlib
import logging
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from ..fillers import Config, put_right_in_children
from ._clock import Clock, MonotonicClock
from ._rowfile import RowFile
from .turns import Cell, TurnRecord, turn_row

logger = logging.getLogger("stopgap")

DATABASES = (".sqlite", ".sqlite3", ".db")
"""Endings of files that are databases."""


class Rows(Protocol):
    """Takes rows."""

    def append(self, row: dict[str, Cell]) -> None:
        """Write *row* whole.

        Raises:
            OSError: if it cannot be written.
        """
        ...

    def close(self) -> None: ...

    def after_fork(self) -> None: ...


class TurnLog:
    """Writes turns to the configuration's ``turn_log``. Trouble with the file is logged once and counted, never raised.

    Ids in the log are its own, since an application's may be telephone numbers: a random word a process and a count
    for turns, for conversations a digest of the session's id that no one can repeat.

    Args:
        config: Says where, and how much is kept.
        clock: The manager's. Times in the log are seconds since the epoch, which sort across processes and restarts.
        count: Counts ``turns_logged`` and ``turns_unlogged``.
    """

    def __init__(self, config: Config, clock: Clock, count: Callable[[str], None]) -> None:
        self._path = config.turn_log or ""
        self._rows = _rows(Path(self._path), config)
        self._clock = clock
        self._count = count
        self._epoch = time.time() - clock.now()
        self._warned = False
        put_right_in_children(self)
        self.after_fork()

    def add(self, record: TurnRecord) -> None:
        """Write down what *record*'s turn taught."""
        with self._lock:
            conversation = hashlib.blake2b(record.session.encode(errors="replace"), key=self._secret, digest_size=6)
            row = turn_row(
                record,
                turn_id=f"{self._writer}-{self._written + 1}",
                conversation_id=f"{self._writer}-{conversation.hexdigest()}",
                started_at=self._wall(record.speech_ended_at),
            )
            if row is None:
                return
            self._written += 1
            try:
                self._rows.append(row)
            except OSError as exc:
                self._count("turns_unlogged")
                self._warn(exc)
            else:
                self._count("turns_logged")

    def close(self) -> None:
        """Close the file; what is added later opens it again."""
        with self._lock:
            self._rows.close()

    def after_fork(self) -> None:
        """Write under a name of its own: in the child as well."""
        self._lock = threading.Lock()
        self._writer, self._secret, self._written = secrets.token_hex(6), secrets.token_bytes(16), 0
        self._rows.after_fork()

    def _wall(self, at: float) -> float:
        """Return *at*, of the manager's clock, in s since the epoch."""
        # asked anew each time: the monotonic clock stands still while a machine sleeps, and the wall clock is set
        epoch = time.time() - self._clock.now() if isinstance(self._clock, MonotonicClock) else self._epoch
        return max(0.0, epoch + at)

    def _warn(self, exc: OSError) -> None:
        if not self._warned:
            self._warned = True
            logger.warning("turns cannot be logged in %s: %s; turns go on", self._path, exc)


def _rows(path: Path, config: Config) -> Rows:
    most_bytes = round(config.turn_log_mb * 1e6)
    if path.suffix.lower() not in DATABASES:
        return RowFile(path, most_bytes, config.turn_log_files)
    from ._rowbase import RowBase  # a Python may have been built without SQLite

    return RowBase(path, most_bytes)
