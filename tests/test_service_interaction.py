"""Interactions of the conversation service, without HTTP: what is sent when, what is stored, on virtual time."""

import asyncio
import base64
import io
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import soundfile
import stopgap
from amigo_sdk.generated.model import (
    ConversationCreateConversationResponse,
    ConversationInteractWithConversationResponse,
)
from stopgap import FillerManager, SilentOutput
from stopgap.engine.service._actions import (
    Action,
    DecisionStarted,
    ExitConditionSelected,
    ReflectionGenerated,
    ReflectionStarted,
    Sites,
    ToolCallEnded,
    ToolCallStarted,
)
from stopgap.engine.service._agents import AgentRequest, Answer, EndConversation, MessageType, Speech, UserSaid
from stopgap.engine.service._filter import ActionFilter
from stopgap.engine.service._interaction import Interaction, Service
from stopgap.engine.service._pump import Pump
from stopgap.engine.service._settings import ServiceSettings, SiteFillers, behavior_id
from stopgap.engine.service._sites import RATE, FillerContents, filler_bank, filler_config
from stopgap.engine.service._unit import Result
from virtual_loop import LoopClock, run

LADDER: dict[str, Any] = {"mode": "ladder", "seed": 1, "ladder": [{"after_ms": 700, "kind": "hesitation"}]}
SETTINGS = ServiceSettings(
    agent="m:f",
    tools={
        "lookup": SiteFillers(fillers=("Looking that up.", "Still with you."), after_s=1.5),
        "quiet": SiteFillers(),
    },
    decisions={"route": SiteFillers(fillers=("One moment.",), after_s=0.5)},
    reflections={"think": SiteFillers(fillers=("Let me think about that.",), after_s=0.25)},
)


@dataclass
class MemoryUnit:
    """Keeps what is completed in memory."""

    results: list[Result] = field(default_factory=list)
    released: int = 0
    release_s: float = 0.0

    async def complete(self, result: Result) -> str:
        self.results.append(result)
        return f"{len(self.results):024x}"

    async def release(self) -> None:
        await asyncio.sleep(self.release_s)
        self.released += 1


@dataclass
class Heard:
    """What a client was sent, and when, s from the request."""

    events: list[tuple[float, dict[str, Any]]]
    unit: MemoryUnit
    turns: list[stopgap.TurnRecord] = field(default_factory=list)
    ended_at: float = 0.0
    """s from the request to when everything was done."""

    def on_filler(self, turn_id: str, sound: stopgap.SoundRecord) -> None:
        """Pass by."""

    def on_turn(self, record: stopgap.TurnRecord) -> None:
        self.turns.append(record)

    def of(self, event_type: str) -> list[tuple[float, dict[str, Any]]]:
        """Return the events, or actions, of that type."""
        found = []
        for at, event in self.events:
            inner = event["action"] if event["type"] == "current-agent-action" else event
            if inner["type"] == event_type:
                found.append((at, inner))
        return found

    @property
    def types(self) -> list[str]:
        return [event["type"] for _, event in self.events]


def interact(
    agent: Callable[[AgentRequest], AsyncGenerator[Answer, None]],
    *,
    voice: bool = False,
    wanted: str | None = "^.*$",
    creates: bool = False,
    audio: Speech | None = None,
    config: dict[str, Any] = LADDER,
    cancel_at: float | None = None,
    answer_s: float = 60.0,
    reads: bool = True,
    message_type: MessageType = "user-message",
    slow_release_s: float = 0.0,
) -> Heard:
    """Have *agent* answer one message; every event is validated by the models of the API's own SDK."""

    async def main() -> Heard:
        loop = asyncio.get_running_loop()
        services = {"desk": SETTINGS}
        base = stopgap.load_config(config)
        bank = filler_bank(base, services)
        with FillerManager(filler_config(base, services, bank.originals), clock=LoopClock(loop), bank=bank) as manager:
            pump, unit = Pump(manager.clock), MemoryUnit(release_s=slow_release_s)
            heard = Heard([], unit)
            service = Service("desk", SETTINGS, agent, FillerContents(), pump, manager.clock, answer_s)
            request = AgentRequest("org", "0" * 24, "1" * 24, "desk", "voice" if voice else "text", message_type,
                                   text=None if audio else "Where is my order?", audio=audio)  # fmt: skip
            session = manager.session(SilentOutput(RATE, owns_reply=False), listener=heard)
            began_at = loop.time()
            running = Interaction(
                service, request, session, unit, wanted=ActionFilter(wanted) if wanted else None, creates=creates
            )
            task = running.start()
            if cancel_at is not None:
                loop.call_later(cancel_at, running.cancel)
            model = ConversationCreateConversationResponse if creates else ConversationInteractWithConversationResponse
            async for chunk in running.chunks() if reads else nothing():
                for line in chunk.splitlines():
                    model.model_validate_json(line)
                    heard.events.append((loop.time() - began_at, json.loads(line)))
            await asyncio.wait([task])
            heard.ended_at = loop.time() - began_at
            await pump.close()
            session.close()
            return heard

    return run(main)


