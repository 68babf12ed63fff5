"""Frames over the WebSocket of a call."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import numpy as np

from ....fillers import Samples
from ...mixer import NativeMixer, ReferenceMixer, Stop
from ...outputs import AheadTransport, FrameOutput
from ._dialects import Dialect
from ._playout import Clear, Order, Play, Playout

logger = logging.getLogger("stopgap")

SendText = Callable[[str], Awaitable[None]]
"""Sends one WebSocket text message; raises when the socket is gone."""

SLOW_S = 2.0
"""s for one message that are worth a warning."""
REPEAT_S = 2.5
"""s of sound that are played again at most after a line that was lost without a word."""


class StreamTransport:
    """An `AheadTransport` that speaks to a provider; what it sends and when `Playout` decides.

    While there is no line (before `connect`, after `lose`) `put` waits, and with it the time of who feeds it: fillers
    and reply go on where they stopped once there is a line again, from the first sample that was not played. What
    may have been played, from when the line was last known to be there on, is played again: at most `REPEAT_S`.

    A socket that takes a message slowly, or not at all, is no lost line: `put` waits for it, and what the provider has
    played out meanwhile goes on from there. Only an exception, `lose` and `abandon` end a line.

    Args:
        send_text: Of the socket.
        playout: Made for the output's rate and frames.
        on_put: Called after each `put`: what was pulled for it may be taken in now.
    """

    def __init__(self, send_text: SendText, playout: Playout, on_put: Callable[[], None] = lambda: None) -> None:
        self.playout = playout
        self._losses = self._slow = 0
        self._send_text, self._on_put = send_text, on_put
        self._dialect: Dialect | None = None
        self._alive_at = 0.0
        self._ending = self._closed = False
        self._news = asyncio.Event()
        self._line = 0
        """Counts the lines there were."""
        self._sending: asyncio.Timeout | None = None
        """The message that the socket is taking: expires when nobody waits for that any more."""

    @property
    def connected(self) -> bool:
        return self._dialect is not None and not self._closed

    def counters(self) -> dict[str, float]:
        """Return lines_lost, slow_sends (messages that took more than 2 s), clears and resent_s (s sent twice)."""
        return {
            "lines_lost": float(self._losses), "slow_sends": float(self._slow), "clears": float(self.playout.clears),
            "resent_s": self.playout.resent_s,
        }  # fmt: skip

    def connect(self, dialect: Dialect, send_text: SendText | None = None) -> None:
        """There is a line, perhaps another one: over a new socket, if *send_text* is given."""
        self.lose()
        self._send_text = send_text or self._send_text
        self._dialect = dialect
        self.alive()
        self._news.set()

    def alive(self) -> None:
        """There is news from the line now: what it was to have played by now it has."""
        self._alive_at = asyncio.get_running_loop().time()

    def lose(self) -> None:
        """There is no line any more, nobody knows since when; certainly there was when it was last `alive`."""
        if self._dialect is None:
            return
        self.playout.lost(max(self._alive_at, asyncio.get_running_loop().time() - REPEAT_S))
        self._losses += 1
        self._line += 1
        self._dialect = None
        if not self._closed:
            self._news.clear()

    def abandon(self) -> None:
        """The socket is gone, and with it the line: what it has not taken yet is given up."""
        self.lose()
        if self._sending is not None:
            self._sending.reschedule(asyncio.get_running_loop().time())
            self._sending = None

    def end(self) -> None:
        """What comes is the last: it is sent if there is a line, and no other one is waited for."""
        self._ending = True
        if self._dialect is None:
            self.close()

    def close(self) -> None:
        """Nothing more is sent; who waits in `put` goes on."""
        self._closed = True
        self._news.set()

    async def put(self, first: int, samples: Samples) -> None:
        """Play *samples* from the number *first* on. Waits while there is no line; never raises for its sake."""
        now = asyncio.get_running_loop().time
        self.playout.take(first, samples, now())
        await self._send(now)
        self._on_put()

    async def _send(self, now: Callable[[], float]) -> None:
        while not self._closed:
            await self._news.wait()
            line, dialect = self._line, self._dialect
            if self._closed or dialect is None:
                continue
            try:
                for order in self.playout.orders(now()):
                    await self._taken(_said(order, dialect), now)
                    if line != self._line:
                        break
                    if isinstance(order, Play):
                        self.playout.taken(order, now())
                else:
                    return
            except Exception as exc:  # of whatever web framework it is
                if self._ending:
                    self.close()
                elif line == self._line:
                    logger.warning("the line of a call is gone (%r); its sound waits for another one", exc)
                    self.lose()

    async def _taken(self, text: str, now: Callable[[], float]) -> None:
        """Wait, however long, until the socket has taken *text*; `abandon` ends that with a TimeoutError."""
        since = now()
        try:
            async with asyncio.timeout(None) as self._sending:
                await self._send_text(text)
        finally:
            self._sending = None
            self._took(now() - since)

    def _took(self, seconds: float) -> None:
        if seconds > SLOW_S:
            self._slow += 1
            if self._slow == 1:
                logger.warning(
                    "the socket of a call kept a message waiting for %.1f s, or the event loop was blocked: nothing "
                    "was sent meanwhile; the call goes on, and more of this is only counted",
                    seconds,
                )


async def send_paced(output: FrameOutput, transport: AheadTransport) -> None:
    """Give *transport* a frame whenever one is due, on absolute deadlines, until *output* is closed.

    For transports that cannot take back. Unlike `FrameOutput.paced`, frames that could not be sent in time are not sent
    in a burst later, which would put all that follows off for good: after a block of more than a frame the timeline
    goes on where it stopped. Nothing is skipped.
    """
    source = output.source
    if source is None:
        return
    loop = asyncio.get_running_loop()
    frame_s = output.frame_samples / output.rate
    origin, due = source.position, loop.time()
    closed = False
    while not closed:
        closed = output.source is None
        if closed and isinstance(source, NativeMixer | ReferenceMixer):
            source.post(Stop(flush=True))
        late_s = loop.time() - due
        stalled = late_s > frame_s
        if stalled:
            due, late_s = due + late_s, 0.0
        output.observe(late_s, anew=stalled)
        first, frame = source.position, np.empty(output.frame_samples, np.float32)
        source.render(frame)
        await transport.put(first - origin, frame)
        due += frame_s
        await asyncio.sleep(max(0.0, due - loop.time()))


def _said(order: Order, dialect: Dialect) -> str:
    if isinstance(order, Play):
        return dialect.media(dialect.format.encode(order.samples))
    return dialect.clear() if isinstance(order, Clear) else dialect.mark(order.name)
