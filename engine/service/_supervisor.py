"""Several processes of the service at one address: started, replaced when they die, ended together.

Uvicorn's own supervisor (``uvicorn.supervisors.Multiprocess``) is not it: all its processes share one socket, its
children hold both ends of the pipe between them and so outlive a parent that is killed, it has no way to hand on why
one could not start, and waits for ever, deaf to signals, for one that does not end. What does the work here is the
standard library's `multiprocessing`. Processes are spawned, not forked: each opens agents, clips and the database for
itself, and inherits no thread, lock or connection.
"""

import logging.config
import math
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from typing import TYPE_CHECKING

from ...fillers import StopgapError, UsageError
from ._child import Told, What, serve
from ._ending import CLOSING_S, ended_after_s
from ._listening import Listeners, say_listening
from ._logs import LOGGING
from ._settings import ServiceConfig
from ._signals import readable_signals

if TYPE_CHECKING:
    from ._child import Line

logger = logging.getLogger("stopgap.service")

RETRY_S = 5.0
"""s after which it is tried again to replace a worker, if its successor could not start."""


def run_workers(config: ServiceConfig, host: str, port: int, workers: int) -> None:
    """Serve with several processes until a signal ends it, each as `run` does with one.

    Args:
        config: See `load_service_config`.
        host: Address to listen on.
        port: 0: any that is free.
        workers: How many, at least 1.

    Raises:
        StopgapError: if agents, clips or the database cannot be used.
        UsageError: if the address cannot be listened on, or this system has no such processes.
        SystemExit: with 1, if a worker fails otherwise before it is ready; its traceback has been printed then.
    """
    if sys.platform == "win32":
        raise UsageError("several workers need Linux or macOS; leave --workers out here")
    logging.config.dictConfig(LOGGING)
    if config.rate_storage == "memory://":
        logger.warning(
            "each of the %d workers counts requests for itself, so that users may send up to %d times what their "
            'limits say; write rate_storage = "redis://HOST:PORT" to have them count together', workers, workers,
        )  # fmt: skip
    listeners = Listeners(host, port, workers)
    try:
        Supervisor(config, listeners, workers).run(lambda: say_listening(host, listeners.port))
    finally:
        listeners.close()


@dataclass(slots=True, eq=False)
class _Worker:
    place: int
    process: SpawnProcess
    line: "Line"
    ready: bool = False
    failure: Told | None = None

    def listen(self) -> Told | None:
        """Return the next thing it has told, if there is any."""
        try:
            return self.line.recv() if not self.line.closed and self.line.poll() else None
        except (EOFError, OSError):
            self.line.close()
            return None

    @property
    def end(self) -> str:
        """How it ended, in words."""
        code = self.process.exitcode or 0
        return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"