async def nothing() -> AsyncGenerator[bytes, None]:
    if False:
        yield b""


def answering(*steps: float | Answer) -> Callable[[AgentRequest], AsyncGenerator[Answer, None]]:
    """Return an agent that takes the steps one by one: a number is s of work."""

    async def agent(request: AgentRequest) -> AsyncGenerator[Answer, None]:
        for step in steps:
            if isinstance(step, float):
                await asyncio.sleep(step)
            else:
                yield step

    return agent


def tone(seconds: float) -> np.ndarray[Any, Any]:
    return np.asarray(0.2 * np.sin(np.arange(round(seconds * 24_000)) * 0.05), np.float32)


def decoded(events: Sequence[tuple[float, dict[str, Any]]]) -> np.ndarray[Any, Any]:
    return np.concatenate([np.frombuffer(base64.b64decode(event["message"]), "<i2") for _, event in events])


def test_text_is_streamed_in_order_and_stored_whole() -> None:
    """The user's message, the pieces as they come, and at the end what was stored."""
    heard = interact(answering(0.1, "Your order ", 0.1, "is on its way."))
    assert heard.types == ["user-message-available", *["new-message"] * 3, "interaction-complete"]
    messages = heard.of("new-message")
    assert [(round(at, 3), m["message"], m["stop"]) for at, m in messages] == [
        (0.1, "Your order ", False), (0.2, "is on its way.", False), (0.2, "", True),
    ]  # fmt: skip
    assert [m["sequence_number"] for _, m in messages] == [0, 1, 2]
    (result,) = heard.unit.results
    (_, complete) = heard.of("interaction-complete")[0]
    assert complete["full_message"] == result.message == "Your order is on its way."
    assert complete["interaction_id"] == f"{1:024x}"
    assert result.turn["outcome"] == "replied"
    assert result.turn["waits"][0]["available_s"] == pytest.approx(0.1)
    assert heard.unit.released == 1


def test_a_site_has_its_own_lines_at_its_own_time() -> None:
    """In ladder mode a tool's line leaves exactly at its threshold, names what takes long, and is text for text."""
    tool = ToolCallStarted(tool_id="lookup", input_params={"order": 7})
    heard = interact(answering(0.3, tool, 4.0, ToolCallEnded(tool_id="lookup", duration=4.0), "Tomorrow."))
    (at, filler), *more = heard.of("action-too-long")
    assert at == pytest.approx(0.3 + 1.5, abs=0.006)
    assert filler["filler"] in ("Looking that up.", "Still with you.")
    assert filler["previously_started_event"]["input_params"] == {"order": 7}
    assert not more
    assert [a["type"] for a in heard.unit.results[0].actions] == [
        "tool-call-started",
        "action-too-long",
        "tool-call-ended",
    ]


def test_decisions_and_reflections_have_theirs() -> None:
    """Each site speaks its own words; a site without lines is silent, and so is what comes before any threshold."""
    heard = interact(
        answering(
            DecisionStarted(state="route"), 0.9,
            ExitConditionSelected(
                exit_condition="x", next_state_state_machine_version_info=("m", 1), next_state_name="think"
            ),
            ReflectionStarted(state="think", prompt="?"), 2.0, ReflectionGenerated(reflection="!"),
            ToolCallStarted(tool_id="quiet"), 8.0, ToolCallEnded(tool_id="quiet"), "Done.",
        )
    )  # fmt: skip
    said = [(round(at, 2), filler["filler"]) for at, filler in heard.of("action-too-long")]
    assert [text for _, text in said] == ["One moment.", "Let me think about that."]
    assert said[0][0] == pytest.approx(0.5, abs=0.01)
    assert said[1][0] >= 0.9 + 0.25


