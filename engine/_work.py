"""Who does the work that must not hold up the agent: planning, learning, keeping outputs going."""

import contextlib
import logging
import queue
import threading
import time
import weakref
from collections.abc import Callable
from typing import Protocol

from ..fillers import put_right_in_children

logger = logging.getLogger("stopgap")

TICK_S = 0.02
"""s between two looks at the sessions: how late a record or a rendered file may lag behind what was heard."""

Job = Callable[[], object]


class Watched(Protocol):
    """What the service thread keeps going."""

    def keep_up(self) -> None:
        """Do what is due; called many times a second, so return at once."""
        ...


class Work(Protocol):
    """Takes jobs."""

    inline: bool
    """Whether jobs are done before `submit` returns."""

    def submit(self, job: Job) -> None: ...

    def watch(self, session: Watched) -> None: ...

    def close(self) -> None: ...


class InlineWork:
    """Does every job at once: replay and tests, where time stands still meanwhile."""

    inline = True

    def submit(self, job: Job) -> None:
        job()

    def watch(self, session: Watched) -> None:
        """Do nothing: sessions look after themselves at every call."""

    def close(self) -> None:
        """Do nothing."""


class ServiceThread:
    """One daemon thread of the process does the jobs and ticks the sessions. It starts with the first session."""

    inline = False

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._sessions: weakref.WeakSet[Watched] = weakref.WeakSet()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        put_right_in_children(self)

    def after_fork(self) -> None:
        """The thread and its sessions stayed behind: another one starts with this process's first session."""
        self._jobs, self._sessions = queue.SimpleQueue(), weakref.WeakSet()
        self._thread, self._lock = None, threading.Lock()

    def submit(self, job: Job) -> None:
        self._jobs.put(job)

    def watch(self, session: Watched) -> None:
        with self._lock:
            self._sessions.add(session)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="stopgap", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Finish the jobs and end the thread."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._jobs.put(None)
            thread.join(timeout=5.0)

    def _run(self) -> None:
        due = time.monotonic() + TICK_S
        while True:
            with contextlib.suppress(queue.Empty):
                job = self._jobs.get(timeout=max(0.0, due - time.monotonic()))
                if job is None:
                    return
                self._guarded(job)
            if time.monotonic() >= due:
                self._guarded(self._tick)
                due = time.monotonic() + TICK_S

    def _tick(self) -> None:
        with self._lock:
            sessions = list(self._sessions)
        for session in sessions:
            self._guarded(session.keep_up)

    def _guarded(self, job: Job) -> None:
        try:
            job()
        except Exception:
            logger.exception("stopgap's service thread")
