"""Pipecat: how soon fillers are in the transport's write, what they cost the reply, and how soon they are gone.

All of it in real time, in a real pipeline whose transport writes at a steady pace and keeps what it writes.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import numpy as np
from pipecat.audio.mixers.base_audio_mixer import BaseAudioMixer
from pipecat.frames.frames import (
    EndFrame,
    Frame,
    InterruptionFrame,
    MixerControlFrame,
    OutputAudioRawFrame,
    StartFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.workers.runner import WorkerRunner
from stopgap.engine import FillerManager, VirtualClock
from stopgap.engine.integrations.pipecat import PipecatFillers
from stopgap.fillers import load_config

RATE = 24_000
CHUNK_MS = 40.0
CHUNK = round(RATE * CHUNK_MS / 1000.0)
REPLY_LEVEL = 8_000
REPLY_S = 0.2
CLIP_S = 1.0
"""s. Length of a filler that is queued as audio, or that a plain mixer plays."""
INTO_S = 0.2
"""s after a filler's start at which a reply or an interruption comes."""
AT_ONCE = {"mode": "ladder", "seed": 1, "limits": {"per_minute": "unlimited", "per_conversation": "unlimited"}}
"""A configuration, less its ladder."""


@dataclass(frozen=True, slots=True)
class PipecatFigures:
    """One number of each trial."""

    chunk_ms: float
    """ms. Of what the transport writes at a time."""
    armed_to_write_ms: tuple[float, ...]
    """A filler that is due at once: until the write of its first sound."""
    reply_mixer_ms: tuple[float, ...]
    """The reply's first audio is pushed, beside a mixer that does nothing: until it is written."""
    reply_fillers_ms: tuple[float, ...]
    """The same while a filler sounds."""
    reply_queued_ms: tuple[float, ...]
    """The same behind a filler that was queued as audio 200 ms ago."""
    interrupted_mixer_ms: tuple[float, ...]
    """What sounds of a plain mixer's clip in chunks that are written after an interruption is there."""
    interrupted_fillers_ms: tuple[float, ...]
    """What sounds of a filler in them."""
    mix_us: tuple[float, ...]
    """µs that 20 ms of mixing take beyond a mixer that does nothing, while a filler sounds."""
    mix_idle_us: tuple[float, ...]
    """The same while none sounds."""


