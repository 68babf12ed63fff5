"""A voice bot on Pipecat with real services, and fillers while the model and its tool are at work.

    pip install 'stopgap[pipecat]' 'pipecat-ai[runner,webrtc,deepgram,openai,cartesia,silero]'
    DEEPGRAM_API_KEY=... OPENAI_API_KEY=... CARTESIA_API_KEY=... python examples/pipecat_real.py

Open http://localhost:7860 and ask for the weather. What stopgap needs are the lines with `fillers`; the rest is as
Pipecat's own examples have it.
"""

import asyncio
import os
from typing import Any

import stopgap
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import LLMRunFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.runner.types import RunnerArguments
from pipecat.runner.utils import create_transport
from pipecat.services.cartesia.tts import CartesiaTTSService
from pipecat.services.deepgram.stt import DeepgramSTTService
from pipecat.services.llm_service import FunctionCallParams
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.transports.base_transport import TransportParams
from pipecat.workers.runner import WorkerRunner
from stopgap.pipecat import PipecatFillers

MODEL = "gpt-4o-mini"

manager = stopgap.FillerManager.from_config()  # or "stopgap.toml"; one for all calls of the process
manager.bank.clips(24_000)  # at the transport's rate, before the first call


async def get_weather(params: FunctionCallParams, town: str) -> None:
    """Return the weather in a town, now.

    Args:
        town: Its name.
    """
    await asyncio.sleep(4.0)  # a slow service; put your own here
    await params.result_callback(f"Light rain in {town}, 12 degrees.")


async def bot(runner_args: RunnerArguments) -> None:
    """Hold one call. Pipecat's runner looks for this name."""
    fillers = PipecatFillers(manager, agent=MODEL, on_turn=lambda record: logger.info(f"heard: {record.filler_text}"))
    params = {
        "webrtc": lambda: TransportParams(audio_in_enabled=True, audio_out_enabled=True, audio_out_mixer=fillers.mixer)
    }
    transport = await create_transport(runner_args, params)
    stt = DeepgramSTTService(api_key=os.environ["DEEPGRAM_API_KEY"])
    llm = OpenAILLMService(
        api_key=os.environ["OPENAI_API_KEY"],
        settings=OpenAILLMService.Settings(model=MODEL, system_instruction="Answer in one or two short sentences."),
    )
    tts = CartesiaTTSService(
        api_key=os.environ["CARTESIA_API_KEY"],
        settings=CartesiaTTSService.Settings(voice="71a7ad14-091c-4e8e-a314-022ece01c121"),
    )
    context = LLMContext(tools=[get_weather])
    pair = LLMContextAggregatorPair(
        context,
        user_params=LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer(), user_idle_timeout=10.0),
    )
    pipeline = Pipeline(
        [transport.input(), stt, pair.user(), llm, tts, fillers.processor, transport.output(), pair.assistant()]
    )
    worker = PipelineWorker(pipeline, params=PipelineParams(enable_metrics=True))

    async def on_user_turn_idle(_: Any) -> None:
        if not fillers.waiting:  # a reply is pending: nobody is to be asked "are you still there?"
            context.add_message({"role": "developer", "content": "Ask briefly whether the user is still there."})
            await worker.queue_frame(LLMRunFrame())

    async def on_client_disconnected(*_: Any) -> None:
        await worker.cancel()

    pair.user().add_event_handler("on_user_turn_idle", on_user_turn_idle)
    transport.add_event_handler("on_client_disconnected", on_client_disconnected)
    runner = WorkerRunner(handle_sigint=runner_args.handle_sigint)
    await runner.add_workers(worker)
    await runner.run()


if __name__ == "__main__":
    from pipecat.runner.run import main

    main()
