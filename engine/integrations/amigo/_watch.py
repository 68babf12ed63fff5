"""Watches the stream of an interaction, and has a turn follow it."""

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
)
from typing import Any, TypeVar, get_args, overload

from ....fillers import UsageError
from ..._session import Session
from ..._turn import Turn
from ._drive import Fillers, InteractionDriver
from ._events import Event
from ._lines import MAX_LINE_BYTES
from ._parser import Chunk, EventParser

T = TypeVar("T")


@overload
def watch_interaction(
    turn: Turn | Session,
    stream: AsyncIterable[T],
    *,
    reply_rate: int | None = None,
    fillers: Fillers = "candidate",
    tool_names: Mapping[str, str] | None = None,
    max_line_bytes: int = MAX_LINE_BYTES,
) -> AsyncIterator[T]: ...
@overload
def watch_interaction(
    turn: Turn | Session,
    stream: Iterable[T],
    *,
    reply_rate: int | None = None,
    fillers: Fillers = "candidate",
    tool_names: Mapping[str, str] | None = None,
    max_line_bytes: int = MAX_LINE_BYTES,
) -> Iterator[T]: ...
def watch_interaction(
    turn: Turn | Session,
    stream: AsyncIterable[T] | Iterable[T],
    *,
    reply_rate: int | None = None,
    fillers: Fillers = "candidate",
    tool_names: Mapping[str, str] | None = None,
    max_line_bytes: int = MAX_LINE_BYTES,
) -> AsyncIterator[T] | Iterator[T]:
    """Yield what *stream* does, unchanged, and have *turn* follow it: ``async for event in watch_interaction(...)``.

    Its news become milestones, audio of the answer is written to the turn, and ``interaction-complete`` finishes it.
    An ``error`` before that, a stream that raises, and one that ends without it cancel the turn; an ``error`` after it
    changes nothing, for the interaction is saved. What the stream raises goes on to the caller.

    With an answer in text (*reply_rate* None) the turn stays open after ``interaction-complete``: whoever speaks the
    text finishes it, as `Turn.watch` does, and tells of further waits (`Turn.wait_again`).

    A tool that is called after a part of the answer's audio begins a further wait, with fillers of its own. Tools,
    decisions and reflections go by these names in ``[tools."…"]`` tables and in the record: a tool's id (or the name
    that *tool_names* gives it), ``params:`` and that while its parameters are generated, ``decision``, ``reflection``.

    Args:
        turn: A turn that has begun; or a session, on which one is begun when the iteration is.
        stream: What the SDK's ``create_conversation`` or ``interact_with_conversation`` returns; or what
            `parse_events` yields; or the body's chunks, bytes or text split anywhere.
        reply_rate: Hz of the 16-bit PCM that messages hold with ``response_format=voice``. None: they are text.
        fillers: What to do with the server's own (``action-too-long``). ``candidate``: it is heard if nothing of
            stopgap's sounds or is about to; ``play``: it takes the place of what is planned, and only a filler that
            sounds already wins; ``ignore``: nothing.
        tool_names: Names of tools by their ids.
        max_line_bytes: Bytes of a line, where *stream* gives chunks; a longer one is passed by.

    Raises:
        UsageError: for an argument that is none of these, before anything is read.
    """
    if not isinstance(turn, Turn | Session):
        raise UsageError(f"watch_interaction on {type(turn).__name__}; give a turn (session.begin()) or a session")
    if fillers not in get_args(Fillers):
        raise UsageError(f"fillers={fillers!r} is none of {', '.join(get_args(Fillers))}")
    if reply_rate is not None and (not isinstance(reply_rate, int) or not 4_000 <= reply_rate <= 384_000):
        raise UsageError(f"reply_rate={reply_rate!r} is not possible; give whole Hz between 4000 and 384000, or None")
    if not isinstance(stream, AsyncIterable | Iterable):
        raise UsageError(
            f"a stream of type {type(stream).__name__} cannot be watched; "
            "await the SDK's call first: it returns the stream"
        )
    parser = EventParser(max_line_bytes)

    def begin() -> InteractionDriver:
        begun = turn.begin() if isinstance(turn, Session) else turn
        return InteractionDriver(begun, reply_rate=reply_rate, fillers=fillers, names=dict(tool_names or {}))

    if isinstance(stream, AsyncIterable):
        return _followed_async(stream, parser, begin)
    return _followed(stream, parser, begin)


def _followed(stream: Iterable[T], parser: EventParser, begin: Callable[[], InteractionDriver]) -> Iterator[T]:
    driver = begin()
    try:
        for item in stream:
            for event in _events(parser, item):
                driver.take(event)
            yield item
        for event in parser.close():
            driver.take(event)
    except BaseException as exc:
        driver.broken(exc)
        raise
    finally:
        if isinstance(stream, Generator):
            stream.close()  # a connection that nobody reads any more
    driver.ended()


async def _followed_async(
    stream: AsyncIterable[T], parser: EventParser, begin: Callable[[], InteractionDriver]
) -> AsyncIterator[T]:
    driver = begin()
    try:
        async for item in stream:
            for event in _events(parser, item):
                driver.take(event)
            yield item
        for event in parser.close():
            driver.take(event)
    except BaseException as exc:
        driver.broken(exc)
        raise
    finally:
        if isinstance(stream, AsyncGenerator):
            await stream.aclose()
    driver.ended()


def _events(parser: EventParser, item: Any) -> list[Event]:
    return parser.feed(item) if isinstance(item, Chunk) else [parser.parse(item)]
