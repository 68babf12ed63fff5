"""The textbook's interval of a difference, for who fixed the number of conversations before the first one."""

import math
from statistics import NormalDist

from ._arms import ArmStats


def welch_margin(one: ArmStats, other: ArmStats, alpha: float) -> float:
    """Return half the width of Welch's interval of the difference of two means, in their unit.

    It is wrong with a probability of *alpha* if one looks once, at a number of conversations that was fixed beforehand.
    Who looks again and again, and stops at a difference, is wrong far more often.

    Args:
        one: An arm with two values or more.
        other: The other one, likewise; one of them has spread.
        alpha: 0 < alpha < 1.
    """
    terms = [arm.variance / arm.count for arm in (one, other)]
    squared = sum(terms)
    freedom = squared**2 / sum(term**2 / (arm.count - 1) for term, arm in zip(terms, (one, other), strict=True))
    return student_quantile(1.0 - alpha / 2.0, freedom) * math.sqrt(squared)


def student_quantile(probability: float, freedom: float) -> float:
    """Return a quantile of Student's t by its expansion around the normal one (Abramowitz & Stegun 26.7.5).

    Args:
        probability: 0 < probability < 1.
        freedom: Degrees of freedom. From 29 on the error is below 1e-4 for probabilities up to 0.99999.
    """
    z = NormalDist().inv_cdf(probability)
    return z + sum(
        term / freedom**power
        for power, term in enumerate(
            (
                (z**3 + z) / 4.0,
                (5.0 * z**5 + 16.0 * z**3 + 3.0 * z) / 96.0,
                (3.0 * z**7 + 19.0 * z**5 + 17.0 * z**3 - 15.0 * z) / 384.0,
                (79.0 * z**9 + 776.0 * z**7 + 1482.0 * z**5 - 1920.0 * z**3 - 945.0 * z) / 92160.0,
            ),
            1,
        )
    )
