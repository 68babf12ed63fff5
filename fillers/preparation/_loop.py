"""Recordings of beds that are to go round and round."""

import numpy as np
from numpy.typing import NDArray

from .._clip import Samples
from .._errors import PackError
from .._manifest import StepEntry
from ._bounds import sound_bounds
from ._envelope import Envelope, blocks
from ._seam import Seam, seam_of
from ._steps import step

_SEARCH_S = 4.0
_SEARCH_SHARE = 1 / 3
"""Part of the recording from its end, 4 s at most, in which a good place for the loop's end is looked for."""
_ALMOST = 0.02
"""Of likeness: of places that are nearly as good the last one is tried first, as it makes the longest loop."""
_TRIES = 12
"""Places in as many parts of that stretch: the best in each."""
_LEVEL_DB = 20.0
"""dB of difference in level that count as much as no likeness at all."""
_PAUSE_QUANTILE = 0.05
_QUIETER_DB = 6.0


def loop_bounds(samples: Samples, rate: int) -> tuple[int, int]:
    """Return the frames between which a bed's recording sounds.

    Silence at its ends is left out only where it is no pause of the bed's own, as between keystrokes: where the
    recording is quieter than anywhere within it.
    """
    bounds = sound_bounds(samples, rate, ticks=True)
    level = Envelope.of(samples, rate, ticks=True).level
    first, behind = (round(frame * len(level) / len(samples)) for frame in (bounds.start, bounds.end))
    pause = float(np.quantile(level[first:behind], _PAUSE_QUANTILE))
    lead, tail = level[:first], level[behind:]
    start, end = bounds.start, bounds.end
    if len(lead) < blocks(15) or np.median(lead) > pause - _QUIETER_DB:
        start = 0
    if len(tail) < blocks(15) or np.median(tail) > pause - _QUIETER_DB:
        end = len(samples)
    return start, end


def seamless(samples: Samples, rate: int, crossfade_ms: float) -> tuple[Samples, StepEntry]:
    """Return *samples* as a loop without an audible seam, and what was done.

    A recording that closes already comes back as it is. Otherwise its end, at the place near it that is most like the
    start, is blended into the start: the first *crossfade_ms* of the loop begin as what followed its last sample.

    Raises:
        PackError: if it is too short for that.
    """
    seam = seam_of(samples, rate)
    if seam.closes:
        return samples, _step(seam, closed=True)
    fade = round(crossfade_ms * rate / 1000)
    if len(samples) < 3 * fade:
        raise PackError(
            f"is too short to loop: it lasts {len(samples) / rate:.2f} s and a crossfade of {crossfade_ms:g} ms takes "
            f"{3 * fade / rate:.2f} s; record more of it, or lower crossfade_ms"
        )
    length, likeness, loop, seam = _best(samples, rate, fade)
    cut_ms = 1000 * (len(samples) - length) / rate
    facts = {"crossfade_ms": crossfade_ms, "cut_ms": round(cut_ms, 1), "correlation": round(likeness, 3)}
    return loop, _step(seam, closed=False, **facts)


def _best(samples: Samples, rate: int, fade: int) -> tuple[int, float, Samples, Seam]:
    """Return length, likeness (correlation, 0 to 1), samples and seam of the loop whose seam is heard least."""
    tried: list[tuple[int, float, Samples, Seam]] = []
    for length, likeness in _lengths(samples, rate, fade):
        loop = samples[:length].copy()
        loop[:fade] = _blended(samples[length : length + fade], samples[:fade], likeness)
        seam = seam_of(loop, rate)
        tried.append((length, likeness, loop, seam))
        if seam.closes:
            return tried[-1]
    return tried[0]


def _lengths(samples: Samples, rate: int, fade: int) -> list[tuple[int, float]]:
    """Return lengths at which what follows is like the start, and how much; the best one first."""
    longest = len(samples) - fade
    shortest = max(2 * fade, longest - round(min(_SEARCH_S * rate, _SEARCH_SHARE * len(samples))))
    head = samples[:fade].astype(np.float64)
    part = samples[shortest:].astype(np.float64)
    energy = np.concatenate([[0.0], np.cumsum(part**2)])
    energies = np.maximum(energy[fade:] - energy[:-fade], 1e-20)
    own = max(float(head @ head), 1e-20)
    likeness = np.clip(_correlation(part, head) / np.sqrt(energies * own), 0.0, 1.0)
    score = likeness - np.abs(10 * np.log10(energies / own)) / _LEVEL_DB
    nearest = np.array_split(np.arange(len(score)), min(_TRIES, len(score)))
    best = [int(places[np.argmax(score[places])]) for places in nearest]
    best.sort(key=lambda place: (-round(float(score[place]) / _ALMOST), -place))
    return [(shortest + place, float(likeness[place])) for place in best]


def _correlation(part: NDArray[np.float64], head: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the products of *head* with every stretch of *part* as long as it is."""
    size = 1 << (len(part) + len(head) - 1).bit_length()
    product = np.fft.irfft(np.fft.rfft(part, size) * np.conj(np.fft.rfft(head, size)), size)
    return product[: len(part) - len(head) + 1]


def _blended(leaving: Samples, coming: Samples, likeness: float) -> Samples:
    """Cross-fade with equal power for sounds that differ, linearly for equal ones, and in between for others."""
    rising = np.sin(np.linspace(0, np.pi / 2, len(coming), endpoint=False)) ** 2
    falling = 1 - rising
    power = np.sqrt(rising**2 + falling**2 + 2 * likeness * rising * falling)
    return np.asarray((falling * leaving + rising * coming) / power, np.float32)


def _step(seam: Seam, *, closed: bool, **facts: float) -> StepEntry:
    return step(
        "loop",
        closed=closed,
        **facts,
        seam_step=round(seam.step, 5),
        inside_step=round(seam.step_inside, 5),
        seam_level_db=round(seam.level_db, 1),
        inside_level_db=round(seam.level_inside_db, 1),
        seam_colour_db=round(seam.colour_db, 1),
        inside_colour_db=round(seam.colour_inside_db, 1),
        closes=seam.closes,
    )