class Supervisor:
    """Keeps so many workers running.

    One that dies is replaced at once. A successor that cannot start is told of in a warning and tried again while
    others serve; a first worker that cannot start, or the last successor, ends all: it would be the same each time.

    Args:
        config: See `load_service_config`.
        listeners: Where they accept.
        workers: How many.
    """

    def __init__(self, config: ServiceConfig, listeners: Listeners, workers: int) -> None:
        self._config = config
        self._listeners = listeners
        self._number = workers
        self._context = multiprocessing.get_context("spawn")
        self._workers: dict[int, _Worker] = {}
        """By place: those that serve or start."""
        self._leaving: list[_Worker] = []
        """Those that end, and have been replaced."""
        self._retry_at: dict[int, float] = {}
        """By place that is empty."""
        self._announced = False
        self._kill_at = math.inf
        self._stopping = False
        self._failure: Told | None = None

    def run(self, on_ready: Callable[[], None]) -> None:
        """Start them; return once a signal has ended all.

        Args:
            on_ready: Called once, when each of the first workers accepts connections.

        Raises:
            StopgapError: if they cannot start.
            SystemExit: see `run_workers`.
        """
        with readable_signals(signal.SIGTERM, signal.SIGINT, signal.SIGCHLD) as signals:
            try:
                for place in range(self._number):
                    if not self._stopping:
                        self._start(place)
                while self._all():
                    lines = [worker.line for worker in self._all() if not worker.line.closed]
                    if signals in wait([signals, *lines], self._patience_s()):
                        for number in signals.recv(4096):
                            self._on_signal(number)
                    for worker in self._all():
                        self._look_after(worker)
                    if not self._announced and all(w.ready for w in self._all()) and not self._stopping:
                        self._announced = True
                        on_ready()
                    self._on_time(time.monotonic())
            finally:
                for worker in self._all():  # none, unless something went wrong here
                    worker.process.terminate()
        if self._failure is not None and self._failure.what is What.CRASHED:
            sys.stderr.write(self._failure.text)
            raise SystemExit(1)
        if self._failure is not None:
            raise StopgapError(self._failure.text)

    def _all(self) -> list[_Worker]:
        return [*self._workers.values(), *self._leaving]

    def _start(self, place: int) -> None:
        ours, theirs = self._context.Pipe(duplex=False)
        # Ctrl+C goes to all processes of a terminal: a worker that is not so far yet is to leave it to its supervisor
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            process = self._context.Process(target=serve, args=(self._config, self._listeners.of(place), theirs))
            process.start()
        except OSError as exc:  # no memory, or no more processes
            ours.close()
            self._on_failed_start(place, Told(What.FAILED, f"a worker could not be started: {exc}"))
        else:
            self._workers[place] = _Worker(place, process, ours)
        finally:
            signal.signal(signal.SIGINT, handler)
            theirs.close()

    def _look_after(self, worker: _Worker) -> None:
        ended = worker.process.exitcode is not None  # asked first: what it has told until then is there
        while (told := worker.listen()) is not None:
            if told.what is What.READY:
                worker.ready = True
                if self._announced:
                    logger.info("worker %s has taken its place", worker.process.pid)
            elif told.what is What.ENDING:
                self._on_leaving(worker)
            else:
                worker.failure = told
        if ended:
            worker.line.close()
            self._on_end(worker)

    def _on_leaving(self, worker: _Worker) -> None:
        """Replace a worker that somebody else has told to end: nobody accepts what comes to its socket any more."""
        if not self._stopping and self._workers.get(worker.place) is worker:
            logger.warning("worker %s ends; another one takes its place", worker.process.pid)
            self._leaving.append(self._workers.pop(worker.place))
            self._listeners.drop(worker.place)
            self._start(worker.place)

    def _on_end(self, worker: _Worker) -> None:
        if worker in self._leaving:
            self._leaving.remove(worker)
            return
        del self._workers[worker.place]
        if self._stopping:
            return
        self._listeners.drop(worker.place)
        if worker.ready:
            logger.warning("worker %s %s; another one takes its place", worker.process.pid, worker.end)
            self._start(worker.place)
        else:
            unexplained = Told(What.FAILED, f"a worker {worker.end} before it was ready; it may have printed why")
            self._on_failed_start(worker.place, worker.failure or unexplained)

    def _on_failed_start(self, place: int, failure: Told) -> None:
        if self._announced and self._workers:
            self._retry_at[place] = time.monotonic() + RETRY_S
            logger.warning("a worker could not be replaced, which is tried again in %g s: %s", RETRY_S, failure.text)
        elif not self._stopping:
            self._failure = failure
            self._stop()

    def _on_signal(self, number: int) -> None:
        if number in (signal.SIGTERM, signal.SIGINT) and not self._stopping:
            self._stop()
        elif number == signal.SIGINT:  # once more: somebody does not want to wait, and uvicorn knows what to do then
            self._kill_at = min(self._kill_at, time.monotonic() + CLOSING_S)
            for worker in self._all():
                if worker.process.pid is not None:
                    os.kill(worker.process.pid, signal.SIGINT)

    def _stop(self) -> None:
        self._stopping = True
        self._kill_at = time.monotonic() + ended_after_s(self._config)
        self._retry_at.clear()
        self._listeners.close()
        for worker in self._all():
            worker.process.terminate()

    def _patience_s(self) -> float | None:
        """Return s until something is due; None: nothing is."""
        due = min([self._kill_at, *self._retry_at.values()])
        return None if due == math.inf else max(0.0, due - time.monotonic())

    def _on_time(self, now: float) -> None:
        for place in [place for place, at in self._retry_at.items() if now >= at]:
            del self._retry_at[place]
            self._start(place)
        if now >= self._kill_at:
            self._kill_at = math.inf
            for worker in self._all():
                logger.warning("worker %s did not end in time and is killed", worker.process.pid)
                worker.process.kill()
