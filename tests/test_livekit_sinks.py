"""Fillers in front of the framework's own sinks, its synchroniser and its recorder; only the devices are fakes."""

import asyncio
import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

import numpy as np
import numpy.typing as npt
import pytest
from livekit import rtc
from livekit.agents import AgentSession
from livekit.agents.cli._legacy import ConsoleAudioOutput
from livekit.agents.cli.tcp_console import TcpAudioOutput
from livekit.agents.voice import io
from livekit.agents.voice.recorder_io import RecorderIO
from livekit.agents.voice.room_io._output import _ParticipantAudioOutput
from livekit.agents.voice.transcription import TranscriptSynchronizer
from livekit_rig import ONE_PHRASE, PHRASES, RATE, SPEECH, Answer, FakeTts, Played, Rig, Sink, live, rig
from stopgap import ClipBank
from stopgap.livekit import FillerAudioOutput

ANSWER = "It is forty two."


# Rooms ----------------------------------------------------------------------------------------------------------------


class Source:
    """In the place of `rtc.AudioSource`: a queue of 200 ms that is played by itself, whatever the event loop does."""

    made: list["Source"] = []

    def __init__(self, sample_rate: int, num_channels: int, queue_size_ms: int = 1000, loop: Any = None) -> None:
        self.sample_rate, self.num_channels, self.queue_s = sample_rate, num_channels, queue_size_ms / 1000.0
        self.played: list[Played] = []
        self._until = 0.0
        Source.made.append(self)

    @property
    def queued_duration(self) -> float:
        return max(0.0, self._until - asyncio.get_running_loop().time())

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        assert frame.num_channels == self.num_channels
        loop = asyncio.get_running_loop()
        while self.queued_duration + frame.duration > self.queue_s + 1e-9:
            await asyncio.sleep(self.queued_duration + frame.duration - self.queue_s)
        now = loop.time()
        start = max(now, self._until)
        pcm = np.frombuffer(frame.data, np.int16).reshape(-1, frame.num_channels)[:, 0].copy()
        self.played.append(Played(start, now, pcm, frame.sample_rate, frame.num_channels))
        self._until = start + frame.duration

    async def wait_for_playout(self) -> None:
        await asyncio.sleep(self.queued_duration)

    def clear_queue(self) -> None:
        now = asyncio.get_running_loop().time()
        self._until = min(self._until, now)
        for played in self.played:
            if played.until > now:
                played.pcm = played.pcm[: max(0, round((now - played.at) * played.rate))]

    async def aclose(self) -> None:
        pass


class Room:
    """A room in which somebody listens."""

    def __init__(self, subscribed_after_s: float = 0.0) -> None:
        self.local_participant = self
        self._after_s = subscribed_after_s

    async def publish_track(self, track: object, options: object) -> Any:
        async def wait_for_subscription() -> None:
            await asyncio.sleep(self._after_s)

        return SimpleNamespace(sid="TR_1", wait_for_subscription=wait_for_subscription)


@pytest.fixture
def _fake_source() -> Iterator[None]:
    Source.made.clear()
    with (
        mock.patch.object(rtc, "AudioSource", Source),
        mock.patch.object(rtc.LocalAudioTrack, "create_audio_track"),
    ):
        yield


class RoomSink(Sink):
    """Puts a room's real output into the session; what was heard is what its source played."""

    def __init__(self, *, channels: int = 1, rate: int = RATE, subscribed_after_s: float = 0.0) -> None:
        super().__init__()
        self.room = _ParticipantAudioOutput(
            cast(Any, Room(subscribed_after_s)), sample_rate=rate, num_channels=channels,
            track_publish_options=rtc.TrackPublishOptions(),
        )  # fmt: skip
        self.synchronizer = TranscriptSynchronizer(next_in_chain_audio=self.room, next_in_chain_text=None)
        self.played = Source.made[-1].played
        self.started: list[float] = []
        self.ended: list[io.PlaybackFinishedEvent] = []
        self.starting = asyncio.get_running_loop().create_task(self.room.start())

    def into(self, session: AgentSession[None], _: Sink) -> None:
        top = self.synchronizer.audio_output
        top.on("playback_started", lambda ev: self.started.append(asyncio.get_running_loop().time()))
        top.on("playback_finished", self.ended.append)
        session.output.audio = top
        session.output.transcription = self.synchronizer.text_output


