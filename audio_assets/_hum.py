"""Hums ("mm-hm", "hmm"), which the voice has no good phones for.

Spelled with m's alone the HTS voice leaves what it was trained on: the first m gets vowel resonances and the
h a fricative's. Its m after a vowel is clean, so the hums are made of that: one long m, read at a changing
speed for the melody, with breath through the nose where the h belongs.

Only the first quarter of the long m is used. It has overtones (250-400 Hz as strong as the rest, 700 Hz 15 dB
below); after a third the model closes down to nearly a sine at 160 Hz, which a telephone would not carry.
"""

import numpy as np
import soxr

from ._festival import Line, Speech
from ._finish import FRAMES_PER_MS, RATE, Samples, active_rms_dbfs, raised_cosine
from ._synthesis import band, shaped_noise

SOURCE = Line("um", rate=0.025)
"""The line whose long m the hums are made of."""

_OVERSAMPLING = 4
_GLIDE_MS = 30
_BREATH_DB = -22.0


def mm_hm(source: Speech) -> Samples:
    """Agreeing: low, breath, higher."""
    m = _long_m(source)
    low = _sung(m, [0.5, 0.0], ms=170)
    high = 1.2 * _sung(m, [2.0, 4.0, 3.0], ms=240)
    return _joined([low, _breath(m, ms=110), high])


def hmm(source: Speech) -> Samples:
    """Thinking: breath, then one hum that sinks a little."""
    m = _long_m(source)
    return _joined([_breath(m, ms=90), _sung(m, [1.5, 0.5, 0.0, -0.5], ms=430)])


def _long_m(source: Speech) -> Samples:
    ends = dict(source.sounds)
    start, end = ends["ah"], ends["m"]
    first, last = (start + part * (end - start) for part in (0.04, 0.27))
    return source.samples[round(first * RATE) : round(last * RATE)]


def _sung(m: Samples, semitones: list[float], *, ms: int) -> Samples:
    """Read *m* faster or slower so that its pitch moves through *semitones*."""
    frames = ms * FRAMES_PER_MS
    bend = np.interp(np.linspace(0, 1, frames), np.linspace(0, 1, len(semitones)), semitones)
    position = np.cumsum(2 ** (bend / 12))
    if position[-1] > len(m):
        raise ValueError(f"a hum of {ms} ms needs {position[-1]:.0f} frames of m, there are {len(m)}")
    fine: Samples = soxr.resample(m, RATE, _OVERSAMPLING * RATE, quality="VHQ")
    swell = np.sqrt(np.sin(np.pi * np.linspace(0.05, 0.97, frames)))
    return swell * np.interp(position, np.arange(len(fine)) / _OVERSAMPLING, fine)


def _breath(m: Samples, *, ms: int) -> Samples:
    noise = shaped_noise(ms * FRAMES_PER_MS, band(250, 2800), np.random.default_rng(11))
    return noise * 10 ** ((active_rms_dbfs(m) + _BREATH_DB) / 20)


def _joined(parts: list[Samples]) -> Samples:
    """Overlap the parts by `_GLIDE_MS` each, with silence around the whole."""
    glide = _GLIDE_MS * FRAMES_PER_MS
    rise = raised_cosine(_GLIDE_MS)
    silence = RATE // 10
    result = np.zeros(2 * silence + sum(len(part) - glide for part in parts) + glide)
    at = silence
    for part in parts:
        shaped = part.copy()
        shaped[:glide] *= rise
        shaped[-glide:] *= rise[::-1]
        result[at : at + len(part)] += shaped
        at += len(part) - glide
    return result
