"""Where a recording's sound starts and ends."""

from dataclasses import dataclass

import numpy as np

from .._clip import Samples
from ._envelope import Decibels, Envelope, blocks, frame_of, is_voiced, islands

_AUDIBLE_DB, _CERTAIN_DB = -50.0, -34.0
"""dB against the loudest sound: what adjoins sound and is louder belongs to it; what is louder is sound by itself."""
_ABOVE_FLOOR_DB, _SURELY_ABOVE_FLOOR_DB = 4.0, 5.0
_FLOOR_SPREAD_DB = 4.0
_FLOOR_MS = 100.0
_FLOOR_RULES = ((100.0, -24.0), (150.0, -32.0), (300.0, -22.0))
"""(ms, dB): noise at both ends of at least 100 ms and 24 dB below the loudest sound is a floor; at one end alone it
has to last longer, since a clip that was trimmed before may begin with a long s."""
_APART_MS, _RELEASE_MS = 90.0, 150.0
"""ms between a breath and the words behind it; and between words and a breath after them, since the t of "that" may
come late."""
_BREATH_DB = -20.0
_LEAD_GAP_MS, _LEAD_MOST_MS = 30.0, 300.0
_TAIL_GAP_MS, _TAIL_MOST_MS = 80.0, 500.0
"""ms of silence that a sound may have within it (a final t comes after 80 ms), and ms of soft sound before the first
and after the last certain one that are kept: more is breath."""
_SOUND_BLOCKS = 5
"""Behind a gap, 25 ms are sound; less is a tick."""


@dataclass(frozen=True)
class Bounds:
    """A recording's sound, without margins."""

    start: int
    """Frame."""
    end: int
    """Frame behind the last one."""
    threshold_dbfs: float
    """Level (5 ms) above which sound that adjoins the rest belongs to it."""
    floor_dbfs: float | None
    """The recording's own noise; None if no silence shows it."""


def sound_bounds(samples: Samples, rate: int, *, ticks: bool = False) -> Bounds:
    """Find where the sound of *samples* starts and ends.

    The level must rise above -34 dB of the loudest sound and 5 dB above the recording's noise for at least 25 ms;
    from there the sound is followed outwards to -50 dB and 4 dB above the noise. So neither a tick nor a breath in
    the silence moves an edge, and a soft "f" keeps its beginning.

    Args:
        ticks: Ticks and breaths are sounds too, as in a bed.
    """
    envelope = Envelope.of(samples, rate, ticks=ticks)
    floor = _floor_of(envelope)
    noise = -np.inf if floor is None else floor
    audible = max(envelope.loud + _AUDIBLE_DB, noise + _ABOVE_FLOOR_DB)
    certain = max(envelope.loud + _CERTAIN_DB, noise + _SURELY_ABOVE_FLOOR_DB)
    certain = min(certain, envelope.loud - 1.0)
    found = islands(envelope.steady >= certain, blocks(_APART_MS))
    if not ticks:
        found = _without_breaths(found, envelope, samples, rate)
    heard = envelope.level > audible
    first = found[0][0] - _beyond(heard[: found[0][0]][::-1], blocks(_LEAD_GAP_MS), blocks(_LEAD_MOST_MS))
    last = found[-1][1] + _beyond(heard[found[-1][1] :], blocks(_TAIL_GAP_MS), blocks(_TAIL_MOST_MS))
    end = len(samples) if last == len(heard) else frame_of(last, rate)
    return Bounds(frame_of(first, rate), end, audible, floor)


def _floor_of(envelope: Envelope) -> float | None:
    """Return the level of the noise before and after the sound, None if neither end is silent for long enough."""
    ends = [_steady_start(envelope.steady), _steady_start(envelope.steady[::-1])]
    relative = [(length, level - envelope.loud) for length, level in ends]
    (both, far), *alone = [(blocks(ms), below) for ms, below in _FLOOR_RULES]
    alike = abs(ends[0][1] - ends[1][1]) <= _FLOOR_SPREAD_DB
    if alike and all(length >= both and level <= far for length, level in relative):
        return max(level for _, level in ends)
    seen = [
        level + envelope.loud
        for length, level in relative
        if any(length >= least and level <= below for least, below in alone)
    ]
    return max(seen) if seen else None


def _steady_start(level: Decibels) -> tuple[int, float]:
    """Return for how many blocks *level* does not rise above where it starts, and where that is."""
    start = float(np.median(level[: blocks(_FLOOR_MS)]))  # files may well begin and end with a few zeros
    risen = np.flatnonzero(level - start > _FLOOR_SPREAD_DB)
    return (int(risen[0]) if len(risen) else len(level)), start


def _without_breaths(
    found: list[tuple[int, int]], envelope: Envelope, samples: Samples, rate: int
) -> list[tuple[int, int]]:
    """Return *found* without soft voiceless sounds that stand apart before and after the rest."""

    def breath(island: tuple[int, int]) -> bool:
        first, behind = island
        soft = envelope.steady[first:behind].max() < envelope.loud + _BREATH_DB
        return bool(soft) and not is_voiced(samples[frame_of(first, rate) : frame_of(behind, rate)], rate)

    while len(found) > 1 and breath(found[0]):
        found = found[1:]
    while len(found) > 1 and found[-1][0] - found[-2][1] >= blocks(_RELEASE_MS) and breath(found[-1]):
        found = found[:-1]
    return found


def _beyond(heard: np.ndarray[tuple[int], np.dtype[np.bool_]], gap: int, most: int) -> int:
    """Return how many more blocks belong to the sound that ends where *heard* starts."""
    reach = 0
    for first, behind in islands(heard[:most], 1):
        if first - reach > gap or (first > reach and behind - first < _SOUND_BLOCKS):
            break
        reach = behind
    return reach
