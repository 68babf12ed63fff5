"""The agent's audio track, shared by its speech and the fillers."""

import asyncio
from collections.abc import Callable

import numpy as np
from livekit import rtc
from livekit.agents.voice import io

from ....fillers import Samples
from ._frame import FillerFormat, mixed
from ._gate import SpeechGate
from ._relay import SinkRelay
from ._tap import SinkTap

FINISH_S = 0.01
"""s that speech waits at most for the sink to tell the end of fillers that were heard out."""
FILLER_FINISH_S = 0.1
"""s that further fillers wait for it."""
UNLIKE_FINISH_S = 0.5
"""s that speech waits for the end of fillers that sound and are not like it: of another rate, say."""


class FillerAudioOutput(SinkRelay):
    """An `AudioOutput` in front of the sink, through which the agent's speech passes and fillers come.

    Speech passes as it is, frame by frame, each when the sink takes it; its first frame waits until the fillers have
    yielded. Where speech follows a filler that still sounds, both share a segment of the sink's, so that there is no
    seam; fillers that were heard out have one of their own, of which nobody is told. Behind speech that the sink has
    not played out no filler comes: it would be late, and whatever cut it would cut the speech.

    Args:
        sink: What plays.
        gate: Whose fillers.
        rate: Hz of the fillers' samples.
        like: Rate in Hz and channels of the agent's speech, as far as known; the sink's own rate goes first.
        tap: Is told what is played.
        prebuffer_s: Returns the s of a segment that the sink wants to hold before it plays any of it.
    """

    def __init__(
        self,
        sink: io.AudioOutput,
        gate: SpeechGate,
        *,
        rate: int,
        like: tuple[int, int],
        tap: SinkTap,
        prebuffer_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        super().__init__(sink, gate)
        self._tap = tap
        self._rate, self._prebuffer_s = rate, prebuffer_s
        self._format = FillerFormat(rate, sink.sample_rate or like[0], like[1])
        self._one_at_a_time = asyncio.Lock()
        self._until = 0.0
        """When the fillers that the sink was given are heard out; loop time."""
        self._speaking = False
        self._accepted = False
        """Whether the sink has taken some of the speech."""
        self._tail: Samples = np.zeros(0, np.float32)
        self._when_idle: Callable[[], None] | None = None

    @property
    def like(self) -> tuple[int, int]:
        """Rate in Hz and channels of the agent's speech, as far as known."""
        return self._format.rate, self._format.channels

    @property
    def idle(self) -> bool:
        """Whether the sink owes the end of no segment."""
        return self._segments.open is None and not self._segments.unfinished and not self._speaking

    @property
    def speaks(self) -> bool:
        """Whether the sink has speech that it has not played out."""
        return (self._speaking and self._accepted) or self._segments.replying

    def retire(self, when_idle: Callable[[], None] | None = None) -> None:
        """Pass speech on, and do nothing else any more; call *when_idle* once the sink owes nothing."""
        self.drop_fillers()
        self._gate, self._when_idle = None, when_idle

    # Speech ------------------------------------------------------------------------------------------------------

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """Play the next frame of the agent's speech."""
        if not self._speaking:
            await super().capture_frame(frame)
            self._speaking, self._accepted = True, False
        if not self._accepted:
            await self._begin(frame)
            return
        under = len(self._tail) > 0
        if under:
            frame, self._tail = mixed(frame, self._tail)
        self._segments.reply(frame.duration)
        self._tap.take(frame, filler=under)
        await self._sink.capture_frame(frame)

    async def _begin(self, frame: rtc.AudioFrame) -> None:
        """Let the fillers yield to speech that begins with *frame*."""
        waits = None if self._gate is None else self._gate.yields()
        tail = np.zeros(0, np.float32) if waits is None else await waits
        async with self._one_at_a_time:
            tail = await self._end_like(frame, tail)
            under = len(tail) > 0
            if under:
                frame, tail = mixed(frame, tail)
            taken_before = self._taken
            segment = self._segments.reply_begins()
            self._start.forget()
            self._segments.reply(frame.duration)
            try:
                await self._sink.capture_frame(frame)
            except BaseException:
                if self._taken == taken_before:
                    self._segments.reply_refused()
                raise
            self._accepted, self._tail = True, tail
            self._tap.take(frame, filler=under)
            if segment.filler_s:
                self._start.plan(self._until)

    async def _end_like(self, frame: rtc.AudioFrame, tail: Samples) -> Samples:
        """End the fillers before speech that begins with *frame*; return *tail*, which lies under it, at its rate."""
        fits, sounds = self._format.fits(frame), self._segments.fillers_only
        late, under = self._format.end(tail if fits else tail[:0])
        if sounds:
            await self._give(late)
        patience_s = FINISH_S
        if not fits:
            patience_s = UNLIKE_FINISH_S if sounds else FINISH_S
            self.end_fillers()
            self._format = FillerFormat(self._rate, frame.sample_rate, frame.num_channels)
            under = self._format.end(tail)[1]
        if self._segments.unfinished:
            await self._wait_finished(patience_s)
        return under

    def flush(self) -> None:
        """The agent's speech is complete."""
        super().flush()
        spoke, self._speaking = self._speaking, False
        self._tail = self._tail[:0]
        if spoke and not self._accepted:
            self._tell_refused()
            return
        if not self._segments.fillers_only:
            self._segments.flush()
            self._sink.flush()

    def clear_buffer(self) -> None:
        """The agent is interrupted: drop all that the sink holds."""
        gate = self._gate
        self._forget()
        if self._segments.fillers_only:
            self._segments.flush()
            self._sink.flush()
        self._segments.emptied()
        self._sink.clear_buffer()
        if gate is not None:
            gate.emptied()

    # Fillers -----------------------------------------------------------------------------------------------------

    @property
    def fillers_until(self) -> float | None:
        """See `FillerSink`."""
        return self._until if self._segments.fillers_only and not self._speaking else None

    @property
    def heard_out_at(self) -> float:
        """See `FillerSink`."""
        return self._until if self._segments.fillers_only else 0.0

    @property
    def kept_s(self) -> float:
        """See `FillerSink`."""
        return self._format.kept_s

    @property
    def prebuffering(self) -> bool:
        """See `FillerSink`."""
        segment = self._segments.open
        return self._segments.fillers_only and segment is not None and segment.filler_s < self._prebuffer_s()

    async def put(self, samples: Samples, ahead_s: float) -> None:
        """See `FillerSink`."""
        if self._segments.open is None and self._segments.unfinished and not self.speaks:
            await self._wait_finished(FILLER_FINISH_S)
        async with self._one_at_a_time:
            if self._gate is None or self.speaks:
                return
            rate = self._sink.sample_rate
            if self._segments.open is None and rate not in (None, self._format.rate):  # the sink was exchanged beneath
                self._format = FillerFormat(self._rate, rate or self._rate, self._format.channels)
            self._until = asyncio.get_running_loop().time() + max(ahead_s, 0.0) + len(samples) / self._rate
            await self._give(self._format.resampled(samples), ahead_s)

    async def put_rest(self) -> None:
        """See `FillerSink`."""
        async with self._one_at_a_time:
            rest = self._format.end()[0]
            if self._segments.fillers_only:
                await self._give(rest)

    async def _give(self, samples: Samples, ahead_s: float = 0.0) -> None:
        """Give the sink *samples* of a filler, at its rate."""
        if len(samples):
            frame = self._format.frame(samples)
            self._segments.filler(frame.duration)
            self._tap.take(frame, filler=True, ahead_s=ahead_s)
            await self._sink.capture_frame(frame)

    def end_fillers(self) -> None:
        """See `FillerSink`."""
        if self._segments.fillers_only:
            self._segments.flush()
            self._sink.flush()

    def drop_fillers(self) -> None:
        """Fillers that the sink holds are heard no more, unless speech follows them already, or is before them."""
        if self._segments.fillers_only:
            self._forget()
            self.end_fillers()
            if not self._segments.replying:
                self._sink.clear_buffer()

    def _segment_over(self) -> None:
        if self._gate is not None:
            self._gate.played_out()
        elif self._when_idle is not None and self.idle:
            asyncio.get_running_loop().call_soon(self._when_idle)

    def _forget(self) -> None:
        self._start.cancel()
        self._format.end()
        self._tail = self._tail[:0]
        self._until = min(self._until, asyncio.get_running_loop().time())
        self._tap.emptied()
