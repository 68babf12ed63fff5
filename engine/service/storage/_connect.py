"""Connections, as storage needs them from either database."""

import json
import os
import sqlite3
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, NoSuchModuleError, OperationalError

from ....fillers import UsageError

PATIENCE_S = 10
"""s that a database may take to let somebody else's transaction end, or to answer at all."""
PAUSE_S = 0.01
WHOLE_ENCODINGS = ("UTF8", "SQL_ASCII")
"""Of PostgreSQL's, those that keep every character: SQL_ASCII keeps the bytes that it is given."""
WRITES = "stopgap_writes"
"""Execution option of transactions that will write."""


def parsed(url: str) -> URL:
    """Return *url* with the driver that is used here.

    Raises:
        UsageError: if it names no SQLite file and no PostgreSQL database.
    """
    try:
        found = make_url(url)
    except ArgumentError as exc:
        raise UsageError("the database's URL cannot be read; write sqlite:///FILE or postgresql://…") from exc
    match found.get_backend_name():
        case "sqlite":
            if found.database in (None, "", ":memory:") or str(found.database).startswith("file:"):
                raise UsageError("the database must be a file that processes can share: write sqlite:///FILE")
            return found.set(drivername="sqlite")
        case "postgresql" | "postgres":
            return found.set(drivername="postgresql+psycopg")
        case other:
            raise UsageError(f"{other} is not supported; write sqlite:///FILE or postgresql://…")


def shown(url: URL) -> str:
    """Return *url* for messages, without its password."""
    return url.render_as_string(hide_password=True)


def sqlite_file(url: URL) -> Path | None:
    """Return the file of an SQLite database; None: it is another database."""
    return Path(str(url.database)) if url.get_backend_name() == "sqlite" else None


def database_file(url: str) -> Path | None:
    """Return the file of the database at *url*; None: it is no SQLite.

    Raises:
        UsageError: if *url* cannot be used.
    """
    return sqlite_file(parsed(url))


def create_file(path: Path) -> None:
    """Make sure that *path* exists; a new one can be read by its owner only, as will SQLite's files beside it.

    Raises:
        UsageError: if that cannot be done.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        with closing(sqlite3.connect(path, timeout=PATIENCE_S, isolation_level=None)) as base:
            _switch_to_write_ahead_log(base)
    except (OSError, sqlite3.Error) as exc:
        raise UsageError(f"{path} cannot be used as a database: {exc}") from exc


def _switch_to_write_ahead_log(base: sqlite3.Connection) -> None:
    """Switch, which the file keeps. Who finds another process just doing so is not made to wait, but refused."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            base.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(PAUSE_S)


def engine_at(url: URL, *, migrates: bool = False) -> Engine:
    """Return an engine. Errors never show parameters: these are messages and hashes.

    Args:
        url: From `parsed`.
        migrates: Whether tables will be changed. SQLite changes most by making them anew, and would not let go a table
            that another one's rows refer to: whoever migrates checks these references in the end.

    Raises:
        UsageError: if the driver is missing.
    """
    common: dict[str, Any] = {"hide_parameters": True, "json_serializer": partial(json.dumps, allow_nan=False)}
    if sqlite_file(url) is not None:
        engine = create_engine(url, connect_args={"timeout": PATIENCE_S}, pool_timeout=PATIENCE_S, **common)
        event.listen(engine, "connect", partial(_prepare, references=not migrates))
        event.listen(engine, "begin", _begin)
        return engine
    alive = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 30_000}
    try:
        return create_engine(
            url,
            # said here, it does not depend on the environment, nor on a database made without a locale (SQL_ASCII)
            connect_args={"connect_timeout": PATIENCE_S, "client_encoding": "utf8", **alive},
            pool_pre_ping=True,  # a server that was restarted is not the next request's trouble
            pool_timeout=PATIENCE_S,
            **common,
        )
    except (ModuleNotFoundError, NoSuchModuleError) as exc:
        raise UsageError("PostgreSQL needs its driver: pip install 'stopgap[service,postgres]'") from exc


def check_encoding(connection: Connection, name: str) -> None:
    """Check that the database keeps every character: that it does not would only show with the first message.

    Raises:
        UsageError: naming the command that makes one which does.
    """
    if connection.dialect.name != "postgresql":
        return
    found = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
    if found not in WHOLE_ENCODINGS:
        raise UsageError(
            f"{name} keeps text as {found}, which lacks most characters; "
            "make a database with `createdb --encoding=UTF8 --template=template0`"
        )


def trouble(exc: DBAPIError) -> str:
    """Return what *exc* is about, in a line: that the database does not answer, or what it said."""
    said = " ".join(str(exc.orig).split("\nLINE ")[0].split())  # PostgreSQL goes on with the statement
    reached = not isinstance(exc, OperationalError | InterfaceError)
    return f"refuses: {said}" if reached else f"does not answer: {said}"


def _prepare(connection: sqlite3.Connection, _: object, *, references: bool) -> None:
    """Leave transactions to `_begin`.

    ``synchronous``: against kill -9 NORMAL would do, as what was committed is in the kernel's hands by then. FULL makes
    it outlast a power cut as well, which is what "interaction-complete" promises to a caller; it costs one fsync per
    interaction, some milliseconds of the seconds that one takes.
    """
    connection.isolation_level = None
    connection.execute(f"PRAGMA foreign_keys = {'ON' if references else 'OFF'}")
    connection.execute("PRAGMA synchronous = FULL")


def _begin(connection: Connection) -> None:
    """Begin for real. Who will write says so at once: having read first, it would be refused without a wait."""
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
