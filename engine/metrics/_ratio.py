"""Whether conversations were dealt as intended, however often one looks."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...fillers import UsageError, checked_shares

CONCENTRATION = 100.0
"""How near to the intended shares the test looks first: at 100, shares that are off by 5 % of all conversations."""
BROKEN_P = 0.01
"""A p-value below says that the dealing is broken: of all experiments dealt rightly 1 % are ever said to be."""


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """Conversations against the shares that were intended.

    The p-value is that of Lindon & Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022: one over
    the Bayes factor of a Dirichlet distribution around the intended shares. It needs the counts of today only, is
    exact, and may be looked at any time: whatever the number of looks, it falls below p with a probability of p at
    most.
    """

    dealt: Mapping[int, int]
    """Conversations of each version."""
    shares: Mapping[int, float]
    """Intended of each version."""

    @property
    def p_value(self) -> float:
        """Valid at all times."""
        total = sum(self.dealt.values())
        log_evidence = math.lgamma(CONCENTRATION) - math.lgamma(CONCENTRATION + total)
        for version, share in self.shares.items():
            count, prior = self.dealt.get(version, 0), CONCENTRATION * share
            log_evidence += math.lgamma(prior + count) - math.lgamma(prior) - count * math.log(share)
        return math.exp(-max(0.0, log_evidence))

    @property
    def broken(self) -> bool:
        """Whether this can hardly be chance."""
        return self.p_value < BROKEN_P

    def as_dict(self) -> dict[str, Any]:
        """Return the check as plain data, ready for JSON."""
        shares = [
            {"version": version, "conversations": self.dealt.get(version, 0), "share": share}
            for version, share in self.shares.items()
        ]
        return {"versions": shares, "p_value": self.p_value, "broken": self.broken}


def sample_ratio(dealt: Mapping[int, int], shares: Mapping[int, float]) -> SampleRatio:
    """Return the check of how many conversations each version was dealt.

    Args:
        dealt: Conversations of each version, with a value of a metric or without.
        shares: Intended, of all versions that might have been dealt.

    Raises:
        UsageError: if shares do not add up to 1, or a version was dealt that has none.
    """
    intended = checked_shares(shares)
    for version in dealt:
        if version not in intended:
            known = ", ".join(map(str, intended))
            raise UsageError(f"version {version} was dealt but has no share, only {known}; give shares of all versions")
    return SampleRatio(dict(sorted(dealt.items())), intended)
