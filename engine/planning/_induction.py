"""Backward induction over start times: the arithmetic behind the planner."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ...fillers import Config, Kind
from ..prediction import WaitDistribution
from ._classes import GRID_S, ClipClass
from ._costs import Floats
from ._gaps import Gaps
from ._restraint import NEEDLESS_S

LONGEST_S = 30.0
"""s. How far ahead is planned at most."""
NEGLIGIBLE = 1e-6
"""Planning ends where the wait lasts longer with less than this probability."""
BED_DELAYS = (0, 6, 12, 20)
"""Grid steps after the last spoken sound at which a bed may start."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where a sheet begins. Grid steps count from the milestone."""

    at: int
    """Grid step from which something may start: now, or the end of the spoken filler that sounds."""
    spoken: int = 0
    """Spoken fillers so far, one that sounds included."""
    bed: bool = False
    """Whether a bed sounds."""
    sounding: bool = False
    """Whether a spoken filler sounds."""
    silent_s: float = 0.0
    """s of silence so far (a bed's time discounted)."""
    since_spoken_s: float = math.inf
    """s since the last spoken filler ended; infinite without one."""


@dataclass(frozen=True, slots=True)
class Step:
    """One decision of the sheet."""

    at: int
    """Grid step at which it starts."""
    clip_class: ClipClass | None
    """What is said; None: the bed starts."""
    still_waiting: float
    """Probability that the reply has not come by then, as seen from the sheet's beginning."""


@dataclass(frozen=True, slots=True)
class _Begin:
    """What it costs to say something next, for one number of fillers said, with or without a bed."""

    cost: Floats
    """B over the steps."""
    which: NDArray[np.uint16]
    """The class that reaches it."""

    def reach(self, long: Floats, since: int = 0) -> Floats:
        """Return B and the cost of a long gap up to it, from step *since* on; at the last step the least of that and of
        never saying anything.

        Args:
            long: What long gaps have cost up to each step.
            since: A step.
        """
        found = long[since:] + self.cost[since:]
        found[-1] = min(found[-1], long[-1])
        return found


