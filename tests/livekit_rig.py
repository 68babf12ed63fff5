"""A real `AgentSession` on virtual time: only its models and its sink are fakes."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast
from unittest import mock

import numpy as np
import numpy.typing as npt
import stopgap
from livekit import rtc
from livekit.agents import Agent, AgentSession, APIConnectOptions, llm, stt, tts, vad
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, NOT_GIVEN
from livekit.agents.voice import io
from stopgap import ClipBank, FillerManager
from stopgap.engine.turns import SoundRecord, TurnRecord
from stopgap.livekit import LiveKitFillers
from virtual_loop import LoopClock, VirtualLoop, run

T = TypeVar("T")
RATE = 24_000
EPOCH_S = 1_700_000_000.0
"""What the wall clock reads where the loop reads 0."""
SPEECH = 9000
"""Every sample of the agent's speech: fillers are never so steady."""
SILENCE_S = 0.4
"""s of silence after which the fake detector says that speech has ended."""
PHRASES: dict[str, Any] = {
    "mode": "ladder",
    "seed": 1,
    "ladder": [{"after_ms": 600, "kind": "hesitation"}, {"after_ms": 2200, "kind": "phrase"}],
}
ONE_PHRASE: dict[str, Any] = {"mode": "ladder", "seed": 1, "ladder": [{"after_ms": 800, "kind": "phrase"}]}


# Models ---------------------------------------------------------------------------------------------------------------


class FakeVad(vad.VAD):
    """Says what it is told: there is no microphone."""

    def __init__(self) -> None:
        super().__init__(capabilities=vad.VADCapabilities(update_interval=0.1))
        self.streams: list[_VadStream] = []

    def stream(self) -> vad.VADStream:
        self.streams.append(_VadStream(self))
        return self.streams[-1]

    def say(self, kind: vad.VADEventType, **numbers: float) -> None:
        speech_s, silence_s = numbers.get("speech_s", 0.3), numbers.get("silence_s", 0.0)
        event = vad.VADEvent(
            kind, 0, time.time(), speech_s, silence_s, speaking=kind is not vad.VADEventType.END_OF_SPEECH
        )
        self.streams[-1].tell(event)


class _VadStream(vad.VADStream):
    def tell(self, event: vad.VADEvent) -> None:
        self._event_ch.send_nowait(event)

    async def _main_task(self) -> None:
        async for _ in self._input_ch:
            pass


class FakeStt(stt.STT[Any]):
    """Transcribes what it is told."""

    def __init__(self) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=True))
        self.streams: list[_SttStream] = []

    async def _recognize_impl(self, *_: Any, **__: Any) -> stt.SpeechEvent:
        raise NotImplementedError

    def stream(self, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS, **_: Any) -> stt.RecognizeStream:
        self.streams.append(_SttStream(stt=self, conn_options=conn_options))
        return self.streams[-1]

    def final(self, text: str, language: str = "en") -> None:
        data = stt.SpeechData(language=language, text=text)  # type: ignore[arg-type]
        self.streams[-1].tell(stt.SpeechEvent(stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=[data]))


class _SttStream(stt.RecognizeStream):
    def tell(self, event: stt.SpeechEvent) -> None:
        self._event_ch.send_nowait(event)

    async def _run(self) -> None:
        async for _ in self._input_ch:
            pass


@dataclass
class Answer:
    """What the fake model does when it is asked."""

    after_s: float = 1.0
    text: str = ""
    tools: Sequence[str] = ()
    per_word_s: float = 0.02