async def measure(trials: int, frames: int, seed: int) -> PipecatFigures:
    """Measure Pipecat's plug-in, and what is done without it.

    Args:
        trials: Of each that is heard; of what is only shown beside, a quarter.
        frames: Of 20 ms, for the cost of mixing.
        seed: Of the moments at which things happen.
    """
    rng = random.Random(seed)
    fewer = max(1, trials // 4)
    plain = PlainMixer()
    async with _pipeline(plain) as line:
        reply_mixer = [await _reply(line, rng) for _ in range(trials)]
        reply_queued = [await _reply_behind_a_queued_filler(line, rng) for _ in range(fewer)]
        interrupted_mixer = [await _interrupted(line, rng, plain.play) for _ in range(fewer)]
    config = load_config({**AT_ONCE, "ladder": [{"after_ms": 0, "kind": "phrase"}]})
    with FillerManager(config) as manager:
        fillers = PipecatFillers(manager)
        begin: Callable[[], object] = fillers.begin
        async with _pipeline(fillers.mixer, fillers.processor) as line:
            armed = [await _armed(line, rng, begin) for _ in range(trials)]
            reply_fillers = [await _reply(line, rng, begin) for _ in range(trials)]
            interrupted_fillers = [await _interrupted(line, rng, begin) for _ in range(trials)]
    return PipecatFigures(
        chunk_ms=CHUNK_MS,
        armed_to_write_ms=tuple(armed),
        reply_mixer_ms=tuple(reply_mixer),
        reply_fillers_ms=tuple(reply_fillers),
        reply_queued_ms=tuple(reply_queued),
        interrupted_mixer_ms=tuple(interrupted_mixer),
        interrupted_fillers_ms=tuple(interrupted_fillers),
        mix_us=await _mixing(frames, sounding=True),
        mix_idle_us=await _mixing(frames, sounding=False),
    )


class PlainMixer(BaseAudioMixer):
    """Does nothing, or plays a clip as a mixer does that nobody stops."""

    def __init__(self) -> None:
        self._left = 0

    def play(self) -> None:
        """Play `CLIP_S` of sound."""
        self._left = round(CLIP_S * RATE)

    async def start(self, sample_rate: int) -> None:
        """Do nothing."""

    async def stop(self) -> None:
        """Do nothing."""

    async def process_frame(self, frame: MixerControlFrame) -> None:
        """Do nothing."""

    async def mix(self, audio: bytes) -> bytes:
        """Return *audio*, and the clip."""
        if self._left <= 0:
            return audio
        self._left -= CHUNK
        return np.full(len(audio) // 2, 3_000, "<i2").tobytes()


class PacedSink(BaseOutputTransport):
    """Takes a chunk whenever one is due, on absolute deadlines."""

    def __init__(self, mixer: BaseAudioMixer) -> None:
        super().__init__(TransportParams(audio_out_enabled=True, audio_out_mixer=mixer, audio_out_end_silence_secs=0))
        self.written: list[tuple[float, bytes, bool]] = []
        """When, what, and whether it is the reply's: since `_Line.send`, or since an interruption was here."""
        self.ready = asyncio.Event()
        self._due = 0.0

    async def start(self, frame: StartFrame) -> None:
        """Be ready at once."""
        await super().start(frame)
        await self.set_transport_ready(frame)
        self.ready.set()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Forget what was written before an interruption."""
        if isinstance(frame, InterruptionFrame):
            self.written.clear()
        await super().process_frame(frame, direction)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        """Note a chunk, and wait as long as it lasts."""
        now = asyncio.get_running_loop().time()
        self.written.append((now, frame.audio, isinstance(frame, TTSAudioRawFrame)))
        self._due = max(self._due, now) + CHUNK_MS / 1000.0
        await asyncio.sleep(max(0.0, self._due - now))
        return True


@dataclass
class _Line:
    """A pipeline that runs."""

    worker: PipelineWorker
    sink: PacedSink

    async def send(self, *frames: Frame) -> float:
        """Push *frames*, and return when that was."""
        self.sink.written.clear()
        at = asyncio.get_running_loop().time()
        for frame in frames:
            await self.worker.queue_frame(frame)
        return at

    async def first(self, wanted: Callable[[bytes, bool], bool]) -> float:
        """Return when the first chunk was written that is *wanted*."""
        seen = 0
        while True:
            for at, pcm, reply in self.sink.written[seen:]:
                seen += 1
                if wanted(pcm, reply):
                    return at
            await asyncio.sleep(0.002)

    async def silence(self) -> None:
        """Wait until nothing has sounded for three chunks."""
        quiet = 0
        while quiet < 3:
            self.sink.written.clear()
            await asyncio.sleep(CHUNK_MS / 1000.0)
            quiet = quiet + 1 if not any(any(pcm) for _, pcm, _ in self.sink.written) else 0


@contextlib.asynccontextmanager
async def _pipeline(mixer: BaseAudioMixer, processor: FrameProcessor | None = None) -> AsyncIterator[_Line]:
    sink = PacedSink(mixer)
    pipeline = Pipeline([sink] if processor is None else [processor, sink])
    worker = PipelineWorker(pipeline, idle_timeout_secs=None, enable_rtvi=False)
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    await sink.ready.wait()
    try:
        yield _Line(worker, sink)
    finally:
        await worker.queue_frame(EndFrame())
        await running


def _sounds(pcm: bytes, _: bool) -> bool:
    return any(pcm)


def _replies(_: bytes, reply: bool) -> bool:
    return reply


def _speech() -> tuple[Frame, ...]:
    pcm = np.full(round(REPLY_S * RATE), REPLY_LEVEL, "<i2").tobytes()
    return TTSStartedFrame(), TTSAudioRawFrame(pcm, RATE, 1), TTSStoppedFrame()


async def _any_moment(rng: random.Random) -> None:
    await asyncio.sleep(rng.uniform(0.0, CHUNK_MS / 1000.0))


async def _armed(line: _Line, rng: random.Random, begin: Callable[[], object]) -> float:
    """Return the ms from arming a filler that is due to the write of its first sound."""
    await line.silence()
    await _any_moment(rng)
    line.sink.written.clear()
    at = asyncio.get_running_loop().time()
    begin()
    written = await line.first(_sounds)
    await line.send(InterruptionFrame())
    return (written - at) * 1000.0


async def _reply(line: _Line, rng: random.Random, fill: Callable[[], object] | None = None) -> float:
    """Return the ms from pushing a reply to its first write; *fill* starts what sounds at that moment."""
    await line.silence()
    if fill is not None:
        fill()
        await asyncio.sleep(INTO_S)
    await _any_moment(rng)
    at = await line.send(*_speech())
    return (await line.first(_replies) - at) * 1000.0


async def _reply_behind_a_queued_filler(line: _Line, rng: random.Random) -> float:
    await line.silence()
    await line.send(OutputAudioRawFrame(np.full(round(CLIP_S * RATE), 3_000, "<i2").tobytes(), RATE, 1))
    await asyncio.sleep(INTO_S)
    await _any_moment(rng)
    at = await line.send(*_speech())
    return (await line.first(_replies) - at) * 1000.0


async def _interrupted(line: _Line, rng: random.Random, fill: Callable[[], object]) -> float:
    """Return the ms of sound in chunks that were written after an interruption had reached the transport."""
    await line.silence()
    fill()
    await asyncio.sleep(INTO_S)
    await _any_moment(rng)
    await line.send(InterruptionFrame())
    await asyncio.sleep(CLIP_S + 2 * CHUNK_MS / 1000.0)
    heard = np.frombuffer(b"".join(pcm for _, pcm, _ in line.sink.written), "<i2")
    return (int(np.flatnonzero(heard).max(initial=-1)) + 1) / RATE * 1000.0


async def _mixing(frames: int, *, sounding: bool) -> tuple[float, ...]:
    """Return the µs that each 20 ms of mixing took beyond a mixer that does nothing."""
    clock = VirtualClock()
    kind = "ambience" if sounding else "tone"
    config = load_config({**AT_ONCE, "ladder": [{"after_ms": 0 if sounding else 10_000, "kind": kind}]})
    silence = bytes(2 * CHUNK)
    plain, costs = PlainMixer(), []
    with FillerManager(config, clock=clock) as manager:
        fillers = PipecatFillers(manager)
        await fillers.mixer.start(RATE)
        for place in range(max(1, frames // 2)):
            if place % 100 == 0:
                fillers.begin()
            clock.advance(CHUNK_MS / 1000.0)
            nothing = await _timed_us(plain.mix, silence)
            ours = await _timed_us(fillers.mixer.mix, silence)
            if place % 100 > 2:
                assert fillers.filler_sounding == sounding
                costs.append((ours - nothing) / 2.0)
    return tuple(costs)


async def _timed_us(mix: Callable[[bytes], Awaitable[bytes]], audio: bytes) -> float:
    began = time.perf_counter_ns()
    await mix(audio)
    return (time.perf_counter_ns() - began) / 1000.0
