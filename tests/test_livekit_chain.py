"""Who answers, where that is not simply the next speech: hooks that fail or are slow, tasks, handoffs, late tools."""

import asyncio
import contextlib
import gc
import logging
import weakref
from typing import Any

import pytest
from livekit.agents import Agent, AgentTask, RunContext, StopResponse, function_tool, llm
from livekit_rig import PHRASES, Answer, live, rig
from stopgap import ClipBank
from stopgap.engine.integrations.livekit._nodes import NodeWatch

ANSWER = "It is forty two."
EARLY: dict[str, Any] = {"preemptive_generation": {"enabled": True}}


# Hooks ----------------------------------------------------------------------------------------------------------------


class Failing(Agent):
    """Whose retrieval is down."""

    async def on_user_turn_completed(self, turn_ctx: llm.ChatContext, new_message: llm.ChatMessage) -> None:
        await asyncio.sleep(0.2)
        raise RuntimeError("retrieval is down")


@pytest.mark.parametrize("early", [False, True])
def test_a_hook_that_fails_ends_the_wait(bank: ClipBank, caplog: pytest.LogCaptureFixture, early: bool) -> None:
    """The framework gives no reply then: nothing sounds on, also where a model was started early, and a user who
    goes away is seen to, as without stopgap."""
    caplog.set_level(logging.CRITICAL, "livekit")

    async def main() -> None:
        turns = {"preemptive_generation": {"enabled": early}}
        async with rig(bank, [Answer(5.0, ANSWER)], agent=Failing(instructions=""), turns=turns, away_s=5.0) as it:
            states = []
            it.session.on("user_state_changed", lambda ev: states.append((ev.new_state, it.now)))
            await it.user_says()
            await it.until(1.0)
            assert not it.fillers.waiting
            await it.until(20.0)
            assert [record.outcome for record in it.records] == ["retracted"]
            assert all(it.after(end) < 1.0 for _, end in it.sink.filler_times)
            assert states[-1][0] == "away"
            assert it.after(states[-1][1]) == pytest.approx(5.4, abs=0.2)

    live(main)


def test_a_hook_that_is_slow_is_one_wait(bank: ClipBank) -> None:
    """However long it takes: it is not taken for nobody's, and what is learned is the whole wait."""

    class Slow(Agent):
        async def on_user_turn_completed(self, turn_ctx: llm.ChatContext, new_message: llm.ChatMessage) -> None:
            await asyncio.sleep(18.0)

    async def main() -> None:
        async with rig(bank, [Answer(1.0, ANSWER)], agent=Slow(instructions="")) as it:
            await it.user_says()
            await it.until(23.0)
            (record,) = it.records
            assert record.outcome == "replied"
            assert [round(wait.available_s or 0.0, 2) for wait in record.waits] == [19.78]

    live(main)


def test_words_of_a_hook_that_goes_on_are_a_preamble(bank: ClipBank) -> None:
    """After ``session.say`` in a hook that retrieves something, the user waits again, and is not left in silence."""

    class Retrieving(Agent):
        async def on_user_turn_completed(self, turn_ctx: llm.ChatContext, new_message: llm.ChatMessage) -> None:
            self.session.say("One moment.", add_to_chat_ctx=False)
            await asyncio.sleep(6.0)

    async def main() -> None:
        async with rig(bank, [Answer(1.0, ANSWER)], agent=Retrieving(instructions="")) as it:
            await it.user_says()
            await it.until(12.0)
            (record,) = it.records
            assert len(record.waits) == 2
            assert record.waits[1].began_s == pytest.approx(1.6, abs=0.05)
            assert any(1.6 < sound.start_s < 6.0 for sound in record.sounds)

    live(main)


@pytest.mark.parametrize("goes_on_s", [None, 0.0, 2.0])
def test_a_hook_that_says_the_reply_itself_ends_the_wait(bank: ClipBank, goes_on_s: float | None) -> None:
    """And wants no other: the turn was replied to, and the next one begins at the user's last word again."""

    class Saying(Agent):
        async def on_user_turn_completed(self, turn_ctx: llm.ChatContext, new_message: llm.ChatMessage) -> None:
            said = self.session.say("We are closed today.")
            if goes_on_s is not None:
                await said
                await asyncio.sleep(goes_on_s)
            raise StopResponse

    async def main() -> None:
        async with rig(bank, [Answer(1.0, ANSWER)], agent=Saying(instructions="")) as it:
            for _ in range(2):
                await it.user_says()
                await it.until(6.0)
                assert not it.fillers.waiting
            assert [record.outcome for record in it.records] == ["replied", "replied"]
            assert all(record.began_s == pytest.approx(0.4, abs=1e-3) for record in it.records)

    live(main)


