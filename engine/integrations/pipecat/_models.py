"""Which models answer the user, where a pipeline has others besides: classifiers, guardrails."""

from collections.abc import Iterator

from pipecat.pipeline.pipeline import Pipeline
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.llm_service import LLMService


def models_before(processor: FrameProcessor) -> frozenset[FrameProcessor]:
    """Return the model services that stand in line before *processor*: not those in branches beside that line."""
    found: set[FrameProcessor] = set()
    before = processor.previous
    while before is not None:
        found.update(_models_in(before))
        before = before.previous
    return frozenset(found)


def _models_in(processor: FrameProcessor) -> Iterator[FrameProcessor]:
    if isinstance(processor, LLMService):
        yield processor
    elif isinstance(processor, Pipeline):
        for part in processor.processors:
            yield from _models_in(part)
