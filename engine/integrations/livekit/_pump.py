"""Pulls a session's frames while a reply is pending, and hands what sounds to the sink."""

import asyncio
from collections.abc import Callable

import numpy as np

from ....fillers import Samples
from ..._session import Session
from ..._turn import Turn
from ...outputs import FrameOutput
from ._sink import FillerSink, account_for_lead, reply_follows

FRAME_MS = 20.0
END_AFTER_S = 0.2
"""s after a filler has been heard out, at which the sink is told that its segment is complete."""
TAIL_LONGEST_S = 1.0
"""s of a filler that may lie under the beginning of a reply."""
_EARLY_S = 1e-6
"""s by which a timer may come too soon: float noise."""


class FillerPump:
    """Keeps the pace of a line that nobody pulls.

    In silence it looks at the next frame when that is due, and hands over nothing: whatever comes then is heard at
    once. Once something sounds it is *lead_s* ahead of the ear, so that a busy event loop does not make it stutter.
    After a block longer than that a filler goes on where it stopped; nothing is skipped, nothing comes in a burst
    that would put off what follows.

    Args:
        session: Whose frames.
        frames: Its output.
        lead_s: s to be ahead while a filler sounds.
        look: Called about every frame, with the loop's time.
        failed: Called with what went wrong: nothing is played any more then, until `start`.
    """

    def __init__(
        self,
        session: Session,
        frames: FrameOutput,
        lead_s: float,
        look: Callable[[float], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self.sink: FillerSink | None = None
        """Where it sounds; None: nowhere, and time passes."""
        self.lead_s = lead_s
        self.muted = False
        """Whether the sink is paused: what comes now is not heard."""
        self.pulled = self.played = self.stalls = 0
        """Frames that were looked at, and that sounded; blocks of the event loop longer than the lead."""
        self._session, self._frames, self._look, self._failed = session, frames, look, failed
        self._frame_s = frames.frame_samples / frames.rate
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._head_at = self._loop.time()
        """When the next frame will be heard."""
        self._sounding = False
        self._dropping = False
        """Whether the sink was emptied: what fades out now has been cut already."""
        self._yielding: Turn | None = None
        self._tail: Samples = np.zeros(0, np.float32)
        self._yielded = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        """Begin, unless it has; also again, after it has failed."""
        if not self.running:
            self._task = self._loop.create_task(self._run(), name="stopgap fillers")

    def settle(self) -> None:
        """There is news to plan by: in silence, the next frame is heard now, not when the last look's would end."""
        if not self._sounding and self._head_at <= self._loop.time() + self._frame_s:
            self._head_at = self._loop.time()
            self._frames.observe(anew=True)

    def kick(self) -> None:
        """Look at once."""
        self._wake.set()

    def drop(self) -> None:
        """The sink was emptied, in the midst of a sound: nothing of it is handed over any more."""
        self._dropping, self._sounding = True, False
        self._head_at = self._loop.time()
        self._wake.set()

    async def hand_over(self, turn: Turn) -> Samples:
        """Wait until the fillers have yielded to the reply of *turn*; return what of them is to lie under it."""
        self._session.tick()
        if self.sink is None or not self.running:
            turn.reply_started()
            return np.zeros(0, np.float32)
        if not self._session.filler_sounding:
            reply_follows(turn, max(0.0, self.sink.heard_out_at - self._loop.time()))
            return np.zeros(0, np.float32)
        self._yielding, self._tail = turn, np.zeros(0, np.float32)
        self._yielded.clear()
        told = self._loop.create_task(turn.hand_over())
        done = self._loop.create_task(self._yielded.wait())
        try:
            await asyncio.sleep(0)  # told has begun: the mixer knows
            self._wake.set()
            await asyncio.wait((told, done), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._yielding = None
            told.cancel()
            done.cancel()
        return self._tail

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            if not self._wanted():
                await self._wake.wait()
                continue
            try:
                await self._advance()
            except Exception as exc:
                self._sounding = False
                self._failed(exc)
                return
            timer = self._loop.call_at(self._due_at(), self._wake.set)
            await self._wake.wait()
            timer.cancel()

    def _wanted(self) -> bool:
        if self._session.closed:
            return False
        waits = self._session.waiting or self._session.filler_sounding or self._dropping
        return waits or (self.sink is not None and self.sink.fillers_until is not None)

    def _due_at(self) -> float:
        return self._head_at - self._ahead_at_most_s

    @property
    def _ahead_at_most_s(self) -> float:
        """s by which the next frame may be early: so that the sink, not a resampler, has the lead."""
        kept_s = 0.0 if self.sink is None else self.sink.kept_s
        return self.lead_s + kept_s - self._frame_s if self._sounding else 0.0

    async def _advance(self) -> None:
        now = self._loop.time()
        if now - self._head_at > self._frame_s:
            self.stalls += self._sounding
            self._head_at = now
        self._look(now)
        while self._head_at <= now + self._ahead_at_most_s + _EARLY_S:
            first, block = self._pull()
            sounded = self._sounding
            self._sounding = bool(block.any()) or (self._sounding and self._goes_on)
            begin = None if self._yielding is None else self._reply_begins(self._yielding, first)
            if begin is not None and self._yielding is not None:
                account_for_lead(self._yielding)
                self._tail = self._rest(block[begin:])
                await self._put(block[:begin])
                self._sounding = False
                self._yielded.set()
                return
            if self._sounding:
                await self._put(block)
            else:
                if sounded and self.sink is not None:
                    await self.sink.put_rest()
                self._dropping = False
        until = None if self.sink is None else self.sink.fillers_until
        if self.sink is not None and until is not None and not self._sounding and now > until + END_AFTER_S:
            self.sink.end_fillers()

    @property
    def _goes_on(self) -> bool:
        """Whether a frame that is silent belongs to a sound."""
        return self._session.filler_sounding or (self.sink is not None and self.sink.prebuffering)

    def _pull(self) -> tuple[int, Samples]:
        """Return the next frame, and its number."""
        source, late_s = self._frames.source, self._loop.time() - self._head_at
        block = np.zeros(self._frames.frame_samples, np.float32)
        self._head_at += self._frame_s
        if source is None:  # the session was closed meanwhile
            return 0, block
        self._frames.observe(late_s, anew=True)
        first = source.position
        source.render(block)
        self._session.tick()
        self.pulled += 1
        return first, block

    async def _put(self, block: Samples) -> None:
        if len(block) and self.sink is not None and not self.muted and not self._dropping:
            self.played += 1
            await self.sink.put(block, self._head_at - self._frame_s - self._loop.time())

    def _reply_begins(self, turn: Turn, first: int) -> int | None:
        """Return with which sample of the frame that begins at *first* the reply of *turn* does; None: with none."""
        record = turn.record
        heard_s = record.waits[-1].heard_s
        if heard_s is None:
            return None
        begin = self._frames.frame_at(record.speech_ended_at + heard_s) - first
        return min(max(begin, 0), self._frames.frame_samples)

    def _rest(self, begin: Samples) -> Samples:
        """Return *begin* and all that sounds after it."""
        parts = [begin]
        while self._session.filler_sounding and len(parts) * self._frame_s < TAIL_LONGEST_S:
            parts.append(self._pull()[1])
        rest = np.concatenate(parts)
        audible = np.flatnonzero(rest)
        return rest[: audible[-1] + 1] if len(audible) else rest[:0]
