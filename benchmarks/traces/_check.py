"""All that is wrong with a trace, or makes it a poor one to tune on."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from stopgap.fillers import TraceError

from ._rows import Row, open_rows
from ._trace import UNSORTED, TraceTurn, turn_of

MOST_SHOWN = 20
ENOUGH = 50
"""Turns below which figures say more of chance than of the traffic."""
ABSURD_MS = 600_000.0
"""ms. No one waits ten minutes for a reply."""
TOO_SHORT_MS = 20.0
"""ms. If half the waits are shorter they are in another unit: no network answers so fast."""
MOST_CANCELLED = 0.5
"""Share of cancelled turns beyond which the longer half of the waits is unknown."""


@dataclass(frozen=True, slots=True)
class TraceCheck:
    """What a look at a trace found."""

    trace: str
    turns: int
    """Rows that can be used."""
    cancelled: float
    """Share of them that was cancelled, 0 to 1."""
    problems: tuple[str, ...]
    """A sentence each, `MOST_SHOWN` at most."""
    more: int
    """Problems beyond these."""

    def as_dict(self) -> dict[str, Any]:
        return {"ok": not self.problems, **asdict(self)}


def check_trace(path: str | Path) -> TraceCheck:
    """Look at every row of a trace; *path* may be the name of a bundled one.

    Raises:
        TraceError: if there is no such file.
        UsageError: with the install command, if the file is Parquet and pyarrow is missing.
    """
    found = _Findings()
    opened = False
    try:
        with open_rows(path) as rows:
            opened = True
            for row in rows:
                found.take(row)
    except TraceError as exc:
        if not opened:
            raise
        found.problems.append(f"{str(exc).removeprefix(f'{path}, ')} (nothing was read from there on)")
    summary = found.summary()
    shown = [*found.problems[: MOST_SHOWN - len(summary)], *summary]
    more = len(found.problems) + len(summary) - len(shown)
    return TraceCheck(str(path), len(found.waits), found.cancelled, tuple(shown), more)


class _Findings:
    """What was seen so far."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.waits: list[float] = []
        """ms, of the rows that can be used."""
        self._cancelled = 0
        self._ids: set[str] = set()
        self._before = -math.inf
        self._unsorted: list[str] = []

    @property
    def cancelled(self) -> float:
        return self._cancelled / len(self.waits) if self.waits else 0.0

    def take(self, row: Row) -> None:
        if row.torn:
            self._add(row, "torn by a crash; it counts as nothing, and whoever logs here next cuts it off")
            return
        try:
            turn = turn_of(row)
        except TraceError as exc:
            self.problems.append(str(exc).removeprefix(f"{row.file}, "))
            return
        self._look_at(row, turn)
        self.waits.append(turn.end_ms)
        self._cancelled += turn.cancelled_ms is not None

    def _look_at(self, row: Row, turn: TraceTurn) -> None:
        if turn.turn_id in self._ids:
            self._add(row, f"turn_id {turn.turn_id!r} occurs twice; make it unique")
        if turn.started_at < self._before:
            self._unsorted.append(row.where)
        if turn.end_ms > ABSURD_MS:
            column = "cancelled_ms" if turn.reply_ready_ms is None else "reply_ready_ms"
            self._add(row, f"{column} is {turn.end_ms:g}, more than ten minutes; leave it out if nobody ended it")
        self._ids.add(turn.turn_id)
        self._before = max(self._before, turn.started_at)

    def _add(self, row: Row, text: str) -> None:
        self.problems.append(f"{row.where}: {text}")

    def summary(self) -> list[str]:
        """Return what is wrong with the rows as a whole."""
        told = []
        if self._unsorted:
            told.append(f"{self._unsorted[0]}: {UNSORTED}" + _others(len(self._unsorted) - 1))
        if self.waits and (median := float(np.median(self.waits))) < TOO_SHORT_MS:
            told.append(f"half of the waits are below {median:g} ms; if they are seconds, write milliseconds")
        if self.cancelled > MOST_CANCELLED:
            told.append(
                f"{100.0 * self.cancelled:.0f} % of the turns were cancelled, so that long waits are unknown; "
                "cancel turns only where the user barged in or hung up, and finish the others"
            )
        if len(self.waits) < ENOUGH:
            told.append(f"{_usable(len(self.waits))}: too few to tune on; record at least {ENOUGH}")
        return told


def _usable(number: int) -> str:
    return f"{number} usable turn{'' if number == 1 else 's'}"


def _others(number: int) -> str:
    return f" (and {number} more row{'s' if number > 1 else ''})" if number else ""
