"""All counts of a predictor as plain values, and how those of several processes become one."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ._lifetable import Generation, Scale, joined

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TableCounts:
    """One life table."""

    generations: Mapping[tuple[str, int], Generation] = field(default_factory=dict)
    """By writer and number."""
    scales: Mapping[str, Scale] = field(default_factory=dict)
    """By writer."""


Snapshot = Mapping[Key, TableCounts]
"""By key of the table."""


def merged(one: Snapshot, two: Snapshot) -> Snapshot:
    """Return what is known to *one* or *two*, copies of what any processes counted up to any times.

    A generation only grows and only its writer adds to it, so of two copies the larger counts hold. Merging is
    commutative, associative and idempotent (a join in a lattice: Shapiro et al. 2011): in whatever order, and
    however often, files are merged, no wait counts twice.
    """
    return {key: _merged(one.get(key), two.get(key)) for key in (*one, *(k for k in two if k not in one))}


def _merged(one: TableCounts | None, two: TableCounts | None) -> TableCounts:
    if one is None or two is None:
        found = one or two
        return found if found is not None else TableCounts()
    generations = dict(one.generations)
    for name, generation in two.generations.items():
        generations[name] = joined(generations[name], generation) if name in generations else generation
    scales = dict(one.scales)
    for writer, scale in two.scales.items():
        scales[writer] = max(scale, scales.get(writer, scale))
    return TableCounts(generations, scales)
