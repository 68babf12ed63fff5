"""A grid of fixed ladders, and the best of it in hindsight: what any fixed timer could have reached."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from stopgap.fillers import ClipBank, Config, Costs, Kind, LadderStep

from ..replays import Grounds, Score, replay, score, working
from ..traces import TraceTurn

FIRST_MS = (200, 300, 400, 500, 600, 700, 850, 1000, 1500, 2500)
FIRST_KINDS = (Kind.HESITATION, Kind.PHRASE)
THEN_MS = (None, 1200, 1600, 2000, 2500, 3000, 4000)
"""ms after the first step; None: nothing follows."""
THEN_KINDS = (Kind.PHRASE, Kind.PROGRESS, Kind.AMBIENCE)


@dataclass(frozen=True, slots=True)
class LadderShape:
    """A fixed ladder: a first filler, then another kind again and again (a bed once)."""

    first_ms: int
    first_kind: Kind
    then_ms: int | None = None
    then_kind: Kind = Kind.PROGRESS

    def steps(self) -> tuple[LadderStep, ...]:
        first = LadderStep(after_ms=self.first_ms, kind=self.first_kind)
        if self.then_ms is None:
            return (first,)
        repeat = None if self.then_kind.loops else float(self.then_ms)
        return (first, LadderStep(after_ms=self.first_ms + self.then_ms, kind=self.then_kind, repeat_ms=repeat))


COARSE = frozenset({300, 500, 700, 1000, 1200, 2000, 3000, None})
"""The delays that a coarse grid keeps."""


def ladder_grid(*, coarse: bool = False) -> Iterator[LadderShape]:
    """Yield every ladder of the grid: first delay, kinds, repeat interval. *coarse*: about a fifth of them."""
    for shape in _whole_grid():
        if not coarse or {shape.first_ms, shape.then_ms} <= COARSE:
            yield shape


def _whole_grid() -> Iterator[LadderShape]:
    for first_ms, first_kind in product(FIRST_MS, FIRST_KINDS):
        yield LadderShape(first_ms, first_kind)
        for then_ms, then_kind in product(THEN_MS, THEN_KINDS):
            if then_ms is not None:
                yield LadderShape(first_ms, first_kind, then_ms, then_kind)


def best_ladder(
    turns: Sequence[TraceTurn],
    config: Config,
    *,
    bank: ClipBank,
    known_after_ms: float = 0.0,
    advance: Callable[[int], None] | None = None,
    workers: int = 1,
) -> tuple[LadderShape, Score]:
    """Replay every ladder of the grid and return the one of least mean cost: a choice made in hindsight.

    Args:
        turns: As for `replay`.
        config: What all ladders share.
        bank: Ready clips: those of *config*'s packs, which every further process loads for itself.
        known_after_ms: As for `replay`.
        advance: Called with 1 for each ladder that was tried.
        workers: Processes. The result does not depend on it.
    """
    grounds = Grounds(turns, known_after_ms, config.packs)
    return best_ladders(
        grounds, config, [config.costs], list(ladder_grid()), bank=bank, advance=advance, workers=workers
    )[0]


def best_ladders(
    grounds: Grounds,
    config: Config,
    costs: Sequence[Costs],
    shapes: Sequence[LadderShape],
    *,
    bank: ClipBank,
    advance: Callable[[int], None] | None = None,
    workers: int = 1,
) -> list[tuple[LadderShape, Score]]:
    """Return the best of *shapes* under each of *costs*. What a ladder plays does not depend on them, so every
    ladder is replayed once."""
    best: list[tuple[LadderShape, Score]] = []
    jobs = [_Trial(shape, config, tuple(costs)) for shape in shapes]
    with working(_try, grounds, bank, workers) as tried:
        for shape, scores in zip(shapes, tried(jobs), strict=True):
            reached = [(shape, found) for found in scores]
            best = [min(pair, key=lambda b: b[1].cost) for pair in zip(best, reached, strict=True)] if best else reached
            if advance is not None:
                advance(1)
    return best


@dataclass(frozen=True, slots=True)
class _Trial:
    """One ladder, and the weights it is judged by."""

    shape: LadderShape
    config: Config
    costs: tuple[Costs, ...]


def _try(trial: _Trial, grounds: Grounds, bank: ClipBank) -> list[Score]:
    config = trial.config.model_copy(update={"mode": "ladder", "ladder": trial.shape.steps()})
    replayed = list(replay(grounds.turns, config, known_after_ms=grounds.known_after_ms, bank=bank))
    return [score(replayed, costs) for costs in trial.costs]
