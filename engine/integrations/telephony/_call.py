"""A call: its messages in, its session, its sound out."""

import asyncio
import logging
from types import TracebackType
from typing import Self

from ....fillers import UsageError
from ..._listeners import Listener
from ..._manager import FillerManager
from ..._session import Session
from ...outputs import LEAD_LONGEST_MS, FrameOutput, send_ahead
from ._dialects import Dialect, received_format
from ._format import AudioFormat
from ._messages import (
    CallerAudio,
    Cleared,
    Connected,
    Dtmf,
    MarkPlayed,
    Media,
    StreamFailed,
    StreamStarted,
    StreamStopped,
)
from ._parse import parse_message
from ._playout import MARK_PREFIX, Playout
from ._tally import Tally
from ._transport import SendText, StreamTransport, send_paced

logger = logging.getLogger("stopgap")

MARK_EVERY_S = 0.2
CLOSING_S = 1.0
"""s that closing waits for the last frames to be sent."""
PATIENCE_S = 1.0
"""s beyond a queued reply's length that leaving the call's block waits for it."""
GRACE_S = 0.1
"""s after a reply's last word until the line may be closed: what the way's delay varies by."""

Received = CallerAudio | Connected | StreamStarted | MarkPlayed | Dtmf | Cleared | StreamFailed | StreamStopped


