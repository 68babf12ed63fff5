"""A report of a behaviour's versions: every metric in each, and what to make of it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...fillers import UsageError
from ._arms import ArmStats, arm_stats
from ._compare import Comparison, compare
from ._facts import TurnFacts
from ._metric import Metric
from ._missing import uneven
from ._ratio import SampleRatio, sample_ratio
from ._versions import by_version

NOT_RANDOMIZED = "not randomized: conversations with another version may differ in other ways"


@dataclass(frozen=True, slots=True)
class Report:
    """Versions of a behaviour, compared."""

    behavior: str
    randomized: bool
    """Whether conversations count under the version they were dealt; else under the one that was seen in force."""
    control: int
    """The version that the others are compared with."""
    conversations: Mapping[int, int]
    """Of each version, with a value of a metric or without."""
    alpha: float
    """Probability that anything in the report is ever wrong, however often it is made."""
    metrics: tuple[Comparison, ...]
    sample_ratio: SampleRatio | None = None
    """None: not dealt, or the intended shares were not given."""
    several: int = 0
    """Conversations left out since they had more than one version."""
    without: int = 0
    """Conversations left out since they had none."""

    @property
    def comparisons(self) -> int:
        """How many differences there are, over which alpha is divided."""
        return sum(len(comparison.differences) for comparison in self.metrics)

    def notes(self) -> Iterator[str]:
        """Yield what must be known to read the figures, the most important first."""
        ratio = self.sample_ratio
        if ratio is not None and ratio.broken:
            counts = ", ".join(f"{ratio.dealt.get(v, 0)} of version {v} ({s:.1%})" for v, s in ratio.shares.items())
            yield (
                f"ASSIGNMENT LOOKS BROKEN (p = {ratio.p_value:.1g}): {counts} were dealt, with the intended share in "
                "brackets; find out why before you believe any difference"
            )
        if not self.randomized:
            yield NOT_RANDOMIZED
        elif ratio is None:
            yield "whether versions were dealt as intended is not checked: give the intended shares (--share)"
        for comparison in self.metrics:
            yield from uneven(comparison, self.comparisons)
        if self.several:
            yield f"left out: {_conversations(self.several)} that had more than one version"
        if self.without:
            yield f"left out: {_conversations(self.without)} that {'were dealt' if self.randomized else 'saw'} none"

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain data, ready for JSON."""
        return {
            "behavior": self.behavior,
            "randomized": self.randomized,
            "control": self.control,
            "versions": [{"version": v, "conversations": n} for v, n in self.conversations.items()],
            "left_out": {"several_versions": self.several, "no_version": self.without},
            "alpha": self.alpha,
            "comparisons": self.comparisons,
            "sample_ratio": self.sample_ratio and self.sample_ratio.as_dict(),
            "notes": list(self.notes()),
            "metrics": [comparison.as_dict() for comparison in self.metrics],
        }


def compared(
    turns: Iterable[TurnFacts],
    metrics: Iterable[Metric],
    *,
    behavior: str | None = None,
    control: int | None = None,
    alpha: float = 0.05,
    shares: Mapping[int, float] | None = None,
) -> Report:
    """Return the report of turns.

    A conversation counts as a whole, under the version that it was dealt where turns tell that, in force or not
    (`by_version`).

    Args:
        turns: Of any conversations, in any order.
        metrics: What to compare; the more, the longer each takes to be decided.
        behavior: Its name; None: the only one that the turns tell of.
        control: The version that the others are compared with; None: the lowest.
        alpha: Probability that anything in the report is ever wrong, 0 < alpha < 1.
        shares: How versions were to be dealt; None: not checked.

    Raises:
        UsageError: if there is no such behaviour or control, only one version, or *shares* are of no dealt versions.
        ConfigError: if a metric's expression fails on a turn.
    """
    found = by_version(turns, behavior)
    if shares is not None and not found.randomized:
        raise UsageError(
            f"no turn tells which version of {found.behavior!r} its conversation was dealt, so that shares cannot be "
            "checked; leave them out, or record TurnRecord.assigned"
        )
    arms = [
        (
            metric,
            {v: arm_stats(metric, (metric.evaluate(c).value for c in of)) for v, of in found.conversations.items()},
        )
        for metric in metrics
    ]
    return report_of(
        found.behavior,
        {version: len(of) for version, of in found.conversations.items()},
        arms,
        randomized=found.randomized, control=control, alpha=alpha, shares=shares,
        several=found.several, without=found.without,
    )  # fmt: skip


def report_of(
    behavior: str,
    conversations: Mapping[int, int],
    arms: Sequence[tuple[Metric, Mapping[int, ArmStats]]],
    *,
    randomized: bool,
    control: int | None = None,
    alpha: float = 0.05,
    shares: Mapping[int, float] | None = None,
    several: int = 0,
    without: int = 0,
) -> Report:
    """Return the report of figures that were summed up elsewhere, for example in a database.

    Args:
        behavior: Its name.
        conversations: Of each version, with a value of a metric or without.
        arms: The figures of each metric, of each version.
        randomized: Whether *conversations* were dealt their version.
        control: The version that the others are compared with; None: the lowest.
        alpha: As `compared`.
        shares: As `compared`.
        several: Conversations that were left out since they had more than one version.
        without: Conversations that were left out since they had none.

    Raises:
        UsageError: if there is only one version, no such control, or *shares* do not fit.
    """
    versions = sorted(conversations)
    if len(versions) < 2:
        only = f"only version {versions[0]}" if versions else "no version"
        raise UsageError(
            f"the turns hold {only} of behaviour {behavior!r}; give those of conversations with another version, too"
        )
    if control is not None and control not in conversations:
        raise UsageError(f"control {control} is none of the versions; choose from {', '.join(map(str, versions))}")
    chosen = versions[0] if control is None else control
    comparisons = max(1, len(arms) * (len(versions) - 1))
    return Report(
        behavior=behavior,
        randomized=randomized,
        control=chosen,
        conversations=dict(sorted(conversations.items())),
        alpha=alpha,
        metrics=tuple(
            compare(metric, dict(sorted(of.items())), control=chosen, alpha=alpha, comparisons=comparisons)
            for metric, of in arms
        ),
        sample_ratio=None if shares is None else sample_ratio(conversations, shares),
        several=several,
        without=without,
    )


def _conversations(number: int) -> str:
    return f"{number} conversation{'' if number == 1 else 's'}"
