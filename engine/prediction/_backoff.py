"""Life tables that lean on each other: a context's on the more general one's."""

from collections.abc import Iterator
from dataclasses import dataclass

from ...fillers import Config
from ._context import Context, Lesson, inside
from ._distribution import WaitDistribution, log_normal
from ._leaning import Leaning
from ._lifetable import LifeTable, kaplan_meier
from ._snapshot import Key

MOST_TABLES = 4096
"""Life tables kept, a few kilobytes each: names of agents and tools are free text. Beyond that the one goes that has
learned nothing for longest, but never one of what is known in general."""
FRESH_SHARE = 0.05
"""A context leans on what its parent said until that has seen this share more waits."""


EXPECTED_FROM = ("speech_ended", "turn_committed")
"""Milestones from which an agent's ``expected_ms`` counts; a tool's counts from its start."""


@dataclass(frozen=True, slots=True)
class _Level:
    """What one context said last."""

    waits: int
    leans_on: WaitDistribution
    says: WaitDistribution


class BackOff:
    """All life tables of a predictor, and what they say of a context.

    Args:
        config: Its ``prediction`` section, and ``expected_ms`` of agents and tools.
        writer: Name under which this process's counts are saved.
    """

    def __init__(self, config: Config, writer: str) -> None:
        self._config = config
        self._writer = writer
        self._tables: dict[Key, LifeTable] = {}
        self._levels: dict[Key, _Level] = {}
        self._leanings: dict[Key, Leaning] = {}

    def __len__(self) -> int:
        return len(self._tables)

    def __contains__(self, key: Key) -> bool:
        return key in self._tables

    def items(self) -> Iterator[tuple[Key, LifeTable]]:
        """Yield the tables by their keys."""
        yield from self._tables.items()

    def get(self, key: Key) -> LifeTable | None:
        return self._tables.get(key)

    def table(self, key: Key) -> LifeTable:
        """Return the table of *key*; a new one if there is none."""
        table = self._tables.get(key)
        if table is None:
            if len(self._tables) >= MOST_TABLES:
                oldest = next((one for one in self._tables if len(one) > 1), key)
                self._tables.pop(oldest, None)
                self._levels.pop(oldest, None)
            table = self._tables[key] = LifeTable(self._config.prediction.half_life, self._writer)
        return table

    def seen(self, keys: tuple[Key, ...]) -> tuple[int, ...]:
        """Return how many waits each of *keys* has seen."""
        tables = (self._tables.get(key) for key in keys)
        return tuple(table.waits if table else 0 for table in tables)

    def learn(self, keys: tuple[Key, ...], lesson: Lesson) -> None:
        """Count a wait in each of *keys*, the most special first, and learn how much they lean on each other."""
        keep = 0.5 ** (1.0 / self._config.prediction.half_life)
        for place, key in enumerate(keys):
            leaning = self._leaning(key, lesson.context)
            if lesson.ended and leaning is not None:
                parent = self._says(keys[place + 1 :], lesson.context, exact=False)
                leaning.add(key, *parent.reached(lesson.wait_s), keep=keep)
            self.table(key).add(lesson.wait_s, ended=lesson.ended, next_s=inside(lesson))
            self._tables[key] = self._tables.pop(key)  # the last to go

    def estimate(self, keys: tuple[Key, ...], context: Context) -> WaitDistribution:
        """Return what is known of the first of *keys*, which leans on the second, and so on."""
        return self._says(keys, context, exact=True).smooth

    def weights(self) -> dict[Key, float]:
        """Return the weight in waits that parents have, by the sort of context: milestone, depth, agent or tool."""
        return {sort: leaning.weight for sort, leaning in self._leanings.items()}

    def rescale(self, buckets: int, name: str) -> None:
        """All waits with *name* in their keys (empty: all) have changed by *buckets*."""
        for key, table in self._tables.items():
            if not name or name in key:
                table.rescale(buckets)
        self.forget_estimates()

    def forget_estimates(self) -> None:
        """Tables have changed otherwise than by learning."""
        self._levels.clear()

    def sign_as(self, writer: str) -> None:
        """Count under another name from now on."""
        self._writer = writer
        for table in self._tables.values():
            table.sign_as(writer)

    def _says(self, keys: tuple[Key, ...], context: Context, *, exact: bool) -> WaitDistribution:
        """Return the distribution for the first of *keys*. Not *exact*: it may lag by `FRESH_SHARE`, as parents do."""
        key = keys[0]
        table, level = self._tables.get(key), self._levels.get(key)
        waits = table.waits if table else 0
        if level is not None and not exact and waits - level.waits <= FRESH_SHARE * level.waits:
            return level.says
        parent = self._prior(key, context)
        if parent is None:
            parent = self._says(keys[1:], context, exact=False)
        if level is not None and level.waits == waits and level.leans_on is parent:
            return level.says
        if table is None:
            return parent
        leaning = self._leaning(key, context)
        weight = leaning.weight if leaning is not None else self._config.prediction.pseudo_count
        ended, censored = table.weighted()
        says = WaitDistribution(kaplan_meier(ended + weight * parent.pmf, censored))
        self._levels[key] = _Level(waits, parent, says)
        return says

    def _prior(self, key: Key, context: Context) -> WaitDistribution | None:
        """Return what is configured for *key* and so stands in its parent's place; None: the parent stands."""
        settings = self._config.prediction
        if len(key) == 1:
            return log_normal(settings.expected_ms / 1000.0, settings.spread)
        if len(key) > 2:
            return None
        by_tool = key[1].startswith("tool ")
        if not by_tool and key[0].removeprefix("again ") not in EXPECTED_FROM:
            return None
        table, name = (self._config.tools, context.tool) if by_tool else (self._config.agents, context.agent)
        override = table.get(name or "")
        expected_ms = override.expected_ms if override else None
        return None if expected_ms is None else log_normal(expected_ms / 1000.0, settings.spread)

    def _leaning(self, key: Key, context: Context) -> Leaning | None:
        """Return how contexts like *key* lean on their parents; None where the configuration stands in for these."""
        if self._prior(key, context) is not None:
            return None
        sort = (key[0], *(part.split(" ", 1)[0] for part in key[1:]))
        leaning = self._leanings.get(sort)
        if leaning is None:
            leaning = self._leanings[sort] = Leaning(self._config.prediction.pseudo_count)
        return leaning
