"""Threads for work that takes a processor, apart from those that wait for the database."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from ...fillers import StopgapError

P = ParamSpec("P")
T = TypeVar("T")


class OverloadedError(StopgapError):
    """More of that work is asked for than is waited for (503)."""


class Workers:
    """A few threads, and so much work that may wait for them.

    Args:
        name: Of the threads, and for messages.
        threads: Work that goes on at once.
        waiting: Work that waits, at most. What is more is refused at once: a long queue helps nobody in it.
    """

    def __init__(self, name: str, *, threads: int, waiting: int) -> None:
        self._name = name
        self._pool = ThreadPoolExecutor(threads, f"stopgap-{name}")
        self._room = threading.BoundedSemaphore(threads + waiting)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what *work* returns.

        Raises:
            OverloadedError: if too much waits already.
        """
        if not self._room.acquire(blocking=False):
            raise OverloadedError(f"the service has too much to do ({self._name}); try again in a moment")
        try:
            doing = self._pool.submit(work, *args, **kwargs)
        except BaseException:
            self._room.release()
            raise
        doing.add_done_callback(lambda _: self._room.release())  # not before: nobody may await it any more
        return await asyncio.wrap_future(doing)

    def close(self) -> None:
        """Drop what waits; what is under way ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)
