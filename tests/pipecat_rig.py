"""A real Pipecat pipeline on virtual time: its services are fakes with a script, its transport writes at a steady pace.

The user's side is real, too: Pipecat's own context aggregators decide on turns, from voice activity and transcripts
that a test sends.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import hushed_pipecat  # noqa: F401
import numpy as np
from pipecat.frames.frames import (
    EndFrame,
    Frame,
    FunctionCallFromLLM,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    OutputAudioRawFrame,
    StartFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.observers.base_observer import BaseObserver, FramePushed
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.llm_service import FunctionCallParams, LLMService
from pipecat.services.settings import LLMSettings, TTSSettings
from pipecat.services.tts_service import TTSService
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.turns.user_start import TranscriptionUserTurnStartStrategy, VADUserTurnStartStrategy
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

Samples16 = np.ndarray[Any, np.dtype[np.int16]]

RATE = 24_000
CHUNK_S = 0.04
STOP_S = 0.2
"""s of silence after which voice activity detection says that speech has ended."""
CONFIRM_S = 0.3
"""s after that at which the turn is confirmed."""
TRIFLE_S = 0.0002
"""s that a write takes which takes no time: real ones take none, but then virtual time would stand still."""
REPLY_LEVEL = 8_000
"""Of all samples of the reply: what differs from it, and from silence, is a filler."""


@dataclass
class Answer:
    """What the model does when it is asked."""

    after_s: float = 0.0
    """s until the first token."""
    text: str = ""
    tools: tuple[tuple[str, float], ...] = ()
    """Names, and the s that they take."""
    tail_s: float = 0.0
    """s that the model takes to end after its last token."""


class FakeLLM(LLMService[Any]):
    """Answers by the script."""

    def __init__(self, script: Sequence[Answer]) -> None:
        super().__init__(settings=LLMSettings(model="fake", system_instruction=None, temperature=None, max_tokens=None,
                                              top_p=None, top_k=None, frequency_penalty=None, presence_penalty=None,
                                              seed=None, filter_incomplete_user_turns=False,
                                              user_turn_completion_config=None))  # fmt: skip
        self.script = list(script)
        self.asked: list[list[Any]] = []
        """The messages of each request."""
        self._calls = 0
        self.seconds: dict[str, float] = {}

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        self.asked.append(list(frame.context.get_messages()))
        answer = self.script.pop(0) if self.script else Answer()
        await self.push_frame(LLMFullResponseStartFrame())
        try:
            await asyncio.sleep(answer.after_s)
            for word in answer.text.split():
                await self._push_llm_text(word + " ")
            await asyncio.sleep(answer.tail_s)
            await self._call(answer, frame.context)
        finally:
            await self.push_frame(LLMFullResponseEndFrame())

    async def _call(self, answer: Answer, context: LLMContext) -> None:
        calls = []
        for name, seconds in answer.tools:
            self._calls += 1
            self.seconds[f"call-{self._calls}"] = seconds
            calls.append(FunctionCallFromLLM(name, f"call-{self._calls}", {}, context))
        await self.run_function_calls(calls)

    async def tool(self, params: FunctionCallParams) -> None:
        """Take as long as the script says."""
        await asyncio.sleep(self.seconds[params.tool_call_id])
        await params.result_callback({"found": True})


class FakeTTS(TTSService):
    """Says 60 ms a letter, all at once, after *after_s*."""

    def __init__(self, after_s: float = 0.1, rate: int = RATE) -> None:
        super().__init__(
            push_start_frame=True,
            push_stop_frames=True,
            stop_frame_timeout_s=0.5,
            sample_rate=rate,
            settings=TTSSettings(model=None, voice=None, language=None),
        )
        self.after_s = after_s

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        await asyncio.sleep(self.after_s)
        samples = np.full(round(0.06 * len(text.strip()) * self.sample_rate), REPLY_LEVEL, "<i2")
        for part in np.array_split(samples, 4):
            yield TTSAudioRawFrame(part.tobytes(), self.sample_rate, 1, context_id=context_id)


@dataclass
class Written:
    """A chunk that the transport wrote."""

    at: float
    """s on the loop at which it begins to be heard."""
    pcm: bytes
    kind: type[Frame]

    @property
    def samples(self) -> Samples16:
        return np.frombuffer(self.pcm, "<i2").astype(np.int16)

    @property
    def fillers(self) -> Samples16:
        """What is not the reply's; where the reply ends within a chunk, no filler sounds."""
        if self.kind is not TTSAudioRawFrame:
            return self.samples
        return np.where(self.samples == 0, 0, self.samples - REPLY_LEVEL).astype(np.int16)


class PacedOutput(BaseOutputTransport):
    """Writes a chunk, and takes as long for it as it lasts."""

    def __init__(self, params: TransportParams) -> None:
        super().__init__(params)
        self.written: list[Written] = []
        self.ready = asyncio.Event()
        self.connected = True

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)
        self.ready.set()

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        if not self.connected:
            await asyncio.sleep(TRIFLE_S)
            return False
        await self.take(frame, len(frame.audio) / (2 * frame.num_channels * frame.sample_rate))
        return True

    async def take(self, frame: OutputAudioRawFrame, length_s: float) -> None:
        self.written.append(Written(asyncio.get_running_loop().time(), frame.audio, type(frame)))
        await asyncio.sleep(length_s)


class QueueOutput(PacedOutput):
    """Writes into a queue, and waits only while that holds more than *queue_s*; an interruption empties it."""

    queue_s = 1.0
    """s. As LiveKit's."""

    def __init__(self, params: TransportParams) -> None:
        super().__init__(params)
        self._heard_until = 0.0

    async def take(self, frame: OutputAudioRawFrame, length_s: float) -> None:
        now = asyncio.get_running_loop().time()
        at = max(self._heard_until, now)
        self.written.append(Written(at, frame.audio, type(frame)))
        self._heard_until = at + length_s
        await asyncio.sleep(max(TRIFLE_S, self._heard_until - now - self.queue_s))

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InterruptionFrame):
            self._heard_until = asyncio.get_running_loop().time()
            self.written = [chunk for chunk in self.written if chunk.at < self._heard_until]


