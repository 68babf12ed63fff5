"""What one conversation remembers across its turns."""

from collections import deque

from ...fillers import Count, Limits

MINUTE_S = 60.0


class Conversation:
    """When spoken fillers were heard, for limits and repeat costs."""

    def __init__(self) -> None:
        self._spoken: deque[tuple[float, int]] = deque()
        self._total = 0

    def spoke(self, at: float, turn: int) -> None:
        """Note that a spoken filler of turn number *turn* began at *at* (s)."""
        self._spoken.append((at, turn))
        self._total += 1
        while self._spoken[0][0] < at - 2 * MINUTE_S:
            self._spoken.popleft()

    def recent(self, now: float, turn: int) -> int:
        """Return the spoken fillers of turns before *turn* in the 60 s before *now*."""
        return sum(number < turn and now - MINUTE_S <= at for at, number in self._spoken)

    def left(self, now: float, limits: Limits, said: int) -> int:
        """Return how many more spoken fillers the limits allow, *said* having been heard in this turn."""
        return min(
            _left(limits.per_turn, said),
            _left(limits.per_minute, sum(now - MINUTE_S <= at for at, _ in self._spoken)),
            _left(limits.per_conversation, self._total),
        )


def _left(limit: Count, used: int) -> int:
    return 1_000_000 if limit == "unlimited" else max(0, limit - used)
