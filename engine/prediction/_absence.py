"""What it says that a milestone which usually comes has not come."""

import numpy as np

from ._buckets import COUNT, EDGES, Floats
from ._distribution import WaitDistribution
from ._lifetable import CENSORED, ENDED, LATER_CENSORED, LATER_ENDED, NEXT, kaplan_meier

ENOUGH = 20.0
"""Aged waits that must have been silent for as long: with fewer the plain distribution knows as much."""


def without_news(counts: Floats, whole: WaitDistribution, elapsed: float) -> WaitDistribution | None:
    """Return the rest of a wait after *elapsed* s in which neither the reply nor any further milestone came.

    Reply and milestone are competing risks (Aalen & Johansen 1978): of those silent until now some will have the
    reply directly, at times that are counted, the others a milestone first, and wait as those with a milestone do.

    Args:
        counts: Aged counts of a life table, all series.
        whole: The distribution of the whole wait, for what the table does not say.
        elapsed: s since the milestone that the table is about.

    Returns:
        None where no milestone is to be expected, or too few waits have been silent for so long.
    """
    if not counts[NEXT].any():
        return None
    direct = np.maximum(counts[ENDED] - counts[LATER_ENDED], 0.0)
    cut_off = np.maximum(counts[CENSORED] - counts[LATER_CENSORED], 0.0)
    leaving = direct + counts[NEXT]
    start = int(np.searchsorted(EDGES, elapsed, side="right")) - 1
    if start >= COUNT or float((leaving + cut_off)[start:].sum()) < ENOUGH:
        return None
    silent = kaplan_meier(leaving, cut_off)
    share = np.divide(direct, leaving, out=np.zeros(COUNT), where=leaving > 0.0)
    dying = silent[:-1] - silent[1:]
    alone, with_news = _from(dying * share, elapsed), _from(dying * (1.0 - share), elapsed)
    unknown = float(silent[-1])  # cut off or silent to the end: as the whole distribution says
    total = alone[0] + with_news[0] + unknown
    if total <= 0.0:
        return None
    later = WaitDistribution(kaplan_meier(counts[LATER_ENDED], counts[LATER_CENSORED])).after(elapsed)
    beyond = np.maximum(EDGES - elapsed, 0.0)
    survival = alone + with_news[0] * later.survival(beyond) + unknown * whole.after(elapsed).survival(beyond)
    return WaitDistribution(np.minimum(survival / total, 1.0), elapsed)


def _from(mass: Floats, elapsed: float) -> Floats:
    """Return how much of *mass* (per bucket, evenly within) lies beyond each edge, and beyond *elapsed*."""
    beyond: Floats = np.zeros(COUNT + 1)
    np.cumsum(mass[::-1], out=beyond[-2::-1])
    return np.clip(beyond, 0.0, float(np.interp(elapsed, EDGES, beyond)))
