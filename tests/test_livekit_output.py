"""The shared track: segments, positions and samples, whatever comes in whatever order."""

import asyncio
from collections.abc import Awaitable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from livekit import rtc
from livekit.agents.voice import io
from livekit_rig import RATE, SPEECH, Sink, live, speech_frame, wall_clock
from stopgap.engine.integrations.livekit._output import FillerAudioOutput
from stopgap.engine.integrations.livekit._segments import Segments
from stopgap.engine.integrations.livekit._tap import SinkTap
from stopgap.fillers import Samples

FILLER: Samples = np.full(480, 0.1, np.float32)


class Gate:
    """Fillers that yield when they are told to."""

    def __init__(self) -> None:
        self.tail: Samples = np.zeros(0, np.float32)
        self.open = asyncio.Event()
        self.open.set()
        self.emptied_count = 0
        self.output: FillerAudioOutput | None = None

    def yields(self) -> Awaitable[Samples] | None:
        return self._yield()

    async def _yield(self) -> Samples:
        await self.open.wait()
        return self.tail

    def emptied(self) -> None:
        self.emptied_count += 1

    def muted(self, muted: bool) -> None:
        if muted and self.output is not None:
            self.output.drop_fillers()

    def played_out(self) -> None:
        pass

    def displaced(self) -> None:
        pass


class Track:
    """An output with what it told."""

    def __init__(self, sink: Sink | None = None, like: tuple[int, int] = (RATE, 1)) -> None:
        self.loop = asyncio.get_running_loop()
        self.gate = Gate()
        self.sink = sink if sink is not None else Sink()
        self.output = FillerAudioOutput(self.sink, self.gate, rate=RATE, like=like, tap=SinkTap(self.loop.time))
        self.gate.output = self.output
        self.started: list[float] = []
        self.finished: list[io.PlaybackFinishedEvent] = []
        self.progress: list[io.PlaybackProgressedEvent] = []
        self.output.on("playback_started", lambda ev: self.started.append(self.loop.time()))
        self.output.on("playback_finished", self.finished.append)
        self.output.on("playback_progressed", self.progress.append)

    async def fillers(self, frames: int) -> None:
        """Play fillers as a pump does, 60 ms ahead."""
        for number in range(frames):
            await self.output.put(FILLER, min(number, 3) * 0.02)
            if number >= 3:
                await asyncio.sleep(0.02)

    async def speak(self, seconds: float) -> None:
        while seconds > 1e-9:
            await self.output.capture_frame(speech_frame(min(seconds, 0.1)))
            seconds -= 0.1


def test_speech_alone_passes_bit_exact() -> None:
    """The very frames, whatever their rate and channels, and the sink's own events."""

    async def main() -> None:
        with wall_clock(asyncio.get_running_loop()):
            track = Track(Sink(None))
            passed = []
            plain = track.sink.capture_frame

            async def capture(frame: rtc.AudioFrame) -> None:
                passed.append(frame)
                await plain(frame)

            track.sink.capture_frame = capture  # type: ignore[method-assign]
            frames = [speech_frame(0.03), speech_frame(0.03), speech_frame(0.03)]
            for frame in frames:
                await track.output.capture_frame(frame)
            track.output.flush()
            await asyncio.sleep(1.0)
            assert all(one is other for one, other in zip(passed, frames, strict=True))
            assert len(track.started) == 1
            assert [end.playback_position for end in track.finished] == pytest.approx([0.09])

    live(main)


def test_fillers_alone_tell_the_session_nothing() -> None:
    """No start, no end, no segment: nobody has spoken."""

    async def main() -> None:
        with wall_clock(asyncio.get_running_loop()):
            track = Track()
            await track.fillers(10)
            await asyncio.sleep(0.1)
            track.output.end_fillers()
            await asyncio.sleep(0.5)
            assert track.sink.segments == 1
            assert len(track.sink.finished) == 1
            assert not track.started
            assert not track.finished
            assert track.output.captured_playout_segments == 0
            assert (await track.output.wait_for_playout()).playback_position == 0
            assert track.output.idle

    live(main)


def test_speech_behind_a_filler_starts_when_it_is_heard() -> None:
    """One segment of the sink's; to the session it begins with the speech, and is as long as that."""

    async def main() -> None:
        with wall_clock(asyncio.get_running_loop()):
            track = Track()
            await track.fillers(10)
            heard_from = track.output.fillers_until
            await track.speak(0.5)
            track.output.flush()
            end = await track.output.wait_for_playout()
            assert track.started == pytest.approx([heard_from])
            assert end.playback_position == pytest.approx(0.5)
            assert track.sink.segments == 1
            assert track.sink.finished[0].playback_position == pytest.approx(0.7)

    live(main)