def test_a_wait_that_nobody_ends_does_not_hide_for_ever_that_the_user_is_gone(bank: ClipBank) -> None:
    """While an application waits by hand the session is listening: its timer is held off, up to the longest wait."""

    async def main() -> None:
        config = {**PHRASES, "limits": {"max_wait_s": 10.0}}
        async with rig(bank, [Answer(1.0, ANSWER)], config=config, away_s=3.0) as it:
            gone = []
            it.session.on("user_state_changed", lambda ev: gone.append(it.now))
            begun_at = it.now
            it.fillers.begin()
            await asyncio.sleep(9.0)
            assert not gone
            await asyncio.sleep(20.0)
            assert len(gone) == 1
            assert gone[0] - begun_at == pytest.approx(13.0, abs=1.1)

    live(main)


# Tasks ----------------------------------------------------------------------------------------------------------------


class AskEmail(AgentTask[str]):
    """Asks by generating, or by words of its own; *ends* with the answer in a tool, or in the hook."""

    def __init__(self, own_words: bool = False, in_hook: bool = False) -> None:
        super().__init__(instructions="Ask.")
        self._own_words, self._in_hook = own_words, in_hook

    async def on_enter(self) -> None:
        if self._own_words:
            self.session.say("What is your email?")
        else:
            self.session.generate_reply(instructions="Ask for it.")

    async def on_user_turn_completed(self, turn_ctx: llm.ChatContext, new_message: llm.ChatMessage) -> None:
        if self._in_hook:
            self.complete("a@b.c")
            raise StopResponse

    @function_tool
    async def record(self, context: RunContext[Any]) -> None:
        """Take it down."""
        self.complete("a@b.c")


class Registering(Agent):
    """Awaits the task in a tool."""

    def __init__(self, **task: bool) -> None:
        super().__init__(instructions="")
        self._task = task

    @function_tool
    async def register(self, context: RunContext[Any]) -> str:
        """Register."""
        return "registered " + await AskEmail(**self._task)


@pytest.mark.parametrize("own_words", [False, True])
def test_no_filler_talks_over_a_user_who_thinks_about_a_tasks_question(bank: ClipBank, own_words: bool) -> None:
    """The tool that awaits the task runs on, and the turn is the user's."""

    async def main() -> None:
        answers = [Answer(0.5, tools=["register"]), Answer(0.5, "What is your email?")]
        agent = Registering(own_words=own_words)
        async with rig(bank, answers, agent=agent, away_s=5.0) as it:
            gone = []
            it.session.on("user_state_changed", lambda ev: gone.append(ev.new_state))
            await it.user_says("register me")
            await it.until(20.0)
            (asked_at,) = it.sink.speech_at
            assert all(end < asked_at for _, end in it.sink.filler_times)
            assert not it.fillers.waiting
            (record,) = it.records
            assert record.outcome == "replied"
            assert len(record.waits) == 1
            assert gone[-1] == "away"

    live(main)


@pytest.mark.parametrize("in_hook", [False, True])
def test_the_answer_that_a_task_was_awaited_for_is_filled(bank: ClipBank, in_hook: bool) -> None:
    """The user answers the task, which is done; the speech that had waited for it goes on and is the reply."""

    async def main() -> None:
        asks = [Answer(0.5, tools=["register"]), Answer(0.5, "What is your email?")]
        rest = [Answer(5.0, ANSWER)] if in_hook else [Answer(0.5, tools=["record"]), Answer(5.0, ANSWER)]
        async with rig(bank, [*asks, *rest], agent=Registering(in_hook=in_hook)) as it:
            await it.user_says("register me")
            await it.until(9.0)
            await it.user_says("a at b")
            await it.until(12.0)
            question, answer = it.records
            assert [question.outcome, answer.outcome] == ["replied", "replied"]
            assert len(answer.waits) == 1
            assert answer.reply_heard_s == pytest.approx(it.after(it.sink.speech_at[1]), abs=0.07)
            assert len(answer.sounds) == 2

    live(main)


# Handoffs -------------------------------------------------------------------------------------------------------------


class Second(Agent):
    """Answers when it enters, after *seconds*."""

    def __init__(self, seconds: float = 0.0, *, answers: bool = True) -> None:
        super().__init__(instructions="")
        self._seconds, self._answers = seconds, answers

    async def on_enter(self) -> None:
        await asyncio.sleep(self._seconds)
        if self._answers:
            self.session.generate_reply(instructions="Greet.")


class First(Agent):
    """Hands over."""

    def __init__(self, second: Agent) -> None:
        super().__init__(instructions="")
        self._second = second

    @function_tool
    async def transfer(self, context: RunContext[Any]) -> Any:
        """Hand over."""
        return self._second


@pytest.mark.parametrize("enters_s", [0.0, 4.0])
def test_an_agent_that_answers_when_it_enters_is_the_same_wait(bank: ClipBank, enters_s: float) -> None:
    """The first agent's speech ends without a word; fillers go on until the second one's is heard."""

    async def main() -> None:
        answers = [Answer(0.5, tools=["transfer"]), Answer(5.0, ANSWER)]
        async with rig(bank, answers, agent=First(Second(enters_s))) as it:
            await it.user_says()
            await it.until(14.0)
            (record,) = it.records
            assert record.outcome == "replied"
            assert record.waits[0].available_s == pytest.approx(6.28 + enters_s, abs=0.02)
            assert len(record.sounds) == 2
            assert "first_token" in [news.name for news in record.milestones]

    live(main)


