"""Pipecat's context with fillers in it: where they stand, whatever the model is asked in between."""

import asyncio
from typing import Any

import hushed_pipecat  # noqa: F401
import numpy as np
from pipecat.frames.frames import LLMContextFrame
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat_call import BY_WORDS, LADDER, Call, calling, virtually
from pipecat_rig import Answer
from stopgap import ClipBank, Kind
from stopgap.engine.integrations.pipecat._context import ContextNotes
from stopgap.engine.turns import SoundRecord

ASK = {"role": "user", "content": "Where is my order?"}
SAY = {"role": "assistant", "content": "It is on its way."}
CALL: dict[str, Any] = {"role": "assistant", "tool_calls": []}
RESULT = {"role": "tool", "content": "{}", "tool_call_id": "1"}


def note(*texts: str) -> dict[str, str]:
    return {"role": "assistant", "content": " ".join(["[filler]", *texts])}


def heard(text: str) -> SoundRecord:
    return SoundRecord(
        kind=Kind.PHRASE, clip="x", text=text, start_s=0.0, end_s=1.0, requested_s=0.0, start_frame=0, end_frame=1,
        cut=False, reason="",
    )  # fmt: skip


class Notes:
    """Notes in a context, beside turns that a test counts."""

    def __init__(self) -> None:
        self.turn = "1"
        self.messages: list[Any] = [dict(ASK)]
        self.context = LLMContext(self.messages)
        self.notes = ContextNotes(lambda: self.turn)

    def ask(self) -> None:
        self.notes.use(self.context)

    def hear(self, text: str) -> None:
        self.notes.on_filler(self.turn, heard(text))


def roles(call: Call, request: int) -> list[str]:
    """Return the roles of a request's messages; a filler's is that."""
    return [
        "filler" if str(message.get("content")).startswith("[filler]") else message["role"]
        for message in call.rig.llm.asked[request]
    ]


def test_a_filler_stands_before_the_calls_of_tools(bank: ClipBank) -> None:
    """A model that is asked with a tool's result knows of the fillers, and none of them is the last message."""

    async def main() -> None:
        script = [Answer(0.9, "", (("lookup", 4.0),)), Answer(1.5, "Here it is."), Answer(1.5, "There.")]
        async with calling(bank, *script, append_to_context=True) as call:
            await call.rig.say()
            await call.answered()
            await call.rig.say()
            at = call.rig.now
            await call.answered(at)
            assert roles(call, 0) == ["user"]
            assert roles(call, 1) == ["user", "filler", "assistant", "tool"]
            assert roles(call, 2) == ["user", "filler", "assistant", "tool", "assistant", "user"]
            messages: list[Any] = call.rig.context.get_messages()
            texts = [" ".join(s.text for s in record.sounds if s.text) for record in call.turns]
            assert [m["content"][9:] for m in messages if str(m.get("content")).startswith("[filler]")] == texts
            assert all(texts)

    virtually(main)


def test_a_filler_is_never_last(bank: ClipBank) -> None:
    """However late the model is asked, and whoever interrupts, what it is asked with ends with a question or result."""

    async def main() -> None:
        script = [Answer(0.6, "", (("lookup", 2.0),)), Answer(1.2, "Here.")] * 8
        config = {**LADDER, "ladder": [{"after_ms": 250, "kind": "hesitation"}, {"after_ms": 900, "kind": "phrase"}]}
        async with calling(bank, *script, config=config, append_to_context=True, rig=BY_WORDS) as call:
            for pause in np.linspace(0.1, 6.0, 8):
                await call.rig.say()
                await asyncio.sleep(pause)
            await asyncio.sleep(6.0)
            assert len(call.rig.llm.asked) >= 8
            assert {roles(call, k)[-1] for k in range(len(call.rig.llm.asked))} <= {"user", "tool"}
            assert [k for k in range(len(call.rig.llm.asked)) if "filler" in roles(call, k)]

    virtually(main)


def test_what_was_heard_before_the_first_request_waits() -> None:
    """It is noted behind the question, once something follows; so is what is heard of a turn that was retracted."""
    it = Notes()
    it.hear("Hmm")
    assert it.context.get_messages() == [ASK]
    it.turn = "2"
    it.hear("Well")
    it.ask()
    assert it.context.get_messages() == [ASK]
    it.messages.extend([CALL, RESULT])
    it.ask()
    assert it.context.get_messages() == [ASK, note("Hmm", "Well"), CALL, RESULT]
    it.hear("let me see")
    assert it.context.get_messages() == [ASK, note("Hmm", "Well", "let me see"), CALL, RESULT]


def test_notes_stay_with_their_turn() -> None:
    """What was heard before a question that is asked late is not noted behind the one before; nor is it lost."""
    it = Notes()
    it.ask()
    it.messages.append(SAY)
    it.turn = "2"
    it.hear("Hmm")
    it.messages.append(ASK | {"content": "And the other one?"})
    it.ask()
    it.messages.append(SAY)
    it.ask()
    assert [m["content"] for m in it.messages[2:]] == ["And the other one?", "[filler] Hmm", SAY["content"]]


def test_a_turn_that_is_interrupted_has_its_note() -> None:
    """Where no answer came the note stands before the next question."""
    it = Notes()
    it.ask()
    it.hear("Hmm")
    it.turn = "2"
    it.messages.append({"role": "user", "content": "No."})
    it.ask()
    assert it.messages == [ASK, note("Hmm"), {"role": "user", "content": "No."}]


def test_a_context_that_was_rebuilt_is_left_alone() -> None:
    """Where the question is gone, summarised, say, nothing is noted; another context has questions of its own."""
    it = Notes()
    it.ask()
    it.hear("Hmm")
    it.messages[:] = [{"role": "system", "content": "They asked for an order."}, SAY]
    it.hear("Well")
    it.turn = "2"
    it.messages.append(dict(ASK))
    it.ask()
    it.hear("So")
    it.messages.append(SAY)
    it.ask()
    assert [m["content"] for m in it.messages[2:]] == [ASK["content"], "[filler] So", SAY["content"]]
    it.turn = "3"
    other = LLMContext()
    it.notes.use(LLMContextFrame(other).context)
    it.hear("Hmm")
    assert not other.get_messages()
