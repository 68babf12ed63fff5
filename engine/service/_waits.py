"""What was learned, shared by several service processes through their database."""

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from ...fillers import StopgapError, put_right_in_children
from .._clock import Clock, MonotonicClock
from ..prediction import LatencyPredictor, Snapshot
from .storage import Database
from .storage._waitnews import Held
from .storage._waits import WaitRows

logger = logging.getLogger("stopgap")

EXCHANGE_EVERY_S = 60.0
"""s between two exchanges: what a killed process forgets, and how late others learn of it."""


@dataclass(frozen=True, slots=True)
class _Exchanged:
    news: Snapshot
    held: Held


class SharedWaits:
    """Exchanges a predictor's waits with those of other processes. Trouble is logged once, never raised.

    Each process learns at once from its own turns and, with every exchange, from everybody's: sums are exact, nothing
    counts twice. `keep_up`, `save` and `refresh` touch the predictor and so belong on the thread that teaches it (a
    `FillerManager`'s service thread), or where none does. `keep_up` never waits for the database: the exchange goes on
    in a thread of its own meanwhile.

    Args:
        predictor: Who learns.
        database: Where others put theirs.
        clock: The manager's; None: real time.
        every_s: s between two exchanges.
    """

    def __init__(
        self,
        predictor: LatencyPredictor,
        database: Database,
        *,
        clock: Clock | None = None,
        every_s: float = EXCHANGE_EVERY_S,
    ) -> None:
        self._predictor = predictor
        self._database = database
        self._rows = WaitRows(database, predictor.half_life)
        self._clock = clock if clock is not None else MonotonicClock()
        self._every_s = every_s
        self._due = self._clock.now() + every_s
        self._held = Held()
        self._warned = False
        self._thread: ThreadPoolExecutor | None = None
        self._pending: Future[_Exchanged | None] | None = None
        put_right_in_children(self)
        self.refresh()

    def keep_up(self) -> None:
        """Begin an exchange if it is time; take in what the last one brought. Returns at once."""
        if self._pending is not None and self._pending.done():
            self._take_in()
        if self._pending is None and self._clock.now() >= self._due:
            self._due = self._clock.now() + self._every_s
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1, "stopgap-waits")
            known = Held(dict(self._held.totals), dict(self._held.scales))
            self._pending = self._thread.submit(self._exchange, self._predictor.snapshot(), known)

    def save(self) -> None:
        """Write what was learned since the last time, and wait for it."""
        self._take_in()
        self._due = self._clock.now() + self._every_s
        try:
            self._held.add(self._rows.save(self._predictor.snapshot(), self._held))
        except (StopgapError, SQLAlchemyError, ValueError) as exc:
            self._warn(exc)

    def refresh(self) -> None:
        """Take in what others learned, and wait for it."""
        self._take_in()
        try:
            news, there = self._rows.read(self._held)
        except (StopgapError, SQLAlchemyError, ValueError) as exc:
            self._warn(exc)
        else:
            self._learn(news, there)

    def close(self) -> None:
        """Save, and end the thread; what is due later begins another one."""
        self.save()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.shutdown()

    def after_fork(self) -> None:
        """The thread stayed behind."""
        self._thread = self._pending = None

    def _exchange(self, snapshot: Snapshot, held: Held) -> _Exchanged | None:
        """Save, then read; in the other thread."""
        try:
            held.add(self._rows.save(snapshot, held))
            news, there = self._rows.read(held)
        except (StopgapError, SQLAlchemyError, ValueError) as exc:
            self._warn(exc)
            return None
        held.add(there)
        return _Exchanged(news, held)

    def _take_in(self) -> None:
        """Wait for the exchange that is under way, if any, and learn what it brought."""
        pending, self._pending = self._pending, None
        exchanged = None if pending is None else pending.result()
        if exchanged is not None:
            self._learn(exchanged.news, exchanged.held)

    def _learn(self, news: Snapshot, there: Held) -> None:
        if news:
            self._predictor.merge(news)
        self._held.add(there)

    def _warn(self, exc: Exception) -> None:
        if not self._warned:
            self._warned = True
            logger.warning("learned waits cannot be shared through %s: %s", self._database.name, exc)
