"""What an agent's process does beside the audio: five loads, each in a thread of its own.

They are those of the measurements the design rests on. What they have in common is that they want the interpreter
lock; they differ in how long they keep it.
"""

import gc
import itertools
import json
import random
import re
import threading
import time
from collections.abc import Callable

LOADS = ("idle", "pyloop", "gil", "gilS", "gc")
"""``idle``: nothing. ``pyloop``: a loop in pure Python. ``gil``: `json.loads` of 23 MB, `sorted` of a million floats, a
slow regular expression, over and over: calls of up to a second that hold the lock. ``gilS``: the same with 0.6 MB and
30,000 floats. ``gc``: cyclic garbage and its collection, one after the other, while a million dicts are alive."""

ALIVE = 1_000_000
"""Dicts, each with a list, that the collector has to walk through."""
_RECORD = {"id": 123456, "name": "a customer", "open": True, "amounts": [1.5, 2.25, 3.125], "note": None}


class Load:
    """A load that ends by itself: nobody else may get to run while it lasts.

    Args:
        name: One of `LOADS`. What it needs is made here, which takes up to some seconds.
        seed: Of the floats that are sorted.
    """

    def __init__(self, name: str, seed: int = 0) -> None:
        self.longest_s = 0.0
        """s of the longest single call so far: about how long the lock was held at most (not for ``pyloop``, which
        gives it up whenever somebody asks, after the interpreter's switch interval)."""
        self._steps = _steps(name, random.Random(seed))
        self._thread: threading.Thread | None = None

    def start(self, until: float) -> None:
        """Begin; no call begins after *until*, s on the monotonic clock."""
        if self._steps:
            self._thread = threading.Thread(target=self._run, args=(until,), name="load", daemon=True)
            self._thread.start()

    def join(self) -> None:
        """Wait for its end."""
        if self._thread is not None:
            self._thread.join()

    def _run(self, until: float) -> None:
        for step in itertools.cycle(self._steps):
            began = time.monotonic()
            if began >= until:
                return
            step()
            self.longest_s = max(self.longest_s, time.monotonic() - began)


def _steps(name: str, chance: random.Random) -> list[Callable[[], object]]:
    match name:
        case "idle":
            return []
        case "pyloop":
            return [_count]
        case "gil":
            return _holds(23_400_000, 1_020_000, 9_000, chance)
        case "gilS":
            return _holds(600_000, 30_000, 1_500, chance)
        case "gc":
            alive = [{"number": number, "list": [number]} for number in range(ALIVE)]
            return [lambda: _collect(alive)]
    raise ValueError(f"no load is called {name!r}; there are {', '.join(LOADS)}")


def _count() -> int:
    total = 0
    for number in range(100_000):
        total += number & 7
    return total


def _holds(json_bytes: int, floats: int, letters: int, chance: random.Random) -> list[Callable[[], object]]:
    """Return calls into C that keep the interpreter lock from beginning to end."""
    record = json.dumps(_RECORD)
    text = "[" + ",".join([record] * (json_bytes // (len(record) + 1))) + "]"
    values = [chance.random() for _ in range(floats)]
    line = "ab" * (letters // 2)
    slow = re.compile("[ab]+c")  # from every letter to the end, and back
    return [lambda: json.loads(text), lambda: sorted(values), lambda: slow.search(line)]


def _collect(alive: list[dict[str, object]]) -> int:
    for _ in range(1_000):
        ring: list[object] = []
        ring.append(ring)
    gc.collect()
    return len(alive)
