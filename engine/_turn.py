"""A turn as the application holds it: tells the engine the news, feeds the reply, keeps the record."""

import inspect
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from ..fillers import Clip, UsageError
from ._told import ToldTurn
from ._watch import ToolRun, reason_of, tokens, tokens_async, write_all, write_all_async
from .mixer import Tell
from .turns import ANNOUNCING, Outcome, TurnRecord

T = TypeVar("T")


class Turn(ToldTurn):
    """From the end of the user's speech to the end of the agent's answer. Made by `Session.begin`.

    Calls out of order never raise: a milestone after the reply, or a second `finish`, is noted in the record and
    changes nothing; audio written after `finish` is still played; audio written after `cancel` or `retract`, or
    once a newer turn has begun, is refused, and the record says so.

    As a (sync or async) context manager it finishes at the block's end, and is cancelled where the block raises: a
    model that fails leaves no filler behind.
    """

    # News -------------------------------------------------------------------------------------------------------

    def milestone(self, name: str, *, tool: str | None = None, at: float | None = None) -> None:
        """Tell news of the pending reply; the rest of the cue sheet is planned again.

        Args:
            name: One of ``speech_ended turn_committed transcript_final llm_started first_token tool_started
                tool_ended tts_started``.
            tool: The tool's name, with ``tool_started`` and ``tool_ended``.
            at: s on the manager's clock; None: now.

        Raises:
            UsageError: if *name* is none of these, or *at* is no time on that clock.
        """
        self.check_time(f"milestone {name}", at)
        with self._line.lock:
            now = self._line.sync()
            if name == "turn_committed" and self._state.status == "tentative":
                self.commit()
                return
            changes = self._state.milestone(name, now if at is None else at, tool)
            if name == "tool_started" and tool is not None:
                self._behaving.tool_started(tool)
            if changes:
                if name in ANNOUNCING:
                    self._prompter.make_way()
                self.plan()

    def commit(self) -> None:
        """Confirm a tentative end of speech."""
        with self._line.lock:
            now = self._line.sync()
            if not self._tentative:
                self._state.note("commit of a turn that was not tentative: ignored")
                return
            self._tentative = False
            if self._state.status == "tentative":
                self._state.status = "waiting"
                self._state.milestone("turn_committed", now)
                self.plan(first=True)
            self._learn()

    def retract(self) -> None:
        """Take the end of speech back: the user went on. Sound fades; the turn teaches nothing."""
        self._stop("retracted", None)

    def wait_again(self) -> None:
        """The reply written so far was a preamble: a further wait begins when it has been heard.

        Call it after the preamble's last `write`, for example while a slow tool runs on.
        """
        with self._line.lock:
            now = self._line.sync()
            if self._state.status != "replying":
                self._state.note("wait_again without a reply: ignored")
                return
            self._reply.end()
            self._state.wait_again(self._line.reply_ends_at(now))
            self._prompter.wait_began()
            self.plan(first=True)

    # Fillers from elsewhere ---------------------------------------------------------------------------------------

    # The reply --------------------------------------------------------------------------------------------------

    def write(self, audio: Any, rate: int | None = None) -> int:
        """Play the next piece of the reply. The first one disarms the cue sheet and starts the handoff.

        Args:
            audio: Mono float32 or int16 samples, shape (frames,), or bytes of 16-bit little-endian PCM. Copied.
            rate: Hz of *audio*, resampled if it is not the session's; None: the session's.

        Returns:
            Frames of reply queued, at the session's rate.

        Raises:
            UsageError: if *audio* is not that; nothing of it is played then.
        """
        with self._line.lock:
            samples, given = self._reply.convert(audio, rate)
            now = self._line.sync()
            if self._refuses("reply written"):
                return 0
            if not given:
                return self._line.mixer.reply_queued
            if self._state.status == "ended":
                self._state.note("reply written after finish: played")
                self._reply.write(samples)
                self._reply.end()
                return self._line.mixer.reply_queued
            self._state.reply_available(now)
            return self._reply.write(samples)

    async def write_async(self, audio: Any, rate: int | None = None) -> int:
        """Like `write`, then wait while more than 2 s of reply are queued."""
        queued = self.write(audio, rate)
        await self._line.until_drained(self)
        return queued

    @overload
    def watch(self, audio: AsyncIterable[Any], rate: int | None = None) -> Coroutine[Any, Any, None]: ...
    @overload
    def watch(self, audio: Iterable[Any], rate: int | None = None) -> None: ...
    def watch(
        self, audio: AsyncIterable[Any] | Iterable[Any], rate: int | None = None
    ) -> Coroutine[Any, Any, None] | None:
        """Write all of a stream of reply audio, then finish: ``await turn.watch(tts_stream)``.

        A plain iterable is written before this returns. Where the stream raises, or the task is cancelled, the turn is
        cancelled and the exception goes on. Once the turn is over (a barge-in) no more is taken from the stream.

        Args:
            audio: Chunks as `write` takes them.
            rate: Hz of *audio*; None: the session's.

        Raises:
            UsageError: if *audio* is no stream.
        """
        if isinstance(audio, AsyncIterable):
            return write_all_async(self, audio, rate)
        if not isinstance(audio, Iterable) or isinstance(audio, bytes | bytearray | str) or hasattr(audio, "dtype"):
            raise UsageError(f"watch takes a stream of chunks, not {type(audio).__name__}; hand audio to write()")
        write_all(self, audio, rate)
        return None

    @overload
    def watch_llm(
        self, stream: AsyncIterable[T] | Awaitable[AsyncIterable[T]], text: Callable[[T], object] = ...
    ) -> AsyncIterator[T]: ...
    @overload
    def watch_llm(self, stream: Iterable[T], text: Callable[[T], object] = ...) -> Iterator[T]: ...
    def watch_llm(
        self,
        stream: AsyncIterable[T] | Awaitable[AsyncIterable[T]] | Iterable[T],
        text: Callable[[T], object] = lambda item: True,
    ) -> AsyncIterator[T] | Iterator[T]:
        """Tell that the model is asked now (``llm_started``), yield what *stream* does, and tell the first token.

        Write ``async for token in turn.watch_llm(stream)``, or ``for`` where the stream is a plain iterable.

        Args:
            stream: Items, or what is awaited for them, such as ``client.chat.completions.create(..., stream=True)``.
            text: Returns the text in an item: the first one that has any is the first token. Chat APIs begin with
                items that have none, and tool calls have none at all.

        Raises:
            UsageError: if *stream* is none.
        """
        if isinstance(stream, AsyncIterable) or inspect.isawaitable(stream):
            self.milestone("llm_started")
            return tokens_async(self, stream, text)
        if not isinstance(stream, Iterable):
            raise UsageError(f"watch_llm takes a stream of tokens, not {type(stream).__name__}")
        self.milestone("llm_started")
        return tokens(self, stream, text)

    def tool(self, name: str) -> ToolRun:
        """Return what tells that the tool *name* runs: ``with turn.tool("lookup"):``, or ``async with``."""
        return ToolRun(name, lambda: self)

    def _refuses(self, what: str) -> bool:
        """Return whether the turn is over for good, and note that *what* came afterwards."""
        if self._outcome not in ("cancelled", "retracted") and self._line.newest is self and not self._line.closed:
            return False
        self._state.note(f"{what} after the turn was over: refused")
        self._engine.count("reply_refused")
        return True

    # The end ----------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """The reply is complete (or there will be none). What is queued plays on; the turn is learned from."""
        with self._line.lock:
            now = self._line.sync()
            if self._state.status == "ended":
                self._state.note("a second finish: ignored")
                return
            if self._state.status == "replying":
                self._reply.end()
            else:
                self._line.post(Tell("retire"))
            self._close("replied", now, cut_off_at=None)

    def cancel(self, reason: str = "cancelled") -> str:
        """End the turn early (barge-in, hang-up): everything fades within 20 ms, the rest of the reply is dropped.

        Returns:
            What was heard of the fillers' text.
        """
        self._stop("cancelled", reason)
        return " ".join(sound.text for sound in self.record.sounds if sound.text)

    @property
    def waiting(self) -> bool:
        """Whether a reply is pending: of the first wait, or of a further one."""
        return self._state.open

    @property
    def record(self) -> TurnRecord:
        """The turn as heard up to now."""
        with self._line.lock:
            self._line.sync()
            return self._record()

    @property
    def clips_started(self) -> tuple[Clip, ...]:
        """The clips of the fillers that have started, as in the record: the bank may have others by now."""
        with self._line.lock:
            self._line.sync()
            return self._sounds.clips()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        if self.pending:
            self.finish() if exc is None else self.cancel(reason_of(exc))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.__exit__(kind, exc, tb)

    def _stop(self, outcome: Outcome, reason: str | None) -> None:
        with self._line.lock:
            now = self._line.sync()
            if self._state.status == "ended":
                if self._line.newest is self and self._outcome == "replied":
                    self._line.flush()
                    self._state.note(f"{outcome} after finish: the rest of the reply was dropped")
                    if outcome == "retracted":
                        self._outcome, self._lessons = outcome, []
                    self._line.sync()
                return
            held = self._line.held_since
            self._line.flush()
            self._cancel_reason = reason
            cut_off = None if outcome == "retracted" else (held if held is not None else now)
            self._close(outcome, now, cut_off_at=cut_off)
