"""What was learned, kept in a file over the process's life."""

import logging
from typing import Protocol

from ..fillers import put_right_in_children
from ._clock import Clock
from .prediction import LatencyPredictor, load_waits, save_waits

logger = logging.getLogger("stopgap")

SAVE_EVERY_S = 60.0
"""s between two saves: what a killed process forgets."""


class Keeper(Protocol):
    """Keeps what a predictor learned."""

    def keep_up(self) -> None:
        """Do what is due; called many times a second, so return at once."""
        ...

    def save(self) -> None:
        """Keep everything, now."""
        ...


class WaitsKeeper:
    """Loads a predictor's waits, and saves them now and then. Trouble with the file is logged once, never raised.

    Args:
        predictor: Who learns.
        path: The file.
        clock: The manager's.
    """

    def __init__(self, predictor: LatencyPredictor, path: str, clock: Clock) -> None:
        self._predictor = predictor
        self._path = path
        self._clock = clock
        self._due = clock.now() + SAVE_EVERY_S
        self._saved = 0
        self._warned = False
        put_right_in_children(self)
        try:
            load_waits(predictor, path)
        except OSError as exc:
            self._warn(exc)

    def keep_up(self) -> None:
        """Save if it is time."""
        if self._clock.now() >= self._due:
            self.save()

    def save(self) -> None:
        """Save if anything was learned since the last time."""
        self._due = self._clock.now() + SAVE_EVERY_S
        learned = self._predictor.learned
        if learned == self._saved:
            return
        self._saved = learned
        try:
            save_waits(self._predictor, self._path)
        except OSError as exc:
            self._warn(exc)

    def after_fork(self) -> None:
        """The child counts under a name of its own."""
        self._predictor.after_fork()

    def _warn(self, exc: OSError) -> None:
        if not self._warned:
            self._warned = True
            logger.warning("learned waits cannot be kept in %s: %s", self._path, exc)