@pytest.mark.usefixtures("_fake_source")
def test_in_a_room_fillers_and_answer_are_on_one_track(bank: ClipBank) -> None:
    """Behind the synchroniser, at the times of the plan; the session is told of the answer alone, with its length."""

    async def main() -> None:
        sink = RoomSink()
        async with rig(bank, [Answer(3.0, ANSWER)], sink=sink, wrap=sink.into) as it:
            await it.user_says()
            await it.until(8.0)
            assert it.after(sink.filler_times[0][0]) == pytest.approx(0.6, abs=0.03)
            (speech_at,) = sink.speech_at
            assert it.after(speech_at) == pytest.approx(3.78, abs=0.03)
            assert it.after(sink.started[0]) == pytest.approx(3.78, abs=0.03)
            (end,) = sink.ended
            assert end.playback_position == pytest.approx(0.98, abs=1e-6)
            assert not end.interrupted
            assert end.synchronized_transcript == ANSWER + " "

    live(main)


@pytest.mark.usefixtures("_fake_source")
def test_in_a_room_an_answer_behind_a_filler_is_dated_by_itself(bank: ClipBank) -> None:
    """In one segment of the sink's: start, end and position are the answer's own."""

    async def main() -> None:
        sink = RoomSink()
        async with rig(bank, [Answer(0.2, ANSWER)], sink=sink, wrap=sink.into, config=ONE_PHRASE) as it:
            await it.user_says()
            await it.until(8.0)
            (record,) = it.records
            assert record.reply_delay_s
            (speech_at,) = sink.speech_at
            assert sink.filler_times[0][1] == pytest.approx(speech_at, abs=0.06)
            assert it.after(sink.started[0]) == pytest.approx(it.after(speech_at), abs=0.06)
            assert [end.playback_position for end in sink.ended] == pytest.approx([0.98])

    live(main)


@pytest.mark.usefixtures("_fake_source")
def test_in_a_room_an_interruption_leaves_nothing_and_the_position_is_the_answers(bank: ClipBank) -> None:
    """Interrupted 0.5 s into an answer that followed a filler."""

    async def main() -> None:
        sink = RoomSink()
        long = "It is forty two, as everybody knows by now."
        async with rig(bank, [Answer(0.2, long)], sink=sink, wrap=sink.into, config=ONE_PHRASE) as it:
            await it.user_says()
            while not sink.started:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.5)
            at = it.now
            await it.session.interrupt()
            await it.until(6.0)
            assert not sink.heard(at + 0.11, it.now).any()  # the room's own: a frame of 50 ms is under way
            (end,) = sink.ended
            assert end.interrupted
            assert end.playback_position == pytest.approx(0.5, abs=0.06)

    live(main)


@pytest.mark.usefixtures("_fake_source")
def test_in_a_room_an_interrupted_filler_stops_within_a_frame(bank: ClipBank, caplog: pytest.LogCaptureFixture) -> None:
    """What the source holds of it is dropped, and the next turn is as any other."""

    async def main() -> None:
        sink = RoomSink()
        async with rig(bank, [Answer(5.0, ANSWER), Answer(1.5, ANSWER)], sink=sink, wrap=sink.into) as it:
            await it.user_says()
            await it.until(2.6)
            at = it.now
            await it.session.interrupt()
            await asyncio.sleep(1.0)
            assert not sink.heard(at + 0.02, it.now).any()
            await it.user_says()
            await it.until(6.0)
            assert it.records[1].outcome == "replied"
            assert len(sink.ended) == 1

    live(main)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.usefixtures("_fake_source")
