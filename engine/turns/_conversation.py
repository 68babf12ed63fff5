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

    def recent(self, now: float, turn: int) -> int:
        """Return the spoken fillers of turns before *turn* in the 60 s before *now*."""
        return sum(number < turn for _, number in self._within_minute(now))

    def left(self, now: float, limits: Limits, said: int) -> int:
        """Return how many more spoken fillers the limits allow, *said* having been heard in this turn."""
        return min(
            _left(limits.per_turn, said),
            _left(limits.per_minute, len(self._within_minute(now))),
            _left(limits.per_conversation, self._total),
        )

    def _within_minute(self, now: float) -> deque[tuple[float, int]]:
        while self._spoken and self._spoken[0][0] < now - MINUTE_S:
            self._spoken.popleft()
        return self._spoken


def _left(limit: Count, used: int) -> int:
    return 1_000_000 if limit == "unlimited" else max(0, limit - used)
