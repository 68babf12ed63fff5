"""What becomes of a delivery after a try: pure arithmetic."""

from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from random import Random
from typing import Literal

RETRIED = frozenset({408, 409, 425, 429})
"""Of 4xx, those that a later try may not meet. Any other says that this request will never be taken."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a try came to."""

    state: Literal["delivered", "failed", "pending"]
    """Pending: it is tried again."""
    status: int | None = None
    """HTTP status; None: there was no answer."""
    problem: str | None = None
    after_s: float = 0.0
    """s until the next try."""


@dataclass(frozen=True, slots=True)
class Retrying:
    """How often, and when. The waits double, each drawn from its upper half, so that those who failed together do not
    come back together."""

    tries: int = 12
    """At most; with the waits below the last one is half an hour after the first, give or take."""
    first_s: float = 1.0
    """s before the second try."""
    longest_s: float = 600.0
    """s between two, unless the receiver asks for more."""
    longest_asked_s: float = 3600.0
    """s that a receiver may ask for (``Retry-After``)."""
    random: Random = field(default_factory=Random)

    def after(self, status: int, retry_after: str | None, tried: int, now: float) -> Outcome:
        """Return what an answer means.

        Args:
            status: HTTP's.
            retry_after: The header of that name.
            tried: Tries so far, with this one.
            now: s since the epoch, for a date in that header.
        """
        if 200 <= status < 300:
            return Outcome("delivered", status)
        if 300 <= status < 400:
            said = f"the receiver answered {status}; redirects are not followed, so write the URL that it leads to"
            return Outcome("failed", status, said)
        said = f"the receiver answered {status}"
        if 400 <= status < 500 and status not in RETRIED:
            return Outcome("failed", status, said)
        return self.again(said, tried, status=status, asked_s=asked_s(retry_after, now))

    def again(self, problem: str, tried: int, *, status: int | None = None, asked_s: float = 0.0) -> Outcome:
        """Return when to try again after *problem*, or that it was the last time.

        Args:
            problem: A sentence.
            tried: Tries so far, with this one.
            status: HTTP's, if there was an answer.
            asked_s: s that the receiver asks for.
        """
        if tried >= self.tries:
            return Outcome("failed", status, f"{problem}; that was the last of {self.tries} tries")
        wait_s = min(self.longest_s, self.first_s * 2.0 ** (tried - 1)) * self.random.uniform(0.5, 1.0)
        return Outcome("pending", status, problem, max(wait_s, min(asked_s, self.longest_asked_s)))


def asked_s(retry_after: str | None, now: float) -> float:
    """Return the s that a ``Retry-After`` header asks for; 0: none, or it cannot be read."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
        # the oldest form that HTTP knows names no zone: it is UTC as well
        return max(0.0, (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp() - now)
    except (ValueError, OverflowError):
        return 0.0
