"""Pipecat's models and tools in all their ways: results nobody is asked with, calls without a word, other models."""

import asyncio
from collections.abc import Sequence
from typing import Any

import hushed_pipecat  # noqa: F401
import pytest
import stopgap
from pipecat.frames.frames import (
    Frame,
    FunctionCallCancelFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    FunctionCallResultProperties,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMRunFrame,
    LLMTextFrame,
    UserImageRawFrame,
    UserImageRequestFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.llm_service import FunctionCallParams
from pipecat_call import PREAMBLE, SLOW, Call, calling, virtually
from pipecat_rig import Answer
from stopgap import ClipBank, FillerManager
from stopgap.engine.integrations.pipecat._results import ToolResults
from stopgap.pipecat import PipecatFillers

DEFAULTS: dict[str, Any] = {"seed": 1}
"""Plans sounds for as long as a wait lasts."""
NOT_ASKED = FunctionCallResultProperties(run_llm=False)
FOUND = {"found": True}
HERE = Answer(0.3, "Here it is.")


def returning(
    call: Call, results: dict[str, tuple[float, Any, FunctionCallResultProperties | None]], **options: Any
) -> None:
    """Let the tools of *call* return this, after s."""
    for name, (seconds, result, properties) in results.items():

        async def tool(params: FunctionCallParams, seconds: float = seconds, result: Any = result,
                       properties: FunctionCallResultProperties | None = properties) -> None:  # fmt: skip
            await asyncio.sleep(seconds)
            await params.result_callback(result, properties=properties)

        call.rig.llm.register_function(name, tool, **options)


# Tools ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "Goodbye then."])
@pytest.mark.parametrize(("result", "properties"), [(None, None), (FOUND, NOT_ASKED), ({}, None)])
def test_no_fillers_after_a_tool_whose_result_is_kept(
    bank: ClipBank, text: str, result: Any, properties: FunctionCallResultProperties | None
) -> None:
    """Where Pipecat does not ask the model with a result, the turn ends; nothing sounds after a "goodbye"."""

    async def main() -> None:
        async with calling(bank, Answer(0.3, text, (("lookup", 0.0),)), HERE, config=DEFAULTS) as call:
            returning(call, {"lookup": (3.0, result, properties)})
            zero = await call.rig.say()
            await asyncio.sleep(10.0)
            assert len(call.rig.llm.asked) == 1
            assert not call.fillers.waiting
            (record,) = call.turns
            assert record.outcome == "replied"
            assert [sound for sound in record.sounds if sound.start_s > 1.0]  # while the tool ran
            assert not call.rig.fillers(zero + 3.8 + 1.6).any()

    virtually(main)


def test_a_flow_asks_the_model_itself(bank: ClipBank) -> None:
    """Where the application asks the model a moment after such a result, the wait goes on and is answered."""

    async def main() -> None:
        async with calling(bank, Answer(0.3, "", (("lookup", 0.0),)), Answer(3.0, "Here."), config=DEFAULTS) as call:
            returning(call, {"lookup": (1.0, FOUND, NOT_ASKED)})
            zero = await call.rig.say()
            await asyncio.sleep(1.3 + 1.0)
            await call.rig.send(LLMRunFrame())
            at = await call.answered() - zero
            (record,) = call.turns
            assert record.waits[0].available_s == pytest.approx(at, abs=0.04)
            assert [sound for sound in record.sounds if sound.start_s > 3.0]

    virtually(main)


@pytest.mark.parametrize(("first", "last", "asked"), [(FOUND, None, 1), (None, FOUND, 2)])
def test_of_tools_called_together_the_last_one_asks(bank: ClipBank, first: Any, last: Any, asked: int) -> None:
    """Pipecat asks the model when the last of a group has a result; if that is empty, nobody waits on."""

    async def main() -> None:
        script = [Answer(0.3, "", (("one", 0.0), ("two", 0.0))), HERE]
        async with calling(bank, *script, config=DEFAULTS) as call:
            returning(call, {"one": (1.0, first, None), "two": (2.0, last, None)})
            await call.rig.say()
            await asyncio.sleep(10.0)
            assert len(call.rig.llm.asked) == asked
            assert not call.fillers.waiting
            (record,) = call.turns
            assert (record.waits[0].available_s is not None) == (asked == 2)

    virtually(main)


def test_results_as_pipecat_takes_them() -> None:
    """An image asks by itself, an explicit wish beats the group, a call that was given up asks if it says so."""
    results = ToolResults()

    def began(call: str) -> None:
        results.began(FunctionCallInProgressFrame("tool", call, {}, group_id="group"))

    def result(call: str, found: Any, *, run: bool | None = None, wish: bool | None = None) -> bool:
        properties = FunctionCallResultProperties(run_llm=wish)
        return results.ended(FunctionCallResultFrame("tool", call, {}, found, run_llm=run, properties=properties))

    def image(call: str) -> None:
        request = UserImageRequestFrame("user", tool_call_id=call)
        results.image(UserImageRawFrame(b"", (1, 1), "RGB", user_id="user", request=request, append_to_context=True))

    for call in "abcdef":
        began(call)
    image("a")
    assert result("a", None)
    image("b")
    assert not result("b", FOUND, wish=False)
    assert result("c", FOUND, run=True)
    assert not result("d", FOUND)
    assert not results.cancelled(FunctionCallCancelFrame("tool", "e", run_llm=True))
    assert results.cancelled(FunctionCallCancelFrame("tool", "f", run_llm=True))
    began("g")
    assert not results.cancelled(FunctionCallCancelFrame("tool", "g"))


def test_a_call_in_the_background_without_a_word_is_waited_for(bank: ClipBank) -> None:
    """Where the model says nothing and calls a tool that runs on in the background, the caller hears fillers."""

    async def main() -> None:
        async with calling(bank, Answer(0.3, "", (("report", 0.0),)), HERE, config=DEFAULTS) as call:
            returning(call, {"report": (6.0, FOUND, None)}, cancel_on_interruption=False)
            zero = await call.rig.say()
            at = await call.answered() - zero
            await asyncio.sleep(1.0)
            (record,) = call.turns
            assert record.waits[0].available_s == pytest.approx(at, abs=0.04)
            assert [sound for sound in record.sounds if sound.start_s > 5.0]
            assert not call.fillers.waiting

    virtually(main)


# Models ---------------------------------------------------------------------------------------------------------


class Upper(FrameProcessor):
    """Passes text on as its own."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(LLMTextFrame(frame.text.upper()) if isinstance(frame, LLMTextFrame) else frame, direction)


def test_text_that_another_processor_passes_on(bank: ClipBank) -> None:
    """A filter of the model's text, which sends frames of its own, keeps no turn open."""

    async def main() -> None:
        script = [SLOW, PREAMBLE, HERE]
        async with calling(bank, *script, rig={"behind_llm": [Upper()]}) as call:
            await call.rig.say()
            await call.answered()
            assert [record.outcome for record in call.turns] == ["replied"]
            await call.rig.say()
            await asyncio.sleep(9.0)
            assert [(record.outcome, len(record.waits)) for record in call.turns] == [("replied", 1), ("replied", 2)]
            assert not call.fillers.waiting

    virtually(main)


class Classifier(FrameProcessor):
    """A second model, beside the one that answers, with a context of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.context = LLMContext([{"role": "user", "content": "Is this a machine?"}])

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, UserStoppedSpeakingFrame):
            self.create_task(self._classify())

    async def _classify(self) -> None:
        await self.push_frame(LLMContextFrame(self.context))
        await self.push_frame(LLMFullResponseStartFrame())
        await asyncio.sleep(0.1)
        await self.push_frame(LLMTextFrame("NO"))
        await self.push_frame(LLMFullResponseEndFrame())


class Keep(FrameProcessor):
    """Lets nothing of the classifier's through."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame) and getattr(frame, "text", "") != "NO":
            await self.push_frame(frame, direction)


def test_a_second_model_is_not_heeded(bank: ClipBank) -> None:
    """What a classifier beside the model that answers is asked and says is no news, nor is its context used."""

    async def main() -> None:
        classifier = Classifier()
        extra: Sequence[FrameProcessor] = [classifier, Keep()]
        async with calling(bank, SLOW, append_to_context=True, rig={"extra": extra}) as call:
            await call.rig.say()
            await call.answered()
            assert [news.name for news in call.record.milestones].count("llm_started") == 1
            token = next(news.at_s for news in call.record.milestones if news.name == "first_token")
            assert token == pytest.approx(0.49 + SLOW.after_s, abs=0.02)
            assert len(classifier.context.get_messages()) == 1
            assert len(call.rig.context.get_messages()) > 2

    virtually(main)


def test_the_model_that_answers_can_be_named(bank: ClipBank) -> None:
    """Where the pipeline's line does not tell, the author says which one it is; what is none is refused."""

    async def main() -> None:
        classifier = Classifier()
        extra = [classifier, Keep()]
        async with calling(bank, SLOW, llm=classifier, rig={"extra": extra}) as call:
            await call.rig.say()
            await asyncio.sleep(0.3)
            assert [news.name for news in call.record.milestones][-1] == "first_token"

    virtually(main)
    wrong: Any = "gpt"
    with FillerManager(bank=bank) as manager, pytest.raises(stopgap.UsageError, match="llm='gpt' is no processor"):
        PipecatFillers(manager, llm=wrong)
