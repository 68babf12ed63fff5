"""The same turns replayed in many ways, here or in several processes."""

import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from stopgap.fillers import ClipBank

from ..traces import TraceTurn

Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Grounds:
    """What every job is tried on."""

    turns: Sequence[TraceTurn]
    known_after_ms: float
    packs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Work(Generic[Job, Result]):
    """A job's function, which must be a module's, and what it needs besides the job."""

    function: Callable[[Job, Grounds, ClipBank], Result]
    grounds: Grounds


@contextmanager
def working(
    function: Callable[[Job, Grounds, ClipBank], Result], grounds: Grounds, bank: ClipBank, workers: int
) -> Iterator[Callable[[Iterable[Job]], Iterator[Result]]]:
    """Yield the function that does jobs and yields their results in order: here, or in *workers* processes.

    Args:
        function: Does one job; a function of a module, so that processes find it.
        grounds: What the jobs are done on.
        bank: The clips of its packs, ready; every further process loads them for itself.
        workers: Processes; 1: this one.
    """
    if workers <= 1:
        yield lambda jobs: (function(job, grounds, bank) for job in jobs)
        return
    with _processes(function, grounds, workers) as pool:
        yield lambda jobs: pool.map(_do, jobs)


@contextmanager
def crew(
    function: Callable[[Job, Grounds, ClipBank], Result], grounds: Grounds, bank: ClipBank, workers: int
) -> Iterator[Callable[[Job], "Future[Result]"]]:
    """Like `working`, for jobs that depend on the results of others: yield the function that takes one job."""
    if workers <= 1:

        def here(job: Job) -> "Future[Result]":
            done: Future[Result] = Future()
            done.set_result(function(job, grounds, bank))
            return done

        yield here
        return
    with _processes(function, grounds, workers) as pool:
        yield lambda job: pool.submit(_do, job)


@contextmanager
def _processes(
    function: Callable[[Job, Grounds, ClipBank], Result], grounds: Grounds, workers: int
) -> Iterator[ProcessPoolExecutor]:
    # spawned, not forked: the caller may have threads (a progress bar), and a fork copies their locks as they are
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, _prepare, (_Work(function, grounds),))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


_here: tuple[_Work[Any, Any], ClipBank] | None = None
"""In a worker process: what it does."""


def _prepare(work: _Work[Any, Any]) -> None:
    global _here
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the parent, and that ends its workers
    _here = (work, ClipBank(work.grounds.packs))


def _do(job: Any) -> Any:
    assert _here is not None
    work, bank = _here
    return work.function(job, work.grounds, bank)
