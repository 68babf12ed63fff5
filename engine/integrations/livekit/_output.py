"""The agent's audio track, shared by its speech and the fillers."""

import asyncio
import contextlib
import time

import numpy as np
from livekit import rtc
from livekit.agents.voice import io

from ....fillers import Samples
from ._frame import FillerFormat, mixed
from ._gate import SpeechGate
from ._segments import Segments
from ._start import SpeechStart
from ._tap import SinkTap

FINISH_S = 0.01
"""s that speech waits at most for the sink to tell the end of fillers that were heard out."""
FILLER_FINISH_S = 0.1
"""s that further fillers wait for it."""
UNLIKE_FINISH_S = 0.5
"""s that speech waits for the end of fillers that sound and are not like it: of another rate, say."""
_Refused: type[io.PlaybackFinishedEvent] | None = getattr(io, "_CaptureCancelledEvent", None)
"""The end of a segment of which the sink took nothing: unlike others it may pass wrappers that know of no segment."""


class FillerAudioOutput(io.AudioOutput):
    """An `AudioOutput` in front of the sink, through which the agent's speech passes and fillers come.

    Speech passes as it is, frame by frame, each when the sink takes it; its first frame waits until the fillers have
    yielded. To the session its segments are the only ones: they start when the speech does, and their positions are
    the speech's own. Where speech follows a filler that still sounds, both share a segment of the sink's, so that there
    is no seam; fillers that were heard out have one of their own, of which nobody is told.

    Args:
        sink: What plays.
        gate: Whose fillers.
        rate: Hz of the fillers' samples.
        like: Rate in Hz and channels of the agent's speech, as far as known; the sink's own rate goes first.
        tap: Is told what is played.
        prebuffer_s: s of a segment that the sink wants to hold before it plays any of it.
    """

    def __init__(
        self,
        sink: io.AudioOutput,
        gate: SpeechGate,
        *,
        rate: int,
        like: tuple[int, int],
        tap: SinkTap,
        prebuffer_s: float = 0.0,
    ) -> None:
        super().__init__(label="stopgap", capabilities=io.AudioOutputCapabilities(pause=True), next_in_chain=sink)
        assert self.next_in_chain is not None
        self._sink = self.next_in_chain
        self._gate: SpeechGate | None = gate
        self._tap = tap
        self._rate, self._prebuffer_s = rate, prebuffer_s
        self._format = FillerFormat(rate, sink.sample_rate or like[0], like[1])
        self._segments = Segments()
        self._one_at_a_time = asyncio.Lock()
        self._finished = asyncio.Event()
        self._until = 0.0
        """When the fillers that the sink was given are heard out; loop time."""
        self._speaking = False
        self._accepted = False
        """Whether the sink has taken some of the speech."""
        self._tail: Samples = np.zeros(0, np.float32)
        self._start = SpeechStart(lambda: self.on_playback_started(created_at=time.time()))
        self._muted = False

    @property
    def sample_rate(self) -> int | None:
        return self._sink.sample_rate

    @property
    def like(self) -> tuple[int, int]:
        """Rate in Hz and channels of the agent's speech, as far as known."""
        return self._format.rate, self._format.channels

    @property
    def gate(self) -> SpeechGate | None:
        """Whose fillers come; None: nobody's, speech passes."""
        return self._gate

    @property
    def idle(self) -> bool:
        """Whether the sink owes the end of no segment."""
        return self._segments.open is None and not self._segments.unfinished and not self._speaking

    def retire(self) -> None:
        """Pass speech on, and do nothing else any more."""
        self.drop_fillers()
        self._gate = None

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
            patience_s = FINISH_S
            if not self._format.fits(frame):
                patience_s = UNLIKE_FINISH_S if self._segments.fillers_only else FINISH_S
                self.end_fillers()
                self._format = FillerFormat(self._rate, frame.sample_rate, frame.num_channels)
            if self._segments.unfinished:
                await self._wait_finished(patience_s)
            under = len(tail) > 0
            if under:
                tail = self._format.resampled(tail)
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

    @property
    def _taken(self) -> int:
        """Segments that what plays in the end has accepted."""
        leaf = self._sink
        while leaf.next_in_chain is not None:
            leaf = leaf.next_in_chain
        return leaf.captured_playout_segments

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
        self._sink.clear_buffer()
        if gate is not None:
            gate.emptied()

    def pause(self) -> None:
        super().pause()
        if not self._muted:
            self._mute(True)

    def resume(self) -> None:
        super().resume()
        if self._muted:
            self._mute(False)

    def on_attached(self) -> None:
        super().on_attached()
        if self._gate is not None:
            self._gate.displaced()

    def on_detached(self) -> None:
        super().on_detached()
        if self._gate is not None:
            self._gate.displaced()

    # Fillers -----------------------------------------------------------------------------------------------------

    @property
    def fillers_until(self) -> float | None:
        """See `FillerSink`."""
        return self._until if self._segments.fillers_only and not self._speaking else None

    @property
    def prebuffering(self) -> bool:
        """See `FillerSink`."""
        segment = self._segments.open
        return self._segments.fillers_only and segment is not None and segment.filler_s < self._prebuffer_s

    async def put(self, samples: Samples, ahead_s: float) -> None:
        """See `FillerSink`."""
        if self._segments.open is None and self._segments.unfinished:
            await self._wait_finished(FILLER_FINISH_S)
        async with self._one_at_a_time:
            frame = None if self._gate is None or (self._accepted and self._speaking) else self._format.frame(samples)
            if frame is None:
                return
            self._segments.filler(frame.duration)
            self._until = asyncio.get_running_loop().time() + max(ahead_s, 0.0) + frame.duration
            self._tap.take(frame, filler=True, ahead_s=ahead_s)
            await self._sink.capture_frame(frame)

    def end_fillers(self) -> None:
        """See `FillerSink`."""
        if self._segments.fillers_only:
            self._segments.flush()
            self._sink.flush()

    def drop_fillers(self) -> None:
        """Fillers that the sink holds are heard no more, unless speech follows them already."""
        if self._segments.fillers_only:
            self._forget()
            self._segments.flush()
            self._sink.flush()
            self._sink.clear_buffer()

    # What the sink tells -----------------------------------------------------------------------------------------

    def _forward_next_playback_started(self, ev: io.PlaybackStartedEvent) -> None:
        segment = self._segments.started()
        if segment is None or (segment.replies and not segment.filler_s):
            super()._forward_next_playback_started(ev)

    def _forward_next_playback_progressed(self, ev: io.PlaybackProgressedEvent) -> None:
        segment = self._segments.playing
        if segment is None or not segment.filler_s:
            super()._forward_next_playback_progressed(ev)
            return
        stretch = segment.reply_stretch(ev.offset, ev.duration) if segment.replies else None
        if stretch is not None:
            offset, duration = stretch
            late_s = ev.duration - duration
            self.on_playback_progressed(started_at=ev.started_at + late_s, offset=offset, duration=duration)

    def _dispatch_playback_finished(self, ev: io.PlaybackFinishedEvent) -> None:
        if _Refused is not None and isinstance(ev, _Refused):
            return  # `flush` tells the session
        segment = self._segments.finished(ev.playback_position)
        self._finished.set()
        if segment is not None and not segment.replies:
            return
        position = ev.playback_position
        if segment is not None:
            position = segment.reply_position(position)
            if segment.filler_s and ev.interrupted:
                position = min(position, self._start.heard_s)
            if self._start.pending and position > 0.0:
                self._start.now()
            self._start.cancel()
        self.on_playback_finished(
            playback_position=position,
            interrupted=ev.interrupted,
            synchronized_transcript=ev.synchronized_transcript,
        )

    def _tell_refused(self) -> None:
        """The session's segment is over: the sink took nothing of it."""
        if _Refused is not None:
            super()._dispatch_playback_finished(_Refused(playback_position=0.0, interrupted=True))
        else:
            self.on_playback_finished(playback_position=0.0, interrupted=True)

    async def _wait_finished(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._segments.unfinished:
                    self._finished.clear()
                    await self._finished.wait()

    def _forget(self) -> None:
        self._start.cancel()
        self._tail = self._tail[:0]
        self._until = min(self._until, asyncio.get_running_loop().time())
        self._tap.emptied()

    def _mute(self, muted: bool) -> None:
        self._muted = muted
        self._start.mute(muted)
        if self._gate is not None:
            self._gate.muted(muted)
