"""What a recording itself suffers from: silence, clipping, an offset."""

from collections.abc import Iterator

import numpy as np

from .._level import rms_dbfs
from ..preparation import clipped_run
from ._finding import Finding, warning
from ._loading import Loaded

SILENT_DBFS = -60.0
"""dBFS below which a clip is not heard beside any room's noise."""
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
    """Find waves that were cut off at full scale, in the file or in the recording of which it was made softer."""
    before = next((step.facts for step in one.entry.steps if step.step == "clipped"), {})
    run = clipped_run(one.raw) or before.get("samples", 0)
    if run:
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
