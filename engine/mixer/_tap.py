"""The exact output, for echo cancellers and voice activity detectors."""

from dataclasses import dataclass

from ...fillers import Samples


@dataclass(frozen=True, slots=True, eq=False)
class TapBlock:
    """A stretch of what was rendered."""

    frame: int
    """Its first frame."""
    samples: Samples
    """float32, shape (frames,)."""
    filler: bool
    """Whether a filler sounded somewhere in it."""
