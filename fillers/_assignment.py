"""Which version of a behaviour a conversation is dealt, by a hash of its id and by shares."""

import hashlib
import math
from collections.abc import Mapping
from itertools import accumulate

from ._errors import UsageError

TOLERANCE = 1e-9
"""By which shares may miss 1: what adding up rounded numbers leaves."""
_BITS = 53
"""Of a double's significand."""


def dealt(shares: Mapping[int, float], conversation: str, *, salt: str) -> int:
    """Return the version that *conversation* is dealt.

    A hash of *salt* and *conversation* is a point in [0, 1), and each version has an interval of it as long as its
    share, in the order of the versions. So nothing needs to be stored, every process and platform deals the same, and
    who changes the shares of the last two versions, or of two neighbours, moves only conversations between these two.

    Args:
        shares: Of each version, all positive; they add up to 1.
        conversation: Its id; any text.
        salt: What is dealt, for example the behaviour's and the experiment's id: what a conversation is dealt under
            one salt says nothing of what it is dealt under another.

    Raises:
        UsageError: if the shares are no such numbers.
    """
    point = _point(salt, conversation)
    versions = checked_shares(shares)
    bounds = accumulate(versions.values())
    below = (version for version, bound in zip(versions, bounds, strict=True) if point < bound)
    return next(below, max(versions))  # the last one has what rounding leaves


def checked_shares(shares: Mapping[int, float]) -> dict[int, float]:
    """Return *shares* in the order of the versions.

    Raises:
        UsageError: if there are none, one is not positive, or they do not add up to 1.
    """
    if not shares:
        raise UsageError("shares are empty; give each version a share, all of which add up to 1")
    for version, share in shares.items():
        if not 0.0 < share <= 1.0 + TOLERANCE:  # NaN, too
            raise UsageError(f"version {version} has the share {share:g}; give one above 0, up to 1, or leave it out")
    total = math.fsum(shares.values())
    if abs(total - 1.0) > TOLERANCE:
        raise UsageError(f"the shares add up to {total:.12g}; they must add up to 1")
    return dict(sorted(shares.items()))


def _point(salt: str, conversation: str) -> float:
    # the length tells where the salt ends: else "a" and "bc" were dealt like "ab" and "c"
    text = f"{len(salt)} {salt} {conversation}".encode("utf-8", "surrogatepass")
    first = int.from_bytes(hashlib.sha256(text).digest()[:8], "big")
    return float((first >> (64 - _BITS)) / (1 << _BITS))
