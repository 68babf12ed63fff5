"""Learned waits as rows: what `engine.prediction` keeps in a file, for processes that share a database.

A row is one generation of one life table. Only its writer adds to it and it only grows, so of two copies the one with
more counts is the later one, and rows are saved and merged in any order, however often, without counting a wait twice.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import delete, select, tuple_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ...prediction import Snapshot, TableCounts
from ...prediction._backoff import MOST_TABLES
from ...prediction._buckets import COUNT, GROWTH, SHORTEST_S
from ...prediction._lifetable import FORGET_BELOW, LARGEST_SCALE, SERIES, Generation, Scale, joined
from ...prediction._snapshot import Key
from ._database import Database
from ._errors import DatabaseError
from ._tables import WaitScaleRow, WaitsRow

LAYOUT = f"1:{SHORTEST_S}:{GROWTH}:{COUNT}:{SERIES}"
"""Names the buckets: what was counted in others is left alone."""
MOST_WRITER = 64
MOST_COUNT = 1 << 40
CHUNK = 200
"""Rows asked for at once."""
TRIES = 3

Name = tuple[str, str, int]
"""Digest of the table's key, writer, number of the generation."""
ScaleName = tuple[str, str]
"""Digest of the table's key, writer."""

T = TypeVar("T")
_GENERATION = tuple_(WaitsRow.digest, WaitsRow.writer, WaitsRow.number)
_SCALE = tuple_(WaitScaleRow.digest, WaitScaleRow.writer)


@dataclass(slots=True)
class Held:
    """What is known to be in the database, so that only what is new is moved."""

    totals: dict[Name, int] = field(default_factory=dict)
    """All counts of a generation together; they only grow."""
    scales: dict[ScaleName, Scale] = field(default_factory=dict)

    def add(self, other: "Held") -> None:
        """Take in what *other* knows as well."""
        for name, total in other.totals.items():
            self.totals[name] = max(total, self.totals.get(name, 0))
        for at, scale in other.scales.items():
            self.scales[at] = max(scale, self.scales.get(at, scale))


@dataclass(frozen=True, slots=True)
class _Listed:
    born: int
    waits: int
    total: int


class WaitRows:
    """Reads and writes the rows.

    Args:
        database: Where.
        half_life: Waits after which an observation counts half: rows too old to count at that are deleted.
    """

    def __init__(self, database: Database, half_life: int) -> None:
        self._database = database
        self._half_life = half_life

    def save(self, snapshot: Snapshot, held: Held) -> Held:
        """Write what of *snapshot* is not known to be there, in one transaction; return what is there of it now.

        Raises:
            DatabaseError: if the database does not answer.
            ValueError: if a writer's name is too long.
        """
        for tries_left in reversed(range(TRIES)):
            try:
                with self._database.writing() as session:
                    return self._saved(session, snapshot, held)
            except IntegrityError as exc:  # another process has just written a row that was not there
                if not tries_left:
                    raise DatabaseError(f"{self._database.name}: learned waits cannot be written") from exc
        raise AssertionError

    def read(self, held: Held) -> tuple[Snapshot, Held]:
        """Return what has come since *held*, and what is there; and delete what is too old to count.

        Raises:
            DatabaseError: if the database does not answer.
        """
        with self._database.reading() as session:
            every = dict(_scales(session))  # before the generations, which are written together with them
            listed = self._listed(session)
            kept = self._alive(listed)
            writers = {name[:2] for name in kept}
            scales = {at: scale for at, scale in every.items() if at in writers}
            news = [name for name in kept if listed[name].total > held.totals.get(name, 0)]
            moved = {at: scale for at, scale in scales.items() if scale > held.scales.get(at, (-1, 0))}
            found = self._fetched(session, news, moved)
        self._delete(WaitsRow, _GENERATION, [name for name in listed if name not in kept])
        self._delete(WaitScaleRow, _SCALE, [at for at in every if at not in writers])
        return found, Held({name: listed[name].total for name in kept}, scales)

    def _saved(self, session: Session, snapshot: Snapshot, held: Held) -> Held:
        written = Held()
        for key, table in snapshot.items():
            text, digest = _named(key)
            for generation in sorted(table.generations.values(), key=lambda g: (g.writer, g.number)):
                name = (digest, _writer(generation.writer), generation.number)
                if generation.counts.total() > held.totals.get(name, 0):
                    written.totals[name] = _write(session, name, text, generation)
            for writer, scale in sorted(table.scales.items()):
                at = (digest, _writer(writer))
                # a scale of nothing counted says nothing
                counted = any(generation.writer == writer for generation in table.generations.values())
                if counted and scale > held.scales.get(at, (-1, 0)):
                    row = session.get(WaitScaleRow, (LAYOUT, *at), with_for_update=True)
                    if row is None:
                        session.add(WaitScaleRow(LAYOUT, *at, *scale))
                    elif scale > (row.changes, row.scale):
                        row.changes, row.scale = scale
                    written.scales[at] = scale
        session.flush()
        return written

    def _listed(self, session: Session) -> dict[Name, _Listed]:
        columns = (WaitsRow.digest, WaitsRow.writer, WaitsRow.number, WaitsRow.born, WaitsRow.waits, WaitsRow.total)
        rows = session.execute(select(*columns).where(WaitsRow.layout == LAYOUT))
        return {(digest, writer, number): _Listed(*rest) for digest, writer, number, *rest in rows}

    def _alive(self, listed: Mapping[Name, _Listed]) -> set[Name]:
        """Return the rows young enough to count, of the tables with most waits."""
        tables: dict[str, list[Name]] = {}
        for name in sorted(listed, key=lambda name: (listed[name].born, name[1:]), reverse=True):
            tables.setdefault(name[0], []).append(name)
        known = sorted(tables.values(), key=lambda names: -sum(listed[name].waits for name in names))
        kept = set()
        for names in known[:MOST_TABLES]:
            age = 0
            for name in names:
                if 0.5 ** (age / self._half_life) < FORGET_BELOW:
                    break
                kept.add(name)
                age += listed[name].waits
        return kept

    def _fetched(self, session: Session, names: list[Name], scales: Mapping[ScaleName, Scale]) -> Snapshot:
        tables: dict[Key, TableCounts] = {}
        keys: dict[str, Key] = {}
        for chunk in _chunks(names):
            wanted = select(WaitsRow).where(WaitsRow.layout == LAYOUT)
            for row in session.scalars(wanted.where(_GENERATION.in_(chunk))):
                generation, key = _generation(row), _key(row)
                keys[row.digest] = key
                generations = dict(tables[key].generations) if key in tables else {}
                tables[key] = TableCounts({**generations, (row.writer, row.number): generation}, {})
        for digest in {digest for digest, _ in scales} - keys.keys():
            text = session.scalar(select(WaitsRow.key).where(WaitsRow.layout == LAYOUT, WaitsRow.digest == digest))
            if text is not None:
                keys[digest] = tuple(json.loads(text))
        for (digest, writer), scale in scales.items():
            if digest in keys:
                table = tables.get(keys[digest], TableCounts())
                tables[keys[digest]] = TableCounts(table.generations, {**table.scales, writer: scale})
        return tables

    def _delete(self, table: type[WaitsRow] | type[WaitScaleRow], name: Any, names: Sequence[Any]) -> None:
        for chunk in _chunks(sorted(names)):
            with self._database.writing() as session:
                session.execute(delete(table).where(table.layout == LAYOUT, name.in_(chunk)))


