"""The figures of a replay: first what needs no assumption, then the cost model."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from stopgap.engine.planning import Sound, silent_gaps, turn_cost
from stopgap.fillers import Costs, Kind

from ._replay import ReplayedTurn

NEEDLESS_S = 0.25
"""s. A first filler that starts less than this before the reply was needless."""
LEVELS = (0.5, 0.8, 0.95)


@dataclass(frozen=True, slots=True)
class Score:
    """Figures over all turns of a replay. Times are s, shares are 0 to 1."""

    turns: int
    cost: float
    """Mean cost of a turn, in s of plain waiting."""
    cost_silence: float
    cost_reply_delay: float
    cost_spoken: float
    cost_cuts: float
    cost_beds: float
    first_sound_p50: float
    longest_gap_p50: float
    """Longest silence of a turn, beds counted as sound."""
    longest_gap_p95: float
    gap_over_1s: float
    """Share of turns with more than 1 s of silence, beds counted as sound."""
    gap_over_1s_beds_silent: float
    """The same, beds counted as silence."""
    reply_delay_mean: float
    needless: float
    """Share of turns whose first filler starts less than 0.25 s before the reply was available."""
    cut_lines: float
    """Phrases and progress lines cut, per turn."""
    spoken_per_turn: float
    spoken_per_waiting_minute: float
    coverage_q50: float
    """Share of replies that came within the predicted quantile."""
    coverage_q80: float
    coverage_q95: float
    pinball: float
    """Mean pinball loss over the three quantiles, s."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def score(replayed: Sequence[ReplayedTurn], costs: Costs) -> Score:
    """Return the figures of *replayed*, as given by `replay`; NaN where there is nothing to average."""
    parts, firsts, gaps, gaps_silent, delays, needless = [], [], [], [], [], []
    memory: dict[str, deque[float]] = {}
    spoken = cuts = 0
    for item in replayed:
        sounds = sounds_of(item)
        end_s = (item.reply_start_ms if item.reply_start_ms is not None else item.turn.end_ms) / 1000.0
        ready = item.turn.reply_ready_ms
        past = memory.setdefault(item.turn.conversation_id, deque())
        recent = _recent(past, item.turn.started_at, sounds)
        cost = turn_cost(
            costs, sounds, end_s=end_s, reply_ready_s=None if ready is None else ready / 1000.0, recent=recent
        )
        parts.append((cost.total, cost.silence, cost.reply_delay, cost.spoken, cost.cuts, cost.beds))
        firsts.append(min([s.start_s for s in sounds], default=end_s))
        gaps.append(max(silent_gaps(sounds, end_s=end_s), default=0.0))
        gaps_silent.append(max(silent_gaps(sounds, end_s=end_s, beds_are_sound=False), default=0.0))
        spoken += sum(s.kind.spoken for s in sounds)
        cuts += sum(s.cut and s.kind in (Kind.PHRASE, Kind.PROGRESS) for s in sounds)
        if ready is not None:
            delays.append(end_s - ready / 1000.0)
            needless.append(bool(sounds) and sounds[0].start_s > ready / 1000.0 - NEEDLESS_S)
    means = np.mean(parts, axis=0) if parts else np.full(6, np.nan)
    waiting_s = sum(item.turn.end_ms for item in replayed) / 1000.0
    coverage, pinball = _calibration(replayed)
    return Score(
        turns=len(replayed),
        cost=float(means[0]),
        cost_silence=float(means[1]),
        cost_reply_delay=float(means[2]),
        cost_spoken=float(means[3]),
        cost_cuts=float(means[4]),
        cost_beds=float(means[5]),
        first_sound_p50=_quantile(firsts, 0.5),
        longest_gap_p50=_quantile(gaps, 0.5),
        longest_gap_p95=_quantile(gaps, 0.95),
        gap_over_1s=_mean([gap > 1.0 for gap in gaps]),
        gap_over_1s_beds_silent=_mean([gap > 1.0 for gap in gaps_silent]),
        reply_delay_mean=_mean(delays),
        needless=_mean(needless),
        cut_lines=cuts / len(replayed) if replayed else float("nan"),
        spoken_per_turn=spoken / len(replayed) if replayed else float("nan"),
        spoken_per_waiting_minute=60.0 * spoken / waiting_s if waiting_s else float("nan"),
        coverage_q50=coverage[0],
        coverage_q80=coverage[1],
        coverage_q95=coverage[2],
        pinball=pinball,
    )


def sounds_of(item: ReplayedTurn) -> list[Sound]:
    """Return the fillers of a replayed turn as they were heard, in order of start."""
    heard = [Sound(s.kind, s.start_s, s.end_s or s.start_s, s.cut) for s in item.record.sounds]
    return sorted(heard, key=lambda sound: sound.start_s)


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


def _calibration(replayed: Iterable[ReplayedTurn]) -> tuple[list[float], float]:
    waits, quantiles = [], []
    for item in replayed:
        if item.turn.reply_ready_ms is not None:
            waits.append(item.turn.reply_ready_ms / 1000.0)
            predicted = item.record.prediction
            quantiles.append((predicted.q50_s, predicted.q80_s, predicted.q95_s))
    if not waits:
        return [float("nan")] * 3, float("nan")
    off = np.array(waits)[:, np.newaxis] - np.array(quantiles)
    levels = np.array(LEVELS)
    coverage = [float(share) for share in (off <= 0.0).mean(axis=0)]
    return coverage, float(np.maximum(levels * off, (levels - 1.0) * off).mean())


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _quantile(values: Sequence[float], share: float) -> float:
    return float(np.quantile(values, share)) if values else float("nan")
