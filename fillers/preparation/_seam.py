"""Whether a loop closes: what is heard where its end meets its start."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._clip import Samples

_NEAR_S = 0.02
_STEEPER = 1.5
"""Times the steepest step within 20 ms on either side that the step over the seam may have."""
_INAUDIBLE = 2.0**-14
_WINDOW_S = 0.1
_FEW_WINDOWS = 6
_LEVEL_DB, _COLOUR_DB = 3.0, 4.0
"""dB of change that are not noticed even in a loop that never changes."""
_MORE = 1.1
"""Times the changes inside that the one over the seam may be."""
_BANDS_HZ = (100.0, 200.0, 400.0, 800.0, 1600.0, 3200.0, 6400.0)
_FLOOR_DB = -60.0


@dataclass(frozen=True)
class Seam:
    """A loop's seam, each figure beside what is usual within the loop."""

    step: float
    """Share of full scale between the last sample and the first."""
    step_inside: float
    """The largest one within 20 ms."""
    kink: float
    """Change of the step from one sample to the next, where the seam is: a jump of the phase."""
    kink_inside: float
    level_db: float
    """Change of level from the last 100 ms to the first."""
    level_inside_db: float
    """What 9 in 10 changes from 100 ms to the next do not exceed."""
    colour_db: float
    """Change of the octave bands, on average."""
    colour_inside_db: float

    @property
    def clicks(self) -> bool:
        return (
            self.step > _STEEPER * self.step_inside + _INAUDIBLE or self.kink > _STEEPER * self.kink_inside + _INAUDIBLE
        )

    @property
    def closes(self) -> bool:
        """Whether nothing tells the seam from the rest."""
        level = self.level_db <= max(_LEVEL_DB, _MORE * self.level_inside_db)
        colour = self.colour_db <= max(_COLOUR_DB, _MORE * self.colour_inside_db)
        return level and colour and not self.clicks


def seam_of(samples: Samples, rate: int) -> Seam:
    """Measure where *samples*, at least 8 of them, would close."""
    near = min(max(4, round(_NEAR_S * rate)), len(samples) // 2)
    around = np.concatenate([samples[-near:], samples[:near]]).astype(np.float64)
    steps = np.abs(np.diff(around))
    kinks = np.abs(np.diff(around, 2))
    level, colour = _changes(samples, rate)
    return Seam(
        step=float(steps[near - 1]),
        step_inside=float(np.delete(steps, near - 1).max()),
        kink=float(kinks[near - 2 : near].max()),
        kink_inside=float(np.delete(kinks, [near - 2, near - 1]).max()),
        level_db=float(level[-1]),
        level_inside_db=float(np.quantile(level[:-1], 0.9)),
        colour_db=float(colour[-1]),
        colour_inside_db=float(np.quantile(colour[:-1], 0.9)),
    )


def _changes(samples: Samples, rate: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return by how much level and colour change from one 100 ms to the next; the last change is over the seam."""
    window = round(_WINDOW_S * rate)
    count = len(samples) // window
    if count < _FEW_WINDOWS:
        return np.zeros(2), np.zeros(2)
    middle = (count - 1) // 2  # what is left over lies in the middle, so that both ends are measured
    starts = [
        *range(0, middle * window, window),
        *range(len(samples) - (count - middle) * window, len(samples), window),
    ]
    pieces = np.stack([samples[start : start + window] for start in starts if start + window <= len(samples)])
    power = np.abs(np.fft.rfft(pieces.astype(np.float64) * np.hanning(window), axis=1)) ** 2
    hz = np.fft.rfftfreq(window, 1 / rate)
    bands = np.stack(
        [power[:, (low <= hz) & (hz < 2 * low)].sum(axis=1) for low in _BANDS_HZ if low < rate / 4], axis=1
    )
    bands += max(float(bands.max()), 1e-30) * 10 ** (_FLOOR_DB / 10)
    decibels = 10 * np.log10(bands)
    level = 10 * np.log10(bands.sum(axis=1))
    colour = np.abs(np.roll(decibels, -1, axis=0) - decibels).mean(axis=1)
    return np.abs(np.roll(level, -1) - level), colour
