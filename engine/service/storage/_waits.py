"""Learned waits as rows: what `engine.prediction` keeps in a file, for processes that share a database.

A row is one generation of one life table. Only its writer adds to it and it only grows, so of two copies the one with
more counts is the later one, and rows are saved and merged in any order, however often, without counting a wait twice.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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
from ._waitnews import NO_SCALE, Held, Name, NewGeneration, NewScale, ScaleName, news_in

LAYOUT = f"1:{SHORTEST_S}:{GROWTH}:{COUNT}:{SERIES}"
"""Names the buckets: what was counted in others is left alone."""
MOST_COUNT = 1 << 40
CHUNK = 200
"""Rows asked for at once."""
TRIES = 3

N = TypeVar("N")
R = TypeVar("R")
_GENERATION = tuple_(WaitsRow.digest, WaitsRow.writer, WaitsRow.number)
_SCALE = tuple_(WaitScaleRow.digest, WaitScaleRow.writer)


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
        """Write what of *snapshot* is not known to be there; return what is there of it now.

        Some rows at a time, so that a conversation need not wait for all of them.

        Raises:
            DatabaseError: if the database does not answer; what was written by then is written.
            ValueError: if a writer's name is too long.
        """
        written = Held()
        generations, scales = news_in(snapshot, held)
        for chunk in _chunks(generations):
            for name, total in self._written(chunk, _write_generation):
                written.totals[name] = total
        for part in _chunks(scales):  # after their generations: see `read`
            for at, scale in self._written(part, _write_scale):
                written.scales[at] = scale
        return written

    def read(self, held: Held) -> tuple[Snapshot, Held]:
        """Return what has come since *held*, and what is there; and delete what is too old to count.

        Raises:
            DatabaseError: if the database does not answer.
        """
        with self._database.reading() as session:
            every = dict(_scales(session))  # before the generations: a scale is only there once these are
            listed = self._listed(session)
            kept = self._alive(listed)
            writers = {name[:2] for name in kept}
            scales = {at: scale for at, scale in every.items() if at in writers}
            news = [name for name in kept if listed[name].total > held.totals.get(name, 0)]
            moved = {at: scale for at, scale in scales.items() if scale > held.scales.get(at, NO_SCALE)}
            found = self._fetched(session, news, moved)
        self._delete(WaitsRow, _GENERATION, [name for name in listed if name not in kept])
        self._delete(WaitScaleRow, _SCALE, [at for at in every if at not in writers])
        return found, Held({name: listed[name].total for name in kept}, scales)

    def _written(self, news: Sequence[N], write: Callable[[Session, N], R]) -> list[R]:
        for tries_left in reversed(range(TRIES)):
            try:
                with self._database.writing() as session:
                    return [write(session, one) for one in news]
            except IntegrityError as exc:  # another process has just written a row that was not there
                if not tries_left:
                    raise DatabaseError(f"{self._database.name}: learned waits cannot be written") from exc
        raise AssertionError

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
        generations: dict[str, dict[tuple[str, int], Generation]] = {}
        keys: dict[str, Key] = {}
        wanted = select(WaitsRow).where(WaitsRow.layout == LAYOUT)
        for chunk in _chunks(sorted(names)):
            for row in session.scalars(wanted.where(_GENERATION.in_(chunk))):
                keys[row.digest] = _key(row.key)
                generations.setdefault(row.digest, {})[row.writer, row.number] = _generation(row)
        found = select(WaitsRow.key).where(WaitsRow.layout == LAYOUT)
        for digest in {digest for digest, _ in scales} - keys.keys():
            keys[digest] = _key(session.scalar(found.where(WaitsRow.digest == digest).limit(1)) or "")
        moved: dict[str, dict[str, Scale]] = {}
        for (digest, writer), scale in scales.items():
            moved.setdefault(digest, {})[writer] = scale
        return {
            key: TableCounts(generations.get(digest, {}), moved.get(digest, {})) for digest, key in keys.items() if key
        }

    def _delete(self, table: type[WaitsRow] | type[WaitScaleRow], name: Any, names: Sequence[Any]) -> None:
        for chunk in _chunks(sorted(names)):
            with self._database.writing() as session:
                session.execute(delete(table).where(table.layout == LAYOUT, name.in_(chunk)))


def _scales(session: Session) -> Iterator[tuple[ScaleName, Scale]]:
    for row in session.scalars(select(WaitScaleRow).where(WaitScaleRow.layout == LAYOUT)):
        if 0 <= row.changes <= MOST_COUNT and abs(row.scale) <= LARGEST_SCALE:
            yield (row.digest, row.writer), (row.changes, row.scale)


def _write_generation(session: Session, new: NewGeneration) -> tuple[Name, int]:
    """Write a generation beside, or over, what is there of it; return all its counts together."""
    name, key, generation = new
    row = session.get(WaitsRow, (LAYOUT, *name), with_for_update=True)
    whole = generation if row is None else joined(_generation(row), generation)
    counts, total = {str(code): n for code, n in whole.counts.items()}, whole.counts.total()
    if row is None:
        digest, writer, number = name
        row = WaitsRow(LAYOUT, digest, writer, number, key, whole.born, whole.scale, whole.waits, total, counts)
        session.add(row)
    else:
        row.born, row.scale, row.waits, row.total, row.counts = whole.born, whole.scale, whole.waits, total, counts
    return name, total


def _write_scale(session: Session, new: NewScale) -> NewScale:
    """Write how much a writer has found waits changed, unless what is there is newer."""
    at, scale = new
    row = session.get(WaitScaleRow, (LAYOUT, *at), with_for_update=True)
    if row is None:
        session.add(WaitScaleRow(LAYOUT, *at, *scale))
    elif scale > (row.changes, row.scale):
        row.changes, row.scale = scale
    return at, scale


def _generation(row: WaitsRow) -> Generation:
    """Return the generation of *row*, without what cannot have been counted."""
    counts: Counter[int] = Counter()
    for code, n in row.counts.items():
        if code.isdecimal() and int(code) < SERIES * COUNT and isinstance(n, int) and 0 < n <= MOST_COUNT:
            counts[int(code)] = n
    scale = max(-LARGEST_SCALE, min(LARGEST_SCALE, row.scale))
    return Generation(row.writer, row.number, max(0, row.born), scale, counts)


def _key(text: str) -> Key:
    """Return the key that *text* is; an empty one if it is none."""
    try:
        names = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    return tuple(names) if isinstance(names, list) and all(isinstance(name, str) for name in names) else ()


def _chunks(names: Sequence[N]) -> Iterator[Sequence[N]]:
    for start in range(0, len(names), CHUNK):
        yield names[start : start + CHUNK]
