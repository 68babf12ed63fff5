"""The predictive policy: the cue sheet of least expected cost for the predicted wait."""

import math
from dataclasses import dataclass, field

from ...fillers import Clip, Config, Costs, Kind
from ..prediction import LatencyPredictor, WaitDistribution
from ._classes import GRID_S, ClipClass, clip_classes
from ._induction import LONGEST_S, Induction, Start, Step
from ._restraint import Prices, Restraint
from ._situation import PlannedCue, Sheet, Situation

REFRESH_SHARE = 0.05
REFRESH_WAITS = 20
"""Whether a plan still holds is asked when a table that it rests on grew by this share, at the latest after this many
waits."""
MOVED = 0.05
"""It holds until the distribution that it was made for has moved by this much anywhere (Kolmogorov's distance), and by
more than the standard error of one that *n* waits have taught, 1 / (2 √n)."""
MOST_PLACES = 8
"""Spoken fillers that are planned ahead where no limit is set."""
MOST_PLANS = 512
"""Solutions kept, about 0.1 MB each; beyond that the oldest goes."""
MOST_SHEETS = 256
"""Sheets kept of one solution."""
COARSE_STEPS = 20
"""Grid steps to which a near ``max_wait_s`` is rounded down, so that waits of slightly different age share a plan."""
RARE = 0.02
"""A wait that outlasts all but this share of its kind is planned again from there, knowing that it did."""
BEYOND_S = 1.5
"""s that are planned beyond that, so that what is planned last has consequences: by then a gap's cost is linear."""


@dataclass(slots=True)
class _Cached:
    seen: tuple[int, ...]
    wait: WaitDistribution
    """What it was planned for."""
    prices: Prices
    """At which it was planned."""
    induction: Induction
    again: int
    """Grid steps after which to plan again."""
    sheets: dict[Start, tuple[PlannedCue, ...]] = field(default_factory=dict)
    """What follows from where; times count from the milestone, or from where the solution begins after it."""


class Planner:
    """Finds the cue sheet of least expected cost by backward induction (see `Induction`).

    Solutions are kept per context, clips and limits, and made anew when the waits that they are for have changed.

    Args:
        config: Costs and limits.
        predictor: Knows the waits.
        restraint: What delay and needless fillers cost beside that; None: nothing.
    """

    name = "predictive"

    def __init__(self, config: Config, predictor: LatencyPredictor, restraint: Restraint | None = None) -> None:
        self._config = config
        self._predictor = predictor
        self._restraint = restraint if restraint is not None else Restraint(config.limits)
        self._variants: dict[tuple[float, bool, Costs | None], Config] = {(1.0, True, None): config}
        """The configuration by the factor on the cost of delay, by whether the reply can be held, and by costs that are
        not its own."""
        self._classes: dict[tuple[object, ...], tuple[ClipClass, ...]] = {}
        self._solved: dict[tuple[object, ...], _Cached] = {}

    def plan(self, situation: Situation) -> Sheet:
        sheet = self._look_up(situation, solve=True)
        assert sheet is not None
        return sheet

    def ready(self, situation: Situation) -> Sheet | None:
        return self._look_up(situation, solve=False)

    def forget_clips(self) -> None:
        """Let go of plans: the clips that they were made for are no longer played."""
        self._classes, self._solved = {}, {}

    def _look_up(self, situation: Situation, *, solve: bool) -> Sheet | None:
        """Return the sheet out of the solution for its milestone, and for how long the wait has lasted since."""
        if not situation.clips or situation.horizon_s <= 0.0:
            return Sheet()
        seen = (self._predictor.drifts, *self._predictor.waits_seen(situation.milestone, situation.context))
        prices = self._restraint.prices
        now = round(situation.milestone_age_s / GRID_S)
        base = 0
        while True:
            key = self._key(situation, base)
            cached = self._solved.get(key)
            stale = cached is not None and (_grew(cached.seen, seen) or not cached.prices.near(prices))
            if cached is None or (stale and solve):
                if not solve:
                    return None
                cached, stale = self._solve(key, situation, seen, base), False
            if now < base + cached.again:
                return self._read(cached, situation, base, stale)
            base += cached.again // COARSE_STEPS * COARSE_STEPS

    def _read(self, cached: _Cached, situation: Situation, base: int, stale: bool) -> Sheet:
        """Return the cue sheet for *situation* out of the solution from grid step *base* after the milestone on."""
        age = situation.milestone_age_s - base * GRID_S
        start = Start(
            at=math.ceil((age + situation.sounding_s) / GRID_S - 0.5),
            spoken=situation.spoken,
            bed=situation.bed,
            sounding=situation.sounding_s > 0.0,
            silent_s=_on_grid(situation.silent_s),
            since_spoken_s=_on_grid(situation.since_spoken_s),
        )
        cues = cached.sheets.get(start)
        if cues is None:
            if len(cached.sheets) >= MOST_SHEETS:
                cached.sheets.clear()
            cues = cached.sheets[start] = tuple(_cue(step, situation) for step in cached.induction.sheet(start))
        return Sheet(cues, age, cached.again * GRID_S - age, stale)

    def _key(self, situation: Situation, base: int) -> tuple[object, ...]:
        return (
            situation.milestone, situation.context, situation.clips, self._excess(situation),
            _most(situation), _last(situation, base), _earliest(situation, base), situation.progress_said > 0,
            situation.owns_reply, situation.costs, base,
        )  # fmt: skip

    def _solve(self, key: tuple[object, ...], situation: Situation, seen: tuple[int, ...], base: int) -> _Cached:
        rest = self._predictor.predict(situation.milestone, situation.context, base * GRID_S)
        standing, prices = self._solved.get(key), self._restraint.prices
        if standing is not None and standing.seen[0] == seen[0] and standing.prices.near(prices):
            allowed = max(MOVED, 0.5 / math.sqrt(self._config.prediction.pseudo_count + seen[1]))
            if standing.wait.distance(rest) < allowed:
                standing.seen = seen
                return standing
        self._solved.pop(key, None)
        if len(self._solved) >= MOST_PLANS:
            self._solved.pop(next(iter(self._solved)), None)
        reach_s = min(rest.quantile(1.0 - RARE), LONGEST_S - BEYOND_S)
        variant = prices.delay_factor, situation.owns_reply, situation.costs
        config = self._variant(*variant)
        induction = Induction(
            rest,
            self._classes_of(situation.clips, config, variant),
            config,
            excess=self._excess(situation),
            most=_most(situation),
            last_start=_last(situation, base),
            first_start=_earliest(situation, base),
            bed=any(clip.loops for clip in situation.clips),
            progress_said=situation.progress_said > 0,
            horizon_s=reach_s + BEYOND_S,
            needless_s=prices.needless_s,
        )
        cached = self._solved[key] = _Cached(
            seen, rest, prices, induction, max(COARSE_STEPS, math.ceil(reach_s / GRID_S))
        )
        return cached

    def _excess(self, situation: Situation) -> int:
        costs = self._config.costs if situation.costs is None else situation.costs
        return max(0, situation.recent - costs.repeat_free_per_minute)

    def _variant(self, factor: float, owns_reply: bool, costs: Costs | None) -> Config:
        """Return the configuration with *costs*, a reply's delay at *factor* times its cost, and the handoff that is
        possible."""
        key = factor, owns_reply, costs
        if key not in self._variants:
            costs, handoff = self._config.costs if costs is None else costs, self._config.handoff
            dearer = costs.model_copy(update={"reply_delay": factor * costs.reply_delay})
            self._variants[key] = self._config.model_copy(
                update={"costs": dearer, "handoff": handoff if owns_reply else handoff.beneath()}
            )
        return self._variants[key]

    def _classes_of(
        self, clips: tuple[Clip, ...], config: Config, variant: tuple[float, bool, Costs | None]
    ) -> tuple[ClipClass, ...]:
        key = (*variant, clips)
        if key not in self._classes:
            self._classes[key] = clip_classes(clips, config)
        return self._classes[key]


