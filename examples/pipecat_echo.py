"""A Pipecat bot on a loudspeaker: its fillers come back through the microphone, and must not count as the user.

    pip install 'stopgap[pipecat]'
    python examples/pipecat_echo.py

Plays fillers into a made-up room three times: with nothing against the echo, with an echo canceller that gets the exact
output from `PipecatFillers.tap`, and with voice activity detection that is warier while a filler sounds. Pipecat has a
place for each: ``TransportParams(audio_in_filter=...)``, which comes before voice activity detection, and the analyzer.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import stopgap
from loguru import logger
from pipecat.audio.filters.base_audio_filter import BaseAudioFilter
from pipecat.audio.vad.vad_analyzer import VADAnalyzer, VADParams
from pipecat.frames.frames import (
    EndFrame,
    FilterControlFrame,
    InputAudioRawFrame,
    OutputAudioRawFrame,
    StartFrame,
    VADUserStartedSpeakingFrame,
)
from pipecat.observers.base_observer import BaseObserver, FramePushed
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.audio.vad_processor import VADProcessor
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.workers.runner import WorkerRunner
from stopgap.engine.mixer import TapBlock
from stopgap.pipecat import PipecatFillers

RATE = 16_000
ECHO_S, ECHO_GAIN = 0.03, 0.4
FILLERS = {
    "mode": "ladder",
    "seed": 1,
    "ladder": [{"after_ms": 300, "kind": "phrase"}, {"after_ms": 2200, "kind": "progress"}],
}
Samples = np.ndarray[Any, np.dtype[np.float32]]


class EchoCanceller(BaseAudioFilter):
    """Learns the way from loudspeaker to microphone (normalised least mean squares), and takes the echo away."""

    TAPS = 800  # 50 ms: more than the echo's delay; a real room needs more, and a canceller in C

    def __init__(self) -> None:
        self._played: Samples = np.zeros(0, np.float32)
        self._past: Samples = np.zeros(self.TAPS, np.float32)
        self._way: Samples = np.zeros(self.TAPS, np.float32)

    def hear(self, block: TapBlock) -> None:
        """Take in what is going to the loudspeaker."""
        self._played = np.concatenate([self._played, block.samples])

    async def filter(self, audio: bytes) -> bytes:
        """Return *audio* less the echo."""
        heard = np.frombuffer(audio, "<i2").astype(np.float32) / 32768
        played, self._played = self._played[: len(heard)], self._played[len(heard) :]
        line = np.concatenate([self._past, played, np.zeros(len(heard) - len(played), np.float32)])
        self._past = line[-self.TAPS :]
        clean = np.zeros_like(heard)
        for place, sample in enumerate(heard):
            recent = line[place + 1 : place + 1 + self.TAPS]
            clean[place] = sample - self._way @ recent
            self._way += 0.5 * clean[place] * recent / (1e-3 + recent @ recent)
        return (np.clip(clean, -1, 1) * 32767).astype("<i2").tobytes()

    async def start(self, sample_rate: int) -> None: ...

    async def stop(self) -> None: ...

    async def process_frame(self, frame: FilterControlFrame) -> None: ...


class LoudnessVAD(VADAnalyzer):
    """Takes for a voice what is loud. Put your own here: ``class WarySilero(SileroVADAnalyzer)`` works the same."""

    def __init__(self, filler_sounding: Callable[[], bool] = lambda: False) -> None:
        super().__init__(sample_rate=RATE, params=VADParams(min_volume=0.0))
        self._filler_sounding = filler_sounding
        self._wary_until = 0.0

    def num_frames_required(self) -> int:
        return RATE // 50

    def voice_confidence(self, buffer: bytes) -> float:
        """Return how sure it is. While a filler sounds, and shortly afterwards, that takes a voice near by."""
        if self._filler_sounding():
            self._wary_until = time.monotonic() + 0.2
        level = float(np.sqrt(np.mean((np.frombuffer(buffer, "<i2") / 32768.0) ** 2)))
        return min(1.0, level / (0.2 if time.monotonic() < self._wary_until else 0.01))


class Microphone(BaseInputTransport):
    """Hears what the room gives back."""

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)


class Loudspeaker(BaseOutputTransport):
    """Plays at the pace of time, into the room."""

    def __init__(self, params: TransportParams, microphone: Microphone) -> None:
        super().__init__(params)
        self._microphone = microphone
        self._air = bytes(2 * round(ECHO_S * RATE))
        self.ready = asyncio.Event()

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)
        self.ready.set()

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        sound = self._air + frame.audio
        echo, self._air = sound[: len(frame.audio)], sound[len(frame.audio) :]
        pcm = (np.frombuffer(echo, "<i2") * ECHO_GAIN).astype("<i2").tobytes()
        await self._microphone.push_audio_frame(InputAudioRawFrame(pcm, RATE, 1))
        await asyncio.sleep(len(frame.audio) / 2 / RATE)
        return True


class Starts(BaseObserver):
    """Counts how often voice activity detection believes that the user speaks."""

    def __init__(self) -> None:
        super().__init__(observe_every_push=False)
        self.count = 0

    async def on_push_frame(self, data: FramePushed) -> None:
        self.count += isinstance(data.frame, VADUserStartedSpeakingFrame) and data.direction.name == "DOWNSTREAM"


async def listen(manager: stopgap.FillerManager, what: str, *, canceller: bool = False, wary: bool = False) -> str:
    fillers = PipecatFillers(manager)
    echo = EchoCanceller() if canceller else None
    if echo is not None:
        fillers.tap(echo.hear)
    params = TransportParams(
        audio_in_enabled=True, audio_in_sample_rate=RATE, audio_in_filter=echo,
        audio_out_enabled=True, audio_out_sample_rate=RATE, audio_out_mixer=fillers.mixer, audio_out_end_silence_secs=0,
    )  # fmt: skip
    microphone = Microphone(params)
    loudspeaker = Loudspeaker(params, microphone)
    vad = LoudnessVAD((lambda: fillers.filler_sounding) if wary else (lambda: False))
    starts = Starts()
    pipeline = Pipeline([microphone, VADProcessor(vad_analyzer=vad), fillers.processor, loudspeaker])
    worker = PipelineWorker(pipeline, observers=[starts])
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    await loudspeaker.ready.wait()
    turn = fillers.begin()
    await asyncio.sleep(4.0)
    assert turn is not None
    await worker.queue_frame(EndFrame())
    await running
    return f"{what:<28} taken for the user: {starts.count} times; the user heard: {turn.record.filler_text!r}"


async def main() -> None:
    with stopgap.FillerManager.from_config(FILLERS) as manager:
        rooms = await asyncio.gather(
            listen(manager, "with nothing against it"),
            listen(manager, "with an echo canceller", canceller=True),
            listen(manager, "with warier detection", wary=True),
        )
    print("\n".join(rooms))


if __name__ == "__main__":
    logger.disable("pipecat")  # it tells of every frame
    asyncio.run(main())
