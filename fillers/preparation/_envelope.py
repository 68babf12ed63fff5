"""The level of a recording over time, and what in it is voice."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._clip import Samples

Decibels = NDArray[np.float64]

BLOCK_MS = 5.0
_STEADY_BLOCKS = 7
"""What is over within 35 ms less the 10 ms that smoothing adds is a tick: no sound of speech."""
_LOWEST_DB = -60.0
_VOICE_HZ = (60.0, 400.0)
_VOICED = 0.5


@dataclass(frozen=True)
class Envelope:
    """Level in dBFS of every 5 ms of a recording, smoothed over 15 ms."""

    level: Decibels
    steady: Decibels
    """*level* without ticks: only what lasts."""
    loud: float
    """The loudest of *steady*; nothing is said to be softer than 60 dB below it."""

    @classmethod
    def of(cls, samples: Samples, rate: int, *, ticks: bool = False) -> "Envelope":
        """Measure *samples*; with *ticks* they are sound as well."""
        power = _block_power(samples, rate)
        smooth = (np.pad(power, 1, mode="edge")[:-2] + power + np.pad(power, 1, mode="edge")[2:]) / 3
        level = 10 * np.log10(np.maximum(smooth, 1e-30))
        steady = level if ticks or len(level) <= _STEADY_BLOCKS else _opened(level)
        loud = float(steady.max())
        return cls(np.maximum(level, loud + _LOWEST_DB), np.maximum(steady, loud + _LOWEST_DB), loud)


def frame_of(block: int, rate: int) -> int:
    """Return the first frame of *block*."""
    return round(block * BLOCK_MS * rate / 1000)


def blocks(ms: float) -> int:
    return round(ms / BLOCK_MS)


def islands(active: NDArray[np.bool_], gap: int) -> list[tuple[int, int]]:
    """Return the stretches (first, behind the last) of *active* blocks between which at least *gap* are not."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], active, [False])).astype(np.int8)))
    found: list[tuple[int, int]] = []
    for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if found and start - found[-1][1] < gap:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def is_voiced(samples: Samples, rate: int) -> bool:
    """Return whether any 40 ms of *samples* repeat themselves as often as a voice does: breath and noise do not."""
    window = round(0.04 * rate)
    if len(samples) < window:
        return False
    shortest, longest = (round(rate / hz) for hz in _VOICE_HZ[::-1])
    starts = range(0, len(samples) - window + 1, window // 2)
    frames = np.stack([samples[start : start + window] for start in starts]).astype(np.float64)
    frames -= frames.mean(axis=1, keepdims=True)
    power = np.abs(np.fft.rfft(frames, 2 * window, axis=1)) ** 2
    likeness = np.fft.irfft(power, axis=1)[:, : longest + 1] / (1 - np.arange(longest + 1) / window)
    at_voice = likeness[:, shortest:].max(axis=1)
    return bool((at_voice > _VOICED * np.maximum(likeness[:, 0], 1e-12)).any())


def _block_power(samples: Samples, rate: int) -> NDArray[np.float64]:
    count = max(1, int(len(samples) / (BLOCK_MS * rate / 1000)))
    starts = np.array([frame_of(block, rate) for block in range(count)], np.int64)
    lengths = np.diff(np.append(starts, len(samples)))
    energy: NDArray[np.float64] = np.add.reduceat(np.square(samples), starts).astype(np.float64)
    return energy / np.maximum(lengths, 1)


def _opened(level: Decibels) -> Decibels:
    """Return *level* with every peak narrower than `_STEADY_BLOCKS` cut down to what is beside it."""
    half = _STEADY_BLOCKS // 2
    windows = np.lib.stride_tricks.sliding_window_view
    lowest = windows(np.pad(level, half, constant_values=np.inf), _STEADY_BLOCKS).min(axis=1)
    opened: Decibels = windows(np.pad(lowest, half, constant_values=-np.inf), _STEADY_BLOCKS).max(axis=1)
    return opened