def test_a_filler_that_overlaps_lies_under_the_speech() -> None:
    """Its end is added to the first samples; all others pass as they are."""

    async def main() -> None:
        with wall_clock(asyncio.get_running_loop()):
            track = Track(Sink(None), like=(RATE, 2))
            track.gate.tail = np.full(600, 0.25, np.float32)
            for _ in range(3):
                await track.output.capture_frame(speech_frame(0.02, channels=2))
            pcm = np.concatenate([played.pcm for played in track.sink.played])
            assert set(pcm[:600]) == {SPEECH + 8191}
            assert set(pcm[600:]) == {SPEECH}
            assert len(pcm) == 1440

    live(main)


def test_a_loud_overlap_is_limited() -> None:
    """The sum never wraps around."""

    async def main() -> None:
        with wall_clock(asyncio.get_running_loop()):
            track = Track()
            track.gate.tail = np.ones(480, np.float32)
            await track.output.capture_frame(speech_frame(0.02))
            assert set(track.sink.played[0].pcm) == {32767}

    live(main)


def test_an_interruption_before_the_speech_is_heard_has_position_0() -> None:
    """It was behind a filler in the sink; nothing of it was played, nor did it ever begin."""

    async def main() -> None:
        with wall_clock(asyncio.get_running_loop()):
            track = Track()
            await track.fillers(4)
            await track.speak(0.5)
            track.output.flush()
            track.output.clear_buffer()
            end = await track.output.wait_for_playout()
            assert (end.playback_position, end.interrupted) == (0.0, True)
            assert not track.started
            assert track.gate.emptied_count == 1

    live(main)


def test_speech_that_was_held_and_cancelled_is_one_segment_without_sound() -> None:
    """The session waits for its end, and gets it, though the sink has taken nothing of it."""

    async def main() -> None:
        with wall_clock(asyncio.get_running_loop()):
            track = Track()
            await track.fillers(5)
            track.gate.open.clear()
            held = asyncio.create_task(track.output.capture_frame(speech_frame(0.1)))
            await asyncio.sleep(0.05)
            held.cancel()
            await asyncio.gather(held, return_exceptions=True)
            track.output.flush()
            track.output.clear_buffer()
            end = await track.output.wait_for_playout()
            assert (end.playback_position, end.interrupted) == (0.0, True)
            assert not track.started
            track.gate.open.set()
            await asyncio.sleep(0.5)
            await track.speak(0.2)
            track.output.flush()
            end = await track.output.wait_for_playout()
            assert (round(end.playback_position, 6), end.interrupted) == (0.2, False)
            assert len(track.started) == 1

    live(main)


def test_a_pause_before_the_speech_is_heard_puts_its_start_off() -> None:
    """It starts when the sink plays on."""

    async def main() -> None:
        with wall_clock(asyncio.get_running_loop()):
            track = Track()
            await track.fillers(4)
            await track.speak(0.3)
            track.output.pause()
            await asyncio.sleep(1.0)
            assert not track.started
            track.output.resume()
            assert len(track.started) == 1
            track.output.flush()
            assert (await track.output.wait_for_playout()).playback_position == pytest.approx(0.3)

    live(main)


def test_progress_is_the_speech_s_own() -> None:
    """Stretches that a sink reports are moved to where the speech begins; those of fillers are nobody's."""

    async def main() -> None:
        with wall_clock(asyncio.get_running_loop()):
            track = Track()
            await track.fillers(10)
            track.sink.on_playback_progressed(started_at=100.0, offset=0.0, duration=0.1)
            await track.speak(0.4)
            track.sink.on_playback_progressed(started_at=100.1, offset=0.1, duration=0.2)
            track.sink.on_playback_progressed(started_at=100.3, offset=0.3, duration=0.1)
            told = [(event.started_at, event.offset, event.duration) for event in track.progress]
            assert told == [pytest.approx((100.2, 0.0, 0.1)), pytest.approx((100.3, 0.1, 0.1))]

    live(main)


def test_an_inert_output_only_passes_speech_on() -> None:
    """After `retire`, for example where it could not be taken out of the chain."""

    async def main() -> None:
        with wall_clock(asyncio.get_running_loop()):
            track = Track()
            await track.fillers(4)
            track.output.retire()
            await track.output.put(FILLER, 0.0)
            await asyncio.sleep(0.1)
            await track.speak(0.2)
            track.output.flush()
            assert (await track.output.wait_for_playout()).playback_position == pytest.approx(0.2)
            assert track.gate.emptied_count == 0

    live(main)


