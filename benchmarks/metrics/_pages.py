"""How long pages take at the beginning, in the middle and at the end of a list."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from stopgap.engine.service.storage import (
    MOST_CONVERSATIONS,
    MOST_LISTED,
    BehaviorVersions,
    Database,
    Listing,
    MetricResults,
    ResultFilter,
    Wanted,
)

from ._fill import Organization

REPEAT = 20
"""Times that each page is read."""


@dataclass(frozen=True, slots=True)
class PageTimes:
    """ms that pages of one list took, medians; each page is as long as a page may be."""

    what: str
    first_ms: float
    middle_ms: float
    last_ms: float

    @property
    def ratio(self) -> float:
        """How many times the first page's time the last one took."""
        return self.last_ms / self.first_ms


def page_times(database: Database, of: Organization) -> Iterator[PageTimes]:
    """Yield what pages of an organization's lists take."""
    results = MetricResults(database)
    for what, wanted in (
        ("results of metrics", ResultFilter()),
        ("results of one metric", ResultFilter(metrics=(of.metrics[0],))),
    ):
        last = results.page(of.id, wanted, newest_first=True).results  # numbers have gaps: they are not computed
        middle, end = last[0].number // 2, last[-1].number - 1
        yield _timed(what, *(partial(results.page, of.id, wanted, after=after) for after in (0, middle, end)))
    listing, count = Listing(database), len(of.conversations)
    yield _timed(
        "conversations, the newest first",
        *(
            partial(listing.conversations, of.id, user=None, token=_token(listing, of, place))
            for place in (count, count // 2, min(MOST_CONVERSATIONS, count - 1))
        ),
    )
    versions = BehaviorVersions(database)
    yield _timed(
        "versions of a behaviour",
        *(
            partial(versions.versions, of.id, of.history, after=after)
            for after in (0, of.versions // 2, of.versions - MOST_LISTED)
        ),
    )


def _token(listing: Listing, of: Organization, place: int) -> int:
    """Return the token of the page that begins behind the conversation at *place*, by when they began."""
    if place >= len(of.conversations):
        return 0
    two = Wanted(ids=(of.conversations[place][0], of.conversations[0][0]))
    return listing.conversations(of.id, two, user=None, limit=1).next_token or 0


def _timed(what: str, *pages: Callable[[], object]) -> PageTimes:
    """Read the pages in turn, so that what else the machine does meets all of them."""
    took = np.array([[took_ms(page) for page in pages] for _ in range(REPEAT)])
    return PageTimes(what, *map(float, np.median(took, axis=0)))


def took_ms(do: Callable[[], object]) -> float:
    """Return how many ms *do* took."""
    began_at = time.perf_counter()
    do()
    return 1000.0 * (time.perf_counter() - began_at)
