"""What a sink tells of its segments, as news of the agent's speech alone."""

import asyncio
import contextlib
import time

from livekit.agents.voice import io

from ._gate import SpeechGate
from ._segments import Segments
from ._start import SpeechStart

_Refused: type[io.PlaybackFinishedEvent] | None = getattr(io, "_CaptureCancelledEvent", None)
"""The end of a segment of which the sink took nothing: unlike others it may pass wrappers that know of no segment."""


class SinkRelay(io.AudioOutput):
    """An `AudioOutput` in front of the sink that shares the sink's segments between speech and fillers.

    To the session its segments are the only ones: they start when the speech does, and their positions are the
    speech's own.

    Args:
        sink: What plays.
        gate: Is told what happens to the output.
    """

    def __init__(self, sink: io.AudioOutput, gate: SpeechGate) -> None:
        super().__init__(label="stopgap", capabilities=io.AudioOutputCapabilities(pause=True), next_in_chain=sink)
        assert self.next_in_chain is not None
        self._sink = self.next_in_chain
        self._wrapped = self._sink is not sink
        """Whether the framework has put a proxy in front of the sink on account of this."""
        self._gate: SpeechGate | None = gate
        self._muted = False
        self._segments = Segments()
        self._finished = asyncio.Event()
        self._start = SpeechStart(lambda: self.on_playback_started(created_at=time.time()))

    @property
    def sample_rate(self) -> int | None:
        return self._sink.sample_rate

    @property
    def gate(self) -> SpeechGate | None:
        """Whose fillers come; None: nobody's, speech passes."""
        return self._gate

    def let_go(self) -> io.AudioOutput:
        """Hear nothing of the sink any more, and return it, or what was put into its place meanwhile, as it was."""
        sink = _unheard_by(self, self._sink)
        if self._wrapped and sink.next_in_chain is not None:
            sink = _unheard_by(sink, sink.next_in_chain)
        return sink

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

    def _mute(self, muted: bool) -> None:
        self._muted = muted
        self._start.mute(muted)
        if self._gate is not None:
            self._gate.muted(muted)

    # What the sink tells -----------------------------------------------------------------------------------------

    @property
    def _taken(self) -> int:
        """Segments that what plays in the end has accepted."""
        leaf = self._sink
        while leaf.next_in_chain is not None:
            leaf = leaf.next_in_chain
        return leaf.captured_playout_segments

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
        if segment is None or segment.replies:
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
        self._segment_over()

    def _segment_over(self) -> None:
        """The sink has told the end of a segment."""

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


def _unheard_by(output: io.AudioOutput, sink: io.AudioOutput) -> io.AudioOutput:
    """Take from *sink* what *output* has subscribed to when it was put in front, and return it."""
    sink.off("playback_finished", output._dispatch_playback_finished)
    sink.off("playback_started", output._forward_next_playback_started)
    sink.off("playback_progressed", output._forward_next_playback_progressed)
    return sink
