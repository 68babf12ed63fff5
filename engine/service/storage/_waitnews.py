"""What of a predictor's waits a database does not have yet."""

import hashlib
import json
from dataclasses import dataclass, field

from ...prediction import Snapshot
from ...prediction._lifetable import Generation, Scale
from ...prediction._snapshot import Key

MOST_WRITER = 64
"""Characters of a writer's name, which is part of the rows' key."""

Name = tuple[str, str, int]
"""Digest of the table's key, writer, number of the generation."""
ScaleName = tuple[str, str]
"""Digest of the table's key, writer."""

NewGeneration = tuple[Name, str, Generation]
NewScale = tuple[ScaleName, Scale]
NO_SCALE: Scale = (-1, 0)


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


def news_in(snapshot: Snapshot, held: Held) -> tuple[list[NewGeneration], list[NewScale]]:
    """Return what is not known to be there, each in an order that all processes keep, lest two wait for each other."""
    generations, scales = [], []
    for key, table in snapshot.items():
        text, digest = _named(key)
        for generation in table.generations.values():
            name = (digest, _writer(generation.writer), generation.number)
            if generation.counts.total() > held.totals.get(name, 0):
                generations.append((name, text, generation))
        counted = {generation.writer for generation in table.generations.values()}
        for writer in counted & table.scales.keys():  # a scale of nothing counted says nothing
            at, scale = (digest, writer), table.scales[writer]
            if scale > held.scales.get(at, NO_SCALE):
                scales.append((at, scale))
    return sorted(generations, key=lambda one: one[0]), sorted(scales)


def _named(key: Key) -> tuple[str, str]:
    """Return *key* as text, and that text's digest."""
    text = json.dumps(list(key), separators=(",", ":"))
    return text, hashlib.sha256(text.encode("ascii")).hexdigest()


def _writer(name: str) -> str:
    if len(name) > MOST_WRITER:
        raise ValueError(f"writer {name[:MOST_WRITER]!r}…: at most {MOST_WRITER} characters")
    return name