def test_a_handoff_after_which_nobody_speaks_is_no_reply(bank: ClipBank) -> None:
    """The wait is taken back soon, and teaches nothing."""

    async def main() -> None:
        async with rig(bank, [Answer(0.5, tools=["transfer"])], agent=First(Second(answers=False))) as it:
            await it.user_says()
            await it.until(5.0)
            assert not it.fillers.waiting
            assert [record.outcome for record in it.records] == ["retracted"]

    live(main)


def test_a_tool_that_wants_no_reply_ends_the_wait(bank: ClipBank) -> None:
    """Its turn is not recorded as replied to."""

    class Quiet(Agent):
        @function_tool
        async def note(self, context: RunContext[Any]) -> None:
            """Note it."""

    async def main() -> None:
        async with rig(bank, [Answer(1.5, tools=["note"])], agent=Quiet(instructions="")) as it:
            await it.user_says()
            await it.until(4.0)
            assert not it.fillers.waiting
            assert [record.outcome for record in it.records] == ["retracted"]
            assert all(it.after(end) < 2.1 for _, end in it.sink.filler_times)

    live(main)


def test_a_tool_that_says_the_reply_itself_has_answered(bank: ClipBank) -> None:
    """Its words are the reply, though its speech ends without any."""

    class Saying(Agent):
        @function_tool
        async def tell(self, context: RunContext[Any]) -> None:
            """Tell it."""
            context.session.say("It is forty two.")

    async def main() -> None:
        async with rig(bank, [Answer(1.5, tools=["tell"])], agent=Saying(instructions="")) as it:
            await it.user_says()
            await it.until(6.0)
            (record,) = it.records
            assert record.outcome == "replied"
            assert len(record.waits) == 1
            assert record.reply_heard_s == pytest.approx(it.after(it.sink.speech_at[0]), abs=1e-3)

    live(main)


def test_agents_that_are_gone_are_not_kept() -> None:
    """A long call may go through many: those that nobody else keeps are let go."""

    class Nobody:
        def node_news(self, name: str) -> None: ...
        def user_turn_completed(self) -> None: ...
        def reply_refused(self) -> None: ...
        def hook(self, agent: Agent, name: str) -> contextlib.AbstractContextManager[None]:
            return contextlib.nullcontext()

    watch = NodeWatch(Nobody())
    agents = [Agent(instructions="") for _ in range(5)]
    for agent in agents:
        watch.watch(agent)
    gone = [weakref.ref(agent) for agent in agents[:-1]]
    last = agents[-1]
    del agents, agent
    gc.collect()
    assert [agent() for agent in gone] == [None] * 4
    assert "llm_node" in vars(last)
    watch.release()
    assert "llm_node" not in vars(last)


def test_what_others_put_over_a_watched_node_stays(bank: ClipBank) -> None:
    """Detaching takes back what stopgap put there, and nothing else."""

    async def main() -> None:
        agent = Agent(instructions="Answer.")
        async with rig(bank, [Answer(1.0, ANSWER)], agent=agent) as it:
            beneath: Any = agent.llm_node

            def llm_node(*args: Any) -> Any:
                return beneath(*args)

            vars(agent)["llm_node"] = llm_node
            it.fillers.detach()
            assert vars(agent)["llm_node"] is llm_node
            assert "tts_node" not in vars(agent)
            assert "on_enter" not in vars(agent)
            await it.user_says()
            await it.until(4.0)
            assert len(it.sink.speech_at) == 1
            assert it.fillers.statistics()["errors"] == 0

    live(main)


# Tools that answer later ----------------------------------------------------------------------------------------------


def test_what_a_tool_in_the_background_brings_is_waited_for_with_fillers(bank: ClipBank) -> None:
    """Having told that it looks, the agent leaves the user the turn; once it prepares the result, fillers come."""

    class Looking(Agent):
        @function_tool
        async def lookup(self, context: RunContext[Any]) -> str:
            """Look it up."""
            await context.update("started looking")
            await asyncio.sleep(6.0)
            return "found"

    async def main() -> None:
        answers = [Answer(0.5, tools=["lookup"]), Answer(0.5, "I am looking."), Answer(3.0, ANSWER)]
        async with rig(bank, answers, agent=Looking(instructions="")) as it:
            await it.user_says()
            await it.until(16.0)
            first, second = it.records
            assert [first.outcome, second.outcome] == ["replied", "replied"]
            told_at, found_at = it.sink.speech_at
            between = [it.after(begin) for begin, _ in it.sink.filler_times if told_at < begin < found_at]
            assert between == pytest.approx([7.6, 9.2], abs=0.03)
            assert second.waits[0].available_s == pytest.approx(3.28, abs=0.02)

    live(main)
