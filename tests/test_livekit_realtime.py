"""Fillers beside a realtime model, which hears and speaks itself."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import stopgap
from livekit import rtc
from livekit.agents import Agent, AgentSession, RunContext, function_tool, llm
from livekit_rig import RATE, Sink, live, speech_frame, wall_clock
from stopgap import ClipBank, FillerManager
from stopgap.engine.turns import TurnRecord
from stopgap.livekit import LiveKitFillers
from virtual_loop import LoopClock

LADDER: dict[str, Any] = {
    "mode": "ladder",
    "seed": 1,
    "ladder": [{"after_ms": 600, "kind": "hesitation"}, {"after_ms": 2200, "kind": "phrase"}],
}


class FakeRealtime(llm.RealtimeModel):
    """Answers when it is told to.

    Args:
        by_itself: Whether it makes an answer of a tool's result without being asked.
    """

    def __init__(self, by_itself: bool = False) -> None:
        super().__init__(
            capabilities=llm.RealtimeCapabilities(
                message_truncation=True, turn_detection=True, user_transcription=True,
                auto_tool_reply_generation=by_itself, audio_output=True, manual_function_calls=True,
                mutable_chat_context=True, mutable_instructions=True, mutable_tools=True,
            )
        )  # fmt: skip
        self.sessions: list[FakeRealtimeSession] = []

    @property
    def model(self) -> str:
        return "fake-realtime"

    def session(self, *, turn_detection_disabled: bool = False) -> llm.RealtimeSession[Any]:
        self.sessions.append(FakeRealtimeSession(self))
        return self.sessions[-1]

    async def aclose(self) -> None:
        pass


class FakeRealtimeSession(llm.RealtimeSession[Any]):
    def __init__(self, model: FakeRealtime) -> None:
        super().__init__(model)
        self._context, self._tools = llm.ChatContext.empty(), llm.ToolContext.empty()
        self.answer_after_s = 1.0

    @property
    def chat_ctx(self) -> llm.ChatContext:
        return self._context

    @property
    def tools(self) -> llm.ToolContext:
        return self._tools

    async def update_instructions(self, instructions: str) -> None:
        pass

    async def update_chat_ctx(self, chat_ctx: llm.ChatContext) -> None:
        self._context = chat_ctx.copy()

    async def update_tools(self, tools: list[llm.Tool]) -> None:
        self._tools = llm.ToolContext(tools)

    def update_options(self, **_: Any) -> None:
        pass

    def push_audio(self, frame: rtc.AudioFrame) -> None:
        pass

    def push_video(self, frame: rtc.VideoFrame) -> None:
        pass

    def generate_reply(self, **_: Any) -> asyncio.Future[llm.GenerationCreatedEvent]:
        future: asyncio.Future[llm.GenerationCreatedEvent] = asyncio.Future()
        event = self.generation(user_initiated=True, audio_after_s=self.answer_after_s)
        future.set_result(event)
        self.emit("generation_created", event)
        return future

    def commit_audio(self) -> None:
        pass

    def clear_audio(self) -> None:
        pass

    def interrupt(self) -> None:
        pass

    def truncate(self, **_: Any) -> None:
        pass

    async def aclose(self) -> None:
        pass

    def generation(
        self, *, user_initiated: bool = False, audio_after_s: float | None = None, tool: str | None = None
    ) -> llm.GenerationCreatedEvent:
        async def audio(after_s: float) -> AsyncIterator[rtc.AudioFrame]:
            await asyncio.sleep(after_s)
            for _ in range(10):
                yield speech_frame(0.1)

        async def text() -> AsyncIterator[str]:
            yield "It is forty two."

        async def modalities() -> list[Any]:
            return ["audio", "text"]

        async def messages() -> AsyncIterator[llm.MessageGeneration]:
            if audio_after_s is not None:
                yield llm.MessageGeneration("message", text(), audio(audio_after_s), modalities())

        async def functions() -> AsyncIterator[llm.FunctionCall]:
            if tool is not None:
                yield llm.FunctionCall(call_id="call", name=tool, arguments="{}")

        return llm.GenerationCreatedEvent(messages(), functions(), user_initiated)


class Looking(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="Answer.")

    @function_tool
    async def lookup(self, context: RunContext[Any]) -> str:
        """Look it up."""
        await asyncio.sleep(4.0)
        return "found"


def talk(
    bank: ClipBank,
    say: Callable[[FakeRealtimeSession], llm.GenerationCreatedEvent],
    then: Callable[[FakeRealtimeSession], llm.GenerationCreatedEvent] | None = None,
) -> tuple[Sink, list[TurnRecord], float]:
    """Have a user speak, and the model answer as *say* tells 0.5 s later, and 5.5 s after that as *then* does."""
    records: list[TurnRecord] = []

    async def main() -> tuple[Sink, list[TurnRecord], float]:
        loop = asyncio.get_running_loop()
        with (
            wall_clock(loop),
            FillerManager(stopgap.load_config(LADDER), clock=LoopClock(loop), bank=bank) as manager,
        ):
            model, sink = FakeRealtime(by_itself=then is not None), Sink(RATE)
            session: AgentSession[None] = AgentSession(llm=model, vad=None, aec_warmup_duration=None)
            session.output.audio = sink
            fillers = LiveKitFillers(manager, on_turn=records.append)
            fillers.attach(session)
            await session.start(Looking())
            remote = model.sessions[0]
            remote.emit("input_speech_started", llm.InputSpeechStartedEvent())
            await asyncio.sleep(1.0)
            stopped_at = loop.time()
            remote.emit("input_speech_stopped", llm.InputSpeechStoppedEvent(user_transcription_enabled=True))
            await asyncio.sleep(0.5)
            remote.emit("generation_created", say(remote))
            if then is not None:
                await asyncio.sleep(5.5)
                remote.emit("generation_created", then(remote))
            await asyncio.sleep(10.0)
            await session.aclose()
            await fillers.aclose()
            return sink, records, stopped_at

    return live(main)


def test_a_realtime_model_that_is_slow_is_filled(bank: ClipBank) -> None:
    """The turn is confirmed when the model begins to answer; its audio is the reply."""
    sink, (record,), stopped_at = talk(bank, lambda remote: remote.generation(audio_after_s=3.0))
    assert record.outcome == "replied"
    assert record.agent == "fake-realtime"
    assert [sound.kind.value for sound in record.sounds] == ["hesitation", "phrase"]
    assert record.sounds[0].start_s == pytest.approx(0.6, abs=0.02)
    (speech_at,) = sink.speech_at
    assert record.reply_heard_s == pytest.approx(speech_at - stopped_at, abs=0.07)


def test_a_tool_of_a_realtime_model_is_filled(bank: ClipBank) -> None:
    """While it runs, and while the model makes an answer of it: one wait."""
    sink, (record,), _ = talk(bank, lambda remote: remote.generation(tool="lookup"))
    assert [news.name for news in record.milestones if news.tool] == ["tool_started", "tool_ended"]
    assert len(record.sounds) == 2
    assert record.outcome == "replied"
    assert len(record.waits) == 1
    assert record.reply_heard_s is not None
    assert record.reply_heard_s > 5.4
    assert len(sink.speech_at) == 1


def test_an_answer_that_a_realtime_model_makes_of_a_tool_by_itself_is_the_same_wait(bank: ClipBank) -> None:
    """It comes in another speech, a while after the tool's has ended; fillers go on meanwhile."""
    sink, (record,), stopped_at = talk(
        bank, lambda remote: remote.generation(tool="lookup"), lambda remote: remote.generation(audio_after_s=3.0)
    )
    assert record.outcome == "replied"
    assert len(record.waits) == 1
    (speech_at,) = sink.speech_at
    assert speech_at - stopped_at > 8.9
    assert record.reply_heard_s == pytest.approx(speech_at - stopped_at, abs=0.07)
