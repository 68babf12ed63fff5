"""Many rows into a table at once, as fast as either database takes them."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Table


def insert_rows(connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert *rows* within *connection*'s transaction; constraints and indexes are kept as ever.

    Args:
        connection: Of SQLite, or PostgreSQL with psycopg.
        table: Where.
        columns: What each row holds, in this order; what is left out is NULL.
        rows: Plain values, JSON as text.
    """
    names = ", ".join(columns)
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(columns))
        connection.exec_driver_sql(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", [tuple(row) for row in rows])
        return
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
