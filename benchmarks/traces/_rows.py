"""The rows of a trace file, whatever its format: CSV, JSON lines, Parquet or an SQLite log, by the file's ending."""

import csv
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, TextIO

from stopgap.engine._turnlog import DATABASES
from stopgap.fillers import TraceError, UsageError

REQUIRED = ("turn_id", "conversation_id", "started_at", "agent", "reply_ready_ms", "cancelled_ms")
MAX_BYTES = 1 << 30
MAX_LINE = 1 << 20
"""Characters of a JSON line."""
BATCH = 4096
"""Rows of a Parquet file that are decoded at once."""
BUNDLED = ("voice_mixed_dev", "llm_ttft_dev", "web_search_dev")
JSON_LINES = (".jsonl", ".ndjson")
PARQUET = (".parquet",)
ENDINGS = ".csv, .jsonl, .parquet or .sqlite"


@dataclass(frozen=True, slots=True)
class Row:
    """A row as the file has it."""

    file: Path
    where: str
    """Its line in a text file, else its number from 1."""
    cells: dict[str | None, Any]
    """By column; None holds fields beyond the header."""
    uneven: bool = False
    """The number of fields differs from the header's."""
    torn: bool = False
    """The last line, without its end and not whole: a crash has left it."""

    def error(self, text: str) -> TraceError:
        return TraceError(f"{self.file}, {self.where}: {text}")

    def text(self, column: str) -> str:
        """Return the cell as CSV has it; empty if there is none."""
        return text_of(self.cells.get(column))

    def number(self, column: str, most: float) -> float | None:
        """Return the number in *column*, None if empty; 0 <= number <= *most*."""
        text = self.text(column)
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            raise self.error(f"{column} is {text!r}; write a number") from None
        if not 0.0 <= value <= most:
            raise self.error(f"{column} is {text}; write a number from 0 to {most:g}")
        return value


def text_of(value: Any) -> str:
    """Return a cell's value as CSV has it."""
    match value:
        case None:
            return ""
        case str():
            return value
        case list() | dict():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)


def bundled_trace(name: str) -> Path:
    """Return the path of a trace that comes with stopgap: one of `BUNDLED`."""
    return Path(str(files("stopgap.benchmarks"))) / "data" / f"{name}.csv"


@contextmanager
def open_rows(path: str | Path) -> Iterator[Iterator[Row]]:
    """Open a trace; yield its rows, read as they are asked for. *path* may be the name of a bundled one.

    Raises:
        TraceError: also out of the block, if the file cannot be read or lacks a column.
        UsageError: with the install command, if it is Parquet and pyarrow is missing.
    """
    file = bundled_trace(str(path)) if str(path) in BUNDLED else Path(path)
    try:
        if file.stat().st_size > MAX_BYTES:
            raise TraceError(f"{file} is larger than 1 GiB; split it")
        match file.suffix.lower():
            case ending if ending in DATABASES:
                with closing(_database(file)) as base:
                    yield _database_rows(file, base)
            case ending if ending in PARQUET:
                yield _parquet_rows(file)
            case ending if ending in JSON_LINES:
                with file.open(encoding="utf-8-sig") as lines:
                    yield _json_rows(file, lines)
            case _:
                with file.open(encoding="utf-8-sig", newline="") as lines:
                    yield _csv_rows(file, lines)
    except OSError as exc:
        raise TraceError(
            f"{file} cannot be read ({exc.strerror or exc}); give a {ENDINGS} file or one of {', '.join(BUNDLED)}"
        ) from exc
    except UnicodeDecodeError as exc:
        raise TraceError(f"{file} is not UTF-8 text; save it as UTF-8") from exc
    except sqlite3.Error as exc:
        raise TraceError(f"{file} is no SQLite log ({exc}); give one that `turn_log` has written") from exc


def pyarrow() -> Any:
    """Import pyarrow with its Parquet part.

    Raises:
        UsageError: with the install command, if it is missing.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UsageError("Parquet needs pyarrow: pip install 'stopgap[trace]'") from None
    return pyarrow


class _Lines:
    """Hands on lines and knows whether the last one lacked its end."""

    def __init__(self, lines: TextIO) -> None:
        self._lines = lines
        self.torn = False

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.torn = not line.endswith(("\n", "\r"))
            yield line


def _csv_rows(file: Path, text: TextIO) -> Iterator[Row]:
    lines = _Lines(text)
    rows = csv.DictReader(lines, strict=True)
    try:
        _check_columns(file, rows.fieldnames or ())
        for cells in rows:
            uneven = None in cells or None in cells.values()
            yield Row(file, f"line {rows.line_num}", cells, uneven, torn=uneven and lines.torn)
    except csv.Error as exc:
        where = f"line {rows.reader.line_num}"
        if not lines.torn:
            raise TraceError(f"{file}, {where}: {exc}; write plain CSV") from exc
        yield Row(file, where, {}, torn=True)


def _json_rows(file: Path, lines: TextIO) -> Iterator[Row]:
    number = 0
    while line := lines.readline(MAX_LINE):
        number += 1
        where = f"line {number}"
        if len(line) == MAX_LINE and not line.endswith("\n"):
            raise TraceError(f"{file}, {where}: longer than {MAX_LINE} characters; write one turn a line")
        if not line.strip():
            continue
        try:
            cells = json.loads(line)
        except (ValueError, RecursionError):
            if line.endswith("\n"):
                raise TraceError(f"{file}, {where}: not JSON; write one object a line") from None
            yield Row(file, where, {}, torn=True)
            return
        if not isinstance(cells, dict):
            raise TraceError(f"{file}, {where}: not a JSON object; write one object a line")
        yield Row(file, where, cells)


def _parquet_rows(file: Path) -> Iterator[Row]:
    arrow = pyarrow()
    try:
        with file.open("rb") as source, arrow.parquet.ParquetFile(source) as table:
            _check_columns(file, table.schema_arrow.names)
            groups = (table.metadata.row_group(place) for place in range(table.metadata.num_row_groups))
            if sum(group.total_byte_size for group in groups) > MAX_BYTES:
                raise TraceError(f"{file} holds more than 1 GiB; split it")
            number = 0
            for batch in table.iter_batches(batch_size=BATCH):
                for cells in batch.to_pylist():
                    number += 1
                    yield Row(file, f"row {number}", cells)
    except arrow.ArrowException as exc:
        reason = " ".join(str(exc).split()).split(". ")[0]
        raise TraceError(f"{file} is no Parquet file ({reason}); write it anew") from exc


def _database(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)


def _database_rows(file: Path, base: sqlite3.Connection) -> Iterator[Row]:
    """Yield the rows in order of time: a table has none of its own."""
    columns = [column[0] for column in base.execute("SELECT * FROM turns LIMIT 0").description]
    _check_columns(file, columns)
    found = base.execute("SELECT * FROM turns ORDER BY CAST(started_at AS REAL), rowid")
    for number, values in enumerate(found, 1):
        yield Row(file, f"row {number}", dict(zip(columns, values, strict=True)))


def _check_columns(file: Path, columns: Any) -> None:
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise TraceError(f"{file}: the header lacks {', '.join(missing)}; see the trace format")
