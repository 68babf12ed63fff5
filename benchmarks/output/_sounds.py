"""The sounds that the engines play and the probe looks for.

A quiet loop all the time and, when told, a loud clip that begins with its first sample. The sign of its samples tells
a trigger (positive) from an armed start, and their level one from the next.
"""

from collections.abc import Sequence

import numpy as np
from stopgap.fillers import Samples

RATE = 48_000
CLIP_S = 0.02
STEP = 0.04
LEVELS = tuple(0.4 + STEP * code for code in range(10))
"""Which of them a sound has is its code: request number *n* has the code *n* modulo their number. Two sounds together
are above them all."""
THRESHOLD = 0.2
"""Between the loop's level and the clips'."""

LOOP: Samples = (0.01 * np.sin(2.0 * np.pi * 220.0 * np.arange(RATE) / RATE)).astype(np.float32)
TRIGGERED: list[Samples] = [np.full(round(CLIP_S * RATE), level, np.float32) for level in LEVELS]
ARMED: list[Samples] = [-samples for samples in TRIGGERED]

Starts = Sequence[tuple[float, int]]
"""Times, s on the monotonic clock, ascending, and codes."""


def code_of(level: float) -> int | None:
    """Return the code of a sound whose first sample is at *level*, or None where that is nobody's."""
    code = round((abs(level) - LEVELS[0]) / STEP)
    return code if 0 <= code < len(LEVELS) and abs(abs(level) - LEVELS[code]) < STEP / 3 else None
