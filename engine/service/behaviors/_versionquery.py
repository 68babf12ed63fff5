"""Which versions of a behavior set a caller wants, and in which order."""

import re

from ....fillers import UsageError
from ..storage import VersionRange

MOST_VERSION = 999_999_999
_NUMBER = "[1-9][0-9]{0,8}"
VERSIONS = f"^(latest|{_NUMBER}|{_NUMBER}-({_NUMBER}|latest))$"
"""What `parsed_range` takes, but for bounds that are the wrong way round."""
EVERY = "1-latest"
ORDERS = "^[+-]version$"
_RANGE = re.compile(f"({_NUMBER})(?:-({_NUMBER}|latest))?")
_LONGEST = 40
"""Characters of a wrong value that a message repeats."""


def parsed_range(version: str) -> VersionRange:
    """Return which versions *version* stands for.

    ======== ===========================
    1        the first one
    latest   the latest one
    2-5      2, 3, 4 and 5
    3-latest all but the first two
    ======== ===========================

    Raises:
        UsageError: if it stands for none.
    """
    if version == "latest":
        return VersionRange(None, None)
    found = _RANGE.fullmatch(version)
    if found is None:
        raise UsageError(
            f"version {version[:_LONGEST]!r}: write a number from 1, latest, or a range such as 2-5 or 1-latest"
        )
    lower, upper = int(found[1]), found[2]
    if upper is None:
        return VersionRange(lower, lower)
    if upper == "latest":
        return VersionRange(lower, None)
    if int(upper) < lower:
        raise UsageError(f"version {version!r}: the upper bound is below the lower one; write {upper}-{lower}")
    return VersionRange(lower, int(upper))
