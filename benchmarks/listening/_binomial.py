"""How sure a count is: the exact binomial test and interval, without scipy."""

import math
from collections.abc import Callable

LEVEL = 0.95
_HALVINGS = 200
"""Bisection stops by itself long before: a double halves about 60 times between 0 and 1, more often close to 0."""


def share_interval(successes: int, trials: int, level: float = LEVEL) -> tuple[float, float]:
    """Return the Clopper-Pearson interval of the success probability.

    Whatever that probability is, the interval covers it in at least *level* of all experiments. Its ends are the
    probabilities under which *successes* or more, and *successes* or fewer, would come in (1 - *level*) / 2 of them.

    Args:
        successes: 0 .. *trials*.
        trials: Independent ones; without any the interval is 0 .. 1.
        level: 0 < level < 1.
    """
    tail = (1.0 - level) / 2.0
    low, high = 0.0, 1.0
    if successes > 0:
        low = _crossing(lambda p: _at_least(successes, trials, p) < tail)
    if successes < trials:
        high = 1.0 - _crossing(lambda q: _at_least(trials - successes, trials, q) < tail)
    return low, high


def even_odds_p(successes: int, trials: int) -> float:
    """Return the two-sided p-value of *successes* in *trials* if both outcomes are equally likely; 1 without trials.

    It is the probability of a count at least as far from the half, to either side.
    """
    most = max(successes, trials - successes)
    ways = sum(math.comb(trials, count) for count in range(most, trials + 1))
    return min(1.0, 2 * ways / (1 << trials))  # whole numbers: nothing is rounded before the division


def _at_least(least: int, trials: int, p: float) -> float:
    """Return the probability of at least *least* successes, *least* > 0."""
    if p <= 0.0 or p >= 1.0:
        return float(p >= 1.0)
    log_p, log_q = math.log(p), math.log1p(-p)
    all_ways = math.lgamma(trials + 1)
    return math.fsum(
        math.exp(all_ways - math.lgamma(k + 1) - math.lgamma(trials - k + 1) + k * log_p + (trials - k) * log_q)
        for k in range(least, trials + 1)
    )


def _crossing(below: Callable[[float], bool]) -> float:
    """Return where *below*, true at 0 and false at 1, changes."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        if not low < middle < high:
            break
        low, high = (middle, high) if below(middle) else (low, middle)
    return (low + high) / 2.0
