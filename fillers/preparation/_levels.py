"""How loud the clips of a pack are to be."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .._clip import Samples
from .._kinds import Kind
from .._level import rms_dbfs
from .._preparation import PreparationSettings
from ._loudness import Loudness, measure_loudness

BELOW_SPEECH_DB = {Kind.TONE: 8.0, Kind.HOLD: 12.0, Kind.AMBIENCE: 18.0}
"""dB by which beds lie below the speech: they are heard beneath it and beside it. As in the bundled pack."""
DEFAULT_LUFS = -20.0
"""Of a pack without speech."""
TYPICAL_RMS_OFFSET_DB = -1.0
"""LUFS - RMS of the bundled voice (other synthetic ones: -0.2 to -1.8), for packs that BS.1770 cannot measure."""
_SILENT_DBFS = -60.0
_LOWEST_LUFS, _HIGHEST_LUFS = -50.0, -10.0


@dataclass(frozen=True)
class Levels:
    """The levels of a pack."""

    speech: float
    """LUFS that spoken clips are brought to."""
    rms_offset_db: float
    """dB to be added to an RMS figure of this voice to compare it with LUFS."""

    def target_of(self, kind: Kind) -> float:
        """Return the LUFS that a clip of *kind* is brought to."""
        return self.speech - BELOW_SPEECH_DB.get(kind, 0.0)

    def lufs(self, loudness: Loudness) -> float:
        """Return *loudness* on the one scale, whichever way it was measured."""
        return loudness.value + (self.rms_offset_db if loudness.method == "RMS" else 0.0)


def levels_of(measured: Iterable[tuple[Samples, int, Kind]], settings: PreparationSettings) -> Levels:
    """Return the levels for a pack of these recordings: samples, their rate and kind.

    With ``loudness = "own"`` the target is the median of the spoken recordings that BS.1770 can measure; if it can
    measure none (all short, or pyloudnorm is not installed), of all spoken ones by RMS; without speech -20 LUFS.
    Silent recordings do not count.
    """
    lufs: list[float] = []
    rms: list[float] = []
    offsets: list[float] = []
    for samples, rate, kind in measured:
        if not kind.spoken or len(samples) == 0:
            continue
        centred = samples - samples.mean()
        level = rms_dbfs(centred, rate)
        if level < _SILENT_DBFS:
            continue
        rms.append(level)
        loudness = measure_loudness(centred, rate)
        if loudness.method == "BS.1770" and loudness.value > _SILENT_DBFS - 10:
            lufs.append(loudness.value)
            offsets.append(loudness.value - level)
    offset = float(np.median(offsets)) if offsets else TYPICAL_RMS_OFFSET_DB
    return Levels(_target(settings, lufs or [level + offset for level in rms]), offset)


def _target(settings: PreparationSettings, own: list[float]) -> float:
    if settings.loudness != "own":
        return settings.loudness
    if not own:
        return DEFAULT_LUFS
    return float(np.clip(np.median(own), _LOWEST_LUFS, _HIGHEST_LUFS))
