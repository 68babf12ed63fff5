"""Clip classes: clips that are alike to the planner, and what yielding to the reply costs them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from ...fillers import Clip, Config, Handoff, Kind
from ..mixer import HandoffFrames, clip_length, ending, mark_frames
from ._costs import Floats

GRID_S = 0.05
"""s. Step of the planner's time."""
LENGTH_RATIO = 1.35
"""Clips of one kind whose lengths differ by less fall into one class."""
MOST_KNOWN = 64
"""Handoffs by which it is kept how a clip yields: tuning tries many."""
_yielding: WeakKeyDictionary[Clip, dict[tuple[int, Handoff], tuple[Floats, Floats]]] = WeakKeyDictionary()


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
        costs += _handoff_costs(clip, steps, config)
    return ClipClass(kind, mean, max(abs(duration - mean) for duration in durations), steps, costs / len(clips))


def _handoff_costs(clip: Clip, steps: int, config: Config) -> Floats:
    """Return what it costs when the reply arrives in the middle of each of *clip*'s grid steps."""
    handoff, costs = config.handoff.of(clip.kind), config.costs
    known = _yielding.setdefault(clip, {})
    if (steps, handoff) not in known:
        if len(known) >= MOST_KNOWN:
            known.clear()
        known[steps, handoff] = _yields(clip, steps, handoff)
    delays, cuts = known[steps, handoff]
    cut_cost = costs.phrase_cut if clip.kind in (Kind.PHRASE, Kind.PROGRESS) else 0.0
    return costs.reply_delay * delays + cut_cost * cuts


def _yields(clip: Clip, steps: int, handoff: Handoff) -> tuple[Floats, Floats]:
    """Return by how many s *clip* holds back a reply that comes in the middle of each step, and whether it is cut."""
    rule = HandoffFrames.at_rate(handoff, clip.rate)
    delays, cuts = np.zeros(steps), np.zeros(steps)
    for step in range(steps):
        played = min(round((step + 0.5) * GRID_S * clip.rate), clip.frames)
        how = ending(played, clip_length(clip), mark_frames(clip), rule)
        delays[step] = max(0, how.end + rule.gap - played) / clip.rate
        cuts[step] = how.cut
    return delays, cuts