def test_in_a_room_what_was_given_ahead_survives_a_blocked_loop(bank: ClipBank) -> None:
    """The room's queue holds 200 ms, in pieces of 50: with as much of a lead only what is left of a block of 250 ms is
    silent. Nothing comes late in a burst: the answer is heard when it would have been."""

    async def main() -> None:
        for lead_ms, silent_s in ((60.0, 0.19), (240.0, 0.08)):
            sink = RoomSink()
            async with rig(
                bank, [Answer(4.0, ANSWER)], sink=sink, wrap=sink.into, config=ONE_PHRASE, lead_ms=lead_ms
            ) as it:
                await it.user_says()
                await it.until(1.2)
                at = it.now
                it.loop.jump(0.25)
                await it.until(8.0)
                heard = sink.heard(at - 0.1, at + 0.5)
                blocks = heard[: len(heard) // 240 * 240].reshape(-1, 240).any(axis=1)
                assert (~blocks).sum() * 0.01 == pytest.approx(silent_s, abs=0.06)
                assert it.after(sink.speech_at[0]) == pytest.approx(4.78, abs=0.03)

    live(main)


@pytest.mark.usefixtures("_fake_source")
def test_in_a_room_no_filler_is_queued_behind_what_the_agent_says(
    bank: ClipBank, caplog: pytest.LogCaptureFixture
) -> None:
    """A wait that was begun by hand meanwhile, and given up, neither delays nor cuts it; the room warns of nothing."""

    async def main() -> None:
        sink = RoomSink()
        async with rig(bank, [Answer(3.0, ANSWER)], sink=sink, wrap=sink.into) as it:
            text = "This is a long greeting of the agent here, it goes on."
            it.session.say(text, allow_interruptions=False)
            await asyncio.sleep(1.0)
            it.fillers.begin()
            await asyncio.sleep(1.0)
            it.fillers.detach()
            await asyncio.sleep(4.0)
            (end,) = sink.ended
            assert not end.interrupted
            assert end.playback_position == pytest.approx(0.06 * len(text), abs=0.03)
            assert not sink.filler_times

    live(main)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.usefixtures("_fake_source")
def test_in_a_room_that_nobody_has_joined_fillers_wait_and_hang_nothing(bank: ClipBank) -> None:
    """Until a participant listens the sink takes nothing; then the answer comes, once."""

    async def main() -> None:
        sink = RoomSink(subscribed_after_s=6.0)
        async with rig(bank, [Answer(2.0, ANSWER)], sink=sink, wrap=sink.into) as it:
            await it.user_says()
            await it.until(9.0)
            assert len(sink.speech_at) == 1
            assert len(sink.ended) == 1

    live(main)


@pytest.mark.usefixtures("_fake_source")
def test_in_a_room_with_stereo_fillers_have_two_channels(bank: ClipBank) -> None:
    """They are like the TTS's frames: at the right pitch, on both sides."""

    async def main() -> None:
        sink = RoomSink(channels=2)
        async with rig(bank, [Answer(3.0, ANSWER)], sink=sink, wrap=sink.into, voice=FakeTts(channels=2)) as it:
            await it.user_says()
            await it.until(8.0)
            clip = next(clip for clip in bank.clips(RATE) if clip.id == it.records[0].sounds[0].clip)
            begin = sink.filler_times[0][0]
            heard = sink.heard(begin, begin + len(clip.samples) / RATE)
            assert np.abs(heard - clip.samples * 32767).max() < 3
            assert {played.channels for played in sink.played} == {2}

    live(main)


# The console ----------------------------------------------------------------------------------------------------------


class ConsoleSink(Sink):
    """The console's real output; a device of 20 ms blocks pulls it."""

    def __init__(self) -> None:
        super().__init__()
        self.console = ConsoleAudioOutput(asyncio.get_running_loop())
        self.synchronizer = TranscriptSynchronizer(next_in_chain_audio=self.console, next_in_chain_text=None)
        self.ended: list[io.PlaybackFinishedEvent] = []
        self.device = asyncio.get_running_loop().create_task(self._device())

    async def _device(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            block: npt.NDArray[np.int16] = np.zeros((480, 1), np.int16)
            self.console.read_into(block, 480)
            if block.any():
                self.played.append(Played(due, due, block[:, 0].copy(), RATE, 1))
            due += 0.02
            await asyncio.sleep(due - loop.time())

    def into(self, session: AgentSession[None], _: Sink) -> None:
        self.synchronizer.audio_output.on("playback_finished", self.ended.append)
        session.output.audio = self.synchronizer.audio_output
        session.output.transcription = self.synchronizer.text_output


def test_in_the_console_fillers_are_heard_on_time(bank: ClipBank) -> None:
    """It plays nothing of a segment before it holds 300 ms; so it is given that much at once, also of a short "uh"."""

    async def main() -> None:
        sink = ConsoleSink()
        async with rig(bank, [Answer(3.0, ANSWER)], sink=sink, wrap=sink.into) as it:
            await it.user_says()
            await it.until(8.0)
            starts = [it.after(begin) for begin, _ in sink.filler_times]
            assert starts == pytest.approx([0.6, 2.2], abs=0.05)
            assert it.after(sink.speech_at[0]) == pytest.approx(3.78, abs=0.05)
            assert [end.playback_position for end in sink.ended] == pytest.approx([0.98])

    live(main)


def test_in_the_console_what_it_holds_back_is_in_the_record(bank: ClipBank) -> None:
    """An answer behind a short "uh" waits for the 300 ms that the console was given of it, and the record says so."""

    async def main() -> None:
        config = {**ONE_PHRASE, "ladder": [{"after_ms": 800, "kind": "hesitation"}]}
        for after_s in (0.23, 0.28, 0.33):
            sink = ConsoleSink()
            async with rig(bank, [Answer(after_s, ANSWER)], sink=sink, wrap=sink.into, config=config) as it:
                await it.user_says()
                await it.until(5.0)
                (wait,) = it.records[0].waits
                assert wait.available_s is not None
                assert wait.heard_s is not None
                assert wait.heard_s == pytest.approx(it.after(sink.speech_at[0]), abs=0.021)
                assert wait.held_back_s == pytest.approx(wait.heard_s - wait.available_s, abs=1e-6)

    live(main)


def test_in_the_console_an_interrupted_answer_has_its_own_position(bank: ClipBank) -> None:
    """The console counts from the first frame of a segment, which is a filler's; the session does not."""

    async def main() -> None:
        sink = ConsoleSink()
        long = "It is forty two, as everybody knows by now."
        async with rig(bank, [Answer(0.2, long)], sink=sink, wrap=sink.into, config=ONE_PHRASE) as it:
            await it.user_says()
            while not sink.speech_at:
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.5)
            await it.session.interrupt()
            await it.until(6.0)
            (end,) = sink.ended
            assert end.interrupted
            assert end.playback_position == pytest.approx(0.5, abs=0.1)

    live(main)


# Other sinks, and chains ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sink_rate", "voice_rate"), [(48_000, 24_000), (None, 16_000), (8_000, 24_000), (None, 22_050), (24_000, 16_000)]
)
def test_fillers_come_at_the_right_rate(bank: ClipBank, sink_rate: int | None, voice_rate: int) -> None:
    """The sink's, or where it takes any the voice's: all its frames are of one rate, and a filler has its length."""

    async def main() -> None:
        sink = Sink(sink_rate)
        async with rig(bank, [Answer(3.0, ANSWER)], sink=sink, voice=FakeTts(voice_rate)) as it:
            await it.user_says()
            await it.until(8.0)
            assert {played.rate for played in sink.played} == {sink_rate or voice_rate}
            first, last = sink.filler_times[0]
            sound = it.records[0].sounds[0]
            assert sound.end_s is not None
            assert last - first == pytest.approx(sound.end_s - sound.start_s, abs=0.05)

    live(main)


