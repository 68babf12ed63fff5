"""What goes wrong with fillers stays with the fillers."""

import contextlib
import logging
from collections.abc import Iterator

logger = logging.getLogger("stopgap")


class Trouble:
    """Keeps errors from the agent: the first of each place is logged, all are counted."""

    def __init__(self) -> None:
        self.count = 0
        self._told: set[str] = set()

    @contextlib.contextmanager
    def kept_in(self, where: str) -> Iterator[None]:
        """Within it, what raises ends there; the agent goes on as if there were no fillers."""
        try:
            yield
        except Exception as exc:
            self.count += 1
            self.warn(where, f"{where} fails, the agent goes on without: {exc!r}", trace=True)

    def warn(self, subject: str, message: str, *, trace: bool = False) -> None:
        """Log *message* as a warning, once for each *subject*."""
        if subject not in self._told:
            self._told.add(subject)
            logger.warning("Pipecat fillers: %s", message, exc_info=trace)
