"""How loud clips are beside each other."""

from collections.abc import Iterator, Sequence
from statistics import median

from .._kinds import BED_KINDS, Kind
from .._level import rms_dbfs
from ..preparation import measure_loudness
from ._finding import Finding, warning
from ._loading import Loaded

SPREAD_DB = 3.0
"""dB between the loudest and the softest clip of a kind; more is heard as a change of place."""
BED_BELOW_DB = 6.0
"""dB by which a bed lies below speech, which has to be understood over it."""


def check_levels(loaded: Sequence[Loaded]) -> Iterator[Finding]:
    """Find kinds whose clips are not equally loud, and beds that are as loud as speech."""
    kinds: dict[Kind, list[Loaded]] = {}
    for one in loaded:
        kinds.setdefault(one.clip.kind, []).append(one)
    for kind, clips in kinds.items():
        levels, unit = _loudness_of(clips)
        (softest, soft), (loudest, loud) = min(levels), max(levels)
        if loudest - softest > SPREAD_DB:
            yield warning(
                "loudness",
                f"{kind}: loudness spreads over {loudest - softest:.1f} dB, from {soft} ({softest:.1f} {unit}) "
                f"to {loud} ({loudest:.1f} {unit}); level them",
            )
    spoken = [_rms(one) for kind, clips in kinds.items() if kind.spoken for one in clips]
    for bed in (one for kind in BED_KINDS for one in kinds.get(kind, ()) if spoken):
        below = median(spoken) - _rms(bed)
        if below < BED_BELOW_DB:
            yield warning(
                "bed",
                f"is a bed at {_rms(bed):.1f} dBFS, {_relation(below)} the pack's speech; make it "
                f"{BED_BELOW_DB - below:.0f} dB softer, so that it lies under what is said",
                bed.id,
            )


def _loudness_of(clips: Sequence[Loaded]) -> tuple[list[tuple[float, str]], str]:
    """Return how loud *clips* are with their ids, and the unit: BS.1770, as preparation levels them, if it has a figure
    for each, since a low hum and a hiss that are equally loud differ by several dB of RMS."""
    measured = [measure_loudness(one.clip.samples, one.rate) for one in clips]
    if all(found.method == "BS.1770" for found in measured):
        return [(found.value, one.id) for found, one in zip(measured, clips, strict=True)], "LUFS"
    return [(_rms(one), one.id) for one in clips], "dBFS"


def _rms(one: Loaded) -> float:
    return rms_dbfs(one.clip.samples, one.rate)


def _relation(below: float) -> str:
    return f"{below:.1f} dB below" if below >= 0.0 else f"{-below:.1f} dB above"
