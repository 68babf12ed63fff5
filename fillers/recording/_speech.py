"""What a TTS says."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite

from .._clip import Samples


@dataclass(frozen=True, slots=True)
class Speech:
    """What a Python callable may return if it knows when its words end."""

    samples: Samples
    """float32 in -1 ... 1 or int16, shape (frames,) or (frames, channels)."""
    rate: int
    """Hz."""
    word_ends_ms: tuple[float, ...] = ()
    """ms from the start, ascending: where each word ends."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A recording as it came."""

    audio: bytes
    """A whole audio file."""
    word_ends_ms: tuple[float, ...] = ()
    """ms from its start."""


def checked_word_ends(ends_ms: Iterable[float]) -> tuple[float, ...]:
    """Return *ends_ms* rounded to 0.01 ms.

    Raises:
        ValueError: if they are not positive, finite and ascending.
    """
    ends = tuple(round(float(end), 2) for end in ends_ms)
    if not all(isfinite(end) and end > 0 for end in ends) or list(ends) != sorted(ends):
        raise ValueError("the ends of words are not positive and ascending")
    return ends
