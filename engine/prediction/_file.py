"""Learned waits in a file, which several processes may share."""

import contextlib
import json
import logging
import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from ...fillers import StopgapError
from ._backoff import MOST_TABLES
from ._buckets import COUNT, GROWTH, SHORTEST_S
from ._lifetable import FORGET_BELOW, LARGEST_SCALE, SERIES, Generation
from ._predictor import LatencyPredictor
from ._snapshot import Snapshot, TableCounts, merged

logger = logging.getLogger("stopgap")

VERSION = 1
MOST_BYTES = 64 << 20
"""Larger files are not read."""
MOST_NAME = 1000
"""Characters of a name."""
MOST_COUNT = 1 << 40
_HEAD = {"format": "stopgap waits", "version": VERSION, "buckets": [SHORTEST_S, GROWTH, COUNT]}


class WaitsError(StopgapError):
    """A file of learned waits that cannot be used; the message says why."""


def load_waits(predictor: LatencyPredictor, path: str | Path) -> bool:
    """Take what *path* holds into *predictor*, beside what it knows; return whether there was anything.

    A file that cannot be used is renamed to ``….damaged``, with a logged warning, and learning starts afresh.

    Raises:
        OSError: if the file is there and cannot be opened or renamed.
    """
    found = _usable(Path(path))
    if found is None:
        return False
    predictor.merge(found)
    return True


def save_waits(predictor: LatencyPredictor, path: str | Path) -> None:
    """Write what *predictor* knows to *path*, merged with what other processes have written there since.

    The file is replaced at once (a reader sees the old or the new one, also after a power cut) and readable by its
    owner only. Of two processes that write in the same instant one is missing until it writes again.

    Raises:
        OSError: if it cannot be written.
    """
    file = Path(path)
    known = predictor.snapshot()
    found = _usable(file)
    write_waits(known if found is None else merged(found, known), file, half_life=predictor.half_life)


def read_waits(path: str | Path) -> Snapshot:
    """Return what *path* holds.

    Raises:
        OSError: if it cannot be opened.
        WaitsError: if it is damaged, too large, or written by another version.
    """
    with Path(path).open("rb") as file:
        raw = file.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise WaitsError(f"{path} is larger than {MOST_BYTES >> 20} MiB")
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError) as exc:
        raise WaitsError(f"{path} is not JSON: {exc}") from exc
    head = {name: data.get(name) for name in _HEAD} if isinstance(data, dict) else None
    if head != _HEAD:
        raise WaitsError(f"{path} begins with {head}, not with {_HEAD}: it is of another version, or no file of waits")
    try:
        return {_key(table["key"]): _table(table) for table in data["tables"]}
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise WaitsError(f"{path} holds a table that makes no sense: {exc!r}") from exc


def write_waits(snapshot: Snapshot, path: str | Path, *, half_life: int) -> None:
    """Write *snapshot* to *path*, without what is too old to count at *half_life*.

    Raises:
        OSError: if it cannot be written; *path* is as before then.
    """
    file = Path(path)
    tables = [(key, table, _alive(table, half_life)) for key, table in snapshot.items()]
    tables.sort(key=lambda item: -sum(generation.waits for generation in item[2]))
    data = {**_HEAD, "tables": [_plain(*item) for item in tables[:MOST_TABLES]]}
    number, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")  # mode 0600
    try:
        with os.fdopen(number, "w", encoding="utf-8") as out:
            json.dump(data, out, ensure_ascii=False, separators=(",", ":"))
            out.flush()
            os.fsync(out.fileno())
        os.replace(name, file)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _usable(file: Path) -> Snapshot | None:
    """Return what *file* holds; None if it is not there, or could not be used and was put aside."""
    try:
        return read_waits(file)
    except FileNotFoundError:
        return None
    except WaitsError as exc:
        number = 1
        while (aside := file.with_name(f"{file.name}.damaged" + (f"-{number}" if number > 1 else ""))).exists():
            number += 1
        file.rename(aside)
        logger.warning("learned waits cannot be used: %s; kept as %s, learning starts afresh", exc, aside.name)
        return None


def _alive(table: TableCounts, half_life: int) -> list[Generation]:
    """Return the generations young enough to count, oldest first."""
    age, kept = 0, []
    for generation in sorted(table.generations.values(), key=lambda g: (g.born, g.writer, g.number), reverse=True):
        if 0.5 ** (age / half_life) < FORGET_BELOW:
            break
        kept.append(generation)
        age += generation.waits
    return kept[::-1]


def _plain(key: tuple[str, ...], table: TableCounts, generations: list[Generation]) -> dict[str, Any]:
    writers = {generation.writer for generation in generations}
    return {
        "key": list(key),
        "scales": {writer: list(scale) for writer, scale in table.scales.items() if writer in writers},
        "generations": [[g.writer, g.number, g.born, g.scale, g.counts] for g in generations],
    }


def _table(data: dict[str, Any]) -> TableCounts:
    generations = {}
    for writer, number, born, scale, counts in data["generations"]:
        whole = Counter({_whole(int(code), SERIES * COUNT - 1): _whole(n, MOST_COUNT) for code, n in counts.items()})
        name = _name(writer), _whole(number, MOST_COUNT)
        generations[name] = Generation(*name, _whole(born, MOST_COUNT), _scale(scale), whole)
    scales = {_name(w): (_whole(changes, MOST_COUNT), _scale(scale)) for w, (changes, scale) in data["scales"].items()}
    return TableCounts(generations, scales)


def _key(names: Any) -> tuple[str, ...]:
    if not isinstance(names, list) or not 1 <= len(names) <= 8:
        raise ValueError(f"key {names!r}")
    return tuple(_name(name) for name in names)


def _name(value: Any) -> str:
    if not isinstance(value, str) or len(value) > MOST_NAME:
        raise ValueError(f"name {value!r}")
    return value


def _whole(value: Any, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise ValueError(f"{value!r} is no whole number from 0 to {most}")
    return value


def _scale(value: Any) -> int:
    return _whole(value + LARGEST_SCALE, 2 * LARGEST_SCALE) - LARGEST_SCALE
