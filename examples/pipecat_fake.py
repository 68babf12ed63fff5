"""A Pipecat pipeline with fillers, with a slow fake model, tool and voice: no keys, no microphone.

    pip install 'stopgap[pipecat]'
    python examples/pipecat_fake.py                  # prints what the user heard, and when
    python examples/pipecat_fake.py --out heard.wav  # and keeps it

Pipecat is the real one: its pipeline, its aggregators that decide on turns, its output transport. What stopgap needs
are the lines with `fillers`.
"""

import argparse
import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

import numpy as np
import soundfile
import stopgap
from loguru import logger
from pipecat.frames.frames import (
    EndFrame,
    Frame,
    FunctionCallFromLLM,
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
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import FunctionCallParams, LLMService
from pipecat.services.settings import LLMSettings, TTSSettings
from pipecat.services.tts_service import TTSService
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner
from stopgap.pipecat import PipecatFillers

RATE = 24_000
QUESTION = "Where is my order?"


class SlowModel(LLMService[Any]):
    """Stand in for a language model that says a word, asks a tool, and then answers."""

    def __init__(self) -> None:
        super().__init__(settings=LLMSettings(
            model="fake", system_instruction=None, temperature=None, max_tokens=None, top_p=None, top_k=None,
            frequency_penalty=None, presence_penalty=None, seed=None, filter_incomplete_user_turns=False,
            user_turn_completion_config=None,
        ))  # fmt: skip
        self.register_function("find_order", self._find_order)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        await self.push_frame(LLMFullResponseStartFrame())
        messages: list[Any] = frame.context.get_messages()
        if messages[-1]["role"] == "tool":
            await asyncio.sleep(0.5)
            await self._push_llm_text("It will be there tomorrow.")
        else:
            await asyncio.sleep(1.4)
            await self._push_llm_text("Let me see.")
            await self.run_function_calls([FunctionCallFromLLM("find_order", "call-1", {}, frame.context)])
        await self.push_frame(LLMFullResponseEndFrame())

    async def _find_order(self, params: FunctionCallParams) -> None:
        await asyncio.sleep(4.5)
        await params.result_callback({"arrives": "tomorrow"})


class Murmur(TTSService):
    """Stand in for a voice: 0.2 s to the first chunk, then a murmur as long as the text."""

    def __init__(self) -> None:
        settings = TTSSettings(model=None, voice=None, language=None)
        super().__init__(push_start_frame=True, push_stop_frames=True, sample_rate=RATE, settings=settings)

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        await asyncio.sleep(0.2)
        t = np.arange(round(0.06 * len(text) * RATE)) / RATE
        syllables = np.clip(np.sin(2 * np.pi * 4 * t), 0, None)
        sound = 8000 * syllables * np.sin(2 * np.pi * (140 + 20 * np.sin(3 * t)) * t)
        yield TTSAudioRawFrame(sound.astype("<i2").tobytes(), RATE, 1, context_id=context_id)


class Listener(BaseOutputTransport):
    """Stand in for a user's ear: takes sound at the pace of time."""

    def __init__(self, params: TransportParams) -> None:
        super().__init__(params)
        self.heard = bytearray()
        self.ready = asyncio.Event()

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)
        self.ready.set()

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        self.heard += frame.audio
        await asyncio.sleep(len(frame.audio) / 2 / RATE)
        return True


async def ask(worker: PipelineWorker) -> None:
    """Stand in for transport, voice activity detection and transcription: the user asks."""
    await worker.queue_frame(VADUserStartedSpeakingFrame())
    await asyncio.sleep(1.2)
    await worker.queue_frame(VADUserStoppedSpeakingFrame(stop_secs=0.2))
    await worker.queue_frame(TranscriptionFrame(QUESTION, "user", "", finalized=True))


async def main(out: str | None) -> None:
    with stopgap.FillerManager.from_config() as manager:
        done = asyncio.Event()

        def on_turn(record: stopgap.TurnRecord) -> None:
            show(record)
            done.set()

        fillers = PipecatFillers(manager, agent="fake-model", on_turn=on_turn)
        output = Listener(
            TransportParams(audio_out_enabled=True, audio_out_mixer=fillers.mixer, audio_out_end_silence_secs=0)
        )
        turns = UserTurnStrategies(stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.3)])
        pair = LLMContextAggregatorPair(LLMContext(), user_params=LLMUserAggregatorParams(user_turn_strategies=turns))
        pipeline = Pipeline([pair.user(), SlowModel(), Murmur(), fillers.processor, output, pair.assistant()])
        worker = PipelineWorker(pipeline)
        runner = WorkerRunner()
        await runner.add_workers(worker)
        running = asyncio.create_task(runner.run())
        await output.ready.wait()
        print(f"the user asks: {QUESTION}\n")
        await ask(worker)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(done.wait(), 30.0)
        await worker.queue_frame(EndFrame())
        await running
    if out is not None:
        soundfile.write(out, np.frombuffer(output.heard, "<i2"), RATE)


def show(record: stopgap.TurnRecord) -> None:
    lines = [(sound.start_s, f"{sound.kind:<10}  {sound.text or ''}") for sound in record.sounds]
    lines += [(wait.heard_s, "the bot speaks") for wait in record.waits if wait.heard_s is not None]
    for at, what in sorted(lines):
        print(f"{at:5.2f} s  {what}")
    delay_ms = 1000 * (record.reply_delay_s or 0.0)
    print(f"\nanswers were held back by {delay_ms:.0f} ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", metavar="FILE.wav", help="keep what was heard there")
    logger.disable("pipecat")  # it tells of every frame
    asyncio.run(main(parser.parse_args().out))
