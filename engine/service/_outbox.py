"""Lines on their way to a client, who may be slow, or gone."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

MOST_WAITING = 64
"""Lines that wait for the client before whoever writes has to, too."""
PATIENCE_S = 30.0
"""s that a client may take to read one of them."""


class ClientGoneError(Exception):
    """Nobody reads any more."""


class Outbox:
    """A queue with one writer and one reader, on one event loop."""

    def __init__(self) -> None:
        self._lines: deque[bytes] = deque()
        self._changed = asyncio.Event()
        self._read = asyncio.Event()
        self._ended = self._closed = False

    async def put(self, line: bytes) -> None:
        """Add *line*; wait while many are waiting.

        Raises:
            ClientGoneError: if the client reads none for too long.
        """
        self.put_nowait(line)
        if len(self._lines) <= MOST_WAITING:
            return
        try:
            async with asyncio.timeout(PATIENCE_S):
                while len(self._lines) > MOST_WAITING and not self._closed:
                    self._read.clear()
                    await self._read.wait()
        except TimeoutError:
            raise ClientGoneError from None

    def put_nowait(self, line: bytes) -> None:
        """Add *line*, however many are waiting."""
        if not self._closed:
            self._lines.append(line)
            self._changed.set()

    def end(self) -> None:
        """There will be no more."""
        self._ended = True
        self._changed.set()

    def close(self) -> None:
        """Nobody reads any more: what waits is dropped, what comes is, too."""
        self._closed = self._ended = True
        self._lines.clear()
        self._read.set()
        self._changed.set()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield whole lines up to the end, all that are waiting at a time: sending is dearer than joining."""
        while True:
            while self._lines:
                chunk = b"".join(self._lines)
                self._lines.clear()
                self._read.set()
                yield chunk
            if self._ended:
                return
            self._changed.clear()
            await self._changed.wait()
