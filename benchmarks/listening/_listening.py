"""Pairs for a blinded comparison: the same turn as it sounds under two configurations."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from stopgap.engine.planning._mixture import TRUST
from stopgap.fillers import ClipBank, Config, Samples, TraceError, UsageError

from ..replays import RATE, LearnedTrace, render_turn
from ..traces import TraceTurn
from ._loudness import matched

LONGEST_S = 30.0
"""s. Turns that wait longer are left out: nobody listens to minutes."""
MOST_TRIED = 300
"""Turns. Where so many were rendered in vain, minutes more would find exceptions at best."""
_CLASSES = 3
"""Short, middle and long waits, a third of the turns each."""


@dataclass(frozen=True)
class Pair:
    """One turn under both configurations."""

    turn: TraceTurn
    sounds: tuple[Samples, Samples]
    """In the order in which they are presented, equally long: float32, mono, at `RATE`."""
    first_is_a: bool


def same_but_for_the_seed(a: Config, b: Config) -> bool:
    """Return whether *a* and *b* would sound alike whatever turns are drawn: each pair gets one seed for both."""
    return a.model_copy(update={"seed": None}) == b.model_copy(update={"seed": None})


def listening_pairs(
    turns: Sequence[TraceTurn],
    a: Config,
    b: Config,
    *,
    count: int,
    seed: int,
    advance: Callable[[int], None] | None = None,
) -> list[Pair]:
    """Draw *count* turns that sound different under *a* and *b*, and render them, all equally loud.

    Each is heard as after the trace up to its start: the predictor has learned every turn that had ended by then.
    Short, middle and long waits get a third each, and within them agents and tools take turns.

    Args:
        turns: A trace, in its order.
        a: One configuration.
        b: The other.
        count: > 0.
        seed: Draws the turns, the clips (the same under both), and the orders.
        advance: Called with 1 for each pair that is ready.

    Raises:
        TraceError: if fewer than *count* turns can be drawn.
        UsageError: if the configurations do not differ, or too few turns sound different.
    """
    if same_but_for_the_seed(a, b):
        raise UsageError("configurations A and B are the same; give two that differ in more than their seed")
    rng = random.Random(seed)
    drawn = _spread(turns, rng)
    if len(drawn) < count:
        raise TraceError(
            f"the trace holds {len(drawn)} answered turns of at most {LONGEST_S:g} s, {count} are wanted; "
            "ask for fewer turns or give a longer trace"
        )
    render = _Renderer(turns, a, b, _clip_seed(rng))
    found: list[tuple[TraceTurn, Samples, Samples]] = []
    tried = 0
    # most turns differ as a rule, so few are rendered in vain; else rounds grow, since each walks the whole trace
    tries = count
    most = min(len(drawn), MOST_TRIED)
    while len(found) < count and tried < most:
        batch = drawn[tried : min(tried + tries, most)]
        tried += len(batch)
        tries *= 2
        different = {}
        for turn, by_a, by_b in render(batch):
            if not np.array_equal(by_a, by_b):
                different[turn.turn_id] = (turn, by_a, by_b)
                if advance is not None and len(found) + len(different) <= count:
                    advance(1)
        found += [different[turn.turn_id] for turn in batch if turn.turn_id in different]
    if len(found) < count:
        rest = f"ask for at most {len(found)} turns, or give" if found else "give"
        raise UsageError(
            f"only {len(found)} of {tried} turns sound different under A and B, {count} are wanted; "
            f"{rest} configurations that differ more"
        )
    return _presented(found[:count], rng)


def _presented(found: list[tuple[TraceTurn, Samples, Samples]], rng: random.Random) -> list[Pair]:
    """Return the pairs in random order, each in random order, equally long and equally loud."""
    rng.shuffle(found)
    even = [_padded(samples, max(len(by_a), len(by_b))) for _, by_a, by_b in found for samples in (by_a, by_b)]
    level = matched(even, RATE)
    pairs = []
    for place, (turn, _, _) in enumerate(found):
        by_a, by_b = level[2 * place : 2 * place + 2]
        first_is_a = rng.random() < 0.5
        pairs.append(Pair(turn, (by_a, by_b) if first_is_a else (by_b, by_a), first_is_a))
    return pairs


class _Renderer:
    """Renders turns under both configurations, as after the trace up to each."""

    def __init__(self, turns: Sequence[TraceTurn], a: Config, b: Config, clip_seed: int) -> None:
        self._turns = turns
        self._a, self._b = (config.model_copy(update={"seed": clip_seed}) for config in (a, b))
        self._bank_a = ClipBank(a.packs)
        self._bank_b = self._bank_a if a.packs == b.packs else ClipBank(b.packs)

    def __call__(self, batch: Sequence[TraceTurn]) -> Iterator[tuple[TraceTurn, Samples, Samples]]:
        """Yield the turns of *batch*, in order of time, with their sound under A and under B."""
        learned_a, learned_b = (LearnedTrace(self._turns, config) for config in (self._a, self._b))
        for turn in sorted(batch, key=lambda turn: turn.started_at):
            known_a, known_b = learned_a.at(turn.started_at), learned_b.at(turn.started_at)
            by_a = render_turn(turn, self._a, bank=self._bank_a, predictor=known_a)
            by_b = render_turn(turn, self._b, bank=self._bank_b, predictor=known_b)
            yield turn, by_a.samples, by_b.samples


def _spread(turns: Sequence[TraceTurn], rng: random.Random) -> list[TraceTurn]:
    """Return the turns that can be drawn, in an order any beginning of which is spread over waits, agents and tools."""
    usable = [turn for turn in turns if turn.reply_ready_ms is not None and turn.end_ms <= 1000.0 * LONGEST_S]
    by_wait = sorted(usable, key=lambda turn: turn.end_ms)
    thirds = [by_wait[len(by_wait) * k // _CLASSES : len(by_wait) * (k + 1) // _CLASSES] for k in range(_CLASSES)]
    return _taking_turns([_by_context(third, rng) for third in thirds], rng)


def _by_context(turns: Sequence[TraceTurn], rng: random.Random) -> list[TraceTurn]:
    """Return *turns* at random, but so that agents and tools take turns."""
    groups: dict[tuple[str | None, str | None], list[TraceTurn]] = defaultdict(list)
    for turn in turns:
        groups[turn.agent, next((news.tool for news in turn.news if news.tool), None)].append(turn)
    for group in groups.values():
        rng.shuffle(group)
    return _taking_turns(list(groups.values()), rng)


def _taking_turns(queues: list[list[TraceTurn]], rng: random.Random) -> list[TraceTurn]:
    """Return one of each queue, in random order, then again one of each, until all are empty."""
    rng.shuffle(queues)
    longest = max(map(len, queues), default=0)
    return [queue[place] for place in range(longest) for queue in queues if place < len(queue)]


def _clip_seed(rng: random.Random) -> int:
    """Return a seed under which a new manager in predictive mode plans: one in fifty would follow the ladder instead,
    and as every turn is rendered by a new manager, it would do so in the whole set."""
    while True:
        seed = rng.randrange(1 << 32)
        if random.Random(seed).random() < TRUST:
            return seed


def _padded(samples: Samples, frames: int) -> Samples:
    return np.pad(samples, (0, frames - len(samples)))