class BoundlessOutput(QueueOutput):
    """Takes all at once, as Tavus does by default."""

    queue_s = 1e9


class Collector(BaseObserver):
    """Remembers each frame once, with its direction and its time."""

    def __init__(self) -> None:
        super().__init__(observe_every_push=False)
        self.frames: list[tuple[float, Frame, FrameDirection]] = []

    async def on_push_frame(self, data: FramePushed) -> None:
        self.frames.append((asyncio.get_running_loop().time(), data.frame, data.direction))

    def of(self, *kinds: type[Frame]) -> list[Frame]:
        """Return the frames of *kinds*, in order."""
        return [frame for _, frame, _ in self.frames if isinstance(frame, kinds)]

    def times(self, kind: type[Frame]) -> list[float]:
        return [at for at, frame, _ in self.frames if isinstance(frame, kind)]


@dataclass
class Rig:
    """A pipeline that runs."""

    worker: PipelineWorker
    output: PacedOutput
    llm: FakeLLM
    pair: LLMContextAggregatorPair
    context: LLMContext
    collector: Collector
    began_at: float = field(default_factory=lambda: asyncio.get_running_loop().time())
    wall_at_start: float = field(default_factory=lambda: time.time() + 60.0)
    """s. Ahead, lest its frames seem to be as old as the real time that a test takes."""

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    @property
    def wall(self) -> float:
        """A wall clock that keeps the loop's time."""
        return self.wall_at_start + self.now - self.began_at

    async def send(self, *frames: Frame) -> None:
        """Send *frames* down the pipeline, and let them arrive."""
        for frame in frames:
            await self.worker.queue_frame(frame)
        await asyncio.sleep(0.001)

    async def voice(self, seconds: float) -> None:
        """The user speaks for *seconds*; voice activity detection tells `STOP_S` later that it is over."""
        await self.send(VADUserStartedSpeakingFrame(timestamp=self.wall))
        await asyncio.sleep(seconds + STOP_S)
        await self.send(VADUserStoppedSpeakingFrame(stop_secs=STOP_S, timestamp=self.wall))

    async def say(self, text: str = "Where is my order?", seconds: float = 0.5) -> float:
        """The user says a turn, which is confirmed `CONFIRM_S` after voice activity detection; return when it ended."""
        await self.voice(seconds)
        ended_at = self.now - STOP_S - 0.001
        await self.send(transcript(text))
        await asyncio.sleep(CONFIRM_S)
        return ended_at

    def written(self, start: float = 0.0, end: float = 1e9) -> list[Written]:
        """Return the chunks that began between *start* and *end*, s on the loop."""
        return [chunk for chunk in self.output.written if start <= chunk.at < end]

    def fillers(self, start: float = 0.0, end: float = 1e9) -> Samples16:
        """Return what of these chunks is not the reply's."""
        return np.concatenate([np.zeros(0, np.int16), *(chunk.fillers for chunk in self.written(start, end))])

    def reply_at(self, after: float = 0.0) -> float:
        """Return when the first chunk with the bot's voice since *after* was written."""
        return next(chunk.at for chunk in self.written(after) if chunk.kind is TTSAudioRawFrame)


def transcript(text: str) -> TranscriptionFrame:
    return TranscriptionFrame(text, "user", "", finalized=True)


@contextlib.asynccontextmanager
async def running(
    script: Sequence[Answer] = (),
    *,
    params: TransportParams | None = None,
    before_output: FrameProcessor | None = None,
    mixer: Any = None,
    tts: FakeTTS | None = None,
    words_start_turns: bool = False,
    interruptions: bool = True,
    observers: Sequence[BaseObserver] = (),
    user: dict[str, Any] | None = None,
    behind_llm: Sequence[FrameProcessor] = (),
    extra: Sequence[FrameProcessor] = (),
    output: type[PacedOutput] = PacedOutput,
) -> AsyncIterator[Rig]:
    """Run a pipeline whose model answers by *script*; end it afterwards."""
    llm = FakeLLM(script)
    for name in {name for answer in script for name, _ in answer.tools}:
        llm.register_function(name, llm.tool)
    context = LLMContext([])
    start_strategy = TranscriptionUserTurnStartStrategy if words_start_turns else VADUserTurnStartStrategy
    strategies = UserTurnStrategies(
        start=[start_strategy(enable_interruptions=interruptions)],
        stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=CONFIRM_S - 0.01)],
    )
    pair = LLMContextAggregatorPair(
        context, user_params=LLMUserAggregatorParams(user_turn_strategies=strategies, **(user or {}))
    )
    params = params or TransportParams(audio_out_enabled=True, audio_out_mixer=mixer, audio_out_end_silence_secs=0)
    transport = output(params)
    collector = Collector()
    before = [] if before_output is None else [before_output]
    pipeline = Pipeline([pair.user(), llm, *behind_llm, tts or FakeTTS(), *extra, *before, transport, pair.assistant()])
    worker = PipelineWorker(
        pipeline,
        params=PipelineParams(enable_metrics=True),
        observers=[collector, *observers],
        idle_timeout_secs=None,
        enable_rtvi=False,
    )
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    task = asyncio.create_task(runner.run())
    await transport.ready.wait()
    rig = Rig(worker, transport, llm, pair, context, collector)
    try:
        yield rig
    finally:
        await worker.queue_frame(EndFrame())
        await task
