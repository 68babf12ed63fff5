"""A life table: how many waits ended, and how many were cut off, in each bucket."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from ._buckets import COUNT, Floats, bucket

GENERATION = 50
"""Waits in a generation; all of one generation have the same age."""
FORGET_BELOW = 0.01
"""Generations that count less than this are dropped."""

ENDED, CENSORED, NEXT, LATER_ENDED, LATER_CENSORED = range(5)
"""What is counted: waits that ended; waits cut off; times to the first milestone in them; and again those of the
first two before whose end such a milestone came."""
SERIES = 5

Scale = tuple[int, int]
"""Sudden changes so far, and buckets by which waits are longer since the first wait."""
LARGEST_SCALE = 200
"""Buckets: a factor of 17,000 either way, more than the table is long."""


@dataclass(slots=True)
class Generation:
    """Counts of up to `GENERATION` successive waits of one writer. It only ever grows."""

    writer: str
    """Who counted: unique to a process."""
    number: int
    """Of the writer's generations of this table; (writer, number) is the same generation wherever it is met."""
    born: int
    """Waits that the writer knew of, its own and others', when it began: orders generations by age."""
    scale: int = 0
    """Its writer's scale when it began: buckets by which waits had changed by then (see `Drift`)."""
    counts: Counter[int] = field(default_factory=Counter)
    """By series · COUNT + bucket."""

    @property
    def waits(self) -> int:
        return sum(n for code, n in self.counts.items() if code < NEXT * COUNT)


def joined(one: Generation, two: Generation) -> Generation:
    """Return the later state of the same generation, of which *one* and *two* are copies from any times."""
    return Generation(
        one.writer, one.number, max(one.born, two.born), max(one.scale, two.scale), one.counts | two.counts
    )


class LifeTable:
    """Counts of waits in generations. Counts stay whole numbers; age is a weight put on when they are read.

    Args:
        half_life: Waits after which an observation counts half.
        writer: Name of this process in saved tables.
    """

    def __init__(self, half_life: int, writer: str = "") -> None:
        self._half_life = half_life
        self._writer = writer
        self._closed: list[Generation] = []
        self._numbers = 0
        self.scales: dict[str, Scale] = {writer: (0, 0)}
        """By writer: how often waits changed suddenly, and by how many buckets in all. What a writer counted before
        is moved when it is read."""
        self.waits = 0
        """Waits ever added."""
        self._current = self._new()
        self._room = 0
        self._old: Floats = np.zeros((SERIES, COUNT))
        self._fresh: Floats = np.zeros((SERIES, COUNT))

    def add(self, wait_s: float, *, ended: bool, next_s: float | None = None) -> None:
        """Count a wait of *wait_s* seconds: one that *ended* with the reply, or one cut off then (censored).

        Args:
            wait_s: s.
            ended: Whether the reply came.
            next_s: s until the first milestone within the wait; None: none came.
        """
        if self._room <= 0:
            self._close()
        self._count(ENDED if ended else CENSORED, bucket(wait_s))
        if next_s is not None:
            self._count(NEXT, bucket(next_s))
            self._count(LATER_ENDED if ended else LATER_CENSORED, bucket(wait_s))
        self._room -= 1
        self.waits += 1

    def weighted(self) -> tuple[Floats, Floats]:
        """Return the aged counts (ended, censored), each of shape (COUNT,)."""
        return self._old[ENDED] + self._fresh[ENDED], self._old[CENSORED] + self._fresh[CENSORED]

    def all_weighted(self) -> Floats:
        """Return the aged counts of all series, shape (SERIES, COUNT)."""
        return self._old + self._fresh

    def rescale(self, buckets: int) -> None:
        """From now on waits are longer by *buckets* (shorter, if negative): what was counted so far moves along."""
        self.scales = {w: (changes + 1, _bounded(scale + buckets)) for w, (changes, scale) in self.scales.items()}
        self._close()

    def generations(self) -> list[Generation]:
        """Return all generations that still count, oldest first."""
        return [*self._closed, self._current] if self._current.counts else list(self._closed)

    def take(self, generations: Iterable[Generation], scales: Mapping[str, Scale]) -> None:
        """Take in what other writers counted, in any order. What is known already, and the table's own, is not
        counted twice."""
        held = {(g.writer, g.number): g for g in self._closed}
        for other in generations:
            known = held.get((other.writer, other.number))
            if other.writer == self._writer or not other.counts:
                continue
            self.waits += other.waits - (known.waits if known else 0)
            held[other.writer, other.number] = other if known is None else joined(known, other)
        for writer, scale in scales.items():
            if writer != self._writer:
                self.scales[writer] = max(scale, self.scales.get(writer, scale))
        self._closed = sorted(held.values(), key=lambda g: (g.born, g.writer, g.number))
        self._close()

    def sign_as(self, writer: str) -> None:
        """Count under another name from now on: in a process that was forked off."""
        self.scales[writer] = self.scales[self._writer]
        self._close()
        self._writer = writer
        self._current = self._new()

    def _count(self, series: int, place: int) -> None:
        self._current.counts[series * COUNT + place] += 1
        self._fresh[series, place] += 1.0

    def _new(self) -> Generation:
        self._numbers += 1
        return Generation(self._writer, self._numbers, self.waits, self.scales[self._writer][1])

    def _close(self) -> None:
        """Begin a generation, and weigh the closed ones by their age."""
        if self._current.counts:
            self._closed.append(self._current)
        self._current, self._room = self._new(), min(GENERATION, self._half_life)
        old: Floats = np.zeros((SERIES, COUNT))  # whoever reads meanwhile sees the one before
        flat = old.reshape(-1)
        age, kept = 0, 0
        for generation in reversed(self._closed):
            weight = 0.5 ** (age / self._half_life)
            if weight < FORGET_BELOW:
                break
            kept += 1
            age += generation.waits
            codes = np.fromiter(generation.counts.keys(), np.intp, len(generation.counts))
            numbers = np.fromiter(generation.counts.values(), float, len(generation.counts))
            moved = self.scales.get(generation.writer, (0, generation.scale))[1] - generation.scale
            if moved:
                series, place = np.divmod(codes, COUNT)
                np.add.at(flat, series * COUNT + np.clip(place + moved, 0, COUNT - 1), weight * numbers)
            else:
                flat[codes] += weight * numbers
        self._closed = self._closed[len(self._closed) - kept :]
        self._old, self._fresh = old, np.zeros((SERIES, COUNT))


def kaplan_meier(ended: Floats, censored: Floats) -> Floats:
    """Return survival at the bucket edges, shape (len(ended) + 1,), from weighted counts (Kaplan & Meier 1958).

    Waits cut off in a bucket count as at risk through the whole of it. Where nobody is at risk any more,
    survival stays as it is.
    """
    at_risk = np.cumsum((ended + censored)[::-1])[::-1]
    hazard = ended / np.maximum(at_risk, 1e-12)
    survival = np.empty(len(ended) + 1)
    survival[0] = 1.0
    np.cumprod(1.0 - np.minimum(hazard, 1.0), out=survival[1:])
    return survival


def _bounded(scale: int) -> int:
    return max(-LARGEST_SCALE, min(LARGEST_SCALE, scale))
