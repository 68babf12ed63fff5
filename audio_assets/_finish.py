"""Bring raw sound into the shape every shipped file has: trimmed, faded, levelled, PCM16."""

import numpy as np
import soxr
from numpy.typing import NDArray

Samples = NDArray[np.float64]
"""Mono sound at `RATE`, full scale = 1.0."""

RATE = 32_000
"""Frames per second of every file."""

FRAMES_PER_MS = RATE // 1000

PEAK_LIMIT_DBTP = -1.0
"""dBTP, the highest true peak a finished file may have."""

_AUDIBLE_DB = -40.0
_CERTAIN_DB = -34.0
_ACTIVE_DB = -30.0


def decibels(ratio: float) -> float:
    """Return the amplitude *ratio* in dB; silence is -300."""
    return 20.0 * float(np.log10(max(ratio, 1e-15)))


def active_rms_dbfs(samples: Samples) -> float:
    """Return the RMS in dBFS of the parts that sound.

    Whole 20 ms windows from the start count if they are at most 30 dB below the loudest one, so pauses
    between words or keystrokes do not pull the figure down.
    """
    window = 20 * FRAMES_PER_MS
    whole = len(samples) // window * window
    power = np.mean(samples[:whole].reshape(-1, window) ** 2, axis=1)
    active = power[power >= power.max() * 10 ** (_ACTIVE_DB / 10)]
    return decibels(float(np.sqrt(active.mean())))


def true_peak_dbtp(samples: Samples) -> float:
    """Return the peak in dBTP of the waveform between the samples, 4 times oversampled."""
    oversampled = soxr.resample(samples, RATE, 4 * RATE, quality="VHQ")
    return decibels(float(np.abs(oversampled).max()))


def without_rumble(samples: Samples, *, below_hz: float = 60.0) -> Samples:
    """Remove DC and what lies under the voice, with a raised-cosine edge from half of *below_hz*."""
    padding = RATE // 10
    padded = np.pad(samples, padding)
    spectrum = np.fft.rfft(padded)
    hz = np.fft.rfftfreq(len(padded), 1 / RATE)
    edge = np.clip(hz / (below_hz / 2) - 1, 0, 1)
    filtered = np.fft.irfft(spectrum * (0.5 - 0.5 * np.cos(np.pi * edge)), len(padded))
    return filtered[padding:-padding]


def speech_bounds(
    samples: Samples, *, pause_ms: float = 0.0, before_ms: int = 10, after_ms: int = 20
) -> tuple[int, int]:
    """Find where the speech starts and ends, in frames, a whole number of milliseconds apart.

    Level is taken over 5 ms, relative to the loudest 5 ms. Speech must once rise over -34 dB; from there its
    edges are followed outwards to -40 dB, so a stray tick in the silence does not move them.

    Args:
        samples: Sound with silence around it.
        pause_ms: Milliseconds known to be before the speech, even if they are not quiet.
        before_ms: Milliseconds kept before the speech.
        after_ms: Milliseconds kept after it.
    """
    block = 5 * FRAMES_PER_MS
    count = len(samples) // block
    level = np.sqrt(np.mean(samples[: count * block].reshape(-1, block) ** 2, axis=1))
    relative_db = 20 * np.log10(np.maximum(level / level.max(), 1e-15))
    certain = np.flatnonzero(relative_db > _CERTAIN_DB)
    first, last = int(certain[0]), int(certain[-1])
    while first > 0 and relative_db[first - 1] > _AUDIBLE_DB:
        first -= 1
    while last < count - 1 and relative_db[last + 1] > _AUDIBLE_DB:
        last += 1
    quiet_ms = max(first * block // FRAMES_PER_MS, int(pause_ms))
    start = max(0, (quiet_ms - before_ms) * FRAMES_PER_MS)
    end = min(count * block, (last + 1) * block + after_ms * FRAMES_PER_MS)
    return start, end


def faded(samples: Samples, *, in_ms: float = 3.0, out_ms: float = 8.0) -> Samples:
    """Return a copy with raised-cosine fades; the first and the last sample become 0."""
    result = samples.copy()
    rise, fall = raised_cosine(in_ms), raised_cosine(out_ms)[::-1]
    result[: len(rise)] *= rise
    result[-len(fall) :] *= fall
    return result


def raised_cosine(ms: float) -> Samples:
    """Return a rise from 0 to 1 that takes *ms* milliseconds."""
    return 0.5 - 0.5 * np.cos(np.linspace(0, np.pi, round(ms * FRAMES_PER_MS)))


def levelled(samples: Samples, *, target_dbfs: float) -> Samples:
    """Return a copy whose active RMS is *target_dbfs*.

    Raises:
        ValueError: The peaks would pass `PEAK_LIMIT_DBTP`; nothing is limited or clipped to make it fit.
    """
    result = samples * 10 ** ((target_dbfs - active_rms_dbfs(samples)) / 20)
    peak = true_peak_dbtp(result)
    if peak > PEAK_LIMIT_DBTP:
        raise ValueError(f"at {target_dbfs} dBFS the true peak is {peak:.1f} dBTP; choose a lower target")
    return result


def pcm16(samples: Samples) -> NDArray[np.int16]:
    """Round to 16 bit; what was below full scale stays below it."""
    return np.round(samples * 32767).astype(np.int16)
