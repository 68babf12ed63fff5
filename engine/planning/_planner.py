"""The predictive policy: the cue sheet of least expected cost for the predicted wait."""

import math
from dataclasses import dataclass, field

from ...fillers import Clip, Config, Kind
from ..prediction import LatencyPredictor
from ._classes import GRID_S, ClipClass, clip_classes
from ._induction import LONGEST_S, Induction, Start, Step
from ._situation import PlannedCue, Ready, Situation

REFRESH_SHARE = 0.12
REFRESH_WAITS = 40
"""A plan is made anew when its table grew by this share, at the latest after this many waits."""
MOST_PLACES = 8
"""Spoken fillers that are planned ahead where no limit is set."""
MOST_PLANS = 512
"""Solutions kept, about 0.1 MB each; beyond that the oldest goes."""
MOST_SHEETS = 256
"""Sheets kept of one solution."""
COARSE_STEPS = 20
"""Grid steps to which a near ``max_wait_s`` is rounded down, so that waits of slightly different age share a plan."""


@dataclass(slots=True)
class _Cached:
    seen: tuple[int, ...]
    induction: Induction
    sheets: dict[Start, tuple[Step, ...]] = field(default_factory=dict)

    def sheet(self, start: Start) -> tuple[Step, ...]:
        """Return the decisions from *start* on; most turns begin alike, so they are kept."""
        sheet = self.sheets.get(start)
        if sheet is None:
            if len(self.sheets) >= MOST_SHEETS:
                self.sheets.clear()
            sheet = self.sheets[start] = tuple(self.induction.sheet(start))
        return sheet


class Planner:
    """Finds the cue sheet of least expected cost by backward induction (see `Induction`).

    Solutions are kept per context, clips and limits, and made anew when enough was learned since.
    """

    name = "predictive"

    def __init__(self, config: Config, predictor: LatencyPredictor) -> None:
        self._config = config
        self._predictor = predictor
        self._classes: dict[tuple[int, ...], tuple[tuple[Clip, ...], tuple[ClipClass, ...]]] = {}
        self._solved: dict[tuple[object, ...], _Cached] = {}

    def plan(self, situation: Situation) -> tuple[PlannedCue, ...]:
        if not situation.clips:
            return ()
        cached, seen = self._lookup(situation)
        if cached is None or _grew(cached.seen, seen):
            cached = self._solve(situation, seen)
        return self._read(cached, situation)

    def ready(self, situation: Situation) -> Ready | None:
        if not situation.clips:
            return Ready((), stale=False)
        cached, seen = self._lookup(situation)
        if cached is None:
            return None
        return Ready(self._read(cached, situation), stale=_grew(cached.seen, seen))

    def _read(self, cached: _Cached, situation: Situation) -> tuple[PlannedCue, ...]:
        """Return the cue sheet for *situation* out of the solution for its milestone."""
        age = situation.milestone_age_s
        start = Start(
            at=math.ceil((age + situation.sounding_s) / GRID_S - 0.5),
            spoken=situation.spoken,
            bed=situation.bed,
            sounding=situation.sounding_s > 0.0,
            silent_s=_on_grid(situation.silent_s),
            since_spoken_s=_on_grid(situation.since_spoken_s),
        )
        cues = []
        for step in cached.sheet(start):
            reason = f"{situation.milestone}: {step.still_waiting:.0%} still wait then"
            at, chosen = step.at * GRID_S - age, step.clip_class
            if chosen is None:
                cues.append(PlannedCue(at, _bed_kind(situation.clips), reason=reason))
            else:
                cues.append(
                    PlannedCue(at, chosen.kind, chosen.duration_s, chosen.tolerance_s, reason=reason, swap=True)
                )
        return tuple(cues)

    def _key(self, situation: Situation) -> tuple[object, ...]:
        return (
            situation.milestone, situation.context, tuple(map(id, situation.clips)), self._excess(situation),
            _most(situation), _last(situation), _earliest(situation), situation.progress_said > 0,
        )  # fmt: skip

    def _lookup(self, situation: Situation) -> tuple[_Cached | None, tuple[int, ...]]:
        seen = self._predictor.waits_seen(situation.milestone, situation.context)
        return self._solved.get(self._key(situation)), seen

    def _solve(self, situation: Situation, seen: tuple[int, ...]) -> _Cached:
        if len(self._solved) >= MOST_PLANS:
            self._solved.pop(next(iter(self._solved)), None)
        induction = Induction(
            self._predictor.predict(situation.milestone, situation.context),
            self._classes_of(situation.clips),
            self._config,
            excess=self._excess(situation),
            most=_most(situation),
            last_start=_last(situation),
            first_start=_earliest(situation),
            bed=any(clip.loops for clip in situation.clips),
            progress_said=situation.progress_said > 0,
        )
        cached = self._solved[self._key(situation)] = _Cached(seen, induction)
        return cached

    def _excess(self, situation: Situation) -> int:
        return max(0, situation.recent - self._config.costs.repeat_free_per_minute)

    def _classes_of(self, clips: tuple[Clip, ...]) -> tuple[ClipClass, ...]:
        key = tuple(map(id, clips))
        if key not in self._classes:
            self._classes[key] = (clips, clip_classes(clips, self._config))
        return self._classes[key][1]


def _grew(before: tuple[int, ...], now: tuple[int, ...]) -> bool:
    return any(
        new - old >= max(1, min(REFRESH_WAITS, REFRESH_SHARE * old)) for old, new in zip(before, now, strict=True)
    )


def _on_grid(seconds: float) -> float:
    """Return *seconds* rounded to the grid, so that sheets of almost equal situations are shared."""
    return seconds if math.isinf(seconds) else round(seconds / GRID_S) * GRID_S


def _most(situation: Situation) -> int:
    return situation.spoken + min(situation.spoken_left, MOST_PLACES)


def _last(situation: Situation) -> int:
    """Return the grid step after the milestone beyond which nothing starts."""
    left_s = situation.horizon_s + situation.milestone_age_s
    return math.floor(min(left_s, LONGEST_S) / GRID_S / COARSE_STEPS) * COARSE_STEPS


def _earliest(situation: Situation) -> int:
    """Return the grid step after the milestone before which nothing starts (``after_s``)."""
    after = situation.override.after_s
    if after is None:
        return 0
    origin = situation.tool_age_s if situation.tool_age_s is not None else situation.wait_age_s
    return max(0, math.ceil((after - origin + situation.milestone_age_s) / GRID_S - 1e-9))


def _bed_kind(clips: tuple[Clip, ...]) -> Kind:
    return Kind.AMBIENCE if any(clip.kind is Kind.AMBIENCE for clip in clips) else Kind.HOLD
