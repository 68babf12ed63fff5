"""Traces from one format into another, in order of time."""

import csv
import io
import json
import math
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from stopgap.engine._rowbase import INSERT, TABLE
from stopgap.engine._turnlog import DATABASES
from stopgap.engine.turns import NUMBER_COLUMNS, ROW_COLUMNS
from stopgap.fillers import UsageError

from ._rows import ENDINGS, JSON_LINES, PARQUET, REQUIRED, open_rows, pyarrow, text_of
from ._trace import parsed

Cells = dict[str, Any]

WHOLE = ("user_words", "composed", "prompt_tokens")


def convert_trace(sources: Sequence[str | Path], target: str | Path) -> int:
    """Write the turns of *sources* to *target*, sorted by started_at, which then counts from the first one.

    The file's ending tells its format. All columns are kept, but for SQLite, which has those of a log. Torn last
    lines are left out. A file appears only once all of it was written.

    Args:
        sources: Traces or logs, or names of bundled traces; several become one.
        target: A file ending in .csv, .jsonl, .parquet or .sqlite; of these only an SQLite file must not exist yet.

    Returns:
        The number of turns.

    Raises:
        TraceError: for the first bad value, or a turn_id that occurs twice.
        UsageError: if *target* has another ending or cannot be written, or pyarrow is missing.
    """
    file = Path(target)
    write = _writer(file)
    rows: list[tuple[float, Cells]] = []
    seen: set[str] = set()
    for source in sources:
        with open_rows(source) as found:
            for row, turn in parsed(found, seen):
                rows.append((turn.started_at, {name: value for name, value in row.cells.items() if name is not None}))
    rows.sort(key=lambda item: item[0])
    first = rows[0][0] if rows else 0.0
    for started_at, cells in rows:
        if first:
            cells["started_at"] = round(started_at - first, 6)
    with _written_whole(file) as draft:
        write(draft, [cells for _, cells in rows])
    return len(rows)


def _writer(file: Path) -> Callable[[Path, list[Cells]], None]:
    ending = file.suffix.lower()
    if ending in PARQUET:
        pyarrow()
        return _write_parquet
    if ending in DATABASES:
        # its write-ahead log, if some process has it open, would spoil the new one
        if file.exists():
            raise UsageError(f"{file} exists, and a database is not replaced; give a new name")
        return _write_database
    if ending in JSON_LINES:
        return _write_json
    if ending == ".csv":
        return _write_csv
    raise UsageError(f"{file} has no ending that tells a format; give a {ENDINGS} file")


@contextmanager
def _written_whole(file: Path) -> Iterator[Path]:
    """Yield where to write, and move that to *file* when it is done."""
    target = file.resolve()
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield draft
        draft.replace(target)
    except (OSError, sqlite3.Error) as exc:
        reason = getattr(exc, "strerror", None) or exc
        raise UsageError(f"{file} cannot be written ({reason}); give a file in a folder that exists") from exc
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _columns(rows: list[Cells]) -> list[str]:
    """Return the format's columns that *rows* have, in its order, then all others."""
    found = dict.fromkeys(name for cells in rows for name in cells)
    known = [name for name in ROW_COLUMNS if name in found or name in REQUIRED]
    return [*known, *(name for name in found if name not in known)]


def _typed(column: str, value: Any) -> Any:
    """Return a cell of the format's columns as a number, where it is to be one; None if it is empty."""
    text = text_of(value)
    if not text:
        return None
    if column not in NUMBER_COLUMNS:
        return text
    try:
        number = float(text)
    except ValueError:
        return text  # what no reader looks at may be anything
    if not math.isfinite(number):
        return text
    return int(number) if column in WHOLE and number.is_integer() else number


def _write_csv(draft: Path, rows: list[Cells]) -> None:
    columns = _columns(rows)
    with draft.open("w", encoding="utf-8", errors="replace", newline="") as out:
        out.write(_csv_line(columns))
        for cells in rows:
            out.write(_csv_line([text_of(cells.get(name)) for name in columns]))


def _csv_line(cells: list[str]) -> str:
    # Python quotes a carriage return within a cell only where lines end in one as well (until 3.13)
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().removesuffix("\r\n") + "\n"


def _write_json(draft: Path, rows: list[Cells]) -> None:
    columns = _columns(rows)
    with draft.open("w", encoding="utf-8", errors="replace", newline="\n") as out:
        for cells in rows:
            line = {name: _typed(name, cells.get(name)) if name in ROW_COLUMNS else cells.get(name) for name in columns}
            if line.get("milestones"):
                line["milestones"] = json.loads(str(line["milestones"]))
            out.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")


def _write_parquet(draft: Path, rows: list[Cells]) -> None:
    arrow = pyarrow()
    columns = _columns(rows)
    arrays = [_array(arrow, name, [cells.get(name) for cells in rows]) for name in columns]
    arrow.parquet.write_table(arrow.table(arrays, names=columns), draft)


def _array(arrow: Any, column: str, values: list[Any]) -> Any:
    """Return a column; where its values are of several types it is one of texts."""
    known = column in ROW_COLUMNS
    typed = [_typed(column, value) for value in values] if known else values
    kind = None
    if known:
        kind = arrow.float64() if column in NUMBER_COLUMNS and column not in WHOLE else None
        kind = arrow.int64() if column in WHOLE else kind or arrow.string()
    elif all(value is None for value in values):
        kind = arrow.string()
    try:
        return arrow.array(typed, kind)
    except (arrow.ArrowException, TypeError, ValueError, OverflowError):
        return arrow.array([None if value is None else text_of(value) for value in typed], arrow.string())


def _write_database(draft: Path, rows: list[Cells]) -> None:
    with closing(sqlite3.connect(draft)) as base, base:
        base.execute(TABLE)
        base.executemany(INSERT, ([_typed(name, cells.get(name)) for name in ROW_COLUMNS] for cells in rows))
