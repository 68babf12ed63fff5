"""Imports Pipecat with its own warnings left out, and its log: import this before anything of Pipecat."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # audioop, and classes that it deprecates itself
    import pipecat.audio.utils
    import pipecat.pipeline.worker
    import pipecat.processors.aggregators.llm_response_universal
    import pipecat.services.tts_service
    from loguru import logger

logger.disable("pipecat")  # it tells of every frame
hushed = pipecat
