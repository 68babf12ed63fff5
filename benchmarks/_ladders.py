"""A grid of fixed ladders, and the best of it in hindsight: what any fixed timer could have reached."""

import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
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
    best: tuple[LadderShape, Score] | None = None
    shapes = list(ladder_grid())
    trial = _Trial(turns, config, known_after_ms)
    with _mapping(trial, bank, workers) as scores:
        for shape, reached in zip(shapes, scores(shapes), strict=True):
            if best is None or reached.cost < best[1].cost:
                best = (shape, reached)
            if advance is not None:
                advance(1)
    assert best is not None
    return best


@dataclass(frozen=True, slots=True)
class _Trial:
    """What all ladders are tried on."""

    turns: Sequence[TraceTurn]
    config: Config
    known_after_ms: float

    def score(self, shape: LadderShape, bank: ClipBank) -> Score:
        config = self.config.model_copy(update={"mode": "ladder", "ladder": shape.steps()})
        return score(list(replay(self.turns, config, known_after_ms=self.known_after_ms, bank=bank)), config.costs)


_Scores = Callable[[Sequence[LadderShape]], Iterable[Score]]


@contextmanager
def _mapping(trial: _Trial, bank: ClipBank, workers: int) -> Iterator[_Scores]:
    """Yield the function that scores ladders, in their order: here, or in *workers* processes."""
    if workers <= 1:
        yield lambda shapes: (trial.score(shape, bank) for shape in shapes)
        return
    # spawned, not forked: the caller may have threads (a progress bar), and a fork copies their locks as they are
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, _prepare_worker, (trial,))
    try:
        yield lambda shapes: pool.map(_score_in_worker, shapes)
    finally:
        pool.shutdown(cancel_futures=True)


_here: tuple[_Trial, ClipBank] | None = None
"""In a worker process: what it tries ladders on."""


def _prepare_worker(trial: _Trial) -> None:
    global _here
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the parent, and that ends its workers
    _here = (trial, ClipBank(trial.config.packs))


def _score_in_worker(shape: LadderShape) -> Score:
    assert _here is not None
    return _here[0].score(shape, _here[1])
