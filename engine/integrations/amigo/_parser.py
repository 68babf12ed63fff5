"""A stream of newline-delimited JSON as events."""

import json
import logging
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any, overload

from ....fillers import UsageError
from ._events import Event, UnknownEvent
from ._lines import MAX_LINE_BYTES, LineSplitter
from ._parse import parse_event

logger = logging.getLogger("stopgap")

Chunk = bytes | bytearray | memoryview | str


class EventParser:
    """Turns chunks of newline-delimited JSON into events. Nothing in them makes it raise.

    A line that is no JSON object is passed by: counted, and warned of once. An unknown type is logged once.

    Args:
        max_line_bytes: Bytes of a line; a longer one counts as no JSON.

    Raises:
        UsageError: if *max_line_bytes* is no whole number above 0.
    """

    def __init__(self, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        if not isinstance(max_line_bytes, int) or max_line_bytes < 1:
            raise UsageError(
                f"max_line_bytes={max_line_bytes!r} is no number of bytes; give 1 or more, or leave it out"
            )
        self._lines = LineSplitter(max_line_bytes)
        self._not_json = 0
        self._unknown: set[str] = set()
        self._warned = False

    @property
    def bad_lines(self) -> int:
        """Lines that were passed by: too long, or no JSON object."""
        return self._not_json + self._lines.too_long

    @property
    def unknown_types(self) -> frozenset[str]:
        """Types that were not known."""
        return frozenset(self._unknown)

    def feed(self, chunk: Chunk) -> list[Event]:
        """Return the events that *chunk* completes."""
        data = chunk.encode("utf-8", "surrogatepass") if isinstance(chunk, str) else bytes(chunk)
        return self._events(self._lines.feed(data))

    def close(self) -> list[Event]:
        """Return the event of a last line without an end."""
        return self._events(self._lines.close())

    def parse(self, source: Any) -> Event:
        """Return what *source* tells, as `parse_event` does, and log a type that is not known."""
        event = parse_event(source)
        if isinstance(event, UnknownEvent) and event.type not in self._unknown:
            self._unknown.add(event.type)
            logger.info("amigo: an event of the unknown type %.80r is passed by", event.type)
        return event

    def _events(self, lines: list[bytes]) -> list[Event]:
        found = [self._load(line) for line in lines]
        if self.bad_lines and not self._warned:
            self._warned = True
            logger.warning("amigo: a line of the stream is no JSON object, or is too long: passed by, like any further")
        return [self.parse(fields) for fields in found if fields is not None]

    def _load(self, line: bytes) -> dict[str, Any] | None:
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError):
            fields = None
        if isinstance(fields, dict):
            return fields
        self._not_json += 1
        return None


@overload
def parse_events(chunks: AsyncIterable[Chunk], *, parser: EventParser | None = None) -> AsyncIterator[Event]: ...
@overload
def parse_events(chunks: Iterable[Chunk], *, parser: EventParser | None = None) -> Iterator[Event]: ...
def parse_events(
    chunks: AsyncIterable[Chunk] | Iterable[Chunk], *, parser: EventParser | None = None
) -> AsyncIterator[Event] | Iterator[Event]:
    """Yield the events of an interaction's body, for example of httpx's ``response.aiter_bytes()``.

    Args:
        chunks: Bytes or text, split anywhere; or whole lines that keep their ends.
        parser: Counts what was passed by; None: a new one.
    """
    parser = EventParser() if parser is None else parser
    return _parsed_async(chunks, parser) if isinstance(chunks, AsyncIterable) else _parsed(chunks, parser)


def _parsed(chunks: Iterable[Chunk], parser: EventParser) -> Iterator[Event]:
    for chunk in chunks:
        yield from parser.feed(chunk)
    yield from parser.close()


async def _parsed_async(chunks: AsyncIterable[Chunk], parser: EventParser) -> AsyncIterator[Event]:
    async for chunk in chunks:
        for event in parser.feed(chunk):
            yield event
    for event in parser.close():
        yield event
