"""The schema's versions: which one a database has, and how it gets this one's."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, select

from ._errors import SchemaError

MIGRATIONS = Path(__file__).with_name("migrations")
_LOCK = 0x73746F70
"""Of PostgreSQL's advisory locks: two processes do not migrate at once."""


def newest() -> str:
    """Return the version that this code needs."""
    head = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    assert head is not None
    return head


def version_of(connection: Connection) -> str | None:
    """Return the version that the database has; None: it holds none of these tables."""
    return MigrationContext.configure(connection).get_current_revision()


def check(found: str | None, name: str) -> None:
    """Check that a database has the version that this code needs.

    Raises:
        SchemaError: naming the command that helps.
    """
    if found == newest():
        return
    if found is None:
        raise SchemaError(f"{name} holds no tables of stopgap's service; `stopgap service init` makes them")
    if not _known(found):
        raise SchemaError(f"{name} has schema {found}, of a newer stopgap than this one; install that one")
    raise SchemaError(f"{name} has schema {found}, this version needs {newest()}: run `stopgap service migrate`")


def upgrade(connection: Connection, name: str) -> tuple[str | None, str]:
    """Bring the database to the version that this code needs, within *connection*'s transaction.

    Returns:
        The version before (None: empty) and after.

    Raises:
        SchemaError: if a newer stopgap has been here, or rows refer to what is not there.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    before = version_of(connection)
    if before is not None and not _known(before):
        check(before, name)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    if connection.dialect.name == "sqlite":  # which was told not to look meanwhile
        astray = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
        if astray is not None:
            raise SchemaError(f"{name}: rows of {astray[0]} refer to {astray[2]} that there are not; restore a backup")
    return before, newest()


def _known(version: str) -> bool:
    return any(script.revision == version for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions())
