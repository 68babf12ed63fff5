"""What a turn felt like, in seconds of plain waiting: the cost model that is planned with and reported."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...fillers import Costs, Kind

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sound:
    """One filler as it was heard; s from the end of the user's speech."""

    kind: Kind
    start_s: float
    end_s: float
    cut: bool = False


@dataclass(frozen=True, slots=True)
class TurnCost:
    """The parts of a turn's cost, in seconds of plain waiting."""

    silence: float
    reply_delay: float
    spoken: float
    cuts: float
    beds: float

    @property
    def total(self) -> float:
        return self.silence + self.reply_delay + self.spoken + self.cuts + self.beds


def silence_cost(costs: Costs, gap_s: Floats) -> Floats:
    """Return the cost of silent gaps: 0 up to ``silence_free_s``, then quadratic until the slope is
    ``silence_slope``, then linear. With the defaults (g - 0.4)^2 up to 1.15 s, slope 1.5 from there."""
    over = np.maximum(np.asarray(gap_s, float) - costs.silence_free_s, 0.0)
    bend = costs.silence_slope / 2.0
    return np.where(over <= bend, over * over, bend * bend + costs.silence_slope * (over - bend))


def spoken_cost(costs: Costs, kind: Kind, place: int, recent: int) -> float:
    """Return the cost of one spoken filler.

    Args:
        costs: The weights.
        kind: Its kind.
        place: Its place among the turn's spoken fillers, from 1.
        recent: Spoken fillers heard in earlier turns of the conversation, in the 60 s before it.
    """
    excess = max(0, recent - costs.repeat_free_per_minute)
    return costs.spoken(kind) + costs.repeat * (place + excess - 1)


def turn_cost(
    costs: Costs,
    sounds: Iterable[Sound],
    *,
    end_s: float,
    reply_ready_s: float | None,
    recent: Sequence[int] = (),
) -> TurnCost:
    """Return what a turn felt like.

    Args:
        costs: The weights.
        sounds: The fillers that were heard.
        end_s: s from the end of the user's speech to the first sound of the reply, or to the cancellation.
        reply_ready_s: s until the reply was available; None if the turn was cancelled.
        recent: For each spoken filler in order, how many were heard in earlier turns in the 60 s before it.
    """
    sounds = sorted(sounds, key=lambda sound: sound.start_s)
    spoken = [sound for sound in sounds if sound.kind.spoken]
    beds = [sound for sound in sounds if not sound.kind.spoken]
    gaps, at = [], 0.0
    for start, end in [*((s.start_s, s.end_s) for s in spoken), (end_s, end_s)]:
        if start > at:
            covered = _covered(at, start, beds)
            gaps.append(start - at - costs.ambience_credit * covered)
        at = max(at, end)
    recent = [*recent, *[0] * (len(spoken) - len(recent))]
    lines = (Kind.PHRASE, Kind.PROGRESS)
    return TurnCost(
        silence=float(silence_cost(costs, np.array(gaps)).sum()) if gaps else 0.0,
        reply_delay=costs.reply_delay * (end_s - reply_ready_s) if reply_ready_s is not None else 0.0,
        spoken=sum(spoken_cost(costs, s.kind, place, recent[place - 1]) for place, s in enumerate(spoken, 1)),
        cuts=costs.phrase_cut * sum(s.cut and s.kind in lines for s in spoken),
        beds=sum(costs.bed + costs.bed_per_s * (s.end_s - s.start_s) for s in beds),
    )


def silent_gaps(sounds: Iterable[Sound], *, end_s: float, beds_are_sound: bool = True) -> list[float]:
    """Return the stretches in s, up to *end_s*, in which nothing sounds (with *beds_are_sound*: not even a bed)."""
    gaps, at = [], 0.0
    for sound in sorted(sounds, key=lambda sound: sound.start_s):
        if not sound.kind.spoken and not beds_are_sound:
            continue
        if sound.start_s > at:
            gaps.append(min(sound.start_s, end_s) - at)
        at = max(at, sound.end_s)
    if end_s > at:
        gaps.append(end_s - at)
    return [gap for gap in gaps if gap > 0.0]


def _covered(start: float, end: float, beds: Sequence[Sound]) -> float:
    """Return the s of *start* .. *end* in which at least one bed sounds."""
    covered, at = 0.0, start
    for bed in beds:
        left, right = max(at, bed.start_s), min(end, bed.end_s)
        if right > left:
            covered += right - left
            at = right
    return covered