class FakeLlm(llm.LLM[Any]):
    """Gives one answer after the other; the last one again and again."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        super().__init__()
        self.answers = deque(answers)
        self.asked: list[llm.ChatContext] = []

    @property
    def model(self) -> str:
        return "fake-model"

    def chat(self, *, chat_ctx: llm.ChatContext, tools: Any = None, **kwargs: Any) -> llm.LLMStream:
        self.asked.append(chat_ctx.copy())
        answer = self.answers.popleft() if len(self.answers) > 1 else self.answers[0]
        options = kwargs.get("conn_options", DEFAULT_API_CONNECT_OPTIONS)
        return _LlmStream(self, answer, chat_ctx=chat_ctx, tools=tools or [], conn_options=options)


class _LlmStream(llm.LLMStream):
    def __init__(self, model: FakeLlm, answer: Answer, **rest: Any) -> None:
        self._answer = answer
        super().__init__(model, **rest)

    async def _run(self) -> None:
        await asyncio.sleep(self._answer.after_s)
        for word in self._answer.text.split():
            delta = llm.ChoiceDelta(role="assistant", content=word + " ")
            self._event_ch.send_nowait(llm.ChatChunk(id="chunk", delta=delta))
            await asyncio.sleep(self._answer.per_word_s)
        calls = [
            llm.FunctionToolCall(name=name, arguments="{}", call_id=f"{name}-{id(self)}-{place}")
            for place, name in enumerate(self._answer.tools)
        ]
        if calls:
            delta = llm.ChoiceDelta(role="assistant", tool_calls=calls)
            self._event_ch.send_nowait(llm.ChatChunk(id="chunk", delta=delta))


class FakeTts(tts.TTS[Any]):
    """Speaks in one tone: 60 ms for each letter, faster than real time, after *ttfb_s*."""

    def __init__(self, rate: int = RATE, channels: int = 1, ttfb_s: float = 0.2) -> None:
        super().__init__(capabilities=tts.TTSCapabilities(streaming=False), sample_rate=rate, num_channels=channels)
        self.ttfb_s = ttfb_s

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        return _Speech(tts=self, input_text=text, conn_options=conn_options)


class _Speech(tts.ChunkedStream):
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        voice = self._tts
        assert isinstance(voice, FakeTts)
        await asyncio.sleep(voice.ttfb_s)
        output_emitter.initialize(
            request_id="speech", sample_rate=voice.sample_rate, num_channels=voice.num_channels, mime_type="audio/pcm"
        )
        samples = round(0.06 * len(self._input_text.strip()) * voice.sample_rate)
        output_emitter.push(speech(samples, voice.num_channels).tobytes())
        output_emitter.flush()


def speech(samples: int, channels: int = 1) -> npt.NDArray[np.int16]:
    return np.full(samples * channels, SPEECH, np.int16)


def speech_frame(seconds: float, rate: int = RATE, channels: int = 1) -> rtc.AudioFrame:
    samples = round(seconds * rate)
    return rtc.AudioFrame(speech(samples, channels).tobytes(), rate, channels, samples)


# The sink -------------------------------------------------------------------------------------------------------------


@dataclass
class Played:
    """A frame that the sink plays."""

    at: float
    """Loop time of its first sample."""
    taken_at: float
    """Loop time when it was handed over."""
    pcm: npt.NDArray[np.int16]
    """First channel."""
    rate: int
    channels: int

    @property
    def until(self) -> float:
        return self.at + len(self.pcm) / self.rate


class Sink(io.AudioOutput):
    """Plays what it is given, without a break while it has something, and remembers when each sample was heard."""

    def __init__(self, sample_rate: int | None = RATE, *, pause: bool = True) -> None:
        super().__init__(
            label="test sink", capabilities=io.AudioOutputCapabilities(pause=pause), sample_rate=sample_rate
        )
        self.played: list[Played] = []
        self.finished: list[io.PlaybackFinishedEvent] = []
        self.segments = 0
        self._pushed_s = 0.0
        self._until = 0.0
        self._end_timer: asyncio.TimerHandle | None = None
        self._flushed = self._cleared = False
        self._paused_at: float | None = None

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        assert not self._flushed, "a frame while a segment ends"
        now = asyncio.get_running_loop().time()
        start = max(now if self._paused_at is None else self._paused_at, self._until)
        if not self._pushed_s:
            self.segments += 1
            self.on_playback_started(created_at=time.time())
        pcm = np.frombuffer(frame.data, np.int16).reshape(-1, frame.num_channels)[:, 0].copy()
        self.played.append(Played(start, now, pcm, frame.sample_rate, frame.num_channels))
        self._until = start + frame.duration
        self._pushed_s += frame.duration

    def flush(self) -> None:
        super().flush()
        if self._pushed_s and not self._flushed:
            self._flushed = True
            self._plan_end()

    def clear_buffer(self) -> None:
        if not self._pushed_s:
            return
        now = self._paused_at if self._paused_at is not None else asyncio.get_running_loop().time()
        self._cleared = True
        self._pushed_s = max(self._pushed_s - max(0.0, self._until - now), 1e-9)
        for played in self.played:
            if played.until > now:
                played.pcm = played.pcm[: max(0, round((now - played.at) * played.rate))]
        self._until = min(self._until, now)
        if self._flushed:
            self._plan_end()

    def pause(self) -> None:
        super().pause()
        if self._paused_at is None:
            self._paused_at = asyncio.get_running_loop().time()
            self._plan_end()

    def resume(self) -> None:
        super().resume()
        if self._paused_at is None:
            return
        paused_at, self._paused_at = self._paused_at, None
        late_s = asyncio.get_running_loop().time() - paused_at
        for played in [played for played in self.played if played.until > paused_at]:
            first = max(0, round((paused_at - played.at) * played.rate))
            rest = Played(
                max(played.at, paused_at) + late_s, played.taken_at, played.pcm[first:], played.rate, played.channels
            )
            played.pcm = played.pcm[:first]
            self.played.append(rest)
        if self._until > paused_at:
            self._until += late_s
        self._plan_end()

    def _plan_end(self) -> None:
        """Tell the end of what was flushed when it is heard out, or soon if it was cleared."""
        if self._end_timer is not None:
            self._end_timer.cancel()
            self._end_timer = None
        loop = asyncio.get_running_loop()
        if self._flushed and (self._cleared or self._paused_at is None):
            self._end_timer = loop.call_at(loop.time() if self._cleared else self._until, self._end)

    def _end(self) -> None:
        position, interrupted = round(self._pushed_s, 6), self._cleared
        self._pushed_s, self._end_timer, self._cleared, self._flushed = 0.0, None, False, False
        self.finished.append(io.PlaybackFinishedEvent(position, interrupted))
        self.on_playback_finished(playback_position=position, interrupted=interrupted)

    # What was heard --------------------------------------------------------------------------------------------------

    def heard(self, since: float, until: float, rate: int = RATE) -> npt.NDArray[np.int16]:
        """Return the samples between two loop times."""
        out = np.zeros(round((until - since) * rate), np.int16)
        for played in self.played:
            assert played.rate == rate
            at = round((played.at - since) * rate)
            part = played.pcm[max(0, -at) : max(0, len(out) - at)]
            out[max(0, at) : max(0, at) + len(part)] = part
        return out

    @property
    def speech_at(self) -> list[float]:
        """Loop times at which the agent began to be heard after something else, or nothing."""
        times: list[float] = []
        speaking, until = False, 0.0
        for played in self.played:
            speaks = is_speech(played.pcm)
            if speaks and (not speaking or played.at > until + 1e-3):
                times.append(
                    played.at + (0.0 if played.pcm[0] == SPEECH else np.argmax(played.pcm == SPEECH) / played.rate)
                )
            speaking, until = speaks, played.until
        return times

    @property
    def filler_times(self) -> list[tuple[float, float]]:
        """Loop times between which fillers were heard, those close together as one."""
        spans: list[tuple[float, float]] = []
        for played in self.played:
            if not len(played.pcm) or is_speech(played.pcm) or not played.pcm.any():
                continue
            if spans and played.at - spans[-1][1] < 0.045:
                spans[-1] = spans[-1][0], played.until
            else:
                spans.append((played.at, played.until))
        return spans


def is_speech(pcm: npt.NDArray[np.int16]) -> bool:
    loud = pcm[np.abs(pcm) > 1000]
    return bool(len(loud) and abs(float(np.median(loud)) - SPEECH) < 200)


# The session ----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def wall_clock(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Within it, all clocks of Python read the loop's time, and chat messages are dated by it."""

    def reads(zero: float) -> Callable[[], float]:
        return lambda: zero + loop.time()

    plain = llm.ChatMessage.__init__

    def dated(message: llm.ChatMessage, **fields: Any) -> None:
        plain(message, **{"created_at": time.time(), **fields})  # the framework's default holds on to the real clock

    with (
        mock.patch.object(llm.ChatMessage, "__init__", dated),
        mock.patch.object(time, "time", reads(EPOCH_S)),
        mock.patch.object(time, "monotonic", reads(500.0)),
        mock.patch.object(time, "perf_counter", reads(200.0)),
    ):
        yield


