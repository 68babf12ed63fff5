"""What all of the API's lists and answers have in common: times, and the order that a caller asks for."""

from collections.abc import Sequence
from datetime import UTC, datetime

from ...fillers import UsageError

_LONGEST = 40
"""Characters of a wrong value that a message repeats."""


def told_time(at: float) -> datetime:
    """Return a stored time, s since the epoch, with its time zone."""
    return datetime.fromtimestamp(at, UTC)


def first_key(sort_by: Sequence[str], field: str) -> str | None:
    """Return the key that decides the order: ``+field`` or ``-field``; None: there is none.

    What is listed has no ties in *field*: all keys but the first one change nothing.

    Raises:
        UsageError: if one of the keys is neither.
    """
    for key in sort_by:
        if key not in (f"+{field}", f"-{field}"):
            raise UsageError(f"sort_by {key[:_LONGEST]!r}: write +{field}, in a URL as %2B{field}, or -{field}")
    return sort_by[0] if sort_by else None
