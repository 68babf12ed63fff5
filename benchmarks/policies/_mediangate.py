"""One phrase, where waits have been long: what peers do who look at past latency at all."""

from collections import defaultdict
from statistics import median

from stopgap.engine.planning import PlannedCue, Sheet, Situation
from stopgap.fillers import Kind

from ..traces import TraceTurn

START_S = 0.3
"""s after the milestone."""
LEAST_MEDIAN_S = 1.5
"""s. open-nvr/open-nvr#442: ``filler_min_ms`` 1500, once per turn, from the recent median of the tool."""


class MedianGate:
    """Says one phrase 0.3 s into the wait, or into a tool's run, if the running median of such waits is at least 1.5 s.

    Waits are kept per agent from the end of speech, and per tool from the tool's start; those of cancelled turns are
    left out. A context without waits has no median and stays silent.
    """

    name = "median-gate"

    def __init__(self) -> None:
        self._waits: defaultdict[tuple[str, str | None], list[float]] = defaultdict(list)

    def acts_on(self, turn: TraceTurn) -> None:
        """Take note of nothing: this policy knows only what was."""

    def ended(self, turn: TraceTurn) -> None:
        """Learn the wait of a turn that is over."""
        if turn.reply_ready_ms is None:
            return
        self._waits["agent", turn.agent].append(turn.reply_ready_ms / 1000.0)
        for news in turn.news:
            if news.name == "tool_started":
                self._waits["tool", news.tool].append((turn.reply_ready_ms - news.at_ms) / 1000.0)

    def plan(self, situation: Situation) -> Sheet:
        if situation.spoken:
            return Sheet()
        tool_age, context = situation.tool_age_s, situation.context
        key = ("agent", context.agent) if tool_age is None else ("tool", context.tool)
        age_s = situation.wait_age_s if tool_age is None else tool_age
        waits = self._waits.get(key)
        if not waits or median(waits) < LEAST_MEDIAN_S:
            return Sheet()
        at = START_S - age_s
        if at < -1e-9 and not situation.first:
            return Sheet()
        return Sheet((PlannedCue(max(at, 0.0), Kind.PHRASE, reason=f"median {median(waits):.2f} s"),))

    def ready(self, situation: Situation) -> Sheet:
        return self.plan(situation)
