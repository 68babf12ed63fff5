"""Clicks: at a clip's ends, where a loop closes, and inside."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .._clip import Samples
from ._finding import Finding, warning
from ._loading import Loaded
from ._slidingmax import largest_before

EDGE = 0.02
"""Share of full scale: a clip that starts or ends above it (-34 dBFS) was cut out of a sound."""
SEAM = 0.005
"""Share of full scale (-46 dBFS): a smaller step where a loop closes is not heard."""
SPLICE_RATIO = 6.0
"""How far a splice stands out of the 20 ms on either side, by the third difference, which a step makes large and
speech keeps small. A plosive or a keystroke is as large for some ms after it begins, a voice's pulses recur within
20 ms: of 140 sentences (flite, espeak-ng, Festival) and the bundled clips the largest has 3.6, while a jump through
half of the scale has 10 and more from 16 kHz on."""
SPLICE_NEAR_S = 0.02
SPLICE_GAP_S = 0.0005
"""s around a splice that belong to it: resampling and codecs smear it."""
SPLICE_FLOOR = 0.002
"""Share of full scale. Surroundings count as at least so uneven: in silence, steps below -44 dBFS are not heard."""
DROPOUT_S = 0.001
"""s of nothing but zeros in the middle of a sound: no voice stops and goes on so, a lost packet does."""
DROPOUT_EDGE = 0.05
"""Share of full scale at both ends of it; espeak-ng's stops have up to 0.03."""
ENDS_S = 0.003
"""s at each end that the check of the ends looks at."""


def check_ends(one: Loaded) -> Iterator[Finding]:
    """Find clips that were cut out of a sound, and loops that do not close."""
    raw = one.raw
    if not one.clip.loops:
        for where, sample in (("starts", raw[0]), ("ends", raw[-1])):
            if abs(sample) > EDGE:
                text = f"{where} at {abs(sample):.2f} of full scale, which may click; fade that end"
                yield warning("edge", text, one.id)
        return
    step, usual = abs(float(raw[0] - raw[-1])), float(np.quantile(np.abs(np.diff(raw)), 0.999)) if len(raw) > 1 else 0.0
    if step > max(SEAM, 2.0 * usual):
        text = f"steps by {step:.3f} of full scale where the loop closes, a click; cross-fade its ends"
        yield warning("seam", text, one.id)


def check_splices(one: Loaded) -> Iterator[Finding]:
    """Find steps inside a clip that nothing around them explains."""
    places = splices(one.raw, one.rate)
    if len(places):
        at = int(places[0])
        step = float(np.abs(np.diff(one.raw[max(0, at - 2) : at + 5])).max())
        more = f" and at {len(places) - 1} more place{'s' if len(places) > 2 else ''}" if len(places) > 1 else ""
        where = f"at {1000 * at / one.rate:.0f} ms{more}"
        text = f"jumps by {step:.2f} of full scale {where}, a click; mend it or record it again"
        yield warning("splice", text, one.id)


def check_dropouts(one: Loaded) -> Iterator[Finding]:
    """Find gaps of zeros that a sound breaks off into, and comes back out of."""
    zero = np.abs(one.raw) < 1.5 / 32_768
    edges = np.flatnonzero(np.diff(zero))
    for before, last in pairwise(edges):
        lasts_s = (last - before) / one.rate
        if zero[last] and lasts_s >= DROPOUT_S and np.abs(one.raw[[before, last + 1]]).min() > DROPOUT_EDGE:
            where = f"{1000 * lasts_s:.0f} ms at {1000 * before / one.rate:.0f} ms"
            yield warning("dropout", f"drops out for {where}, which clicks; record it again", one.id)
            return


def splices(samples: Samples, rate: int) -> NDArray[np.intp]:
    """Return the frames at which *samples* jump, one for each jump."""
    near, gap, ends = round(SPLICE_NEAR_S * rate), max(1, round(SPLICE_GAP_S * rate)), round(ENDS_S * rate)
    if len(samples) < 2 * ends + 4:
        return np.zeros(0, np.intp)
    uneven = np.abs(np.diff(samples.astype(np.float64), 3))
    before = largest_before(uneven, near, gap)
    after = largest_before(uneven[::-1], near, gap)[::-1]
    jumps = uneven > SPLICE_RATIO * np.maximum(np.maximum(before, after), SPLICE_FLOOR)
    jumps[:ends] = jumps[len(jumps) - ends :] = False
    places = np.flatnonzero(jumps)
    return places[np.diff(places, prepend=-1 - near) > gap]