def test_voice_answers_have_sound() -> None:
    """Voice fillers are WAVs of 16 kHz, mono, 16 bit, where there is a recording; speech is PCM at 16 kHz."""
    heard = interact(answering(1.5, Speech(tone(0.5), 24_000), "Tomorrow.", Speech(tone(0.5), 24_000)), voice=True)
    (at, filler), *_ = heard.of("action-too-long")
    assert at == pytest.approx(0.7, abs=0.006)
    with soundfile.SoundFile(io.BytesIO(base64.b64decode(filler["filler"]))) as file:
        assert (file.samplerate, file.channels, file.subtype) == (16_000, 1, "PCM_16")
    pcm = decoded(heard.of("new-message"))
    assert len(pcm) == pytest.approx(16_000, abs=2)
    assert np.abs(pcm).max() == pytest.approx(0.2 * 32767, rel=0.05)
    assert heard.unit.results[0].message == "Tomorrow."


def test_lines_without_a_recording_are_text_in_voice_answers() -> None:
    """Where nobody recorded a line, the client gets its words."""
    heard = interact(answering(ToolCallStarted(tool_id="lookup"), 2.0, Speech(tone(0.1), 24_000)), voice=True)
    assert {filler["filler"] for _, filler in heard.of("action-too-long")} & {"Looking that up.", "Still with you."}


def test_a_preamble_is_followed_by_a_second_wait() -> None:
    """What is said before a tool runs is no answer: fillers come again, once the preamble has been heard."""
    heard = interact(
        answering(
            0.2, Speech(tone(2.0), 24_000), ToolCallStarted(tool_id="lookup"), 6.0,
            ToolCallEnded(tool_id="lookup"), Speech(tone(0.2), 24_000),
        ),
        voice=True,
    )  # fmt: skip
    waits = heard.unit.results[0].turn["waits"]
    assert [wait["began_s"] for wait in waits] == pytest.approx([0.0, 2.2], abs=0.02)  # a resampler looks ahead
    assert waits[1]["available_s"] == pytest.approx(6.2, abs=0.01)
    assert any(2.2 < at < 6.2 for at, _ in heard.of("action-too-long"))


def test_speech_is_recognised_by_the_agent() -> None:
    """What the user said is told as soon as the agent knows it, and stored."""
    heard = interact(answering(0.3, UserSaid("Where is it?"), 0.2, "There."), audio=Speech(tone(1.0), 24_000))
    ((at, said),) = heard.of("user-message-available")
    assert (round(at, 2), said["user_message"]) == (0.3, "Where is it?")
    assert heard.unit.results[0].user_message == "Where is it?"
    unheard = interact(answering("There."), audio=Speech(tone(1.0), 24_000))
    assert unheard.of("user-message-available")[0][1]["user_message"] == ""


def test_conversations_begin_and_end() -> None:
    """Creation tells the id and no user message, which its clients refuse; an agent may end the conversation."""
    heard = interact(answering("Hello.", EndConversation()), creates=True)
    assert heard.types == ["conversation-created", "new-message", "new-message", "interaction-complete"]
    assert heard.of("interaction-complete")[0][1]["conversation_completed"]


@pytest.mark.parametrize("wanted", ["^$", "tool-call-ended", None])
def test_actions_are_sent_to_those_who_want_them(wanted: str | None) -> None:
    """The filter holds for fillers, too; who may not see actions sees none. All are stored."""
    agent = answering(ToolCallStarted(tool_id="lookup"), 2.0, ToolCallEnded(tool_id="lookup"), "Ok.")
    heard = interact(agent, wanted=wanted)
    sent = [event["action"]["type"] for _, event in heard.events if event["type"] == "current-agent-action"]
    assert sent == (["tool-call-ended"] if wanted == "tool-call-ended" else [])
    assert len(heard.unit.results[0].actions) == 3


@pytest.mark.parametrize("steps", [(0.2,), ("Half an ans", 0.1)])
def test_an_agent_that_fails_leaves_nothing(steps: tuple[Any, ...], caplog: pytest.LogCaptureFixture) -> None:
    """Before completion an error voids the interaction: nothing is stored, the conversation is free again."""

    async def failing(request: AgentRequest) -> AsyncGenerator[Answer, None]:
        async for answer in answering(*steps)(request):
            yield answer
        raise ValueError("secret")

    heard = interact(failing)
    assert heard.types[-1] == "error"
    assert heard.events[-1][1]["http_error_code"] == 500
    assert "secret" not in str(heard.events)
    assert "secret" in caplog.text
    assert not heard.unit.results
    assert heard.unit.released == 1


