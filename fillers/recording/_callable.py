"""A TTS that is a Python callable of the user's."""

import asyncio
import inspect
import json
import os
import sys
import threading
from collections.abc import AsyncIterable, Awaitable, Callable, Coroutine, Iterable
from concurrent.futures import Future
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar, cast

from .._errors import UsageError
from ._received import shortened
from ._returned import Chunks, spoken_of
from ._speech import Spoken
from ._trouble import NotSpoken

_LEAVE_S = 1.0
_T = TypeVar("_T")


class CallableTts:
    """Calls ``package.module:function`` with each text.

    It may return, yield or await what `Speech` holds, (samples, rate), the bytes of an audio file, or chunks. It runs
    in daemon threads: one that hangs keeps neither the run nor the process from ending.

    Args:
        name: Where it is; modules in the current folder are found.

    Raises:
        UsageError: if it cannot be imported or called.
    """

    who = "the function"
    parallel = 1
    per_minute = None

    def __init__(self, name: str) -> None:
        self._function = _imported(name)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self.identity = json.dumps(["callable", name])
        self.label = name

    async def speak(self, text: str, take: int, folder: Path) -> Spoken:
        try:
            if _is_async(self._function):
                return await self._in_loop(_awaited(self._function(text)))
            return await self._called(text)
        except NotSpoken:
            raise
        except Exception as exc:
            raise _raised(exc) from exc

    async def close(self) -> None:
        if self._loop is None or self._thread is None:
            return
        loop, thread = self._loop, self._thread
        with suppress(TimeoutError):  # it is left behind if it is blocked
            async with asyncio.timeout(_LEAVE_S):
                await self._in_loop(_tidied())
        loop.call_soon_threadsafe(loop.stop)
        await asyncio.to_thread(thread.join, _LEAVE_S)
        if not thread.is_alive():
            loop.close()
        self._loop = self._thread = None

    async def _called(self, text: str) -> Spoken:
        """Call it in a thread of its own, and await there what it returned, if that is what it wants."""
        given_up = threading.Event()

        def call() -> Spoken | Coroutine[Any, Any, Spoken]:
            returned = self._function(text)
            if inspect.isawaitable(returned) or isinstance(returned, AsyncIterable):
                return _awaited(returned)
            return _collected(returned, given_up)

        try:
            result = await asyncio.wrap_future(_in_daemon(call))
        finally:
            given_up.set()
        return result if isinstance(result, Spoken) else await self._in_loop(result)

    async def _in_loop(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run *work* in a loop of its own, which it may block."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name="stopgap tts", daemon=True)
            self._thread.start()
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))


async def _awaited(returned: object) -> Spoken:
    try:
        return await _awaited_all(returned)
    except asyncio.CancelledError as exc:
        if (task := asyncio.current_task()) is None or task.cancelling():
            raise
        raise _raised(exc) from exc  # by the function itself: nobody cancelled it
    except (SystemExit, KeyboardInterrupt) as exc:  # it would end the loop
        raise _raised(exc) from exc


async def _awaited_all(returned: object) -> Spoken:
    if inspect.isawaitable(returned):
        returned = await cast(Awaitable[object], returned)
    if isinstance(returned, AsyncIterable):
        chunks = Chunks()
        async for chunk in returned:
            chunks.add(chunk)
        return chunks.spoken()
    return _collected(returned, threading.Event())


async def _tidied() -> None:
    """End what goes on in this loop."""
    rest = asyncio.all_tasks() - {cast("asyncio.Task[Any]", asyncio.current_task())}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()


def _collected(returned: object, given_up: threading.Event) -> Spoken:
    if (spoken := spoken_of(returned)) is not None:
        return spoken
    chunks = Chunks()
    for chunk in cast(Iterable[object], returned):
        if given_up.is_set():
            break
        chunks.add(chunk)
    return chunks.spoken()


def _raised(exc: BaseException) -> NotSpoken:
    told = shortened(str(exc))
    return NotSpoken(f"the function raised {type(exc).__name__}{f': {told}' if told else ''}")


def _in_daemon(work: Callable[[], _T]) -> "Future[_T]":
    """Start *work* in a thread that does not keep the process from ending, as an executor's would."""
    future: Future[_T] = Future()

    def run() -> None:
        try:
            result = work()
        except BaseException as exc:
            with suppress(Exception):  # nobody waits any more
                future.set_exception(exc if isinstance(exc, Exception) else _raised(exc))
        else:
            with suppress(Exception):
                future.set_result(result)

    threading.Thread(target=run, name="stopgap tts", daemon=True).start()
    return future


def _is_async(function: Callable[..., object]) -> bool:
    called = function if inspect.isroutine(function) else type(function).__call__
    return any(map(inspect.iscoroutinefunction, (function, called))) or any(
        map(inspect.isasyncgenfunction, (function, called))
    )


def _imported(name: str) -> Callable[[str], object]:
    module, _, path = name.partition(":")
    if (here := os.getcwd()) not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    try:
        found: object = import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except AttributeError:
        raise UsageError(f"--tts: {module} has no {path!r}; give package.module:function") from None
    except Exception as exc:
        told = shortened(str(exc))
        raise UsageError(f"--tts: {module} cannot be imported ({type(exc).__name__}: {told})") from exc
    if not callable(found):
        raise UsageError(f"--tts: {name} is of type {type(found).__name__}; give a function that takes a text")
    return cast(Callable[[str], object], found)
