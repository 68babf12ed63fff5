"""Whether a metric has a value as often in one arm as in another."""

from collections.abc import Iterator

from ._arms import ArmStats
from ._compare import Comparison, compare
from ._metric import Finding, Metric
from ._values import Boolean

ALPHA = 0.01
"""Probability that any arm of a report is ever said to lack values where it does so no more than the control."""
# compared like any share; which one is better, and how a value would be found, does not matter
_LACKS = Metric("lacks", "has no value", Boolean(), lambda _: Finding(None, (), ""))


def uneven(comparison: Comparison, comparisons: int) -> Iterator[str]:
    """Yield a sentence for each arm that lacks values more or less often than the control, whenever one looks.

    Who compares only conversations that have a value then compares different conversations: a version that makes
    callers hang up before the reply has no slow replies.

    Args:
        comparison: A metric in all arms.
        comparisons: How many differences the report has.
    """
    arms = {arm: _lacking(stats) for arm, stats in comparison.arms.items()}
    control = comparison.arms[comparison.control]
    checked = compare(
        _LACKS, {str(arm): stats for arm, stats in arms.items()}, control=str(comparison.control),
        alpha=ALPHA, comparisons=comparisons,
    )  # fmt: skip
    for arm, difference in zip((d.arm for d in comparison.differences), checked.differences, strict=True):
        if difference.verdict in ("better", "worse"):
            yield (
                f"{comparison.metric.name} has no value in {_share(comparison.arms[arm])} conversations with version "
                f"{arm} and {_share(control)} with version {comparison.control}: those that have one may not be alike"
            )


def _lacking(stats: ArmStats) -> ArmStats:
    number = stats.count + stats.not_applicable
    return ArmStats.of_sums(number, stats.not_applicable, stats.not_applicable)


def _share(stats: ArmStats) -> str:
    return f"{stats.not_applicable} of {stats.count + stats.not_applicable}"
