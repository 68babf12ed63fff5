"""Helpers that watch an agent's streams and tools, and tell its turn."""

import asyncio
import functools
import inspect
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Iterator,
)
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from ..fillers import UsageError

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class Watched(Protocol):
    """A turn, as its watchers see it."""

    def milestone(self, name: str, *, tool: str | None = None, at: float | None = None) -> None: ...

    def write(self, audio: Any, rate: int | None = None) -> int: ...

    async def write_async(self, audio: Any, rate: int | None = None) -> int: ...

    @property
    def pending(self) -> bool: ...

    def finish(self) -> None: ...

    def cancel(self, reason: str = "cancelled") -> str: ...


def write_all(turn: Watched, audio: Iterable[Any], rate: int | None) -> None:
    """Write every chunk of *audio*, and finish; cancel the turn where the stream raises, stop where it is over."""
    stream = iter(audio)
    try:
        for chunk in stream:
            turn.write(chunk, rate)
            if not turn.pending:
                return
    except BaseException as exc:
        turn.cancel(reason_of(exc))
        raise
    finally:
        if isinstance(stream, Generator):
            stream.close()
    turn.finish()


async def write_all_async(turn: Watched, audio: AsyncIterable[Any], rate: int | None) -> None:
    """Write every chunk of *audio*, and finish; cancel the turn where the stream raises or the task is cancelled.

    Stop, and close the stream, where the turn is over: nobody hears the rest.
    """
    stream = aiter(audio)
    try:
        async for chunk in stream:
            await turn.write_async(chunk, rate)
            if not turn.pending:
                return
    except BaseException as exc:
        turn.cancel(reason_of(exc))
        raise
    finally:
        if isinstance(stream, AsyncGenerator):
            await stream.aclose()
    turn.finish()


def tokens(turn: Watched, stream: Iterable[T], text: Callable[[T], object]) -> Iterator[T]:
    """Yield what *stream* does; the first item that has *text* is the first token."""
    first = True
    for item in stream:
        if first and text(item):
            turn.milestone("first_token")
            first = False
        yield item


async def tokens_async(
    turn: Watched, stream: AsyncIterable[T] | Awaitable[AsyncIterable[T]], text: Callable[[T], object]
) -> AsyncIterator[T]:
    """Yield what *stream* does, once it is there; the first item that has *text* is the first token."""
    first = True
    async for item in stream if isinstance(stream, AsyncIterable) else await stream:
        if first and text(item):
            turn.milestone("first_token")
            first = False
        yield item


class ToolRun:
    """Tells a turn that a tool runs, for as long as a ``with`` or ``async with`` block lasts; decorates functions, too.

    Args:
        name: The tool's; None: the decorated function's.
        turn: Returns whose tool it is, when the block is entered; None: nobody's, nothing is told.

    Raises:
        UsageError: if *name* is no text.
    """

    def __init__(self, name: str | None, turn: Callable[[], Watched | None]) -> None:
        if callable(name):
            raise UsageError("tool was given a function; decorate with parentheses: @session.tool()")
        if not isinstance(name, str | None):
            raise UsageError(f"tool {name!r} is no name; give a text")
        self._name = name
        self._turn = turn
        self._entered: list[Watched | None] = []

    def __enter__(self) -> Self:
        turn = self._turn()
        self._entered.append(turn)
        if turn is not None:
            turn.milestone("tool_started", tool=self._name)
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        turn = self._entered.pop()
        if turn is not None:
            turn.milestone("tool_ended", tool=self._name)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.__exit__(kind, exc, tb)

    def __call__(self, function: F) -> F:
        name = self._name if self._name is not None else function.__name__

        def run() -> "ToolRun":
            return ToolRun(name, self._turn)  # each call its own: tools run side by side

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def watched_async(*args: Any, **kwargs: Any) -> Any:
                async with run():
                    return await function(*args, **kwargs)

            return watched_async  # type: ignore[return-value]

        @functools.wraps(function)
        def watched(*args: Any, **kwargs: Any) -> Any:
            with run():
                return function(*args, **kwargs)

        return watched  # type: ignore[return-value]


def reason_of(exc: BaseException) -> str:
    """Return why a reply that ended with *exc* was cancelled."""
    stopped = isinstance(exc, asyncio.CancelledError | GeneratorExit | KeyboardInterrupt)
    return "the reply was stopped" if stopped else f"the reply failed: {type(exc).__name__}"