@dataclass
class Rig:
    """A conversation."""

    session: AgentSession[None]
    fillers: LiveKitFillers
    sink: Sink
    model: FakeLlm
    voice: FakeTts
    detector: FakeVad
    ears: FakeStt | None
    loop: VirtualLoop
    records: list[TurnRecord] = field(default_factory=list)
    sounds: list[tuple[str, SoundRecord]] = field(default_factory=list)
    states: list[tuple[float, str]] = field(default_factory=list)
    stopped_at: float = 0.0
    """Loop time at which the user's speech ended last."""

    @property
    def now(self) -> float:
        return self.loop.time()

    async def until(self, after_s: float) -> None:
        """Wait until *after_s* after the user's last word."""
        await asyncio.sleep(max(0.0, self.stopped_at + after_s - self.now))

    def user_starts(self) -> None:
        self.detector.say(vad.VADEventType.START_OF_SPEECH, speech_s=0.05)

    def user_goes_on(self, seconds: float = 0.6) -> None:
        """The user has spoken for so long by now."""
        self.detector.say(vad.VADEventType.INFERENCE_DONE, speech_s=seconds)

    async def user_stops(self, text: str | None = "what is it") -> None:
        """The user's last word is now; the detector notices later, and what was said is known then."""
        self.stopped_at = self.now
        await asyncio.sleep(SILENCE_S)
        self.detector.say(vad.VADEventType.END_OF_SPEECH, silence_s=SILENCE_S)
        if self.ears is not None and text is not None:
            await asyncio.sleep(0.05)
            self.ears.final(text)

    async def user_says(self, text: str | None = "what is it", seconds: float = 1.0) -> None:
        self.user_starts()
        await asyncio.sleep(seconds)
        await self.user_stops(text)

    def after(self, at: float) -> float:
        """Return the s from the user's last word to the loop time *at*."""
        return at - self.stopped_at


