"""Bounds: the best single cue sheet in hindsight, and a planner that knows the wait. Nothing here is for production."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from stopgap.engine.planning import GRID_S, PlannedCue, Planner, Sheet, Situation
from stopgap.engine.prediction import Context, LatencyPredictor, Lesson, LifeTable, WaitDistribution, kaplan_meier
from stopgap.fillers import Clip, Config, Override

from .._arrays import Floats
from ..traces import TraceTurn


class OneDistribution(LatencyPredictor):
    """Predicts the same wait from the end of speech on, whatever is asked; learns nothing."""

    def __init__(self, config: Config, wait: WaitDistribution) -> None:
        super().__init__(config)
        self._wait = wait

    def predict(self, milestone: str, context: Context, elapsed: float = 0.0) -> WaitDistribution:
        return self._wait.after(elapsed) if elapsed > 0.0 else self._wait

    def learn(self, lessons: Iterable[Lesson]) -> None:
        pass


class PointMass(WaitDistribution):
    """A wait that is known: it ends *wait_s* s after its beginning."""

    def __init__(self, wait_s: float, elapsed: float = 0.0) -> None:
        self._wait_s = wait_s
        self.elapsed = elapsed

    def survival(self, seconds: Floats | float) -> Floats:
        return (np.asarray(seconds, float) + self.elapsed < self._wait_s).astype(float)

    def quantile(self, share: float) -> float:
        return max(0.0, self._wait_s - self.elapsed)

    def after(self, elapsed: float) -> "PointMass":
        return PointMass(self._wait_s, elapsed)


def marginal(turns: Iterable[TraceTurn]) -> WaitDistribution:
    """Return the distribution of all waits of *turns*, cancelled ones censored: no prior, no ageing, no context."""
    table = LifeTable(half_life=10**9)
    for turn in turns:
        table.add(turn.end_ms / 1000.0, ended=turn.reply_ready_ms is not None)
    return WaitDistribution(kaplan_meier(*table.weighted()))


class OneSheet:
    """Plays one cue sheet in every turn: the planner's own for the distribution of all waits of the trace.

    It is chosen in hindsight, and deaf: agents, tools, milestones and earlier turns change nothing.
    """

    name = "best-sheet"

    def __init__(self, config: Config, turns: Iterable[TraceTurn]) -> None:
        self._planner = Planner(config, OneDistribution(config, marginal(turns)))

    def plan(self, situation: Situation) -> Sheet:
        return self._planner.plan(_deaf(situation))

    def ready(self, situation: Situation) -> Sheet:
        return self.plan(situation)


class Oracle:
    """Plans knowing when each wait ends: a bound on what prediction could gain.

    It is told the turn's end, be it the reply or a cancellation, before it acts, and runs the product's planner on
    that. It may say the longest and the shortest clip of each kind as often as it likes, and a bed; it keeps the
    limits and says nothing that claims work. Its times are on the planner's grid, so it is not the exact optimum.
    """

    name = "oracle"

    def __init__(self, config: Config) -> None:
        self._config = config
        self._end_s = 0.0
        self._planner: Planner | None = None

    def acts_on(self, turn: TraceTurn) -> None:
        """Be told what is to come."""
        self._end_s = turn.end_ms / 1000.0
        self._planner = Planner(self._config, OneDistribution(self._config, PointMass(self._end_s)))

    def ended(self, turn: TraceTurn) -> None:
        """There is nothing to learn for one who knows."""

    def plan(self, situation: Situation) -> Sheet:
        left_s = self._end_s - situation.wait_age_s - situation.sounding_s
        if self._planner is None or left_s <= 2 * GRID_S:
            return Sheet()
        few = _longest_and_shortest(situation.clips)
        known = replace(_deaf(situation), clips=few, recent=situation.recent)
        sheet = self._planner.plan(known)
        return replace(sheet, cues=tuple(_named(cue, few) for cue in sheet.cues))

    def ready(self, situation: Situation) -> Sheet:
        return self.plan(situation)


def _deaf(situation: Situation) -> Situation:
    """Return *situation* as it looks to one who hears of nothing but the end of speech."""
    return replace(
        situation, context=Context(), milestone="speech_ended", milestone_age_s=situation.wait_age_s, tool_age_s=None,
        override=Override(), recent=0, clips=_always_true(situation.clips),
    )  # fmt: skip


def _always_true(clips: tuple[Clip, ...]) -> tuple[Clip, ...]:
    return tuple(clip for clip in clips if not clip.claims_work)


def _longest_and_shortest(clips: tuple[Clip, ...]) -> tuple[Clip, ...]:
    """Return two clips of each spoken kind, or one, and all beds."""
    true = _always_true(clips)
    kinds = {clip.kind: [c for c in true if c.kind is clip.kind] for clip in true if clip.kind.spoken}
    spoken = [choose(some, key=lambda c: c.duration_s) for some in kinds.values() for choose in (min, max)]
    return (*dict.fromkeys(spoken), *(clip for clip in true if not clip.kind.spoken))


def _named(cue: PlannedCue, clips: tuple[Clip, ...]) -> PlannedCue:
    """Return *cue* for the very clip that was planned with."""
    wanted_s = cue.duration_s
    if wanted_s is None:
        return cue
    nearest = min((c for c in clips if c.kind is cue.kind), key=lambda c: abs(c.duration_s - wanted_s))
    return replace(cue, phrases=(nearest.id,), swap=False)
