"""How loud clips are beside each other."""

from collections.abc import Iterator, Sequence
from statistics import median

from .._kinds import BED_KINDS, Kind
from .._level import rms_dbfs
from ._finding import Finding, warning
from ._loading import Loaded

SPREAD_DB = 3.0
"""dB between the loudest and the softest clip of a kind; more is heard as a change of place."""
BED_BELOW_DB = 6.0
"""dB by which a bed lies below speech, which has to be understood over it."""


def check_levels(loaded: Sequence[Loaded]) -> Iterator[Finding]:
    """Find kinds whose clips are not equally loud, and beds that are as loud as speech."""
    kinds: dict[Kind, list[tuple[float, str]]] = {}
    for one in loaded:
        kinds.setdefault(one.clip.kind, []).append((rms_dbfs(one.clip.samples, one.rate), one.id))
    for kind, levels in kinds.items():
        (softest, soft), (loudest, loud) = min(levels), max(levels)
        if loudest - softest > SPREAD_DB:
            yield warning(
                "loudness",
                f"{kind}: loudness spreads over {loudest - softest:.1f} dB, from {soft} ({softest:.1f} dBFS) "
                f"to {loud} ({loudest:.1f} dBFS); level them",
            )
    spoken = [level for kind, levels in kinds.items() if kind.spoken for level, _ in levels]
    for level, bed in (pair for kind in BED_KINDS for pair in kinds.get(kind, ()) if spoken):
        below = median(spoken) - level
        if below < BED_BELOW_DB:
            yield warning(
                "bed",
                f"is a bed at {level:.1f} dBFS, {_relation(below)} the pack's speech; make it "
                f"{BED_BELOW_DB - below:.0f} dB softer, so that it lies under what is said",
                bed,
            )


def _relation(below: float) -> str:
    return f"{below:.1f} dB below" if below >= 0.0 else f"{-below:.1f} dB above"
