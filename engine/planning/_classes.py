"""Clip classes: clips that are alike to the planner, and what yielding to the reply costs them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...fillers import Clip, Config, Kind
from ..mixer import HandoffFrames, clip_length, ending, mark_frames
from ._costs import Floats

GRID_S = 0.05
"""s. Step of the planner's time."""
LENGTH_RATIO = 1.35
"""Clips of one kind whose lengths differ by less fall into one class."""


@dataclass(frozen=True, slots=True)
class ClipClass:
    """Clips of one kind and about one length."""

    kind: Kind
    duration_s: float
    """s. Mean length."""
    tolerance_s: float
    """s. The farthest that a clip of the class is from *duration_s*."""
    steps: int
    """Grid steps it lasts."""
    handoff: Floats
    """Mean cost of the reply arriving in the j-th step of its play (delay and cut), shape (steps,)."""


def clip_classes(clips: Sequence[Clip], config: Config) -> tuple[ClipClass, ...]:
    """Return the spoken classes of *clips*, shortest first within a kind."""
    groups: dict[tuple[Kind, int], list[Clip]] = {}
    for clip in clips:
        if clip.kind.spoken:
            bucket = round(math.log(clip.duration_s) / math.log(LENGTH_RATIO))
            groups.setdefault((clip.kind, bucket), []).append(clip)
    return tuple(_class(kind, group, config) for (kind, _), group in sorted(groups.items()))


def _class(kind: Kind, clips: list[Clip], config: Config) -> ClipClass:
    durations = [clip.duration_s for clip in clips]
    mean = sum(durations) / len(durations)
    steps = max(1, round(mean / GRID_S))
    costs = np.zeros(steps)
    for clip in clips:
        costs += np.array(_handoff_costs(clip, steps, config))
    return ClipClass(kind, mean, max(abs(duration - mean) for duration in durations), steps, costs / len(clips))


def _handoff_costs(clip: Clip, steps: int, config: Config) -> list[float]:
    """Return what it costs when the reply arrives in the middle of each of *clip*'s grid steps."""
    rule = HandoffFrames.at_rate(config.handoff.of(clip.kind), clip.rate)
    cut_cost = config.costs.phrase_cut if clip.kind in (Kind.PHRASE, Kind.PROGRESS) else 0.0
    costs = []
    for step in range(steps):
        played = min(round((step + 0.5) * GRID_S * clip.rate), clip.frames)
        how = ending(played, clip_length(clip), mark_frames(clip), rule)
        delay_s = max(0, how.end + rule.gap - played) / clip.rate
        costs.append(config.costs.reply_delay * delay_s + cut_cost * how.cut)
    return costs
