"""Following whichever policy does better: a fixed-share mixture."""

import math
import random
from collections.abc import Sequence

from ._situation import Policy

LEARNING_RATE = 0.3
SHARE = 0.0003
"""The share of its weight that every policy gives back in each round, so that one that failed can come again."""
TRUST = 0.98
"""Weight of the first policy before anything is known; the others share the rest."""
SPREAD_S = 2.0
"""s of plain waiting. Policies that differ by more in one turn count as differing by this."""


class Mixture:
    """Chooses one of several policies for every turn, the more likely the less it has cost so far.

    What each of them would have cost is known once a turn is over, since a wait does not depend on what was played.
    Weights follow the fixed-share rule (Herbster & Warmuth 1998, *Tracking the Best Expert*): with loss l_i in 0 .. 1,
    the cost beyond the cheapest policy's over `SPREAD_S`,

        v_i = w_i exp(-LEARNING_RATE l_i),   w_i = (1 - SHARE) v_i / sum(v) + SHARE / n

    and a policy is chosen with probability w_i. So over T judged turns the expected mean cost (differences within a
    turn being limited to `SPREAD_S`) exceeds that of any of the n policies by at most `regret_bound`, whatever the
    waits are and whatever was predicted (Cesa-Bianchi & Lugosi 2006, *Prediction, Learning, and Games*, 5.2).

    Args:
        policies: At least one. The first is trusted most to begin with.
        rng: Draws the choices.
    """

    def __init__(self, policies: Sequence[Policy], rng: random.Random) -> None:
        self.policies = tuple(policies)
        self._rng = rng
        self.weights = _first_weights(len(self.policies))
        """Sum to 1."""

    def choose(self) -> Policy:
        """Return what decides for the next turn."""
        if len(self.policies) == 1:
            return self.policies[0]
        return self._rng.choices(self.policies, self.weights)[0]

    def judge(self, costs: Sequence[float]) -> None:
        """Take in what each policy would have cost in a turn, in s of plain waiting."""
        least, count = min(costs), len(self.policies)
        losses = [min((cost - least) / SPREAD_S, 1.0) for cost in costs]
        values = [w * math.exp(-LEARNING_RATE * loss) for w, loss in zip(self.weights, losses, strict=True)]
        total = sum(values)
        self.weights = tuple((1.0 - SHARE) * value / total + SHARE / count for value in values)


def regret_bound(turns: int, weight: float = 1.0 - TRUST) -> float:
    """Return by how much, in s a turn, a mixture may exceed one of its policies after *turns* judged turns.

    Args:
        turns: > 0.
        weight: Of that policy to begin with.
    """
    start = -math.log(weight) / turns
    return SPREAD_S * ((start - math.log(1.0 - SHARE)) / LEARNING_RATE + LEARNING_RATE / 8.0)


def _first_weights(count: int) -> tuple[float, ...]:
    return (1.0,) if count == 1 else (TRUST, *[(1.0 - TRUST) / (count - 1)] * (count - 1))
