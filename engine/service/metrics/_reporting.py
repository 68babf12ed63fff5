"""Reports of a behaviour's versions, from what the database adds up."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ....fillers import UsageError
from ...metrics import ArmStats, Categorical, Metric, Report, report_of
from ..storage import Arms, ArmSums, BehaviorSets, Figure, NotFoundError
from ._evaluating import Evaluating

MOST_COMPARED = 10
"""Metrics."""


class Reporting:
    """Compares versions of behaviours. Any thread may use it; calls block.

    Args:
        arms: Adds up.
        sets: Tell which shares were intended.
        evaluating: Knows the metrics.
    """

    def __init__(self, arms: Arms, sets: BehaviorSets, evaluating: Evaluating) -> None:
        self._arms, self._sets, self._evaluating = arms, sets, evaluating

    def report(
        self,
        organization: str,
        behavior: str,
        *,
        metrics: Sequence[str] = (),
        control: int | None = None,
        alpha: float = 0.05,
    ) -> tuple[Report, int]:
        """Return the report of a behaviour, and how many of its conversations are not evaluated yet.

        Of a stored set whose versions are, or were, dealt by shares, only conversations count that began after the
        shares were last changed: before, a version had them in other proportions and at other times.

        Args:
            organization: Whose conversations.
            behavior: The behaviour's id: a stored set's, or that of one in the configuration.
            metrics: Ids; none: the built-in ones.
            control: The version that the others are compared with; None: the lowest.
            alpha: Probability that anything in the report is ever wrong, 0 < alpha < 1.

        Raises:
            NotFoundError: if there is no such metric.
            UsageError: if conversations had fewer than two versions, or none had *control*.
            DatabaseError: if the database does not answer.
        """
        ids = list(metrics) or list(self._evaluating.builtin)
        known = self._evaluating.metrics(organization, ids)
        shares, since = self._intended(organization, behavior)
        sums = self._arms.sums(organization, behavior, ids, since=since)
        if shares is not None and sums.randomized:
            sums = _of(shares, sums)
        if len(sums.conversations) < 2:
            had = f"only version {min(sums.conversations)}" if sums.conversations else "no version"
            raise UsageError(
                f"conversations of {organization} had {had} of behavior {behavior}: there is nothing to compare; have "
                "them dealt two versions, by shares"
            )
        report = report_of(
            behavior,
            sums.conversations,
            [(known[id], _arms(known[id], id, sums)) for id in ids],
            randomized=sums.randomized, control=control, alpha=alpha, shares=shares if sums.randomized else None,
            several=sums.several,
        )  # fmt: skip
        return report, sum(sums.due.get(version, 0) for version in sums.conversations)

    def _intended(self, organization: str, behavior: str) -> tuple[Mapping[int, float] | None, float]:
        """Return how versions are dealt, and since when, in s since the epoch."""
        try:
            found = self._sets.one(organization, behavior)
        except NotFoundError:
            return None, 0.0
        return found.shares, found.shares_since


def _of(shares: Mapping[int, float], sums: ArmSums) -> ArmSums:
    """Return *sums* without the versions that have no share.

    An interaction may have begun before the shares were changed, and been stored after: its conversation is of the
    experiment before.
    """
    return replace(sums, conversations={v: number for v, number in sums.conversations.items() if v in shares})


def _arms(metric: Metric, id: str, sums: ArmSums) -> dict[int, ArmStats]:
    return {
        version: _stats(
            metric,
            [f for f in sums.figures if (f.metric, f.version) == (id, version)],
            conversations - sums.due.get(version, 0),
        )
        for version, conversations in sums.conversations.items()
    }


def _stats(metric: Metric, figures: Sequence[Figure], conversations: int) -> ArmStats:
    if not isinstance(metric.value_type, Categorical):
        count, total, squares = (
            sum(figure.values for figure in figures),
            sum(figure.total for figure in figures),
            sum(figure.squares for figure in figures),
        )
        return ArmStats.of_sums(count, total, squares, not_applicable=conversations - count)
    found = {figure.category: figure.conversations for figure in figures if figure.category is not None}
    count = sum(found.values())
    others = count - found.get(metric.value_type.categories[0], 0)
    sums = ArmStats.of_sums(count, others, others, not_applicable=conversations - count)
    shares = {name: found.get(name, 0) / count for name in metric.value_type.categories} if count else {}
    return ArmStats(sums.count, sums.mean, sums.variance, sums.not_applicable, shares)