TURNS: dict[str, Any] = {
    "turn_detection": "vad",
    "endpointing": {"mode": "fixed", "min_delay": 0.5, "max_delay": 1.0},
    "interruption": {"mode": "vad"},
    "preemptive_generation": {"enabled": False},
}


@contextlib.asynccontextmanager
async def rig(
    bank: ClipBank,
    answers: Sequence[Answer],
    *,
    config: dict[str, Any] = PHRASES,
    agent: Agent | None = None,
    turns: dict[str, Any] | None = None,
    sink: Sink | None = None,
    voice: FakeTts | None = None,
    ears: bool = True,
    attach_first: bool = True,
    wrap: Callable[[AgentSession[None], Sink], None] | None = None,
    away_s: float | None = None,
    voice_of_clips: str | None = None,
    **options: Any,
) -> AsyncIterator[Rig]:
    """Yield a started conversation with fillers.

    Args:
        bank: Clips.
        answers: Of the model.
        config: Of stopgap.
        agent: Who answers.
        turns: Replaces settings of `TURNS`.
        sink: What plays.
        voice: The TTS.
        ears: Whether there is an STT.
        attach_first: Whether the fillers are attached before the session starts.
        wrap: Puts the sink into the session, as rooms and consoles do while it starts; None: it is set beforehand.
        voice_of_clips: Of the fillers.
        away_s: s after which the session takes a silent user for one who has gone.
        options: Of `LiveKitFillers`.
    """
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    sink = sink if sink is not None else Sink()
    model, voice, detector, hearing = FakeLlm(answers), voice or FakeTts(), FakeVad(), FakeStt() if ears else None
    records: list[TurnRecord] = []
    sounds: list[tuple[str, SoundRecord]] = []
    with (
        wall_clock(loop),
        FillerManager(stopgap.load_config(config), clock=LoopClock(loop), bank=bank) as manager,
    ):
        session: AgentSession[None] = AgentSession(
            vad=detector, llm=model, tts=voice, stt=hearing if hearing is not None else NOT_GIVEN,
            turn_handling=cast(Any, {**TURNS, **(turns or {})}), aec_warmup_duration=None, user_away_timeout=away_s,
            session_close_transcript_timeout=0.0,
        )  # fmt: skip
        fillers = LiveKitFillers(
            manager,
            on_filler=lambda turn, sound: sounds.append((turn, sound)),
            on_turn=records.append,
            voice=voice_of_clips,
            **options,
        )
        it = Rig(session, fillers, sink, model, voice, detector, hearing, loop, records, sounds)
        session.on("agent_state_changed", lambda ev: it.states.append((loop.time(), ev.new_state)))
        if attach_first:
            fillers.attach(session)
        if wrap is None:
            session.output.audio = sink
        else:
            wrap(session, sink)
        await session.start(agent if agent is not None else Agent(instructions="Answer."))
        if not attach_first:
            fillers.attach(session)
        await asyncio.sleep(0.1)
        try:
            yield it
        finally:
            await session.aclose()
            await fillers.aclose()


def live(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a conversation on virtual time."""
    return run(main)
