"""Tuning: search, then prune what buys nothing, then judge on turns that were not searched on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from stopgap.fillers import ClipBank, Config, UsageError

from ..policies import LadderShape, ladder_grid
from ..replays import Grounds, Heard, crew
from ..traces import TraceTurn
from ._space import Settings, differing, nested
from ._study import Study, Submit, Tried
from ._trial import Demands, Figures, Job, front, measure, split

SEEDS = (1, 2, 3)
"""Of the choice of clips. What is chosen, pruned and judged is replayed with each: a single replay's cost varies by 1 %
with the clips, and the best of many trials is partly the luckiest."""
FINALISTS = 5
"""Trials that are replayed with all seeds before one is chosen."""
WORTH = 0.005
"""Share of the cost on the train part that a difference from the configuration must buy, or it is taken back."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A configuration and what became of it."""

    settings: Settings
    """What differs from the base; empty: nothing."""
    train: Figures
    heard: Heard
    """On the test part, once for each of `SEEDS`."""

    @property
    def test(self) -> Figures:
        return Figures.of(self.heard)


@dataclass(frozen=True, slots=True)
class Bought:
    """What one difference from the base buys on the test part."""

    path: tuple[str, ...]
    value: Any
    instead: Any
    """What the base has there."""
    without: Figures
    """If it alone is taken back."""


@dataclass(frozen=True)
class Tuning:
    """All that a search found."""

    turns: Sequence[TraceTurn]
    base: Config
    demands: Demands
    tried: Mapping[str, Sequence[Tried]]
    """By mode."""
    before: Choice
    """The base as it is."""
    tuned: Mapping[str, Choice]
    """The best of each mode that meets the demands, at least one."""
    bought: tuple[Bought, ...]
    """Of the chosen one."""
    grid: Choice | None
    """The best ladder of a plain grid; None: not looked for."""
    grid_size: int

    @property
    def chosen_mode(self) -> str:
        """The mode that cost less on the train part."""
        return min(self.tuned, key=lambda mode: self.tuned[mode].train.cost)

    @property
    def chosen(self) -> Choice:
        return self.tuned[self.chosen_mode]

    @property
    def front(self) -> list[tuple[str, Tried]]:
        """The trials of all modes that no other one dominates."""
        everything = [(mode, tried) for mode in self.tried for tried in self.tried[mode]]
        return [everything[n] for n in front([tried.figures for _, tried in everything])]


def tune(
    turns: Sequence[TraceTurn],
    base: Config,
    studies: Sequence[Study],
    trials: int,
    demands: Demands,
    *,
    bank: ClipBank,
    grid: int = 0,
    workers: int = 1,
    known_after_ms: float = 0.0,
    advance: Callable[[int], None] = lambda steps: None,
) -> Tuning:
    """Search, prune, and judge.

    Args:
        turns: The trace, at least `LEAST_TURNS`.
        base: The configuration that is to become better.
        studies: One a mode.
        trials: Finished trials of each study, those of earlier runs included.
        demands: What the result must not exceed on the train part.
        bank: Clips of *base*'s packs.
        grid: Ladders of a plain grid to compare with; 0: none.
        workers: Processes.
        known_after_ms: As for `replay`.
        advance: Called with 1 for each of `steps`.

    Raises:
        UsageError: for too few turns, or if no trial meets the demands: it names the one that binds.
    """
    split(turns)
    grounds = Grounds(turns, known_after_ms, base.packs)
    with crew(measure, grounds, bank, workers) as submit:
        for study in studies:
            study.search(trials, submit, workers, advance)
        tried = {study.mode: study.tried for study in studies}
        judge = _Judge(base, submit, advance)
        before = judge.choice({})
        found_by = {mode: judge.best(mode, tried[mode], demands) for mode in tried}
        tuned = {mode: choice for mode, choice in found_by.items() if choice is not None}
        if not tuned:
            raise UsageError(_binding([one for mode in tried for one in tried[mode]], demands))
        found = Tuning(turns, base, demands, tried, before, tuned, (), None, grid)
        bought = judge.bought(found.chosen.settings)
        best = judge.best_of_grid(plain_grid(grid)) if grid else None
    return replace(found, bought=bought, grid=best)


def steps(studies: Sequence[Study], trials: int, grid: int) -> int:
    """Return about how many replays `tune` makes."""
    left = sum(max(0, trials - len(study.tried)) for study in studies)
    return left + grid + len(SEEDS) * (2 + 26 * len(studies) + 14 + 7 * bool(grid))


