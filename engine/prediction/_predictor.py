"""The latency predictor: from what is known of a turn to the distribution of its wait."""

import math
import os
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...fillers import Config
from ._absence import without_news
from ._backoff import FRESH_SHARE, MOST_TABLES, BackOff
from ._buckets import Floats
from ._context import Context, Lesson, keys_of
from ._distribution import WaitDistribution
from ._drift import ENOUGH, MEMORY, Drift, log_density
from ._lifetable import ENDED, LATER_ENDED
from ._recalibration import Entry, Recalibration
from ._report import Account, Report
from ._snapshot import Key, Snapshot, TableCounts

EVERYTHING = ""
"""Stands for all agents and tools."""


@dataclass(slots=True)
class _Estimate:
    """A prediction as it was made."""

    seen: tuple[int, ...]
    drifts: int
    raw: WaitDistribution
    corrected: WaitDistribution
    recorded: int
    """Waits on the record by which it was corrected."""
    density: Floats | None = None
    """For `Drift`."""
    density_seen: int = 0
    """Waits of its own that the context had seen when the density was made."""


class LatencyPredictor:
    """Learns waits per milestone and context, and predicts.

    For each milestone there is a life table of the time *from it* to the reply, per context; a context with few
    waits leans on its parent (`BackOff`): the parent's distribution counts as ``pseudo_count`` waits, more where
    contexts turn out to be alike, fewer where they differ (`Leaning`). At the root stands the configuration:
    ``expected_ms`` of the agent or tool, or the log-normal prior. Cut-off waits are censored, not counted as replies
    (Kaplan-Meier).

    What the tables say is smoothed, and corrected by how waits have fallen into earlier predictions (`Recalibration`),
    one record per milestone. When all waits, or all of one agent or tool, become longer or shorter by a factor at once,
    that is noticed within a few turns (`Drift`), and what was learned before is read multiplied by it.

    Args:
        config: Its ``prediction`` section, and ``expected_ms`` of agents and tools.
        writer: Name under which this process's counts are saved, which no other process may use; None: a random one.
    """

    def __init__(self, config: Config, *, writer: str | None = None) -> None:
        self._config = config
        self._writer = writer if writer is not None else _any_name()
        self._tables = BackOff(config, self._writer)
        self._cache: dict[Key, _Estimate] = {}
        self._records: dict[str, Recalibration] = {}
        self._accounts: dict[Key, Account] = {}
        self._drifts: dict[str, Drift] = {}
        self._recent: deque[tuple[Recalibration, Entry, str]] = deque(maxlen=2 * MEMORY)
        self.learned = 0
        """Waits learned in this process."""
        self.drifts = 0
        """Sudden changes that were noticed, of all waits or of those of one agent or tool."""

    def learn(self, lessons: Iterable[Lesson]) -> None:
        """Take in observed waits; negative ones (a reply before its milestone) and those without end teach nothing."""
        for lesson in lessons:
            if not 0.0 <= lesson.wait_s < math.inf:
                continue
            self.learned += 1
            keys = keys_of(lesson.milestone, lesson.context)
            self._judge(lesson, keys)
            self._tables.learn(keys, lesson)

    def predict(self, milestone: str, context: Context, elapsed: float = 0.0) -> WaitDistribution:
        """Return the distribution of the rest of a wait, *elapsed* s after *milestone*.

        With *elapsed* it is known, too, that no further milestone has come until then.
        """
        keys = keys_of(milestone, context)
        whole = self._estimated(milestone, context, keys).corrected
        if not elapsed > 0.0:
            return whole
        for key in keys:
            table = self._tables.get(key)
            rest = without_news(table.all_weighted(), whole, elapsed) if table is not None else None
            if rest is not None:
                return rest
        return whole.after(elapsed)

    def waits_seen(self, milestone: str, context: Context) -> tuple[int, ...]:
        """Return how many waits each level of the back-off has seen, the most special first."""
        return self._tables.seen(keys_of(milestone, context))

    def report(self) -> tuple[Report, ...]:
        """Return how good the predictions were, per milestone and context; see `Report`."""
        return tuple(account.report(key) for key, account in self._accounts.items())

    @property
    def half_life(self) -> int:
        """Waits after which an observation counts half."""
        return self._config.prediction.half_life

    def snapshot(self) -> Snapshot:
        """Return all that was counted and still counts, for `merge` in another process."""
        return {
            key: TableCounts(
                {(g.writer, g.number): replace(g, counts=g.counts.copy()) for g in table.generations()},
                dict(table.scales),
            )
            for key, table in self._tables.items()
        }

    def merge(self, snapshot: Snapshot) -> None:
        """Take in what other processes counted; what is known already, and this process's own, is not counted twice.

        Records of its own (`report`, the correction) stay as they are.
        """
        for key, counts in snapshot.items():
            if key in self._tables or len(self._tables) < MOST_TABLES:
                self._tables.table(key).take(counts.generations.values(), counts.scales)
        self._tables.forget_estimates()
        self._cache.clear()

    def after_fork(self) -> None:
        """Count under a name of its own in a process that was forked off."""
        self._writer = _any_name()
        self._tables.sign_as(self._writer)

    def _estimated(self, milestone: str, context: Context, keys: tuple[Key, ...]) -> _Estimate:
        """Return the estimate that takes in all that is known."""
        seen, record = self._tables.seen(keys), self._records.get(keys[-1][0])
        recorded = record.waits if record else 0
        cached = self._cache.get(keys[0])
        if cached is None or cached.seen != seen or cached.drifts != self.drifts:
            raw = self._tables.estimate(keys, context)
            estimate = _Estimate(seen, self.drifts, raw, record.correct(raw) if record else raw, recorded)
            if cached is not None and cached.drifts == self.drifts:
                estimate.density, estimate.density_seen = cached.density, cached.density_seen
            _make_room(self._cache)
            cached = self._cache[keys[0]] = estimate
        elif record and cached.recorded != recorded:
            cached.corrected, cached.recorded = record.correct(cached.raw), recorded
        return cached

    def _judge(self, lesson: Lesson, keys: tuple[Key, ...]) -> None:
        """Compare a wait with what had been predicted for its like."""
        seen = self._tables.seen(keys)
        standing = self._cache.get(keys[0])
        if standing is None or not _close(standing, seen, self.drifts):
            standing = self._estimated(lesson.milestone, lesson.context, keys)
        account = self._accounts.get(keys[0])
        if account is None:
            _make_room(self._accounts)
            account = self._accounts[keys[0]] = Account()
        account.add(standing.corrected, lesson.wait_s, ended=lesson.ended)
        root = keys[-1][0]
        record = self._records.get(root)
        if record is None:
            record = self._records[root] = Recalibration()
        entry = record.add(*standing.raw.reached(lesson.wait_s), ended=lesson.ended)
        self._recent.append((record, entry, _named(keys[0])))
        if lesson.ended and lesson.next_s is None and seen[0] >= ENOUGH:
            if standing.density is None or seen[0] - standing.density_seen > FRESH_SHARE * seen[0]:
                standing.density, standing.density_seen = self._direct(keys[0], standing.raw), seen[0]
            for name in dict.fromkeys((EVERYTHING, _named(keys[0]))):
                found = self._drift(name).observe(standing.density, lesson.wait_s)
                if found is not None:
                    self._rescale(*found, name)
                    break

    def _drift(self, name: str) -> Drift:
        """Return the test for a sudden change of all waits of an agent or tool, or of everything."""
        drift = self._drifts.get(name)
        if drift is None:
            _make_room(self._drifts)
            drift = self._drifts[name] = Drift()
        return drift

    def _direct(self, key: Key, raw: WaitDistribution) -> Floats:
        """Return the density of waits in which no further milestone comes, as `Drift` wants it.

        Of each turn only the last milestone's wait says whether times have changed; the others depend on what came
        in between, which may well change by itself.
        """
        counts = self._tables.table(key).all_weighted()
        return log_density(
            np.maximum(counts[ENDED] - counts[LATER_ENDED], 0.0) + self._config.prediction.pseudo_count * raw.pmf
        )

    def _rescale(self, buckets: int, since: int, name: str = EVERYTHING) -> None:
        """All waits of *name* have changed by *buckets*; of those on record the last *since* of it were compared with
        what no longer held."""
        everything = name == EVERYTHING
        self._tables.rescale(buckets, name)
        concerned = [place for place, item in enumerate(self._recent) if everything or item[2] == name][-since:]
        for place in concerned:
            record, entry, _ = self._recent[place]
            record.take_back(entry)
        self._recent.clear()
        self._drifts.clear()
        self.drifts += 1


def _make_room(kept: dict[Any, Any]) -> None:
    """Let the oldest go where names, which are free text, have become too many."""
    if len(kept) >= MOST_TABLES:
        del kept[next(iter(kept))]


def _named(key: Key) -> str:
    """Return the agent or tool that *key* is about; `EVERYTHING` without one."""
    return key[1] if len(key) > 1 and key[1].startswith(("agent ", "tool ")) else EVERYTHING


def _any_name() -> str:
    return os.urandom(8).hex()


def _close(estimate: _Estimate, seen: tuple[int, ...], drifts: int) -> bool:
    """Return whether *estimate* still tells about what a new one would: its own context has hardly seen more."""
    return estimate.drifts == drifts and seen[0] - estimate.seen[0] <= FRESH_SHARE * seen[0]
