"""An asyncio event loop on virtual time: where it would wait for a timer, it jumps there.

``run(main)`` runs a coroutine function on such a loop and returns its result; ``loop.time()`` tells the virtual time.
Hours of sleeping pass in milliseconds, and always in the same order.

Threads live in real time. While a job given to an executor (`asyncio.to_thread`, `loop.run_in_executor`) is pending,
the loop waits for it really and its time stands still. For callbacks of threads that the loop cannot know of, wrap
the waiting in ``with loop.real_time():``.
"""

import asyncio
import contextlib
import selectors
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

from stopgap import VirtualClock

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

START_S = 1_000.0
"""s that a loop reads at first: neither 0 nor the real time, so that mixed clocks are noticed."""
PATIENCE_S = 20.0
"""Real s without any event after which a loop that has no timer left gives up."""


class _Selector(selectors.BaseSelector):
    """The real selector, asked without waiting wherever time may jump instead."""

    def __init__(self, loop: "VirtualLoop") -> None:
        self._loop = loop
        self._real = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = self._real.select(0)
        if events or (timeout is not None and timeout <= 0):
            return events
        if self._loop.pending_real or timeout is None:
            events = self._real.select(PATIENCE_S)
            if not events:
                raise RuntimeError(f"no timer is left and no thread has reported for {PATIENCE_S:g} s: a deadlock")
            return events
        self._loop.jump(timeout)
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop; `time` reads virtual seconds."""

    def __init__(self) -> None:
        self._virtual_s = START_S
        self.pending_real = 0
        """What is being waited for in real time; until it is 0 time stands still."""
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self._virtual_s

    def jump(self, seconds: float) -> None:
        """Let *seconds* pass at once; also what a test calls to block the loop for that long."""
        self._virtual_s += seconds

    @contextlib.contextmanager
    def real_time(self) -> Iterator[None]:
        """Within it, wait really for what other threads report."""
        self.pending_real += 1
        try:
            yield
        finally:
            self.pending_real -= 1

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        future = super().run_in_executor(executor, func, *args)
        self.pending_real += 1
        future.add_done_callback(self._executor_done)
        return future

    def _executor_done(self, _: object) -> None:
        self.pending_real -= 1

    async def shutdown_default_executor(self, *args: Any, **kwargs: Any) -> None:
        with self.real_time():
            await super().shutdown_default_executor(*args, **kwargs)


class LoopClock(VirtualClock):
    """A manager's clock that reads the loop's time: the manager then works within the calls, without a thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop.time())
        self._loop = loop

    def now(self) -> float:
        return self._loop.time()


def run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run ``main()`` on a new virtual loop; whatever tasks it leaves behind are cancelled."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())
