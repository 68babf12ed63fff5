"""From recordings to clips: samples in, samples out. No file is opened here."""

from .._level import rms_dbfs
from ._bounds import sound_bounds
from ._clipping import clipped_run
from ._levels import BELOW_SPEECH_DB, Levels, levels_of
from ._loudness import Loudness, measure_loudness, true_peak_dbtp
from ._prepare import Prepared, prepare
from ._silences import split_at_silences

__all__ = [
    "BELOW_SPEECH_DB",
    "Levels",
    "Loudness",
    "Prepared",
    "clipped_run",
    "levels_of",
    "measure_loudness",
    "prepare",
    "rms_dbfs",
    "sound_bounds",
    "split_at_silences",
    "true_peak_dbtp",
]
