"""Helpers that watch an agent's streams and tools, and tell its turn."""

import asyncio
import functools
import inspect
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class Watched(Protocol):
    """A turn, as its watchers see it."""

    def milestone(self, name: str, *, tool: str | None = None, at: float | None = None) -> None: ...

    def write(self, audio: Any, rate: int | None = None) -> int: ...

    async def write_async(self, audio: Any, rate: int | None = None) -> int: ...

    def finish(self) -> None: ...

    def cancel(self, reason: str = "cancelled") -> str: ...


def write_all(turn: Watched, audio: Iterable[Any], rate: int | None) -> None:
    """Write every chunk of *audio*, and finish; cancel the turn where the stream raises."""
    try:
        for chunk in audio:
            turn.write(chunk, rate)
    except BaseException as exc:
        turn.cancel(_reason(exc))
        raise
    turn.finish()


async def write_all_async(turn: Watched, audio: AsyncIterable[Any], rate: int | None) -> None:
    """Write every chunk of *audio*, and finish; cancel the turn where the stream raises or the task is cancelled."""
    try:
        async for chunk in audio:
            await turn.write_async(chunk, rate)
    except BaseException as exc:
        turn.cancel(_reason(exc))
        raise
    turn.finish()


def tokens(turn: Watched, stream: Iterable[T]) -> Iterator[T]:
    """Yield what *stream* does; its first item is the first token."""
    turn.milestone("llm_started")
    for place, token in enumerate(stream):
        if place == 0:
            turn.milestone("first_token")
        yield token


async def tokens_async(turn: Watched, stream: AsyncIterable[T]) -> AsyncIterator[T]:
    """Yield what *stream* does; its first item is the first token."""
    turn.milestone("llm_started")
    first = True
    async for token in stream:
        if first:
            turn.milestone("first_token")
            first = False
        yield token


class ToolRun:
    """Tells a turn that a tool runs, for as long as a ``with`` or ``async with`` block lasts; decorates functions, too.

    Args:
        name: The tool's; None: the decorated function's.
        turn: Returns whose tool it is, when the block is entered; None: nobody's, nothing is told.
    """

    def __init__(self, name: str | None, turn: Callable[[], Watched | None]) -> None:
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


def _reason(exc: BaseException) -> str:
    stopped = isinstance(exc, asyncio.CancelledError | GeneratorExit | KeyboardInterrupt)
    return "the reply was stopped" if stopped else f"the reply failed: {type(exc).__name__}"
