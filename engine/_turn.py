"""A turn as the application holds it: tells the engine the news, feeds the reply, keeps the record."""

import asyncio
import math
from collections.abc import AsyncIterable, AsyncIterator, Coroutine, Iterable, Iterator
from typing import Any, TypeVar, overload

from ..fillers import Kind, UsageError
from ._lineturn import LineTurn
from ._reply import offered_clip
from ._watch import ToolRun, tokens, tokens_async, write_all, write_all_async
from .mixer import Tell
from .turns import ANNOUNCING, Outcome, TurnRecord

T = TypeVar("T")
LOOK_S = 0.005
"""s between two looks at whether fillers have yielded."""
STUCK_LOOKS = 100
"""Looks at an output that stands still after which a reply is held no longer: nobody hears the filler."""


class Turn(LineTurn):
    """From the end of the user's speech to the end of the agent's answer. Made by `Session.begin`.

    Calls out of order never raise: a milestone after the reply, or a second `finish`, is noted in the record and
    changes nothing; audio written after `finish` is still played; audio written after `cancel` or `retract`, or
    once a newer turn has begun, is refused, and the record says so.
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
            UsageError: if *name* is none of these, or *at* is no number.
        """
        if at is not None and not math.isfinite(at):
            raise UsageError(f"milestone {name} at {at!r} is no time; give s on the manager's clock")
        with self._line.lock:
            now = self._line.sync()
            if name == "turn_committed" and self._state.status == "tentative":
                self.commit()
                return
            if self._state.milestone(name, now if at is None else at, tool):
                if name in ANNOUNCING:
                    self._prompter.make_way()
                self.plan()

    def commit(self) -> None:
        """Confirm a tentative end of speech."""
        with self._line.lock:
            now = self._line.sync()
            if not self._tentative:
                self._state.notes.append("commit of a turn that was not tentative: ignored")
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
                self._state.notes.append("wait_again without a reply: ignored")
                return
            self._reply.end()
            self._state.wait_again(self._line.reply_ends_at(now))
            self._prompter.wait_began()
            self.plan(first=True)

    # Fillers from elsewhere ---------------------------------------------------------------------------------------

    def offer_filler(
        self,
        audio: Any = None,
        rate: int | None = None,
        *,
        text: str | None = None,
        kind: Kind = Kind.PHRASE,
        insist: bool = False,
    ) -> bool:
        """Play a filler that is in no pack, for example one that the agent's server sent, if nothing else sounds.

        What sounds already goes on and wins; never is it heard over a reply, while the user speaks or beyond the
        limits. What was planned to follow is planned anew around it, and it yields to the reply like any other.

        Args:
            audio: Samples as `write` takes them. None: a clip that says *text* is looked for among the packs.
            rate: Hz of *audio*; None: the session's.
            text: What is said.
            kind: What it is: decides how it yields. None that loops.
            insist: Play it also where a planned filler would begin before its end, a bed sounds, the reply is
                announced, or the configuration wants none of its kind here and now.

        Returns:
            Whether it was taken; the record's notes say why not.

        Raises:
            UsageError: if *audio* is not that, is empty or lasts more than 60 s, if *kind* loops, or neither *audio*
                nor *text* is given.
        """
        if Kind(kind).loops:
            raise UsageError(f"offer_filler with kind={str(kind)!r}, which loops; offer one that is heard once")
        if audio is None and not text:
            raise UsageError("offer_filler without audio or text; give one of them")
        clip = None if audio is None else offered_clip(audio, rate, self._line.rate, text=text, kind=Kind(kind))
        with self._line.lock:
            self._line.sync()
            if clip is None:
                clip = self._clip_that_says(text or "")
            if clip is None:
                why: str | None = "no clip says that"
            elif self._line.newest is not self or self._line.closed:
                why = "the turn is over"
            else:
                why = self._prompter.offer(clip, insist=insist)
            if why is not None:
                self._state.notes.append(f"an offered filler was left out: {why}")
            self._engine.count("offers_taken" if why is None else "offers_left_out")
            return why is None

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
            if self._refuses(f"{given} frames of reply written"):
                return 0
            if not given:
                return self._line.mixer.reply_queued
            if self._state.status == "ended":
                self._state.notes.append("reply written after finish: played")
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
        cancelled and the exception goes on.

        Args:
            audio: Chunks as `write` takes them.
            rate: Hz of *audio*; None: the session's.
        """
        if isinstance(audio, AsyncIterable):
            return write_all_async(self, audio, rate)
        write_all(self, audio, rate)
        return None

    @overload
    def watch_llm(self, stream: AsyncIterable[T]) -> AsyncIterator[T]: ...
    @overload
    def watch_llm(self, stream: Iterable[T]) -> Iterator[T]: ...
    def watch_llm(self, stream: AsyncIterable[T] | Iterable[T]) -> AsyncIterator[T] | Iterator[T]:
        """Yield what *stream* does, and tell when it was begun (``llm_started``) and when its first item came.

        Write ``async for token in turn.watch_llm(stream)``, or ``for`` where the stream is a plain iterable.
        """
        return tokens_async(self, stream) if isinstance(stream, AsyncIterable) else tokens(self, stream)

    def tool(self, name: str) -> ToolRun:
        """Return what tells that the tool *name* runs: ``with turn.tool("lookup"):``, or ``async with``."""
        return ToolRun(name, lambda: self)

    # A reply that somebody else plays ---------------------------------------------------------------------------

    def reply_started(self, at: float | None = None) -> None:
        """Take in that the reply has begun, on a path that stopgap does not own, or as text: fillers yield.

        With an output that does not own the reply they fade within 20 ms, else they end by their handoff rule. Then
        `finish`, or `wait_again` when a preamble has been heard.

        Args:
            at: s on the manager's clock, now or before; None: now.

        Raises:
            UsageError: if *at* is no number.
        """
        if at is not None and not math.isfinite(at):
            raise UsageError(f"reply_started at {at!r} is no time; give s on the manager's clock")
        with self._line.lock:
            now = self._line.sync()
            at = now if at is None else min(at, now)
            if self._passes_by(at):
                self.reply_heard(at, 0.0)

    async def hand_over(self) -> None:
        """Wait until the fillers have yielded to a reply that the caller will play: the whole handoff rule holds.

        Returns at once where none sounds, and soon where nobody pulls the output's frames or the turn ends.
        """
        with self._line.lock:
            now = self._line.sync()
            wait = self._state.wait
            if not self._passes_by(now):
                return
            if not self._line.filler_sounding:
                self.reply_heard(now, 0.0)
                return
        position, still = -1, 0
        while wait.heard_at is None and self._outcome == "waiting" and not self._line.closed:
            await asyncio.sleep(LOOK_S)
            with self._line.lock:
                now = self._line.sync()
                here = self._line.mixer.position
                position, still = here, still + 1 if here == position else 0
                if still >= STUCK_LOOKS and wait.heard_at is None:
                    self._state.notes.append("fillers did not yield: the output stands still")
                    self.reply_heard(now, 0.0)

    def _passes_by(self, available_at: float) -> bool:
        """Note a reply that does not come through here; return whether it is the first news of it."""
        if self._state.status == "ended":
            self._state.notes.append("reply_started after the turn's end: ignored")
        if not self._state.reply_available(available_at):
            return False
        self._reply.pass_by()
        return True

    def _refuses(self, what: str) -> bool:
        """Return whether the turn is over for good, and note that *what* came afterwards."""
        if self._outcome not in ("cancelled", "retracted") and self._line.newest is self and not self._line.closed:
            return False
        self._state.notes.append(f"{what} after the turn was over: refused")
        self._engine.count("reply_refused")
        return True

    # The end ----------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """The reply is complete (or there will be none). What is queued plays on; the turn is learned from."""
        with self._line.lock:
            now = self._line.sync()
            if self._state.status == "ended":
                self._state.notes.append("a second finish: ignored")
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

    def _stop(self, outcome: Outcome, reason: str | None) -> None:
        with self._line.lock:
            now = self._line.sync()
            if self._state.status == "ended":
                if self._line.newest is self and self._outcome == "replied":
                    self._line.flush()
                    self._state.notes.append(f"{outcome} after finish: the rest of the reply was dropped")
                    if outcome == "retracted":
                        self._outcome, self._lessons = outcome, []
                    self._line.sync()
                return
            held = self._line.held_since
            self._line.flush()
            self._cancel_reason = reason
            cut_off = None if outcome == "retracted" else (held if held is not None else now)
            self._close(outcome, now, cut_off_at=cut_off)
