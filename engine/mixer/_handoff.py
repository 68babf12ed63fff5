"""The handoff rule: how a playing filler yields to the reply."""

from collections.abc import Sequence
from dataclasses import dataclass

from ...fillers import Clip, Handoff, Kind

DECLICK_S = 0.008
"""s. Fade in front of a cut mark inside a clip: the mark lies between words, but rarely in full silence."""


@dataclass(frozen=True, slots=True)
class HandoffFrames:
    """A `Handoff` at one sample rate, in frames."""

    min_play: int
    max_finish: int
    fade: int
    gap: int
    fade_in: int
    declick: int

    @classmethod
    def at_rate(cls, handoff: Handoff, rate: int) -> "HandoffFrames":
        def frames(ms: float) -> int:
            return round(ms * rate / 1000)

        return cls(
            min_play=frames(handoff.min_play_ms),
            max_finish=frames(handoff.max_finish_ms),
            fade=frames(handoff.fade_ms),
            gap=frames(handoff.gap_ms),
            fade_in=frames(handoff.fade_in_ms),
            declick=round(DECLICK_S * rate),
        )


@dataclass(frozen=True, slots=True)
class Ending:
    """Where a voice ends. Positions count from the clip's start."""

    end: int
    """Frames played in all."""
    fade: int
    """Frames before *end* over which it fades; 0: the clip ends by itself."""
    cut: bool
    """Whether it was faded away from any cut mark."""


def ending(played: int, length: int | None, marks: Sequence[int], rule: HandoffFrames) -> Ending:
    """Return how a clip that has sounded for *played* frames ends when the reply is there.

    It plays on to the next cut mark at most ``max_finish`` away, but at least until ``min_play``; if no mark is
    near enough it fades from then on.

    Args:
        played: Frames it has sounded.
        length: Frames of the clip; None if it loops.
        marks: Ascending positions where it may end cleanly, its end among them.
        rule: The numbers of its kind.
    """
    earliest = max(played, rule.min_play)
    for mark in marks:
        whole = mark == length
        if earliest + (0 if whole else rule.declick) <= mark <= played + rule.max_finish:
            return Ending(mark, 0 if whole else rule.declick, cut=False)
    if length is not None and length <= earliest + rule.fade:
        return Ending(length, 0, cut=False)
    return Ending(earliest + rule.fade, rule.fade, cut=length is not None)


def release(played: int, length: int | None, marks: Sequence[int], rule: HandoffFrames) -> Ending | None:
    """Return how a clip ends when the reply is announced: at its next mark, never cut. None: it plays on."""
    earliest = max(played, rule.min_play)
    for mark in marks:
        if mark == length:
            break
        if mark >= earliest + rule.declick:
            return Ending(mark, rule.declick, cut=False)
    return None


def clip_length(clip: Clip) -> int | None:
    """Return the frames after which *clip* ends by itself, or None if it loops."""
    return None if clip.loops else clip.frames


def mark_frames(clip: Clip) -> tuple[int, ...]:
    return () if clip.loops else tuple(mark.frame for mark in clip.cut_marks)


def equal_power(kind: Kind) -> bool:
    """Return whether fades of *kind* keep power (noise-like beds) instead of being linear (speech)."""
    return not kind.spoken
