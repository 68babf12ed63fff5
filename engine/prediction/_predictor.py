"""The latency predictor: from what is known of a turn to the distribution of its wait."""

from collections.abc import Iterable
from dataclasses import dataclass

from ...fillers import Config
from ._distribution import WaitDistribution, log_normal
from ._lifetable import LifeTable, kaplan_meier

Key = tuple[str, ...]

MOST_TABLES = 4096
"""Life tables kept, a few kilobytes each: names of agents and tools are free text. Beyond that the oldest goes."""


@dataclass(frozen=True, slots=True)
class Context:
    """What is known of a turn when its wait is predicted."""

    agent: str | None = None
    """Agent or model."""
    tool: str | None = None
    """The tool that runs, from its start on."""
    again: bool = False
    """A further wait of the turn, after a spoken preamble."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """One observed wait, from a milestone to the first audio of the reply being available."""

    milestone: str
    context: Context
    """As it was known at the milestone."""
    wait_s: float
    ended: bool
    """False: cut off (cancelled, barged in) at that time, the reply had not come."""


class LatencyPredictor:
    """Learns waits per milestone and context, and predicts.

    For each milestone there is a life table of the time *from it* to the reply, per context; a context with few
    waits leans on its parent: the parent's distribution counts as ``pseudo_count`` waits. At the root stands the
    configuration: ``expected_ms`` of the agent or tool, or the log-normal prior. Cut-off waits are censored, not
    counted as replies (Kaplan-Meier).

    Args:
        config: Its ``prediction`` section, and ``expected_ms`` of agents and tools.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._tables: dict[Key, LifeTable] = {}
        self._cache: dict[Key, tuple[tuple[int, ...], WaitDistribution]] = {}

    def learn(self, lessons: Iterable[Lesson]) -> None:
        """Take in observed waits; negative ones (a reply before its milestone) teach nothing."""
        for lesson in lessons:
            if not lesson.wait_s >= 0.0:
                continue
            for key in _keys(lesson.milestone, lesson.context):
                if key not in self._tables and len(self._tables) >= MOST_TABLES:
                    oldest = next(iter(self._tables))
                    del self._tables[oldest]
                    self._cache.pop(oldest, None)
                table = self._tables.setdefault(key, LifeTable(self._config.prediction.half_life))
                table.add(lesson.wait_s, ended=lesson.ended)

    def predict(self, milestone: str, context: Context, elapsed: float = 0.0) -> WaitDistribution:
        """Return the distribution of the rest of a wait, *elapsed* s after *milestone*."""
        keys = _keys(milestone, context)
        seen = self.waits_seen(milestone, context)
        cached = self._cache.get(keys[0])
        if cached is None or cached[0] != seen:
            cached = (seen, self._estimate(milestone, context, keys))
            self._cache[keys[0]] = cached
        return cached[1].after(elapsed) if elapsed > 0.0 else cached[1]

    def waits_seen(self, milestone: str, context: Context) -> tuple[int, ...]:
        """Return how many waits each level of the back-off has seen, the most special first."""
        tables = (self._tables.get(key) for key in _keys(milestone, context))
        return tuple(table.waits if table else 0 for table in tables)

    def _estimate(self, milestone: str, context: Context, keys: tuple[Key, ...]) -> WaitDistribution:
        settings = self._config.prediction
        distribution = log_normal(settings.expected_ms / 1000.0, settings.spread)
        for key in reversed(keys):
            expected = self._expected_s(context, key)
            if expected is not None:
                distribution = log_normal(expected, settings.spread)
            table = self._tables.get(key)
            if table is not None:
                ended, censored = table.weighted()
                distribution = WaitDistribution(
                    kaplan_meier(ended + settings.pseudo_count * distribution.pmf, censored)
                )
        return distribution

    def _expected_s(self, context: Context, key: Key) -> float | None:
        """Return the configured expectation that belongs to *key*, if there is one."""
        if len(key) != 2:
            return None
        by_tool = key[1].startswith("tool ")
        table, name = (self._config.tools, context.tool) if by_tool else (self._config.agents, context.agent)
        override = table.get(name or "")
        return override.expected_ms / 1000.0 if override and override.expected_ms is not None else None


def _keys(milestone: str, context: Context) -> tuple[Key, ...]:
    """Return the back-off chain, most special first.

    While a tool runs its name says most (in measured search tools it explains 89 % of the logarithm's variance);
    everywhere else the agent's does.
    """
    root = (f"again {milestone}" if context.again else milestone,)
    if milestone == "tool_started" and context.tool is not None:
        by_tool = (*root, f"tool {context.tool}")
        return ((*by_tool, f"agent {context.agent}"), by_tool, root) if context.agent else (by_tool, root)
    return ((*root, f"agent {context.agent}"), root) if context.agent is not None else (root,)
