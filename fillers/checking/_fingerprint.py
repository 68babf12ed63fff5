"""Whether two recordings are one: the same take at another level, trimmed, filtered or encoded again."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._clip import Clip, Samples
from .._decode import resampled
from ..preparation import sound_bounds

RATE = 8_000
"""Hz. What codecs and lower rates leave in place."""
HOP, FRAME = 80, 256
"""Frames: 10 ms, and 32 ms of which the spectrum is taken."""
BANDS_HZ = (100, 250, 400, 550, 750, 950, 1200, 1500, 1850, 2250, 2700, 3200, 3800)
"""Hz, the bands' borders: about as wide as the ear's."""
RANGE_DB = 50.0
"""dB below the loudest place that a band's level may lie; below are noise and what codecs drop."""
LOOK = 0.65
"""Correlation of the bands' levels from which it is worth looking at the waves, which takes long."""
ALIKE = 0.75
"""Correlation of the bands' levels that one recording has at least, unless the waves are certain. Of 24 recordings
encoded as 32 kbit/s MP3 or 24 kbit/s Opus, compressed, or filtered and trimmed the least has 0.87; other words rarely
have 0.6, the same words at another speed or by another voice up to 0.89."""
SAME = 0.6
"""Correlation of the waves from which it is one recording. The 24 have 0.71 to 0.999; of 1500 pairs of different ones,
the same words of one synthesiser at neighbouring speeds among them, none has more than 0.48."""
CERTAIN = 0.9
"""Correlation of the waves that two recordings do not have: different words of one synthesiser, which begins them with
the same sounds ("Let me see", "Let me think"), have up to 0.86; a copy, softer or trimmed, has 0.97 and more."""
STRETCH = 1.4
"""How much longer one of them may sound: one that lost more than that is another recording."""


@dataclass(frozen=True, slots=True, eq=False)
class Fingerprint:
    """What a recording is recognised by."""

    wave: Samples
    """At 8 kHz, as soft as it was, of energy 1."""
    bands: NDArray[np.float64]
    """Level of each band over time, shape (bands, 10 ms steps), mean 0 and energy 1."""
    sounds_s: float

    @classmethod
    def of(cls, clip: Clip) -> "Fingerprint":
        bounds = sound_bounds(clip.samples, clip.rate, ticks=not clip.kind.spoken)
        wave = resampled(clip.samples[bounds.start : bounds.end], clip.rate, RATE)  # silence would count as likeness
        return cls(wave / _norm(wave), _bands(wave), len(wave) / RATE)

    def same_as(self, other: "Fingerprint", *, same_words: bool = True) -> bool:
        """Return whether both are one recording; of different words only what is certain counts."""
        short, long = sorted((self.sounds_s, other.sounds_s))
        if long > STRETCH * short:
            return False
        bands = _likeness(self.bands, other.bands)
        if bands < LOOK:
            return False
        waves = _likeness(self.wave, other.wave)
        return waves >= CERTAIN or (same_words and bands >= ALIKE and waves >= SAME)


def _likeness(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Return the correlation of both, shifted against each other to where it is largest; turned over is alike too."""
    size = 1 << int(one.shape[-1] + other.shape[-1] - 1).bit_length()
    product = np.conj(np.fft.rfft(one, size)) * np.fft.rfft(other, size)
    product = product if one.ndim == 1 else product.sum(axis=0)
    return float(np.abs(np.fft.irfft(product, size)).max())


def _bands(wave: Samples) -> NDArray[np.float64]:
    padded = np.pad(wave.astype(np.float64), FRAME)
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP] * np.hanning(FRAME)
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    borders = np.searchsorted(np.fft.rfftfreq(FRAME, 1.0 / RATE), BANDS_HZ)
    levels = 10.0 * np.log10(np.add.reduceat(power[:, : borders[-1]], borders[:-1], axis=1).T + 1e-12)
    levels = np.maximum(levels, levels.max() - RANGE_DB)
    levels -= levels.mean(axis=1, keepdims=True)
    scaled: NDArray[np.float64] = levels / _norm(levels)
    return scaled


def _norm(values: NDArray[np.floating]) -> float:
    return max(float(np.sqrt(np.sum(values.astype(np.float64) ** 2))), 1e-12)