class TelephonyCall:
    """A phone call over a provider's WebSocket: feed it the messages, give its session to the agent.

    ::

        async with TelephonyCall(manager, websocket.send_text) as call:
            async for text in websocket.iter_text():
                heard = await call.receive(text)
                if isinstance(heard, CallerAudio):
                    await agent.hear(heard.samples, heard.rate)  # later: call.session.begin(), turn.write(...)

    Nothing that a provider says, or fails to take, raises into the agent. The session opens with ``start``, at the
    stream's rate; load the clips for it beforehand (``manager.bank.clips(8000)``), lest the first call waits.

    **Ahead of time.** The provider holds up to *lead_ms* of sound and plays on while the event loop is blocked. What it
    holds is taken back when news comes: a barge-in or a reply is heard with the next frame. See `Playout` for what is
    audible then: a seam of as much as the network's delay varies. With ``lead_ms=0`` each frame is sent when it is due,
    and nothing is taken back: a blocked loop is a gap.

    **Lost lines.** After ``stop``, or when the socket is gone, the session's time stands still: calls to it still
    work, and after another ``start``, over the same socket or (`attach`) a new one, fillers and reply go on where they
    stopped. A socket that is slow is not gone: time stands still until it takes what it was given. A ``start`` at
    another rate is the exception: it opens a new session, and the old one's turn, if open, ends as cancelled.

    **Leaving.** The ``async with`` block, unless an exception leaves it, lets the queued reply be heard out while there
    is a line. `close` ends at once. An open turn is cancelled then.

    Args:
        manager: Of the process.
        send_text: Sends one WebSocket text message.
        lead_ms: ms. More than the event loop is ever blocked: three frames (60) to 2,000; or 0.
        outgoing: What to send; None: what the stream is like, see `Dialect.of`.
        incoming: What is received; None: what ``start`` says, see `AudioFormat` on byte orders.
        marks: Whether to send marks, from which the playing position is learned where the provider is behind.
        latency_s: s from sending to the caller's ear, if known: times in turn records become those of hearing.
        id: The session's name; None: the call's id.
        language: The session's; None: the configuration's.
        voice: The session's; None: the configuration's.
        listener: The session's.

    Raises:
        UsageError: if *lead_ms* is neither 0 nor between 60 and 2,000.
    """

    def __init__(
        self,
        manager: FillerManager,
        send_text: SendText,
        *,
        lead_ms: float = 400.0,
        outgoing: AudioFormat | None = None,
        incoming: AudioFormat | None = None,
        marks: bool = True,
        latency_s: float = 0.0,
        id: str | None = None,
        language: str | None = None,
        voice: str | None = None,
        listener: Listener | None = None,
    ) -> None:
        if lead_ms != 0 and not 60.0 <= lead_ms <= LEAD_LONGEST_MS:
            raise UsageError(f"lead_ms={lead_ms!r} must be 0, or lie between three frames (60) and {LEAD_LONGEST_MS:g}")
        self.start: StreamStarted | None = None
        """What the provider said of the stream; None before."""
        self._manager, self._send_text = manager, send_text
        self._lead_ms, self._marks, self._latency_s = lead_ms, marks, latency_s
        self._outgoing, self._incoming = outgoing, incoming
        self._id, self._language, self._voice, self._listener = id, language, voice, listener
        self._hears: AudioFormat | None = None
        self._session: Session | None = None
        self._transport: StreamTransport | None = None
        self._sender: asyncio.Task[None] | None = None
        self._closed = False
        self._tally = Tally()

    @property
    def session(self) -> Session:
        """The conversation, whose output goes to the line.

        Raises:
            UsageError: if ``start`` has not come yet.
        """
        if self._session is None:
            raise UsageError("the call has no session yet; it opens when receive() returns StreamStarted")
        return self._session

    @property
    def connected(self) -> bool:
        """Whether there is a line."""
        return self._transport is not None and self._transport.connected

    async def receive(self, text: str | bytes) -> Received | None:
        """Take in a message; return what the agent may want to know.

        None for what is stopgap's own business (its marks), sound that is not the caller's, and bad messages: those are
        ignored, with one logged warning a call; so is what the provider complains of logged once.
        """
        if self._transport is not None:
            self._transport.alive()
        try:
            message = parse_message(text)
            if isinstance(message, Media):
                return self._heard(message)
        except UsageError as exc:
            self._tally.ignore("message", str(exc))
            return None
        match message:
            case StreamStarted():
                await self._on_start(message)
            case StreamStopped():
                if self._transport is not None:
                    self._transport.lose()
            case StreamFailed(reason):
                self._tally.complaint(reason)
            case MarkPlayed(name) if name.startswith(MARK_PREFIX):
                if self._transport is not None:
                    self._transport.playout.echoed(name, asyncio.get_running_loop().time())
                return None
        return message

    def attach(self, send_text: SendText) -> None:
        """Go on over another socket, whose ``start`` `receive` will get; what the old one has not taken is given up."""
        self.line_lost()
        self._send_text = send_text

    def line_lost(self) -> None:
        """Note that the socket is gone; `receive` and failed sends notice by themselves."""
        if self._transport is not None:
            self._transport.abandon()

    async def close(self) -> None:
        """End the conversation: sound stops, an open turn is cancelled. May be called twice."""
        if not self._closed:
            self._closed = True
            await self._end_session()

    def statistics(self) -> dict[str, float]:
        """Return counters.

        messages_ignored, complaints (of the provider), lines_lost, slow_sends (more than 2 s for a message), clears,
        resent_s (s of sound sent twice) and behind_s (s by which the provider is behind now).
        """
        if self._transport is None:
            return {**self._tally.statistics({}), "behind_s": 0.0}
        return {**self._tally.statistics(self._transport.counters()), "behind_s": self._transport.playout.behind_s}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Let the queued reply be heard out, unless an exception leaves the block, and close."""
        try:
            if kind is None and self.connected:
                await self._hear_out()
        finally:
            await self.close()

    def _heard(self, media: Media) -> CallerAudio | None:
        if media.track != "inbound" or self._hears is None:
            return None
        return CallerAudio(self._hears.decode(media.payload), self._hears.rate, media.timestamp_ms)

    async def _on_start(self, start: StreamStarted) -> None:
        if self._closed:
            return
        self.start = start
        try:
            self._hears = self._incoming or received_format(start)
        except UsageError as exc:
            self._hears = None
            self._tally.ignore("incoming", f"{exc}; what the caller says is not heard")
        try:
            dialect = Dialect.of(start, self._outgoing)
        except UsageError as exc:
            dialect = Dialect.of(start, AudioFormat())
            self._tally.ignore("outgoing", f"{exc}; mu-law is sent, unless outgoing= is given")
        if self._session is not None and self._session.rate != dialect.format.rate:
            self.line_lost()  # what is left of the old stream must not get onto the new one
            await self._end_session()
        if self._session is None or self._session.closed:
            self._open(start, dialect)
        assert self._transport is not None
        self._transport.connect(dialect, self._send_text)

    def _open(self, start: StreamStarted, dialect: Dialect) -> None:
        rate = dialect.format.rate
        if self._transport is not None:
            self._tally.add(self._transport.counters())
        output = FrameOutput(rate, 20.0, latency_s=self._latency_s)
        self._session = self._manager.session(
            output, id=self._id or start.call_id, language=self._language, voice=self._voice, listener=self._listener
        )
        frame, message, take_back = output.frame_samples, dialect.message_samples, self._lead_ms > 0
        # the sender is a frame less ahead, for what it sends meets a queue that may be a frame behind
        lead = max(3 * message, round(self._lead_ms * rate / 1000.0))
        ahead = lead - frame if take_back else frame
        every = round(MARK_EVERY_S * rate) if self._marks else 0
        playout = Playout(
            rate, message, lead, ahead, mark_every=every, take_back=take_back, whole_frames=dialect.whole_frames
        )
        self._transport = StreamTransport(self._send_text, playout, self._session.tick)
        lead_ms = 1000.0 * ahead / rate if take_back else 0.0
        self._sender = asyncio.create_task(_feed(output, self._transport, lead_ms), name="stopgap-telephony")
        self._sender.add_done_callback(_report)

    async def _end_session(self) -> None:
        session, transport, sender = self._session, self._transport, self._sender
        if session is None or transport is None or sender is None:
            return
        transport.end()
        session.close()
        await asyncio.wait([sender], timeout=CLOSING_S)
        transport.close()
        if not sender.done():
            sender.cancel()

    async def _hear_out(self) -> None:
        """Wait until the queued reply was heard; not for ever where the provider plays nothing."""
        assert self._transport is not None
        self._transport.end()
        left = self._reply_left()
        if not left:
            return
        patience = left + PATIENCE_S
        while self.connected and patience > 0.0 and (left := self._reply_left()):
            pause = min(left, 0.1)
            patience -= pause
            await asyncio.sleep(pause)
        if self.connected:
            await asyncio.sleep(GRACE_S)

    def _reply_left(self) -> float:
        """Return the s until the provider has played what is queued of the reply."""
        assert self._transport is not None
        left = self.session.reply_left_s
        if not left and self.session.waiting:
            return 0.0  # the provider owes fillers at most
        return left + self._transport.playout.owes_s(asyncio.get_running_loop().time())


async def _feed(output: FrameOutput, transport: StreamTransport, lead_ms: float) -> None:
    if output.source is None:
        return  # closed before anything was sent
    if lead_ms:
        await send_ahead(output, transport, lead_ms=lead_ms)
    else:
        await send_paced(output, transport)


def _report(sender: "asyncio.Task[None]") -> None:
    if not sender.cancelled() and sender.exception() is not None:
        logger.error("sending to the line ended", exc_info=sender.exception())
