"""What happens in a call, counted and, the first time, logged."""

import logging

logger = logging.getLogger("stopgap")

_SHOWN = 300
"""Characters of what a provider says that are logged at most."""


class Tally:
    """Counts what a call goes on in spite of. A warning is logged once for each kind of it, lest a log is filled."""

    def __init__(self) -> None:
        self._ignored = self._complaints = 0
        self._warned: set[str] = set()
        self._lines = dict.fromkeys(("lines_lost", "slow_sends", "clears", "resent_s"), 0.0)

    def ignore(self, kind: str, why: str) -> None:
        """Count something that was not understood; *kind*: what it is about."""
        self._ignored += 1
        self._warn_once(kind, f"{why[:_SHOWN]}: ignored")

    def complaint(self, reason: str) -> None:
        """Count what the provider complains of."""
        self._complaints += 1
        self._warn_once("complaint", f"the provider complains: {reason[:_SHOWN]}")

    def add(self, line: dict[str, float]) -> None:
        """Add the counters of a `StreamTransport` that is done with."""
        self._lines = self._with(line)

    def statistics(self, line: dict[str, float]) -> dict[str, float]:
        """Return all counters; *line*: those of the present `StreamTransport`."""
        return {
            "messages_ignored": float(self._ignored), "complaints": float(self._complaints), **self._with(line)
        }  # fmt: skip

    def _with(self, line: dict[str, float]) -> dict[str, float]:
        return {name: count + line.get(name, 0.0) for name, count in self._lines.items()}

    def _warn_once(self, kind: str, what: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            logger.warning("%s; the call goes on, and further such messages are only counted", what)
