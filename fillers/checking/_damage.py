"""What a recording itself suffers from: silence, clipping, an offset."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .._level import rms_dbfs
from ._finding import Finding, warning
from ._loading import Loaded

SILENT_DBFS = -60.0
"""dBFS below which a clip is not heard beside any room's noise."""
CLIPPED = 0.999
"""Share of full scale from which a sample counts as clipped (PCM_16's largest value is 0.99997)."""
CLIPPED_RUN = 3
"""Samples in a row at full scale that are a cut-off wave; fewer are mere peaks."""
OFFSET = 0.01
"""Share of full scale (-40 dBFS): an offset that can be heard as a thump where the clip starts, stops or is cut.
Of 140 synthesised sentences and the bundled clips none has more than 0.0045."""


def is_silent(one: Loaded) -> bool:
    return rms_dbfs(one.raw, one.rate) < SILENT_DBFS


def check_silence(one: Loaded) -> Iterator[Finding]:
    """Find clips that nobody hears."""
    if is_silent(one):
        yield warning("silent", "is silent; record it again", one.id)


def check_clipping(one: Loaded) -> Iterator[Finding]:
    """Find waves that were cut off at full scale."""
    run = _longest_run(np.abs(one.raw) >= CLIPPED)
    if run >= CLIPPED_RUN:
        text = f"is clipped ({run} samples in a row at full scale); record it again, softer"
        yield warning("clipped", text, one.id)


def check_offset(one: Loaded) -> Iterator[Finding]:
    """Find recordings whose middle is not zero."""
    offset = float(one.raw.mean(dtype=np.float64))
    if abs(offset) > OFFSET:
        yield warning(
            "offset",
            f"has a DC offset of {offset:+.3f} of full scale, which thumps where the clip starts or is cut; "
            "subtract its mean",
            one.id,
        )


def _longest_run(flags: NDArray[np.bool_]) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max(initial=0))