def plain_grid(size: int) -> list[LadderShape]:
    """Return *size* ladders at equal distances in the grid of all, made finer in its first delay until it suffices."""
    shapes = list(ladder_grid())
    shift = 0
    while len(shapes) < size:
        shift += 25
        shapes += [replace(shape, first_ms=shape.first_ms + shift) for shape in ladder_grid()]
    return [shapes[n * len(shapes) // size] for n in range(size)]


class _Judge:
    """Replays configurations on the train and the test part."""

    def __init__(self, base: Config, submit: Submit, advance: Callable[[int], None]) -> None:
        self._base = base
        self._submit = submit
        self._advance = advance

    def choice(self, settings: Settings) -> Choice:
        """Return *settings* with what they reach."""
        return Choice(settings, Figures.of(self._all([settings], "train")[0]), self._all([settings], "test")[0])

    def best(self, mode: str, tried: Sequence[Tried], demands: Demands) -> Choice | None:
        """Return the best settings of *mode*: of the trials that cost least and of the base's own, replayed again, the
        cheapest, without the differences that buy nothing. None: none of them meets the demands."""
        fitting = sorted((one for one in tried if demands.met(one.figures)), key=lambda one: one.figures.cost)
        best = [*(one.settings for one in fitting[:FINALISTS]), {"mode": mode}]
        figures = [Figures.of(heard) for heard in self._all(best, "train")]
        meeting = [n for n in range(len(best)) if demands.met(figures[n])]
        if not meeting:
            return None
        place = min(meeting, key=lambda n: figures[n].cost)
        return self._pruned(best[place], figures[place], demands)

    def _pruned(self, settings: Settings, figures: Figures, demands: Demands) -> Choice:
        """Return *settings* without the differences that buy nothing, each alone and all of these together."""
        values = differing(settings, self._base)
        others = [path for path in values if path != ("mode",)]
        without = [Figures.of(heard) for heard in self._all([_less(values, {path}) for path in others], "train")]
        limit = figures.cost * (1.0 + WORTH)
        idle = [p for p, f in zip(others, without, strict=True) if f.cost <= limit and demands.met(f)]
        idle.sort(key=lambda path: without[others.index(path)].cost)
        while idle:
            fewer = _less(values, set(idle))
            found = Figures.of(self._all([fewer], "train")[0])
            if found.cost <= limit and demands.met(found):
                return self.choice(fewer)
            idle = idle[: len(idle) // 2]
        return self.choice(nested(values))

    def bought(self, settings: Settings) -> tuple[Bought, ...]:
        """Return what each difference buys on the test part."""
        values = differing(settings, self._base)
        base = self._base.model_dump(mode="json")
        without = self._all([_less(values, {path}) for path in values], "test")
        return tuple(
            Bought(path, value, _value_at(base, path), Figures.of(heard))
            for (path, value), heard in zip(values.items(), without, strict=True)
        )

    def best_of_grid(self, shapes: Sequence[LadderShape]) -> Choice:
        """Return the ladder that costs least on the train part."""
        settings = [
            {"mode": "ladder", "ladder": [step.model_dump(mode="json", exclude_unset=True) for step in shape.steps()]}
            for shape in shapes
        ]
        figures = [Figures.of(heard) for heard in self._all(settings, "train", (None,))]
        order = sorted(range(len(shapes)), key=lambda n: figures[n].cost)[:FINALISTS]
        again = [Figures.of(heard) for heard in self._all([settings[n] for n in order], "train")]
        return self.choice(settings[min(zip(again, order, strict=True), key=lambda pair: pair[0].cost)[1]])

    def _all(self, settings: Sequence[Settings], part: Any, seeds: Sequence[int | None] = SEEDS) -> list[Heard]:
        """Return what *settings* let be heard, each with all *seeds*."""
        running = [[self._submit(Job(self._base, one, part, seed)) for seed in seeds] for one in settings]
        found = []
        for futures in running:
            found.append(Heard.joined([future.result() for future in futures]))
            self._advance(len(futures))
        return found


def _binding(tried: Sequence[Tried], demands: Demands) -> str:
    """Return which of the demands cannot be met, by what was tried."""
    nearest = min(tried, key=lambda one: max(demands.excess(one.figures).values()))
    binding = max(demands.excess(nearest.figures).items(), key=lambda item: item[1])[0]
    least = min(getattr(one.figures, binding) for one in tried)
    reached, lowest = _shown(binding, getattr(nearest.figures, binding)), _shown(binding, least)
    return (
        f"none of {len(tried)} trials meets all demands: {_SAID[binding]} binds. The trial nearest to them all has "
        f"{reached}, the lowest of any is {lowest}; allow more, or try more (--trials)"
    )


_SAID = {
    "reply_delay": "--max-delay-ms",
    "over_1s": "--max-over-1s",
    "spoken_per_minute": "--max-spoken",
    "needless": "--max-needless",
}


def _shown(name: str, value: float) -> str:
    return f"{1000.0 * value:.1f} ms" if name == "reply_delay" else f"{value:.4g}"


def _less(values: Mapping[tuple[str, ...], Any], dropped: set[tuple[str, ...]]) -> Settings:
    return nested({path: value for path, value in values.items() if path not in dropped})


def _value_at(data: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        data = data.get(part) if isinstance(data, Mapping) else None
    return True if data is None and path[0] == "kinds" else data