def test_the_sample_rate_may_change_in_the_midst_of_a_call(bank: ClipBank) -> None:
    """With another sink, or another voice: fillers follow, and the conversation's memory stays."""

    async def main() -> None:
        first, second = Sink(24_000), Sink(48_000)
        async with rig(bank, [Answer(3.0, ANSWER)], sink=first, config=ONE_PHRASE) as it:
            await it.user_says()
            await it.until(7.0)
            it.session.output.audio = second
            await it.user_says()
            await it.until(7.0)
            assert {played.rate for played in second.played} == {48_000}
            assert second.filler_times[0][1] < second.speech_at[0]
            (begin, end), sound = second.filler_times[0], it.records[1].sounds[0]
            assert sound.end_s is not None
            assert end - begin == pytest.approx(sound.end_s - sound.start_s, abs=0.05)
            assert it.records[0].sounds[0].clip != sound.clip
            assert it.fillers.statistics()["outputs_placed"] == 2

    live(main)


def test_a_voice_of_another_rate_behind_a_filler_gets_a_segment_of_its_own(bank: ClipBank) -> None:
    """A sink that takes any rate is never given two in one segment."""

    async def main() -> None:
        sink = Sink(None)
        async with rig(bank, [Answer(0.2, ANSWER)], sink=sink, config=ONE_PHRASE, voice=FakeTts(16_000)) as it:
            await it.user_says()
            await it.until(7.0)
            it.voice._sample_rate = 8_000
            await it.user_says()
            await it.until(7.0)
            assert len(it.records) == 2
            assert [record.outcome for record in it.records] == ["replied", "replied"]
            assert len(sink.speech_at) == 2

    live(main)