def _cue(step: Step, situation: Situation) -> PlannedCue:
    at, chosen = step.at * GRID_S, step.clip_class
    reason = f"{situation.milestone}: {step.still_waiting:.0%} still wait then"
    if chosen is None:
        return PlannedCue(at, _bed_kind(situation.clips), reason=reason)
    return PlannedCue(at, chosen.kind, chosen.duration_s, chosen.tolerance_s, reason=reason, swap=True)


def _grew(before: tuple[int, ...], now: tuple[int, ...]) -> bool:
    """Return whether so much was learned that a plan may no longer hold; first come the drifts: each one is enough."""
    if before == now:
        return False
    return before[0] != now[0] or any(
        new - old >= max(1, min(REFRESH_WAITS, REFRESH_SHARE * old)) for old, new in zip(before, now, strict=True)
    )


def _on_grid(seconds: float) -> float:
    """Return *seconds* rounded to the grid, so that sheets of almost equal situations are shared."""
    return seconds if math.isinf(seconds) else round(seconds / GRID_S) * GRID_S


def _most(situation: Situation) -> int:
    return situation.spoken + min(situation.spoken_left, MOST_PLACES)


def _last(situation: Situation, base: int) -> int:
    """Return the grid step after *base* beyond which nothing starts."""
    left_s = situation.horizon_s + situation.milestone_age_s - base * GRID_S
    return math.floor(min(left_s, LONGEST_S) / GRID_S / COARSE_STEPS) * COARSE_STEPS


def _earliest(situation: Situation, base: int) -> int:
    """Return the grid step after *base* before which nothing starts (``after_s``)."""
    after = situation.override.after_s
    if after is None:
        return 0
    origin = situation.tool_age_s if situation.tool_age_s is not None else situation.wait_age_s
    return max(0, math.ceil((after - origin + situation.milestone_age_s) / GRID_S - 1e-9) - base)


def _bed_kind(clips: tuple[Clip, ...]) -> Kind:
    return Kind.AMBIENCE if any(clip.kind is Kind.AMBIENCE for clip in clips) else Kind.HOLD
