"""Packs that are changed while the process runs are taken in."""

import logging
import threading
from collections.abc import Callable

from ..fillers import ClipBank, ConfigError
from ._clock import Clock
from ._work import Job

logger = logging.getLogger("stopgap")


def _on_a_thread(job: Job) -> None:
    threading.Thread(target=job, name="stopgap packs", daemon=True).start()


class PackWatch:
    """Looks now and then whether packs have changed, and has them reloaded on a thread of its own once they rest.

    A pack that cannot be used is refused with one logged warning; it is tried again when it has changed once more.

    Args:
        bank: Whose packs.
        reload: Takes them in, or raises `ConfigError`.
        clock: The manager's.
        every_s: s between two looks.
        start: Begins what takes long.
    """

    def __init__(
        self,
        bank: ClipBank,
        reload: Callable[[], bool],
        clock: Clock,
        every_s: float,
        *,
        start: Callable[[Job], object] = _on_a_thread,
    ) -> None:
        self._bank = bank
        self._reload = reload
        self._clock = clock
        self._every_s = every_s
        self._start = start
        self._due = clock.now() + every_s
        self._seen: object = None
        self._tried: object = None

    def keep_up(self) -> None:
        """Look, if it is time."""
        if self._clock.now() < self._due:
            return
        self._due = self._clock.now() + self._every_s
        found, before = self._bank.changed(), self._seen
        self._seen = found
        if found is None or found != before or found == self._tried:  # a change is taken when it is still the same
            return
        self._tried = found
        self._start(self._take)

    def _take(self) -> None:
        try:
            if self._reload():
                logger.info("packs were changed and have been taken in")
        except ConfigError as exc:
            logger.warning("changed packs are not taken in, the former clips stay: %s", exc)
        except Exception:
            logger.exception("changed packs are not taken in")