def test_a_sink_that_is_replaced_is_followed(bank: ClipBank) -> None:
    """By ``replace_audio_tail``, as avatars do it, or at the top: the fillers are in front of the new one."""

    async def main() -> None:
        first, second, third = Sink(), Sink(), Sink()

        def synchronised(session: AgentSession[None], sink: Sink) -> None:
            synchronizer = TranscriptSynchronizer(next_in_chain_audio=sink, next_in_chain_text=None)
            session.output.audio = synchronizer.audio_output

        async with rig(bank, [Answer(3.0, ANSWER)], sink=first, wrap=synchronised) as it:
            for sink in (first, second, third):
                if sink is second:
                    it.session.output.replace_audio_tail(second)
                elif sink is third:
                    it.session.output.audio = third
                await it.user_says()
                await it.until(7.0)
                assert len(sink.filler_times) == 2
                assert len(sink.speech_at) == 1
                outputs = []
                output = it.session.output.audio
                while output is not None:
                    outputs.append(output)
                    output = output.next_in_chain
                assert outputs[-1] is sink
                assert sum(isinstance(output, FillerAudioOutput) for output in outputs) == 1

    live(main)


def test_the_recorder_has_the_answer_alone(bank: ClipBank) -> None:
    """The framework's recording of the agent is in front of the fillers, and hears nothing of them."""

    async def main() -> None:
        sink = Sink()
        frames: list[rtc.AudioFrame] = []

        def recorded(session: AgentSession[None], sink: Sink) -> None:
            recorder = RecorderIO(agent_session=cast(Any, session))
            output = recorder.record_output(sink)
            plain = output.capture_frame

            async def capture(frame: rtc.AudioFrame) -> None:
                frames.append(frame)
                await plain(frame)

            output.capture_frame = capture  # type: ignore[method-assign]
            session.output.audio = output

        async with rig(bank, [Answer(3.0, ANSWER)], sink=sink, wrap=recorded) as it:
            await it.user_says()
            await it.until(8.0)
            assert len(sink.filler_times) == 2
            assert {int(value) for frame in frames for value in np.frombuffer(frame.data, np.int16)} <= {0, SPEECH}

    live(main)


# An "ok" --------------------------------------------------------------------------------------------------------------