def test_an_agent_that_hangs_is_stopped() -> None:
    """After the time that an answer may take, the client is told so."""
    heard = interact(answering(1000.0, "late"), answer_s=20.0)
    assert heard.events[-1][0] == pytest.approx(20.0)
    assert heard.events[-1][1]["error_description"] == "the agent took longer than 20 s; nothing was stored"


def test_an_agent_without_an_answer_fails() -> None:
    """Nothing is no answer."""
    assert interact(answering(0.1)).types[-1] == "error"


def test_a_client_that_is_gone_stops_the_agent() -> None:
    """The agent is closed, the turn is recorded as cancelled, nothing is stored."""
    closed = []

    async def agent(request: AgentRequest) -> AsyncGenerator[Answer, None]:
        try:
            await asyncio.sleep(100.0)
            yield "never"
        finally:
            closed.append(True)

    heard = interact(agent, cancel_at=1.0)
    assert closed
    assert not heard.unit.results
    assert heard.unit.released == 1
    assert [(turn.outcome, turn.cancel_reason) for turn in heard.turns] == [("cancelled", "the client is gone")]


def test_characters_may_be_split() -> None:
    """An emoji in two pieces is one; half of one is replaced, in the answer and in what was heard."""
    heard = interact(answering("Hi \ud83d", "\ude00", " and \ud83d"))
    assert [m["message"] for _, m in heard.of("new-message")] == ["Hi ", "\U0001f600", " and ", "\ufffd", ""]
    assert heard.unit.results[0].message == "Hi \U0001f600 and \ufffd"
    heard = interact(answering(UserSaid("\ud83d"), "Ok."), audio=Speech(tone(0.1), 24_000))
    assert heard.of("user-message-available")[0][1]["user_message"] == "\ufffd"
    heard = interact(answering(ToolCallStarted(tool_id="\ud83d"), "Ok."))
    assert heard.types[-1] == "error"


def test_a_client_that_does_not_read_gives_its_conversation_back() -> None:
    """What waits for it is bounded, and so is the time."""

    async def chatty(request: AgentRequest) -> AsyncGenerator[Answer, None]:
        for _ in range(1000):
            yield "more "

    heard = interact(chatty, reads=False)
    assert heard.ended_at == pytest.approx(30.0, abs=0.1)
    assert not heard.unit.results
    assert heard.unit.released == 1
    assert heard.turns[0].outcome == "cancelled"


@pytest.mark.parametrize("manner", ["swallows", "fails"])
def test_agents_that_are_cancelled_badly_are_stopped_all_the_same(manner: str) -> None:
    """One swallows its cancellation and answers on, one fails in its clean-up: nothing is stored, nothing hangs."""

    async def agent(request: AgentRequest) -> AsyncGenerator[Answer, None]:
        try:
            await asyncio.sleep(100.0)
        except asyncio.CancelledError:
            if manner == "fails":
                raise OSError("in the clean-up") from None
        yield "never mind"

    heard = interact(agent, cancel_at=1.0)
    assert heard.ended_at == pytest.approx(1.0, abs=0.1)
    assert not heard.unit.results
    assert heard.unit.released == 1
    assert heard.turns[0].cancel_reason == "the client is gone"


