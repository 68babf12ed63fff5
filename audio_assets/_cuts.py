"""Where a spoken clip can be cut short without breaking a word."""

import numpy as np

from ._finish import FRAMES_PER_MS, Samples, active_rms_dbfs, decibels

_SEARCH_MS = 30
_APART_MS = 80
_EARLIEST_MS = 120
_DIP_DB = -3.0


def cut_marks(samples: Samples, word_ends_ms: list[float], *, words: int) -> list[tuple[int, int]]:
    """Return (milliseconds from the start of the file, words spoken by then), ascending.

    The synthesiser's word ends are moved to the quietest place within 30 ms. Left out are marks in the first
    120 ms, less than 80 ms after another or before the end, and where one word runs into the next so that the
    level stays within 3 dB of the clip's: a cut there is heard. The last mark is the end of the file.

    Args:
        samples: The finished clip.
        word_ends_ms: Milliseconds from the start of the file, one per word; empty if they are not known.
        words: Words in the clip's text.
    """
    end_ms = len(samples) // FRAMES_PER_MS
    quiet_dbfs = active_rms_dbfs(samples) + _DIP_DB
    marks: list[tuple[int, int]] = []
    previous_ms = 0
    for count, word_end_ms in enumerate(word_ends_ms[:-1], start=1):
        at_ms = _quietest_ms(samples, round(word_end_ms))
        in_place = max(_EARLIEST_MS, previous_ms + _APART_MS) <= at_ms <= end_ms - _APART_MS
        if in_place and _level_dbfs(samples, at_ms) <= quiet_dbfs:
            marks.append((at_ms, count))
            previous_ms = at_ms
    return [*marks, (end_ms, words)]


def _quietest_ms(samples: Samples, near_ms: int) -> int:
    """Return the quietest millisecond near *near_ms*, the nearest one of equals."""
    last_ms = len(samples) // FRAMES_PER_MS
    candidates = range(max(0, near_ms - _SEARCH_MS), min(last_ms, near_ms + _SEARCH_MS) + 1)
    return min(candidates, key=lambda ms: (_level_dbfs(samples, ms), abs(ms - near_ms)))


def _level_dbfs(samples: Samples, at_ms: int) -> float:
    """Return the RMS in dBFS of the 10 ms around *at_ms*."""
    half = 5 * FRAMES_PER_MS
    middle = at_ms * FRAMES_PER_MS
    around = samples[max(0, middle - half) : middle + half]
    return decibels(float(np.sqrt(np.mean(around**2))))
