"""One recording of a filler."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ._kinds import Kind

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class CutMark:
    """A place where a clip may end cleanly."""

    frame: int
    """Frames from the clip's start, 0 < frame <= the clip's length."""
    words: int
    """Words of the clip's text that have been spoken there."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Clip:
    """A decoded filler at one sample rate. Clips are compared by identity; the bank holds one of each per rate."""

    id: str
    """Unique in the bank."""
    kind: Kind
    samples: Samples
    """float32, mono, shape (frames,), read-only."""
    rate: int
    """Hz."""
    text: str | None = None
    """What is said; None for beds."""
    language: str = "zxx"
    """BCP 47 tag; ``zxx`` (no linguistic content) fits every language."""
    voice: str | None = None
    cut_marks: tuple[CutMark, ...] = ()
    """Ascending; the last one is the clip's end. A clip without marks may end cleanly only at its end."""
    weight: float = 1.0
    """Relative frequency among its kind, > 0."""
    claims_work: bool = False
    """Whether the text promises that work is being done: played only while a tool runs."""
    order: int | None = None
    """Progress lines: 1 is said first, 2 next, and so on."""
    licence: str = ""
    only_named: bool = False
    """Whether a phrase or progress line is played only where the configuration's ``phrases`` name it."""

    @property
    def frames(self) -> int:
        return len(self.samples)

    @property
    def duration_s(self) -> float:
        return self.frames / self.rate

    @property
    def loops(self) -> bool:
        return self.kind.loops

    def heard_text(self, frames: int) -> str | None:
        """Return the part of the text heard when the clip sounded for *frames* frames: whole words only."""
        if self.text is None or frames >= self.frames:
            return self.text
        words = max((mark.words for mark in self.cut_marks if mark.frame <= frames), default=0)
        return " ".join(self.text.split()[:words])