async def say_ok(it: Rig) -> float:
    """The user says "ok" in the midst of a filler; return when."""
    await it.user_says()
    await it.until(2.6)
    assert it.fillers.filler_sounding
    it.user_starts()
    at = it.now
    await asyncio.sleep(0.3)
    await it.user_stops(None)
    return at


OK: dict[str, Any] = {**PHRASES, "ladder": [*PHRASES["ladder"], {"after_ms": 5500, "kind": "progress"}]}


@pytest.mark.usefixtures("_fake_source")
def test_in_a_room_an_ok_stops_the_filler_and_nothing_of_it_comes_later(bank: ClipBank) -> None:
    """The session pauses the room's output and resumes it; then later fillers and the answer come."""

    async def main() -> None:
        sink = RoomSink()
        async with rig(bank, [Answer(8.0, ANSWER)], sink=sink, wrap=sink.into, config=OK) as it:
            at = await say_ok(it)
            await asyncio.sleep(10.0)
            after = [begin for begin, _ in sink.filler_times if begin > at + 0.1]
            assert len(after) == 1
            assert after[0] > at + 1.0
            assert not sink.heard(at + 0.05, after[0]).any()
            assert len(sink.speech_at) == 1
            assert [record.outcome for record in it.records] == ["replied"]

    live(main)


def test_in_the_console_an_ok_stops_the_filler_and_nothing_of_it_comes_later(bank: ClipBank) -> None:
    """What the console holds of it, 300 ms, is dropped."""

    async def main() -> None:
        sink = ConsoleSink()
        async with rig(bank, [Answer(8.0, ANSWER)], sink=sink, wrap=sink.into, config=OK) as it:
            at = await say_ok(it)
            await asyncio.sleep(10.0)
            after = [begin for begin, _ in sink.filler_times if begin > at + 0.1]
            assert len(after) == 1
            assert not sink.heard(at + 0.05, after[0]).any()
            assert len(sink.speech_at) == 1
            assert [record.outcome for record in it.records] == ["replied"]

    live(main)


# The console of the command line --------------------------------------------------------------------------------------


class Wire:
    """In the place of the connection to the command line's console, which plays what comes and says when it is done."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.output: TcpAudioOutput | None = None
        self.frames: list[tuple[float, int]] = []
        self._until = 0.0

    def send_message_threadsafe(self, message: Any) -> None:
        now = self.loop.time()
        kind = message.WhichOneof("message")
        if kind == "audio_output":
            frame = message.audio_output
            self.frames.append((now, frame.samples_per_channel))
            self._until = max(now, self._until) + frame.samples_per_channel / frame.sample_rate
        elif kind == "audio_playback_flush":
            assert self.output is not None
            self.loop.call_at(self._until, self.output.notify_playout_finished)
        else:
            self._until = now


def test_in_the_command_lines_console_the_session_is_told_of_the_answer_alone(bank: ClipBank) -> None:
    """Its sink tells of a start at once, and of an end when the other side says so."""

    async def main() -> None:
        wire = Wire()
        wire.output = TcpAudioOutput(cast(Any, wire))
        started: list[float] = []
        ended: list[io.PlaybackFinishedEvent] = []

        def into(session: AgentSession[None], _: Sink) -> None:
            synchronizer = TranscriptSynchronizer(next_in_chain_audio=cast(Any, wire.output), next_in_chain_text=None)
            top = synchronizer.audio_output
            top.on("playback_started", lambda ev: started.append(wire.loop.time()))
            top.on("playback_finished", ended.append)
            session.output.audio = top

        async with rig(bank, [Answer(3.0, ANSWER)], wrap=into) as it:
            await it.user_says()
            await it.until(8.0)
            assert it.after(wire.frames[0][0]) == pytest.approx(0.6, abs=0.03)
            assert [it.after(at) for at in started] == pytest.approx([3.78], abs=0.02)
            assert [end.playback_position for end in ended] == pytest.approx([0.98])

    live(main)
