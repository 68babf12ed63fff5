"""One database: its transactions, its clock, its version."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

from sqlalchemy import Connection, Engine, extract, func, select
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from ....fillers import put_right_in_children
from . import _connect, _schema
from ._errors import DatabaseError, SchemaError

Now = Callable[[], float]


class Database:
    """An open database of the right version. Get it from `open`; any thread may use it.

    Every call blocks, for a disk or a network: from an event loop use ``await asyncio.to_thread(...)``.

    Args:
        engine: Of SQLAlchemy.
        name: For messages, without a password.
        now: s since the epoch; None: the database's own clock.
    """

    def __init__(self, engine: Engine, name: str, now: Now | None = None) -> None:
        self._engine = engine
        self._writing = engine.execution_options(**{_connect.WRITES: True})
        self._now = now if now is not None or engine.dialect.name == "postgresql" else time.time
        self.name = name
        put_right_in_children(self)

    @classmethod
    def open(cls, url: str, *, now: Now | None = None) -> Self:
        """Open the database at *url*.

        Args:
            url: ``sqlite:///FILE`` or ``postgresql://…``.
            now: s since the epoch, for tests; None: the database's own clock, so that processes on several machines
                agree on when a lease ends.

        Raises:
            UsageError: if *url* cannot be used.
            SchemaError: if the database is not of this version; the message names the command that helps.
            DatabaseError: if it does not answer.
        """
        parsed = _connect.parsed(url)
        name, file = _connect.shown(parsed), _connect.sqlite_file(parsed)
        if file is not None and not file.exists():
            raise SchemaError(f"{name} does not exist; `stopgap service init` makes it")
        database = cls(_connect.engine_at(parsed), name, now)
        try:
            with database.reading() as session:
                _connect.check_encoding(session.connection(), name)
                found = _schema.version_of(session.connection())
            _schema.check(found, name)
        except BaseException:
            database.close()
            raise
        return database

    @staticmethod
    def migrate(url: str) -> tuple[str | None, str]:
        """Bring the database at *url* to this version, all or nothing; make a missing SQLite file.

        Returns:
            The schema's version before (None: there were no tables) and after.

        Raises:
            UsageError: if *url* cannot be used.
            SchemaError: if a newer stopgap has been here.
            DatabaseError: if it does not answer.
        """
        parsed = _connect.parsed(url)
        name, file = _connect.shown(parsed), _connect.sqlite_file(parsed)
        if file is not None:
            _connect.create_file(file)
        database = Database(_connect.engine_at(parsed, migrates=True), name)
        try:
            with database.writing() as session:
                _connect.check_encoding(session.connection(), name)
                return _schema.upgrade(session.connection(), name)
        finally:
            database.close()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Give a session whose transaction only reads.

        Raises:
            DatabaseError: if the database does not answer.
        """
        with self._translated(), Session(self._engine) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Give a session whose transaction is committed at the end of the block, or rolled back by an exception.

        Raises:
            DatabaseError: if the database does not answer; nothing was written then, unless it was the answer to the
                commit that got lost.
        """
        with self._translated(), Session(self._writing, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def asking(self) -> Iterator[Connection]:
        """Like `reading`, for what every request asks: rows instead of objects take a third of the time.

        Raises:
            DatabaseError: if the database does not answer.
        """
        with self._translated(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def changing(self) -> Iterator[Connection]:
        """Like `writing`, for what every request changes.

        Raises:
            DatabaseError: as of `writing`.
        """
        with self._translated(), self._writing.begin() as connection:
            yield connection

    def ping(self) -> None:
        """Ask for nothing.

        Raises:
            DatabaseError: if the database does not answer.
        """
        with self.asking() as connection:
            connection.scalar(select(1))

    def now(self, session: Session | Connection) -> float:
        """Return the time in s since the epoch."""
        if self._now is not None:
            return self._now()
        return float(session.scalar(select(extract("epoch", func.clock_timestamp()))) or 0.0)

    def close(self) -> None:
        """Close all connections; what is used later opens them again."""
        self._engine.dispose()

    def after_fork(self) -> None:
        """Leave the parent's connections alone, in the child."""
        self._engine.dispose(close=False)

    def __repr__(self) -> str:
        return f"Database({self.name!r})"

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError:
            raise  # whoever writes knows what that means
        except DBAPIError as exc:
            raise DatabaseError(f"{self.name} {_connect.trouble(exc)}") from exc
        except PoolTimeout as exc:
            raise DatabaseError(f"{self.name} has no connection free within {_connect.PATIENCE_S} s") from exc