# Whatever the order ---------------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("fillers"), st.integers(1, 12)),
        st.tuples(st.just("speech"), st.sampled_from([0.02, 0.1, 0.35])),
        st.tuples(st.just("silence"), st.sampled_from([0.0, 0.05, 0.4])),
        st.tuples(st.just("interrupted"), st.sampled_from([0.1, 0.6])),
        st.tuples(st.just("held"), st.just(0.1)),
        st.tuples(st.just("end"), st.just(0.0)),
        st.tuples(st.just("pause"), st.just(0.3)),
    ),
    max_size=12,
)


@settings(max_examples=100)
@given(steps=STEPS)
def test_every_segment_of_speech_ends_once(steps: list[tuple[str, float]]) -> None:
    """Exactly one end for each, with a position within it; at most one start; none for fillers; each sample once."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with wall_clock(loop):
            track = Track()
            spoken: list[float] = []
            cut: list[bool] = []
            for what, amount in steps:
                if what == "fillers":
                    await track.fillers(int(amount))
                elif what == "speech":
                    await track.speak(amount)
                    track.output.flush()
                    await track.output.wait_for_playout()
                    spoken.append(amount)
                    cut.append(False)
                elif what == "silence":
                    await asyncio.sleep(amount)
                    if track.output.fillers_until is not None and loop.time() > track.output.fillers_until + 0.2:
                        track.output.end_fillers()
                elif what == "interrupted":
                    await track.speak(amount)
                    await asyncio.sleep(0.04)
                    track.output.flush()
                    track.output.clear_buffer()
                    await track.output.wait_for_playout()
                    spoken.append(amount)
                    cut.append(True)
                elif what == "held":
                    track.gate.open.clear()
                    held = asyncio.create_task(track.output.capture_frame(speech_frame(amount)))
                    await asyncio.sleep(0.01)
                    held.cancel()
                    await asyncio.gather(held, return_exceptions=True)
                    track.output.flush()
                    track.output.clear_buffer()
                    await track.output.wait_for_playout()
                    track.gate.open.set()
                    spoken.append(0.0)
                    cut.append(True)
                elif what == "end":
                    track.output.drop_fillers()
                    await asyncio.sleep(0.01)
                else:
                    track.output.pause()
                    await asyncio.sleep(amount)
                    track.output.resume()
                await asyncio.sleep(0.01)
            await asyncio.sleep(3.0)
            track.output.end_fillers()
            await asyncio.sleep(1.0)
            assert len(track.finished) == len(spoken)
            assert track.output.captured_playout_segments == len(spoken)
            assert track.output.idle
            for end, seconds, interrupted in zip(track.finished, spoken, cut, strict=True):
                assert end.interrupted == interrupted
                assert -1e-9 <= end.playback_position <= seconds + 1e-6
                if not interrupted:
                    assert end.playback_position == pytest.approx(seconds, abs=1e-6)
            assert len(track.started) <= sum(seconds > 0.0 for seconds in spoken)
            assert len(track.started) >= sum(not interrupted for interrupted in cut)
            heard = sum(int((played.pcm == SPEECH).sum()) for played in track.sink.played)
            whole = sum(seconds for seconds, interrupted in zip(spoken, cut, strict=True) if not interrupted)
            assert heard >= round(whole * RATE)

    live(main)


@given(
    fillers=st.lists(st.floats(0.01, 3.0), max_size=4),
    reply_s=st.floats(0.01, 10.0),
    played=st.floats(0.0, 1.0),
)
def test_positions_are_what_was_heard_of_the_reply(fillers: list[float], reply_s: float, played: float) -> None:
    """Whatever the sink has played of a segment, the reply's part of it is within the reply, and exact."""
    segments = Segments()
    for seconds in fillers:
        segments.filler(seconds)
    segments.reply_begins()
    segments.reply(reply_s)
    segments.flush()
    position = played * (sum(fillers) + reply_s)
    segment = segments.finished(position)
    assert segment is not None
    assert segment.reply_position(position) == pytest.approx(max(0.0, position - sum(fillers)), abs=2e-3)
    assert segment.reply_position(sum(fillers) + reply_s) == reply_s
    assert segments.unfinished == 0


def test_fillers_of_which_a_sink_lost_count_do_not_hide_the_reply() -> None:
    """A sink that never told the end of a short filler tells that of a longer reply: it is taken for what it is."""
    segments = Segments()
    segments.filler(0.3)
    segments.flush()
    segments.reply_begins()
    segments.reply(2.0)
    segments.flush()
    segment = segments.finished(2.0)
    assert segment is not None
    assert segment.replies
    assert segments.unfinished == 0