class Induction:
    """The least expected cost of a wait, for every time and every number of fillers said.

    A gap opens when a sound ends, at grid step t, with k fillers said, with or without a bed. What is decided there:
    when the next spoken clip starts, of which class, and whether and when a bed starts before it. With S the
    survival of the wait and phi the cost of silence, a gap until step s costs the expectation

        C(t, s) = integral from t to s of S(u) phi'(u - t) du

    (see `Gaps`). A clip of class c at s costs

        A(c, s) = S(s) * (its own cost + repeat * k) + sum over its steps j of P(reply in step s + j) * handoff(c, j)

    and then the next gap opens. So, from the last place backward,

        B_k(s) = min over c of A(c, s) + W_k+1(s + length of c),   W_k(t) = min over s of C(t, s) + B_k(s).

    From the gap at which phi grows linearly on, the minimum over s is a running minimum, so windows stay short.

    Args:
        wait: The rest of the wait.
        classes: Spoken clip classes.
        config: Costs and limits.
        excess: Fillers of earlier turns that count like earlier ones of this turn.
        most: Spoken fillers of the turn, at most.
        last_start: Grid step after which nothing new starts.
        first_start: Grid step before which nothing starts.
        bed: Whether there is a bed to play.
        progress_said: Whether a progress line was said: no phrase comes after it.
        horizon_s: s that are planned at most; what a wait costs beyond them is left out.
        needless_s: s of plain waiting that it costs beside if the reply comes within `NEEDLESS_S` of the turn's first
            sound.
    """

    def __init__(
        self,
        wait: WaitDistribution,
        classes: tuple[ClipClass, ...],
        config: Config,
        *,
        excess: int,
        most: int,
        last_start: int,
        first_start: int = 0,
        bed: bool = True,
        progress_said: bool = False,
        horizon_s: float = LONGEST_S,
        needless_s: float = 0.0,
    ) -> None:
        self._costs = costs = config.costs
        self._classes = classes
        self._most = most
        self._excess = excess
        self._may_bed = bed and config.costs.ambience_credit > 0.0  # else a bed costs and buys nothing
        self._progress_said = progress_said
        self._first, self._last = first_start, last_start
        gap_s = min(config.limits.min_gap_ms / 1000.0, LONGEST_S)
        self._min_gap = math.ceil(gap_s / GRID_S - 1e-9)
        bed_rule = config.handoff.ambience
        delay_ms = max(0.0, bed_rule.fade_ms + bed_rule.gap_ms)
        self._bed_end = (costs.reply_delay * delay_ms + costs.bed_per_s * bed_rule.fade_ms) / 1000.0
        steps = math.ceil(min(max(wait.quantile(1.0 - NEGLIGIBLE), 1.0), horizon_s, LONGEST_S) / GRID_S)
        self._steps = steps
        alive = wait.survival(np.arange(steps + 1, dtype=np.float64) * GRID_S)
        self._alive = alive
        self._gaps = Gaps(costs, alive, max(BED_DELAYS[-1], self._min_gap))
        self._window = self._gaps.window
        soon = np.minimum(np.arange(steps + 1) + round(NEEDLESS_S / GRID_S), steps)
        self._needless = needless_s * (alive - alive[soon])
        self._begin: dict[tuple[int, bool], _Begin] = {}
        self._solve()

    def sheet(self, start: Start) -> Iterator[Step]:
        """Yield the decisions from *start* on, in order of time."""
        early_s = max(0, self._first - start.at) * GRID_S
        at, place, bed = max(start.at, self._first), start.spoken, start.bed
        silent = early_s + (0.0 if start.sounding else start.silent_s)
        since = early_s + (0.0 if start.sounding else start.since_spoken_s)
        wait = max(0, math.ceil((self._min_gap * GRID_S - since) / GRID_S - 1e-9)) if since < math.inf else 0
        alive = self._alive[min(at, self._steps)]
        while at < self._steps:
            _, bed_at, begin = self._best(at, place, bed, silent, wait)
            if bed_at is not None:
                yield Step(bed_at, None, self._alive[bed_at] / alive)
                bed = True
            if begin is None:
                return
            chosen = self._classes[int(self._begin[place, bed].which[begin])]
            yield Step(begin, chosen, self._alive[begin] / alive)
            at, place, silent, wait = begin + chosen.steps, place + 1, 0.0, self._min_gap

    def expected_cost(self, start: Start) -> float:
        """Return the least expected cost from *start* on, in silence."""
        best, _, _ = self._best(start.at, start.spoken, start.bed, start.silent_s, 0)
        return best / float(self._alive[start.at])

    def _bed_start(self, at: int | NDArray[np.int64]) -> Floats:
        """Return the expected cost of a bed's start: its own, and its fade when the reply comes."""
        return np.asarray((self._costs.bed + self._bed_end) * self._alive[at])

    # The induction ----------------------------------------------------------------------------------------------

    def _solve(self) -> None:
        """Fill ``self._begin``: for each number said and bed, B over the steps and the class that reaches it."""
        steps = np.arange(self._steps + 1)
        lengths = np.array([c.steps for c in self._classes], np.int64)
        spoken = np.array([self._costs.spoken(c.kind) for c in self._classes])
        play = self._play_costs() + spoken[:, np.newaxis] * self._alive
        then = np.minimum(steps + lengths[:, np.newaxis], self._steps)  # beyond the last step nothing costs any more
        closed = (steps < self._first) | (steps >= min(self._last + 1, self._steps))
        self._ahead = np.full(self._steps + self._window, np.inf)
        self._begins = sliding_window_view(self._ahead, self._steps + 1)  # B at s, s + 1, ...: (window, steps + 1)
        delays = BED_DELAYS if self._may_bed else ()
        silent, beds = self._gaps.until([None]), self._gaps.until([0, *delays])
        starts = [self._bed_starts(steps + delay) for delay in delays]
        after = np.zeros((2, self._steps + 1))
        for place in range(self._most, -1, -1):
            fit = [n for n, c in enumerate(self._classes) if place < self._most and self._may_follow(c.kind, place)]
            best, which = np.full((2, len(steps)), np.inf), np.zeros((2, len(steps)), np.int64)
            if fit:
                totals = play[:, fit] + after[:, then[fit]]
                which = totals.argmin(axis=1)
                best = np.take_along_axis(totals, which[:, np.newaxis], axis=1)[:, 0]
                best += (self._costs.repeat * (place + self._excess)) * self._alive
                if place == 0:
                    best[0] += self._needless
                best[:, closed] = np.inf
                which = np.array(fit)[which]
            classes = which.astype(np.uint16)
            for bed in (False, True):
                self._begin[place, bed] = _Begin(best[int(bed)], classes[int(bed)])
            if place:
                after = self._gaps_after(place, silent, beds, starts)

    def _play_costs(self) -> Floats:
        """Return what a clip of each class costs that starts at each step: the reply's handoff, and a bed beneath that
        sounds as long as one still waits. Shape (2, classes, steps + 1), without and with a bed."""
        length, longest = self._steps + 1, max((c.steps for c in self._classes), default=0)
        ending = np.concatenate([-np.diff(self._alive), np.zeros(longest + 1)])
        sounded = self._costs.bed_per_s * self._gaps.sounded
        padded = np.concatenate([sounded, np.full(longest, sounded[-1])])
        handoff, beneath = np.zeros((len(self._classes), length)), np.zeros((len(self._classes), length))
        for number, c in enumerate(self._classes):
            handoff[number] = np.correlate(ending, c.handoff, mode="valid")[:length]
            beneath[number] = padded[c.steps : c.steps + length] - sounded
        return np.stack([handoff, handoff + beneath])

    def _bed_starts(self, starts: NDArray[np.int64]) -> Floats:
        """Return what a bed costs that starts at each of *starts*; infinite where none may."""
        allowed = (starts <= min(self._last, self._steps)) & (starts >= self._first)
        return np.where(allowed, self._bed_start(np.minimum(starts, self._steps)), np.inf)

    def _gaps_after(self, place: int, silent: Floats, beds: Floats, starts: Sequence[Floats]) -> Floats:
        """Return W over the steps, shape (2, steps + 1), without and with a bed: the least cost from a gap that opens
        after *place* spoken sounds. *silent* and *beds*: C without a bed, and with one that began before or begins
        after `BED_DELAYS`; *starts*: what these beds cost to start."""
        with_bed = self._least(beds, self._begin[place, True], True, (0, *BED_DELAYS))
        least = self._least(silent, self._begin[place, False], False, (0,))[0]
        for start, total in zip(starts, with_bed[1:], strict=True):
            np.minimum(least, total + start, out=least)
        return np.stack([least, with_bed[0]])

    def _least(self, gaps: Floats, begin: _Begin, bed: bool, delays: Sequence[int]) -> Floats:
        """Return min over s of gap + begin, for each of *gaps* and every opening step, shape (gaps, steps + 1). Never
        beginning again is one choice; *delays*: grid steps from each gap's opening before which nothing begins."""
        late = np.zeros(self._steps + 1)  # the least cost of what comes after a long gap
        far = np.minimum.accumulate(begin.reach(self._gaps.long[bed])[::-1])[::-1] - self._gaps.long[bed]
        late[: max(0, len(late) - self._window)] = far[self._window :]
        least: Floats = gaps[:, self._window] + late
        if not np.isfinite(begin.cost).any():
            return least
        self._ahead[: self._steps + 1] = begin.cost
        for gap, total, delay in zip(gaps, least, delays, strict=False):
            first = max(delay, self._min_gap)
            if first < self._window:
                np.minimum(total, (gap[first : self._window] + self._begins[first:]).min(axis=0), out=total)
        return least

    # One decision -----------------------------------------------------------------------------------------------

    def _best(self, at: int, place: int, bed: bool, silent_s: float, wait: int) -> tuple[float, int | None, int | None]:
        choices: list[tuple[float, int | None, int | None]] = [
            (*self._best_begin(self._gaps.row(at, 0 if bed else None, silent_s), at, place, bed, wait), None)
        ]
        if self._may_bed and not bed:
            for delay in BED_DELAYS:
                if not self._first <= at + delay <= min(self._last, self._steps):
                    continue
                row = self._gaps.row(at, delay, silent_s)
                cost, begin = self._best_begin(row, at, place, True, max(wait, delay))
                needless = self._needless.item(at + delay) if place == 0 else 0.0
                choices.append((cost + float(self._bed_start(at + delay)) + needless, begin, at + delay))
        cost, begin, bed_at = min(choices, key=lambda choice: choice[0])
        return cost, bed_at, begin

    def _best_begin(self, row: Floats, at: int, place: int, bed: bool, wait: int) -> tuple[float, int | None]:
        """Return the least cost over the next spoken start, and that start; None: never."""
        begin, ground = self._begin[min(place, self._most), bed], self._gaps.long[bed]
        near = begin.cost[at + wait : at + self._window]
        best, where = math.inf, None
        if len(near):
            near = near + row[wait : wait + len(near)]
            where = int(near.argmin())
            best, where = near.item(where), at + wait + where
        late = at + max(self._window, wait)
        if late > self._steps:
            return (best, where) if best < row[-1] else (row.item(-1), None)
        reach = begin.reach(ground, late)
        step = late + int(reach.argmin())
        least = reach.item(step - late)
        far = row.item(self._window) + least - ground.item(at + self._window)
        if best < far:
            return best, where
        begins = begin.cost[step] + ground[step] <= least and np.isfinite(begin.cost[step])
        return far, step if begins else None

    def _may_follow(self, kind: Kind, place: int) -> bool:
        """Return whether a clip of *kind* makes sense as the next after *place* spoken fillers."""
        if kind is Kind.BACKCHANNEL:
            return place == 0
        if kind is Kind.PROGRESS:
            return place >= 1
        return kind is not Kind.PHRASE or (place <= 2 and not self._progress_said)
