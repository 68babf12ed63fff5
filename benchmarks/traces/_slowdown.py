"""A trace whose waits all become longer at once: a vendor's incident, a larger model, a busy hour."""

from collections.abc import Sequence
from dataclasses import replace

from ._trace import TraceTurn


def slowed(turns: Sequence[TraceTurn], factor: float) -> list[TraceTurn]:
    """Return *turns* with all times within a turn *factor* times as long from the middle of the trace on."""
    middle = change_of(turns)
    return [*turns[:middle], *(_slowed(turn, factor) for turn in turns[middle:])]


def change_of(turns: Sequence[TraceTurn]) -> int:
    """Return the place of the first turn that `slowed` makes longer."""
    return len(turns) // 2


def _slowed(turn: TraceTurn, factor: float) -> TraceTurn:
    ready, cancelled = turn.reply_ready_ms, turn.cancelled_ms
    return replace(
        turn,
        reply_ready_ms=None if ready is None else factor * ready,
        cancelled_ms=None if cancelled is None else factor * cancelled,
        news=tuple(replace(news, at_ms=factor * news.at_ms) for news in turn.news),
    )