def _scales(session: Session) -> Iterator[tuple[ScaleName, Scale]]:
    for row in session.scalars(select(WaitScaleRow).where(WaitScaleRow.layout == LAYOUT)):
        if 0 <= row.changes <= MOST_COUNT and abs(row.scale) <= LARGEST_SCALE:
            yield (row.digest, row.writer), (row.changes, row.scale)


def _write(session: Session, name: Name, key: str, generation: Generation) -> int:
    """Write a generation beside, or over, what is there of it; return all its counts together."""
    row = session.get(WaitsRow, (LAYOUT, *name), with_for_update=True)
    whole = generation if row is None else joined(_generation(row), generation)
    counts, total = {str(code): n for code, n in whole.counts.items()}, whole.counts.total()
    if row is None:
        digest, writer, number = name
        row = WaitsRow(LAYOUT, digest, writer, number, key, whole.born, whole.scale, whole.waits, total, counts)
        session.add(row)
    else:
        row.born, row.scale, row.waits, row.total, row.counts = whole.born, whole.scale, whole.waits, total, counts
    return total


def _generation(row: WaitsRow) -> Generation:
    """Return the generation of *row*, without what cannot have been counted."""
    counts: Counter[int] = Counter()
    for code, n in row.counts.items():
        if code.isdecimal() and int(code) < SERIES * COUNT and isinstance(n, int) and 0 < n <= MOST_COUNT:
            counts[int(code)] = n
    scale = max(-LARGEST_SCALE, min(LARGEST_SCALE, row.scale))
    return Generation(row.writer, row.number, max(0, row.born), scale, counts)


def _named(key: Key) -> tuple[str, str]:
    """Return *key* as text, and that text's digest."""
    text = json.dumps(list(key), separators=(",", ":"))
    return text, hashlib.sha256(text.encode("ascii")).hexdigest()


def _key(row: WaitsRow) -> Key:
    return tuple(str(name) for name in json.loads(row.key))


def _writer(name: str) -> str:
    if len(name) > MOST_WRITER:
        raise ValueError(f"writer {name[:MOST_WRITER]!r}…: at most {MOST_WRITER} characters")
    return name


def _chunks(names: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(names), CHUNK):
        yield names[start : start + CHUNK]
