"""A grid of fixed ladders, and the best of it in hindsight: what any fixed timer could have reached."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from stopgap.fillers import ClipBank, Config, Kind, LadderStep

from ._replay import replay
from ._score import Score, score
from ._trace import TraceTurn

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


def ladder_grid() -> Iterator[LadderShape]:
    """Yield every ladder of the grid: first delay, kinds, repeat interval."""
    for first_ms, first_kind in product(FIRST_MS, FIRST_KINDS):
        yield LadderShape(first_ms, first_kind)
        for then_ms, then_kind in product(THEN_MS, THEN_KINDS):
            if then_ms is not None:
                yield LadderShape(first_ms, first_kind, then_ms, then_kind)


def best_ladder(
    turns: Sequence[TraceTurn], config: Config, *, bank: ClipBank, advance: Callable[[int], None] | None = None
) -> tuple[LadderShape, Score]:
    """Replay every ladder of the grid and return the one of least mean cost: a choice made in hindsight."""
    best: tuple[LadderShape, Score] | None = None
    for shape in ladder_grid():
        candidate = config.model_copy(update={"mode": "ladder", "ladder": shape.steps()})
        reached = score(list(replay(turns, candidate, bank=bank)), config.costs)
        if best is None or reached.cost < best[1].cost:
            best = (shape, reached)
        if advance is not None:
            advance(1)
    assert best is not None
    return best
