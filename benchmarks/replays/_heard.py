"""What each turn of a replay was to its user, as arrays with one value a turn."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from stopgap.engine.planning import NEEDLESS_S, Sound, silent_gaps, turn_cost
from stopgap.fillers import Costs, Kind

from .._arrays import Floats
from ..traces import TraceTurn
from ._replay import ReplayedTurn

LEVELS = (0.5, 0.8, 0.95)
PARTS = ("silence", "reply_delay", "spoken", "cuts", "beds")
"""Parts of a turn's cost, in the order of `Heard.parts`."""
COLUMNS = (
    "first_sound", "silent", "gap", "gap_beds_silent", "reply_delay", "needless", "spoken", "cuts", "waited", "replied",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Heard:
    """One value a turn, in the trace's order. Times are s; NaN where a turn has no such thing."""

    parts: Floats
    """Cost in s of plain waiting, shape (turns, 5)."""
    first_sound: Floats
    """To the first filler, or to the reply, or to the cancellation."""
    silent: Floats
    """Dead air: all silence of the turn, beds counted as sound."""
    gap: Floats
    """Longest silence, beds counted as sound."""
    gap_beds_silent: Floats
    """Longest silence, beds counted as silence."""
    reply_delay: Floats
    """NaN: cancelled."""
    needless: Floats
    """1: the first filler started less than 0.25 s before the reply was available, or later. NaN: cancelled."""
    spoken: Floats
    """Spoken fillers."""
    cuts: Floats
    """Phrases and progress lines that the reply cut."""
    waited: Floats
    """To the reply's availability, or to the cancellation."""
    replied: Floats
    """The wait where the reply came; NaN: cancelled."""
    quantiles: Floats
    """Predicted at time 0, shape (turns, 3): the levels of `LEVELS`."""

    @property
    def cost(self) -> Floats:
        return np.asarray(self.parts.sum(axis=1))

    def rows(self, first: int) -> "Heard":
        """Return the turns from number *first* on."""
        return Heard(**{field.name: getattr(self, field.name)[first:] for field in fields(self)})

    @classmethod
    def joined(cls, parts: "Sequence[Heard]") -> "Heard":
        """Return the turns of all *parts*, one after the other."""
        return cls(**{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls)})

    def over(self, limit_s: float, *, beds_are_sound: bool = True) -> Floats:
        """Return 1 where the longest silence is over *limit_s*, else 0."""
        return ((self.gap if beds_are_sound else self.gap_beds_silent) > limit_s).astype(float)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a traced turn, wherever that was found out."""

    turn: TraceTurn
    sounds: Sequence[Sound]
    """In order of start."""
    reply_start_ms: float | None
    """ms from the end of the user's speech; None: cancelled before."""
    quantiles: tuple[float, ...]
    """s. Predicted at time 0, at `LEVELS`."""


def heard(replayed: Sequence[ReplayedTurn], costs: Costs) -> Heard:
    """Return what *replayed*, as given by `replay`, was to its users, judged by *costs*."""
    return heard_of((_outcome(item) for item in replayed), costs)


def heard_of(outcomes: Iterable[Outcome], costs: Costs) -> Heard:
    """Return what turns, given in the trace's order, were to their users, judged by *costs*."""
    memory: dict[str, deque[float]] = {}
    rows = [_row(item, costs, memory.setdefault(item.turn.conversation_id, deque())) for item in outcomes]
    table = np.array(rows, dtype=float).reshape(len(rows), len(PARTS) + len(COLUMNS) + len(LEVELS))
    columns = {name: table[:, len(PARTS) + place] for place, name in enumerate(COLUMNS)}
    return Heard(parts=table[:, : len(PARTS)], quantiles=table[:, -len(LEVELS) :], **columns)


def pinball(waits: Floats, quantiles: Floats) -> Floats:
    """Return the mean pinball loss of each row of *quantiles* at `LEVELS`, s; NaN where the wait is."""
    off = waits[:, np.newaxis] - quantiles
    levels = np.array(LEVELS)
    return np.asarray(np.maximum(levels * off, (levels - 1.0) * off).mean(axis=1))


def within(waits: Floats, quantiles: Floats) -> Floats:
    """Return 1 where a wait is within its quantile, else 0, shape (turns, 3); NaN where the wait is."""
    inside = (waits[:, np.newaxis] <= quantiles).astype(float)
    inside[np.isnan(waits)] = np.nan
    return inside


def sounds_of(item: ReplayedTurn) -> list[Sound]:
    """Return the fillers of a replayed turn as they were heard, in order of start."""
    sounds = [Sound(s.kind, s.start_s, s.end_s or s.start_s, s.cut) for s in item.record.sounds]
    return sorted(sounds, key=lambda sound: sound.start_s)


def _outcome(item: ReplayedTurn) -> Outcome:
    predicted = item.record.prediction
    quantiles = (predicted.q50_s, predicted.q80_s, predicted.q95_s)
    return Outcome(item.turn, sounds_of(item), item.reply_start_ms, quantiles)


def _row(item: Outcome, costs: Costs, past: "deque[float]") -> tuple[float, ...]:
    sounds = item.sounds
    end_s = (item.reply_start_ms if item.reply_start_ms is not None else item.turn.end_ms) / 1000.0
    ready_s = None if item.turn.reply_ready_ms is None else item.turn.reply_ready_ms / 1000.0
    recent = _recent(past, item.turn.started_at, sounds)
    cost = turn_cost(costs, sounds, end_s=end_s, reply_ready_s=ready_s, recent=recent)
    gaps = silent_gaps(sounds, end_s=end_s)
    return (
        *(getattr(cost, part) for part in PARTS),
        min([s.start_s for s in sounds], default=end_s),
        sum(gaps),
        max(gaps, default=0.0),
        max(silent_gaps(sounds, end_s=end_s, beds_are_sound=False), default=0.0),
        np.nan if ready_s is None else end_s - ready_s,
        np.nan if ready_s is None else bool(sounds) and sounds[0].start_s > ready_s - NEEDLESS_S,
        sum(s.kind.spoken for s in sounds),
        sum(s.cut and s.kind in (Kind.PHRASE, Kind.PROGRESS) for s in sounds),
        item.turn.end_ms / 1000.0,
        np.nan if ready_s is None else ready_s,
        *item.quantiles,
    )  # fmt: skip


def _recent(past: "deque[float]", started_at: float, sounds: Sequence[Sound]) -> list[int]:
    """Return, for each spoken sound, how many were heard in earlier turns in the 60 s before; then remember them."""
    starts = [started_at + s.start_s for s in sounds if s.kind.spoken]
    counts = []
    for start in starts:
        counts.append(sum(start - 60.0 <= at for at in past))
    past.extend(starts)
    while past and past[0] < started_at - 60.0:
        past.popleft()
    return counts