def test_a_time_limit_of_the_agents_own_is_its_own_failure(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and not taken for the service's."""

    async def agent(request: AgentRequest) -> AsyncGenerator[Answer, None]:
        await asyncio.wait_for(asyncio.sleep(10.0), 0.5)
        yield "never"

    heard = interact(agent)
    assert heard.events[-1][1]["error_description"].startswith("the agent failed")
    assert "TimeoutError" in caplog.text


def test_the_conversation_is_free_before_the_error_is_told() -> None:
    """Who is told of a failure may try again at once."""
    heard = interact(answering(0.1), slow_release_s=0.5)
    assert heard.types[-1] == "error"
    assert heard.events[-1][0] == pytest.approx(0.6, abs=0.01)


def test_a_tool_that_runs_twice_at_once_goes_on_until_both_have_ended() -> None:
    """The first end is not the last."""
    run, end = ToolCallStarted(tool_id="lookup"), ToolCallEnded(tool_id="lookup")
    heard = interact(answering(run, run, 0.5, end, 3.0, end, "Ok."))
    (at, _), *_ = heard.of("action-too-long")
    assert at == pytest.approx(1.5, abs=0.01)


def test_speech_is_an_answer_without_any_words_and_words_are_none_without_speech() -> None:
    """In voice responses what is heard counts, whatever came after it."""
    tool, end = ToolCallStarted(tool_id="lookup"), ToolCallEnded(tool_id="lookup")
    heard = interact(answering(Speech(tone(0.2), 24_000), tool, 1.0, end), voice=True)
    assert heard.types[-1] == "interaction-complete"
    heard = interact(answering("only words"), voice=True)
    assert heard.events[-1][1]["error_description"].startswith("the agent gave no speech")


def test_what_is_stored_is_bounded() -> None:
    """Of a huge result its size is kept; an answer without end is an error at once."""
    heard = interact(answering(ToolCallEnded(tool_id="lookup", result="r" * 1_100_000), "Ok."))
    (action,) = heard.unit.results[0].actions
    assert action == {"type": "tool-call-ended", "bytes_left_out": pytest.approx(1_100_000, rel=0.01)}
    assert interact(answering(*["x" * 1000] * 201)).types[-1] == "error"


def test_only_the_first_that_was_recognised_counts() -> None:
    """What is sent and what is stored are the same."""
    heard = interact(answering(UserSaid("one"), UserSaid("two"), "Ok."), audio=Speech(tone(0.1), 24_000))
    assert [e["user_message"] for _, e in heard.of("user-message-available")] == ["one"]
    assert heard.unit.results[0].user_message == "one"


def test_sites_open_and_close_by_their_actions() -> None:
    """Tools may overlap; the site that was entered last is what takes long."""
    sites = Sites()
    first, second = ToolCallStarted(tool_id="a"), ToolCallStarted(tool_id="b")
    steps: list[tuple[Action, tuple[tuple[str, ...], tuple[str, ...]]]] = [
        (first, ((), ("a",))), (second, ((), ("b",))), (second, ((), ())),
        (ToolCallEnded(tool_id="b"), ((), ())), (ToolCallEnded(tool_id="b"), (("b",), ())),
        (ToolCallEnded(tool_id="b"), ((), ())),
    ]  # fmt: skip
    for action, expected in steps:
        assert sites.take(action) == expected
    assert sites.latest is first


@pytest.mark.parametrize("expression", ["(", "x" * 201])
def test_expressions_that_cannot_be_are_refused(expression: str) -> None:
    """One sentence says what is wrong."""
    with pytest.raises(stopgap.UsageError, match="current_agent_action_type"):
        ActionFilter(expression)


def test_expressions_that_take_for_ever_want_nothing() -> None:
    """A caller cannot occupy the service with an expression that backtracks without end."""
    slow = r"(?b)(?:abcdefghijklmnopqrstuvwxyzabcdefghijkl){e<=30}"
    assert not ActionFilter(slow).passes("select-dynamic-behavior-relevance-retrieval-completed")


def test_words_trigger_a_behaviour() -> None:
    """The event names it with its version before anything else is done, no filler follows, and the agent is handed its
    instruction; what a tool triggers is told when that starts."""
    seen: list[Any] = []

    async def agent(request: AgentRequest) -> AsyncGenerator[Answer, None]:
        seen.append(request.behavior)
        yield ToolCallStarted(tool_id="pay")
        await asyncio.sleep(3.0)
        yield "It is on its way."

    behaviors = {
        "payment": {"triggers": ["tool:pay"], "version": 2, "fillers": {"silent": True}},
        "order": {"triggers": ["where is my order"], "instruction": "Be brief."},
    }
    heard = interact(agent, config={**LADDER, "behaviors": behaviors})
    told = [action for _, action in heard.of("select-dynamic-behavior-completed")]
    assert [action["selected_dynamic_behavior_set_version_info"] for action in told] == [
        [behavior_id("order"), 1], [behavior_id("payment"), 2]
    ]  # fmt: skip
    assert told[1]["previous_selected_dynamic_behavior_set_version_info"] == [behavior_id("order"), 1]
    assert seen[0].rule.instruction == "Be brief."
    assert heard.of("action-too-long") == []
    assert heard.unit.results[0].turn["behavior"] == ("payment", 2)
    assert heard.types[:2] == ["user-message-available", "current-agent-action"]


@pytest.mark.parametrize(("message_type", "told"), [("user-message", 1), ("external-event", 0)])
def test_only_users_words_trigger(message_type: MessageType, told: int) -> None:
    """What happened elsewhere is not what the user said."""
    behaviors = {"order": {"triggers": ["where is my order"]}}
    heard = interact(answering("Here."), config={**LADDER, "behaviors": behaviors}, message_type=message_type)
    assert len(heard.of("select-dynamic-behavior-completed")) == told
