"""Fillers in a real `AgentSession` of LiveKit Agents, on virtual time."""

import asyncio
import itertools
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterable, AsyncIterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import soundfile
import stopgap
from livekit import rtc
from livekit.agents import (
    Agent,
    AgentSession,
    RunContext,
    StopResponse,
    UserStateChangedEvent,
    function_tool,
    llm,
)
from livekit.agents.voice import ModelSettings
from livekit_rig import ONE_PHRASE, PHRASES, RATE, SPEECH, Answer, Rig, Sink, live, rig
from stopgap import ClipBank, FillerManager, Kind, UsageError
from stopgap.livekit import MARK, LiveKitFillers
from virtual_loop import LoopClock

ANSWER = "It is forty two."
NONE: dict[str, Any] = {"mode": "none"}
LEAD_S = 0.06
AMBIENCE: dict[str, Any] = {"mode": "ladder", "seed": 1, "ladder": [{"after_ms": 700, "kind": "ambience"}]}


class Looking(Agent):
    """An agent with a slow tool."""

    def __init__(self, seconds: float = 3.0) -> None:
        super().__init__(instructions="Answer.")
        self._seconds = seconds

    @function_tool
    async def lookup(self, context: RunContext[Any]) -> str:
        """Look it up."""
        await asyncio.sleep(self._seconds)
        return "found"

    @function_tool
    async def broken(self, context: RunContext[Any]) -> str:
        """Fail."""
        await asyncio.sleep(1.0)
        raise RuntimeError("no such thing")


def names(it: Rig, turn: int = 0) -> list[str]:
    return [news.name for news in it.records[turn].milestones]


# A turn ---------------------------------------------------------------------------------------------------------------


def test_a_wait_is_filled_from_the_end_of_speech(bank: ClipBank) -> None:
    """The clock starts at the user's last word, not where the detector, or the session, noticed it."""

    async def main() -> None:
        async with rig(bank, [Answer(3.0, ANSWER)]) as it:
            await it.user_says()
            await it.until(7.0)
            assert it.after(it.sink.filler_times[0][0]) == pytest.approx(0.6, abs=1e-4)
            (record,) = it.records
            assert record.sounds[0].start_s == pytest.approx(0.6, abs=1e-4)
            assert record.began_s == pytest.approx(0.4, abs=1e-4)
            assert record.outcome == "replied"
            assert record.agent == "fake-model"
            assert names(it) == [
                "speech_ended", "transcript_final", "turn_committed", "llm_started", "first_token", "tts_started",
            ]  # fmt: skip
            assert record.milestones[4].at_s == pytest.approx(3.5, abs=1e-4)
            assert it.fillers.statistics()["errors"] == 0

    live(main)


def test_a_filler_does_not_delay_the_answer(bank: ClipBank) -> None:
    """Where none sounds the answer is heard when it is without stopgap, to the sample; nothing queues before it."""

    async def main() -> None:
        heard = []
        for config in (NONE, PHRASES):
            async with rig(bank, [Answer(3.0, ANSWER)], config=config) as it:
                await it.user_says()
                await it.until(7.0)
                heard.append((it.after(it.sink.speech_at[0]), it.sink.finished[-1].playback_position))
        assert heard[0] == pytest.approx(heard[1], abs=1e-6)

    live(main)


@pytest.mark.parametrize("after_s", [0.05, 0.2, 0.5, 0.6, 0.65, 0.9, 1.2])
def test_a_filler_that_sounds_holds_the_answer_by_the_handoff_rule_alone(bank: ClipBank, after_s: float) -> None:
    """Exactly as long as the record says, the sink's lead included; the phrase is not cut abruptly, nor has a seam."""

    async def main() -> None:
        async with rig(bank, [Answer(after_s, ANSWER)], config=ONE_PHRASE) as it:
            await it.user_says()
            await it.until(6.0)
            (record,) = it.records
            available_s, held_s = record.waits[0].available_s, record.reply_delay_s
            assert available_s is not None
            assert held_s is not None
            assert held_s <= 0.6 + LEAD_S + 1e-6
            heard_s = it.after(it.sink.speech_at[0])
            assert heard_s == pytest.approx(available_s + held_s, abs=1e-3)
            assert record.reply_heard_s == pytest.approx(heard_s, abs=1e-3)
            for sound in record.sounds:
                assert sound.end_s is not None
                assert sound.end_s <= heard_s + 1e-4
                assert not sound.cut
            for _, end in it.sink.filler_times:
                assert it.after(end) <= heard_s + 1e-4  # never after the answer, nor over it

    live(main)


def test_phrase_and_answer_follow_each_other_without_a_seam(bank: ClipBank) -> None:
    """Where the answer waited for a phrase, its first sample is the one after the phrase's last."""

    async def main() -> None:
        async with rig(bank, [Answer(0.2, ANSWER)], config=ONE_PHRASE) as it:
            await it.user_says()
            await it.until(6.0)
            (span,), (speech_at,) = it.sink.filler_times, it.sink.speech_at
            assert it.records[0].reply_delay_s
            assert span[1] == pytest.approx(speech_at, abs=1e-6)
            assert it.sink.segments == 1

    live(main)


@pytest.mark.parametrize("kind", ["phrase", "ambience"])
def test_a_filler_is_never_heard_after_the_answer_or_over_it(bank: ClipBank, kind: str) -> None:
    """Whenever the answer comes: words end before it, beds fade under its first 20 ms; all else is its own."""

    async def main() -> None:
        config = {**ONE_PHRASE, "ladder": [{"after_ms": 800, "kind": kind}]}
        for after_s in (0.0, 0.11, 0.13, 0.33, 0.77, 1.21):
            async with rig(bank, [Answer(after_s, ANSWER)], config=config) as it:
                await it.user_says()
                await it.until(6.0)
                heard = it.sink.heard(it.sink.speech_at[0], it.now)
                fade = 480 if kind == "ambience" else 0
                assert set(heard[fade:].tolist()) <= {0, SPEECH}
                assert np.flatnonzero(heard == SPEECH)[0] <= fade

    live(main)


def test_a_phrase_is_not_cut_abruptly(bank: ClipBank) -> None:
    """Where the answer comes in the midst of it, it goes on to the next cut mark; what was heard are whole words."""

    async def main() -> None:
        async with rig(bank, [Answer(0.2, ANSWER)], config=ONE_PHRASE) as it:
            await it.user_says()
            await it.until(6.0)
            (sound,) = it.records[0].sounds
            assert not sound.cut
            clip = next(clip for clip in bank.clips(RATE) if clip.id == sound.clip)
            assert sound.end_frame is not None
            assert sound.end_frame - sound.start_frame in [mark.frame for mark in clip.cut_marks]

    live(main)


def test_not_the_same_phrase_twice(bank: ClipBank) -> None:
    """A session is one conversation: what was said is not said again while there is something else."""

    async def main() -> None:
        async with rig(bank, [Answer(3.0, ANSWER)], config=ONE_PHRASE) as it:
            for _ in range(4):
                await it.user_says()
                await it.until(7.0)
            clips = [sound.clip for record in it.records for sound in record.sounds]
            assert len(clips) == 4
            assert len(set(clips)) == 4

    live(main)


def test_not_one_filler_and_then_silence(bank: ClipBank) -> None:
    """A long wait is planned as a whole: with the default configuration nobody hears silence for long."""

    async def main() -> None:
        async with rig(bank, [Answer(14.0, ANSWER)], config={"seed": 1}) as it:
            await it.user_says()
            await it.until(18.0)
            spans = [*it.sink.filler_times, (it.sink.speech_at[0], 0.0)]
            gaps = [after[0] - before[1] for before, after in itertools.pairwise(spans)]
            assert max(gaps) < 2.0
            assert sum(sound.kind.spoken for sound in it.records[0].sounds) > 2

    live(main)


# Tools ----------------------------------------------------------------------------------------------------------------


def test_the_thinking_loop_loops_over_tool_steps(bank: ClipBank) -> None:
    """Typing goes on from one step to the next: the session's state toggles, the sound does not restart."""

    async def main() -> None:
        answers = [Answer(0.5, tools=["lookup"]), Answer(0.5, tools=["lookup"]), Answer(0.5, ANSWER)]
        async with rig(bank, answers, config=AMBIENCE, agent=Looking(2.0)) as it:
            await it.user_says()
            await it.until(12.0)
            assert len(it.sink.filler_times) == 1
            assert names(it).count("tool_started") == 2
            assert len(it.records[0].sounds) == 1
            assert it.records[0].sounds[0].end_s is not None
            assert it.records[0].sounds[0].end_s > 5.0

    live(main)


def test_different_sounds_for_tools_and_the_model(bank: ClipBank) -> None:
    """A line that claims work is said while a tool runs, and a tool may have its own."""

    async def main() -> None:
        config = {**ONE_PHRASE, "ladder": [{"after_ms": 1500, "kind": "phrase"}]}
        config["tools"] = {"lookup": {"phrases": ["Give me a moment to find that."]}}
        said = []
        for tools in ([], ["lookup"]):
            answers = [Answer(0.5, tools=tools), Answer(0.5, ANSWER)] if tools else [Answer(4.0, ANSWER)]
            async with rig(bank, answers, config=config, agent=Looking()) as it:
                await it.user_says()
                await it.until(9.0)
                said.append(it.records[0].filler_text)
        assert said[0] != said[1] == "Give me a moment to find that."

    live(main)


@pytest.mark.parametrize("tool", ["lookup", "broken"])
def test_tools_are_news_however_they_end(bank: ClipBank, tool: str) -> None:
    """Start and end are told by name, also of a tool that fails."""

    async def main() -> None:
        async with rig(bank, [Answer(0.5, tools=[tool]), Answer(0.5, ANSWER)], agent=Looking(1.0)) as it:
            await it.user_says()
            await it.until(8.0)
            told = [(news.name, news.tool, round(news.at_s, 2)) for news in it.records[0].milestones if news.tool]
            assert told == [("tool_started", tool, 1.0), ("tool_ended", tool, 2.0)]

    live(main)


def test_a_preamble_followed_by_a_slow_tool_is_a_second_wait_with_its_own_fillers(bank: ClipBank) -> None:
    """The user waits again when the preamble has been heard; the clock of fillers starts there."""

    async def main() -> None:
        answers = [Answer(0.3, "Let me see.", tools=["lookup"]), Answer(0.5, ANSWER)]
        async with rig(bank, answers, agent=Looking(6.0)) as it:
            await it.user_says()
            await it.until(14.0)
            (record,) = it.records
            first, second = record.waits
            preamble, answer = it.sink.speech_at
            assert second.began_s == pytest.approx(it.after(preamble) + 0.66, abs=0.05)
            between = [sound for sound in record.sounds if sound.start_s > second.began_s]
            assert [sound.kind for sound in between] == [Kind.HESITATION, Kind.PHRASE]
            assert between[0].start_s == pytest.approx(second.began_s + 0.6, abs=0.03)
            assert first.heard_s == pytest.approx(it.after(preamble), abs=1e-3)
            assert second.available_s is not None
            assert second.available_s <= it.after(answer) + 1e-4
            assert record.outcome == "replied"

    live(main)


def test_words_of_the_author_in_a_tool_are_a_preamble_too(bank: ClipBank) -> None:
    """After ``session.say`` in a tool that runs on, the user waits again."""

    class Saying(Agent):
        @function_tool
        async def lookup(self, context: RunContext[Any]) -> str:
            """Look it up."""
            context.session.say("I am looking.")
            await asyncio.sleep(6.0)
            return "found"

    async def main() -> None:
        answers = [Answer(0.3, tools=["lookup"]), Answer(0.5, ANSWER)]
        async with rig(bank, answers, agent=Saying(instructions="")) as it:
            await it.user_says()
            await it.until(14.0)
            (record,) = it.records
            assert len(record.waits) == 2
            assert any(sound.start_s > record.waits[1].began_s for sound in record.sounds)
            assert record.outcome == "replied"

    live(main)


# The user speaks ------------------------------------------------------------------------------------------------------


def test_an_ok_during_a_filler_does_not_kill_the_turn(bank: ClipBank) -> None:
    """The filler stops, the turn goes on, and later fillers and the answer come."""

    async def main() -> None:
        config = {**PHRASES, "ladder": [*PHRASES["ladder"], {"after_ms": 6500, "kind": "progress"}]}
        async with rig(bank, [Answer(8.0, ANSWER)], config=config) as it:
            await it.user_says()
            said_at = it.stopped_at
            await it.until(2.6)
            assert it.fillers.filler_sounding
            it.user_starts()
            at = it.now
            await asyncio.sleep(0.1)
            assert not it.fillers.filler_sounding
            assert not it.sink.heard(at + 0.02, it.now).any()
            await it.user_stops(None)
            await asyncio.sleep(9.0)
            (record,) = it.records
            assert record.outcome == "replied"
            assert record.sounds[-1].kind is Kind.PROGRESS
            assert len(it.sink.speech_at) == 1
            assert record.speech_ended_at == pytest.approx(said_at, abs=1e-3)

    live(main)


def test_an_ok_that_is_understood_does_not_kill_the_turn_where_the_session_wants_more_words(bank: ClipBank) -> None:
    """With ``min_words`` the session drops it; by default it takes any words into a wait for another turn."""

    async def main() -> None:
        turns = {"interruption": {"mode": "vad", "min_words": 2}}
        async with rig(bank, [Answer(5.0, ANSWER)], turns=turns) as it:
            await it.user_says()
            await it.until(2.6)
            it.user_starts()
            await asyncio.sleep(0.3)
            await it.user_stops("ok")
            await asyncio.sleep(6.0)
            assert [record.outcome for record in it.records] == ["replied"]
            assert not it.fillers.waiting

    live(main)


def test_an_interrupted_wait_ends_and_another_begins(bank: ClipBank) -> None:
    """What the user says into a wait and the session takes for a new turn cancels the old one, and nothing of it
    sounds any more; the new turn counts from the user's last word."""

    async def main() -> None:
        async with rig(bank, [Answer(6.0, ANSWER), Answer(1.0, ANSWER)]) as it:
            await it.user_says()
            await it.until(2.6)
            it.user_starts()
            begun_at = it.now
            await asyncio.sleep(0.8)
            await it.user_stops("no, wait")
            await it.until(6.0)
            old, new = it.records
            assert (old.outcome, old.cancel_reason) == ("cancelled", "interrupted")
            assert new.outcome == "replied"
            assert new.speech_ended_at == pytest.approx(it.stopped_at, abs=1e-3)
            assert not it.sink.heard(begun_at + 0.02, it.stopped_at + 0.5).any()
            assert it.after(it.sink.filler_times[-1][0]) == pytest.approx(0.6, abs=0.02)

    live(main)


def test_after_an_interruption_nothing_sounds_beyond_one_frame(bank: ClipBank) -> None:
    """Whoever calls ``session.interrupt()`` in the midst of a filler hears at most 20 ms more of it."""

    async def main() -> None:
        async with rig(bank, [Answer(6.0, ANSWER)]) as it:
            await it.user_says()
            await it.until(2.6)
            at = it.now
            it.session.interrupt()
            await asyncio.sleep(3.0)
            assert not it.sink.heard(at + 0.02, it.now).any()
            (record,) = it.records
            assert record.outcome == "cancelled"
            assert record.sounds[-1].text == "Give me a"  # what was heard up to the cut

    live(main)


def test_an_interruption_while_the_answer_is_held_leaves_nothing(bank: ClipBank) -> None:
    """The answer waited for a phrase, and neither is heard on; the session's speech ends as skipped, not as spoken."""

    async def main() -> None:
        async with rig(bank, [Answer(0.2, ANSWER)], config=ONE_PHRASE) as it:
            await it.user_says()
            await it.until(1.0)
            assert it.fillers.statistics()["replies_held"] == 1
            at = it.now
            it.session.interrupt()
            await asyncio.sleep(3.0)
            assert not it.sink.heard(at + 0.02, it.now).any()
            assert not it.sink.speech_at
            assert "speaking" not in [state for _, state in it.states]
            assert [item.role for item in messages(it)] == ["user"]

    live(main)


def test_a_barge_in_on_the_answer_ends_the_turn(bank: ClipBank) -> None:
    """The session interrupts its speech as without stopgap; what the user says then is a turn of its own."""

    async def main() -> None:
        async with rig(bank, [Answer(0.5, "This is a long answer, which goes on and on."), Answer(1.0, ANSWER)]) as it:
            await it.user_says()
            await it.until(3.0)
            it.user_starts()
            await asyncio.sleep(0.6)
            it.user_goes_on()
            await asyncio.sleep(0.4)
            await it.user_stops("stop")
            await it.until(5.0)
            assert [record.outcome for record in it.records] == ["cancelled", "replied"]
            assert it.records[1].sounds[0].start_s == pytest.approx(0.6, abs=1e-3)

    live(main)


def test_a_pause_in_a_sentence_is_no_turn(bank: ClipBank) -> None:
    """An end of speech that is taken back says nothing and teaches nothing."""

    async def main() -> None:
        async with rig(bank, [Answer(2.0, ANSWER)]) as it:
            it.user_starts()
            await asyncio.sleep(1.0)
            await it.user_stops(None)
            it.user_starts()
            await asyncio.sleep(1.0)
            await it.user_stops()
            await it.until(6.0)
            assert [record.outcome for record in it.records] == ["retracted", "replied"]
            assert not it.records[0].sounds

    live(main)


def test_an_end_of_speech_that_nobody_answers_is_taken_back(bank: ClipBank) -> None:
    """An agent that declines with `StopResponse`, or a detector that was wrong, leave no turn waiting for ever."""

    class Silent(Agent):
        async def on_user_turn_completed(self, turn_ctx: llm.ChatContext, new_message: llm.ChatMessage) -> None:
            raise StopResponse

    async def main() -> None:
        async with rig(bank, [Answer(2.0, ANSWER)], agent=Silent(instructions="Say nothing.")) as it:
            await it.user_says()
            await it.until(1.0)
            assert not it.fillers.waiting
            it.user_starts()
            await asyncio.sleep(0.3)
            await it.user_stops(None)
            await asyncio.sleep(0.1)
            assert it.fillers.waiting
            await it.until(9.0)
            assert not it.fillers.waiting
            assert [record.outcome for record in it.records] == ["retracted", "retracted"]
            assert not it.sink.played

    live(main)


def test_a_false_interruption_of_the_answer_ends_nothing(bank: ClipBank) -> None:
    """The user coughs, the session pauses its speech and goes on with it: one turn, one answer, and no filler."""

    async def main() -> None:
        turns = {"interruption": {"mode": "vad", "false_interruption_timeout": 1.0}}
        async with rig(bank, [Answer(0.2, "This is a long answer, which goes on and on.")], turns=turns) as it:
            await it.user_says()
            await it.until(1.6)
            it.user_starts()
            await asyncio.sleep(0.6)
            it.user_goes_on()
            await asyncio.sleep(0.1)
            assert it.session.agent_state == "listening"
            await it.user_stops(None)
            await asyncio.sleep(6.0)
            states = [state for _, state in it.states]
            assert states[-3:] == ["listening", "speaking", "listening"]
            assert [record.outcome for record in it.records] == ["replied"]
            assert len(it.records[0].waits) == 1
            assert all(end < it.sink.speech_at[0] for _, end in it.sink.filler_times)

    live(main)


def test_fillers_are_silent_where_the_agents_voice_is_off(bank: ClipBank) -> None:
    """With the audio output disabled nothing is played, and an answer in text ends the wait."""

    async def main() -> None:
        async with rig(bank, [Answer(3.0, ANSWER)]) as it:
            it.session.output.set_audio_enabled(False)
            await it.user_says()
            await it.until(6.0)
            assert not it.sink.played
            assert it.records[0].outcome == "replied"
            assert not it.records[0].sounds
            it.session.output.set_audio_enabled(True)
            await it.user_says()
            await it.until(7.0)
            assert len(it.sink.filler_times) == 2

    live(main)


# Preemptive generation ------------------------------------------------------------------------------------------------

EARLY: dict[str, Any] = {"preemptive_generation": {"enabled": True}}


def test_a_model_that_was_started_early_is_no_commit(bank: ClipBank) -> None:
    """What it did is told with its own times, once the session has taken it; until then nothing is said."""

    async def main() -> None:
        turns = {**EARLY, "endpointing": {"mode": "fixed", "min_delay": 1.5, "max_delay": 2.0}}
        async with rig(bank, [Answer(3.0, ANSWER)], turns=turns) as it:
            await it.user_says()
            await it.until(1.2)
            assert it.model.asked
            assert not it.sink.played
            await it.until(7.0)
            times = {news.name: round(news.at_s, 2) for news in it.records[0].milestones}
            assert times["llm_started"] == 0.45
            assert times["turn_committed"] == 1.5
            assert times["first_token"] == 3.45
            assert len(it.model.asked) == 1

    live(main)


def test_a_discarded_early_run_leaves_nothing(bank: ClipBank) -> None:
    """Neither its milestones nor its end reach the turn that another generation answers."""

    class Editing(Agent):
        async def on_user_turn_completed(self, turn_ctx: llm.ChatContext, new_message: llm.ChatMessage) -> None:
            turn_ctx.add_message(role="system", content="The weather is fine.")

    async def main() -> None:
        async with rig(
            bank, [Answer(0.02, ANSWER), Answer(2.0, ANSWER)], turns=EARLY, agent=Editing(instructions="")
        ) as it:
            await it.user_says()
            await it.until(6.0)
            (record,) = it.records
            times = [(news.name, round(news.at_s, 2)) for news in record.milestones[3:]]
            assert times[:2] == [("llm_started", 0.5), ("first_token", 2.5)]
            assert record.outcome == "replied"
            assert len(it.model.asked) == 2

    live(main)


# What the session must not notice -------------------------------------------------------------------------------------


def messages(it: Rig) -> list[llm.ChatMessage]:
    return [item for item in it.session.history.items if isinstance(item, llm.ChatMessage)]


def test_the_context_is_not_polluted(bank: ClipBank) -> None:
    """Neither the model nor the history gets to know of fillers unless asked."""

    async def main() -> None:
        async with rig(bank, [Answer(4.0, ANSWER)]) as it:
            for _ in range(2):
                await it.user_says()
                await it.until(8.0)
            assert len(it.records[0].sounds) == 2
            asked = [item.text_content for item in it.model.asked[1].items if isinstance(item, llm.ChatMessage)]
            assert asked == ["Answer.", "what is it", ANSWER + " ", "what is it"]

    live(main)


def test_the_context_has_what_was_heard_if_asked(bank: ClipBank) -> None:
    """Marked, before the answer, in the words that were heard."""

    async def main() -> None:
        async with rig(bank, [Answer(4.0, ANSWER)], append_to_context=True) as it:
            for _ in range(2):
                await it.user_says()
                await it.until(8.0)
            asked = [item for item in it.model.asked[1].items if isinstance(item, llm.ChatMessage)]
            assert [item.role for item in asked] == ["system", "user", "assistant", "assistant", "user"]
            assert asked[2].text_content == it.records[0].filler_text
            assert asked[2].extra[MARK]
            assert MARK not in asked[3].extra

    live(main)


def test_words_that_were_cut_off_are_not_in_the_context(bank: ClipBank) -> None:
    """Only what was heard of a line up to the interruption."""

    async def main() -> None:
        async with rig(bank, [Answer(6.0, ANSWER)], append_to_context=True) as it:
            await it.user_says()
            await it.until(2.6)
            it.session.interrupt()
            await asyncio.sleep(2.0)
            said = [
                i for i in it.session.current_agent.chat_ctx.items if isinstance(i, llm.ChatMessage) and MARK in i.extra
            ]
            assert [item.text_content for item in said] == ["Uh Give me a"]

    live(main)


def test_no_idle_prompt_is_triggered_while_waiting(bank: ClipBank) -> None:
    """Where the application waits before it has the agent speak, the session is listening: it does not take who waits
    for one who has gone; nor do fillers count as anybody's speech, for as ever it does once the answer was heard."""

    async def main() -> None:
        async with rig(bank, [Answer(1.0, ANSWER)], away_s=3.0) as it:
            gone = []
            it.session.on("user_state_changed", lambda ev: gone.append(ev.new_state))
            it.stopped_at = it.now
            it.fillers.begin()
            await it.until(9.0)
            assert len(it.sink.filler_times) == 2
            assert it.session.agent_state == "listening"
            assert not gone
            it.session.generate_reply(instructions="Tell the news.")
            await it.until(20.0)
            assert not it.fillers.waiting
            assert gone == ["away"]

    live(main)


def test_no_idle_prompt_is_triggered_while_the_agent_prepares_to_answer(bank: ClipBank) -> None:
    """A slow ``on_user_turn_completed`` leaves the session listening: its timer is held off."""

    class Reading(Agent):
        async def on_user_turn_completed(self, turn_ctx: llm.ChatContext, new_message: llm.ChatMessage) -> None:
            await asyncio.sleep(7.0)

    async def main() -> None:
        gone = []
        async with rig(bank, [Answer(1.0, ANSWER)], away_s=3.0, agent=Reading(instructions="")) as it:
            it.session.on("user_state_changed", lambda ev: gone.append(ev.new_state))
            await it.user_says()
            await it.until(7.6)
            assert "away" not in gone
            assert len(it.sink.filler_times) == 2

    live(main)


def test_metrics_are_unspoilt(bank: ClipBank) -> None:
    """The session counts from the user's last word to the answer, and is speaking when the answer is heard."""

    async def main() -> None:
        async with rig(bank, [Answer(3.0, ANSWER)]) as it:
            await it.user_says()
            await it.until(8.0)
            (record,) = it.records
            assert record.first_sound_s == pytest.approx(0.6, abs=1e-3)
            assert record.reply_heard_s == pytest.approx(it.after(it.sink.speech_at[0]), abs=1e-3)
            spoke = [it.after(at) for at, state in it.states if state == "speaking"]
            assert spoke == pytest.approx([record.reply_heard_s], abs=1e-3)
            answer = messages(it)[-1]
            assert answer.role == "assistant"
            assert answer.metrics["e2e_latency"] == pytest.approx(record.reply_heard_s, abs=1e-3)

    live(main)


def test_waits_are_learned_from_availability(bank: ClipBank) -> None:
    """A few turns teach the predictor how long this model takes."""

    async def main() -> None:
        async with rig(bank, [Answer(3.0, ANSWER)]) as it:
            for _ in range(6):
                await it.user_says()
                await it.until(8.0)
            assert it.records[-1].prediction.q50_s > it.records[0].prediction.q50_s

    live(main)


# Language, sound ------------------------------------------------------------------------------------------------------


def test_clips_are_of_the_language_that_is_heard(bank: ClipBank) -> None:
    """After a German transcript nothing English is said; what has no language may sound."""

    async def main() -> None:
        config = {**PHRASES, "ladder": [*PHRASES["ladder"], {"after_ms": 3000, "kind": "ambience"}]}
        async with rig(bank, [Answer(5.0, ANSWER)], config=config) as it:
            for language in ("de", "en", "multi"):
                it.user_starts()
                await asyncio.sleep(1.0)
                await it.user_stops(None)
                assert it.ears is not None
                it.ears.final("was ist es", language)
                await it.until(9.0)
            await it.user_says()
            await it.until(9.0)
            spoken = [any(sound.kind.spoken for sound in record.sounds) for record in it.records]
            assert spoken == [True, False, True, True]
            assert [record.language for record in it.records] == ["en-US", "de", "en-US", "en-US"]

    live(main)


def test_nobody_elses_voice_is_heard(bank: ClipBank) -> None:
    """Where no clip is of the voice that was asked for, nothing is said."""

    async def main() -> None:
        async with rig(bank, [Answer(4.0, ANSWER)], voice_of_clips="somebody") as it:
            await it.user_says()
            await it.until(8.0)
            assert not it.records[0].sounds
            assert len(it.sink.speech_at) == 1

    live(main)


def test_the_echo_tap_has_it(bank: ClipBank) -> None:
    """It yields fillers and speech in the order of playing, with their times, and says which are fillers."""

    async def main() -> None:
        async with rig(bank, [Answer(3.0, ANSWER)]) as it:
            it.fillers.open_tap(30.0)
            await it.user_says()
            await it.until(8.0)
            frames = it.fillers.read_tap()
            first = frames[0]
            assert first.filler
            assert it.after(first.at) == pytest.approx(0.6, abs=0.02)
            tapped = np.concatenate([np.frombuffer(played.frame.data, np.int16) for played in frames])
            assert np.array_equal(tapped, np.concatenate([played.pcm for played in it.sink.played]))
            assert [played.at for played in frames] == pytest.approx([played.at for played in it.sink.played], abs=1e-3)
            assert {played.filler for played in frames} == {True, False}
            assert not it.fillers.read_tap()

    live(main)


def test_a_blocked_loop_makes_no_late_burst(bank: ClipBank) -> None:
    """After 250 ms without the loop a filler goes on where it stopped; what was given ahead was heard meanwhile."""

    async def main() -> None:
        for lead_ms, silent_s in ((60.0, 0.19), (300.0, 0.0)):
            async with rig(bank, [Answer(4.0, ANSWER)], config=ONE_PHRASE, lead_ms=lead_ms) as it:
                await it.user_says()
                await it.until(1.2)
                before = it.now
                it.loop.jump(0.25)
                await asyncio.sleep(0.0)
                await it.until(7.0)
                (phrase,) = [s for s in it.records[0].sounds if s.kind is Kind.PHRASE]
                clip = next(clip for clip in bank.clips(RATE) if clip.id == phrase.clip)
                begin, end = it.sink.filler_times[0][0], it.sink.filler_times[-1][1]
                assert end - begin == pytest.approx(len(clip.samples) / RATE + silent_s, abs=0.03)
                burst = [played for played in it.sink.played if before < played.taken_at < before + 0.27]
                assert len(burst) <= round(lead_ms / 20) + 1
                assert it.after(it.sink.speech_at[0]) == pytest.approx(4.78, abs=0.02)

    live(main)


def test_a_failure_of_fillers_hangs_nothing(
    bank: ClipBank, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A mixer that fails says so once; the answer comes when it would have come."""

    async def main() -> None:
        async with rig(bank, [Answer(3.0, ANSWER)]) as it:

            def fail(*_: object) -> None:
                raise RuntimeError("a bad clip")

            monkeypatch.setattr(type(it.fillers.session.source), "render", fail)
            with caplog.at_level(logging.ERROR, "stopgap"):
                for _ in range(2):
                    await it.user_says()
                    await it.until(7.0)
            assert len(it.sink.speech_at) == 2
            assert it.after(it.sink.speech_at[1]) == pytest.approx(3.78, abs=0.02)
            assert len([record for record in caplog.records if record.name == "stopgap"]) == 1

    live(main)


def test_fillers_come_again_after_a_failure(bank: ClipBank, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sink that refuses one frame costs the fillers of one turn."""

    async def main() -> None:
        async with rig(bank, [Answer(3.0, ANSWER)]) as it:
            plain, refused = it.sink.capture_frame, [0]

            async def refuse_once(frame: rtc.AudioFrame) -> None:
                if not refused[0]:
                    refused[0] += 1
                    raise RuntimeError("not now")
                await plain(frame)

            monkeypatch.setattr(it.sink, "capture_frame", refuse_once)
            for _ in range(2):
                await it.user_says()
                await it.until(7.0)
            assert it.fillers.statistics()["errors"] == 1
            assert len(it.sink.speech_at) == 2
            assert len(it.sink.filler_times) == 2

    live(main)


@pytest.mark.parametrize(("ago_s", "back_s"), [(0.3, 0.3), (0.0, 0.0), (-500.0, 0.0), (5000.0, 10.0)])
def test_a_wall_clock_that_is_set_does_no_harm(bank: ClipBank, ago_s: float, back_s: float) -> None:
    """Events are dated by it; what it says is taken for what has just passed, within reason."""

    async def main() -> None:
        async with rig(bank, [Answer(3.0, ANSWER)]) as it:
            at = it.now
            it.session.emit(
                "user_state_changed",
                UserStateChangedEvent(old_state="speaking", new_state="listening", created_at=time.time() - ago_s),
            )
            turn = it.fillers.session.turn
            assert turn is not None
            assert turn.record.speech_ended_at == pytest.approx(at - back_s, abs=1e-3)

    live(main)


# The session's own ways -----------------------------------------------------------------------------------------------


def test_a_greeting_is_no_wait(bank: ClipBank) -> None:
    """What the agent says of its own accord passes, and no filler precedes it."""

    class Greeting(Agent):
        async def on_enter(self) -> None:
            self.session.generate_reply(instructions="Greet.")

    async def main() -> None:
        async with rig(bank, [Answer(2.0, ANSWER)], agent=Greeting(instructions="")) as it:
            await asyncio.sleep(5.0)
            assert len(it.sink.speech_at) == 1
            assert not it.sink.filler_times
            assert not it.records

    live(main)


def test_a_typed_question_is_a_wait_too(bank: ClipBank) -> None:
    """It begins when the session takes the question."""

    async def main() -> None:
        async with rig(bank, [Answer(3.0, ANSWER)]) as it:
            it.stopped_at = it.now
            it.session.generate_reply(user_input="What is it?")
            await it.until(6.0)
            (record,) = it.records
            assert record.sounds[0].start_s == pytest.approx(0.6, abs=0.02)
            assert record.outcome == "replied"

    live(main)


def test_an_application_may_begin_a_wait_itself(bank: ClipBank) -> None:
    """Before it has the agent speak; the turn ends with that speech."""

    async def main() -> None:
        async with rig(bank, [Answer(3.0, ANSWER)]) as it:
            it.stopped_at = it.now
            turn = it.fillers.begin(agent="report")
            it.session.generate_reply(instructions="Tell the news.")
            await it.until(7.0)
            (record,) = it.records
            assert record.id == turn.id
            assert record.agent == "report"
            assert record.outcome == "replied"
            assert len(record.sounds) == 2

    live(main)


def test_without_a_detector_the_wait_begins_when_the_turn_is_committed(bank: ClipBank) -> None:
    """Push to talk: nobody knows when the last word was."""

    async def main() -> None:
        async with rig(bank, [Answer(3.0, ANSWER)], turns={"turn_detection": "manual"}) as it:
            assert it.ears is not None
            it.ears.final("what is it")
            await asyncio.sleep(0.1)
            it.stopped_at = it.now
            it.session.commit_user_turn(transcript_timeout=0.0)
            await it.until(7.0)
            (record,) = it.records
            assert record.outcome == "replied"
            assert record.sounds[0].start_s == pytest.approx(0.6, abs=0.02)

    live(main)


class OwnNodes(Agent):
    """An author's pipeline."""

    def __init__(self, how: str) -> None:
        super().__init__(instructions="Answer.")
        self._how = how
        self.texts: list[str] = []

    def llm_node(self, chat_ctx: llm.ChatContext, tools: list[llm.Tool], model_settings: ModelSettings) -> Any:
        async def text() -> str:
            await asyncio.sleep(3.0)
            return ANSWER

        async def words() -> AsyncIterator[str]:
            for word in (await text()).split():
                yield word + " "

        async def later() -> AsyncIterable[str]:
            return words()

        return {"text": text, "words": words, "later": later}[self._how]()

    def tts_node(self, text: AsyncIterable[str], model_settings: ModelSettings) -> Any:
        async def noted() -> AsyncIterator[str]:
            async for piece in text:
                self.texts.append(piece)
                yield piece

        return Agent.default.tts_node(self, noted(), model_settings)


@pytest.mark.parametrize("how", ["text", "words", "later"])
def test_the_authors_own_nodes_are_watched(bank: ClipBank, how: str) -> None:
    """Whatever they return; and what they do is not changed."""

    async def main() -> None:
        agent = OwnNodes(how)
        async with rig(bank, [Answer()], agent=agent) as it:
            await it.user_says()
            await it.until(7.0)
            times = {news.name: news.at_s for news in it.records[0].milestones}
            assert times["llm_started"] == pytest.approx(0.5, abs=1e-3)
            assert times["first_token"] == pytest.approx(3.5, abs=1e-3)
            assert times["tts_started"] == pytest.approx(3.5, abs=1e-3)
            assert "".join(agent.texts).strip() == ANSWER
            assert len(it.sink.speech_at) == 1
        assert "llm_node" not in vars(agent)
        assert "tts_node" not in vars(agent)

    live(main)


def test_nodes_may_be_left_alone(bank: ClipBank) -> None:
    """Then the turn is known from the session's events, all but the model's first token."""

    async def main() -> None:
        agent = OwnNodes("words")
        async with rig(bank, [Answer()], agent=agent, watch_nodes=False) as it:
            assert "llm_node" not in vars(agent)
            await it.user_says()
            await it.until(7.0)
            assert names(it) == ["speech_ended", "transcript_final", "turn_committed"]
            assert it.records[0].outcome == "replied"
            assert len(it.sink.filler_times) == 2

    live(main)


def test_after_a_handoff_the_other_agent_is_watched(bank: ClipBank) -> None:
    """An agent that hands over to another one in a tool."""

    class First(Agent):
        @function_tool
        async def transfer(self, context: RunContext[Any]) -> Any:
            """Hand over."""
            return Agent(instructions="Answer.")

    async def main() -> None:
        answers = [Answer(0.5, tools=["transfer"]), Answer(3.0, ANSWER)]
        async with rig(bank, answers, agent=First(instructions="")) as it:
            await it.user_says()
            await it.until(6.0)
            await it.user_says()
            await it.until(7.0)
            assert "first_token" in names(it, -1)
            assert it.records[-1].outcome == "replied"

    live(main)


# Attached and detached ------------------------------------------------------------------------------------------------


def test_callbacks_are_told_what_is_heard(bank: ClipBank) -> None:
    """A filler's begin and its end, then the turn, on the event loop."""

    async def main() -> None:
        async with rig(bank, [Answer(3.0, ANSWER)]) as it:
            await it.user_says()
            await it.until(1.0)
            assert [(turn, sound.end_s) for turn, sound in it.sounds[:1]] == [("session-1-1", None)]
            await it.until(7.0)
            assert [sound.end_s is None for _, sound in it.sounds] == [True, False, True, False]
            assert it.records[0].id == "session-1-1"

    live(main)


def test_attached_after_the_session_has_started(bank: ClipBank) -> None:
    """It is the same."""

    async def main() -> None:
        async with rig(bank, [Answer(3.0, ANSWER)], attach_first=False) as it:
            await it.user_says()
            await it.until(7.0)
            assert len(it.sink.filler_times) == 2
            assert "first_token" in names(it)

    live(main)


def test_detached_in_the_midst_of_a_filler(bank: ClipBank) -> None:
    """It stops at once; the answer comes, and the session is as it was. Attached again, fillers come again."""

    async def main() -> None:
        async with rig(bank, [Answer(4.0, ANSWER)]) as it:
            await it.user_says()
            await it.until(2.6)
            at = it.now
            it.fillers.detach()
            it.fillers.detach()
            await it.until(4.0)
            assert not it.sink.heard(at + 0.02, it.now).any()
            await it.until(7.0)
            assert len(it.sink.speech_at) == 1
            assert it.records[0].outcome == "cancelled"
            assert it.fillers.session.closed
            assert not it.fillers.waiting
            it.fillers.attach(it.session)
            await it.user_says()
            await it.until(7.0)
            assert it.records[-1].outcome == "replied"
            assert len(it.records[-1].sounds) == 2

    live(main)


def test_closed_while_an_answer_is_held(bank: ClipBank) -> None:
    """The answer is let go at once."""

    async def main() -> None:
        async with rig(bank, [Answer(0.2, ANSWER)], config=ONE_PHRASE) as it:
            await it.user_says()
            await it.until(1.0)
            assert it.fillers.statistics()["replies_held"] == 1
            await it.fillers.aclose()
            await it.until(5.0)
            assert len(it.sink.speech_at) == 1
            assert it.after(it.sink.speech_at[0]) < 1.1
            assert it.session.agent_state == "listening"

    live(main)


def test_a_session_that_closes_lets_go(bank: ClipBank) -> None:
    """The same fillers serve another session then: after a reconnection, say."""

    async def main() -> None:
        async with rig(bank, [Answer(5.0, ANSWER)]) as it:
            await it.user_says()
            await it.until(2.6)
            at = it.now
            await it.session.aclose()
            await asyncio.sleep(0.5)
            assert not it.sink.heard(at + 0.02, it.now).any()
            assert it.records[0].cancel_reason in ("interrupted", "session closed")
            again: AgentSession[None] = AgentSession(vad=it.detector, llm=it.model, tts=it.voice)
            it.fillers.attach(again)
            sink = Sink()
            again.output.audio = sink
            await again.start(Agent(instructions="Answer."))
            again.generate_reply(user_input="Go on.")
            await asyncio.sleep(9.0)
            assert len(sink.filler_times) == 2
            assert len(sink.speech_at) == 1
            await again.aclose()

    live(main)


def test_two_sessions_have_fillers_of_their_own(bank: ClipBank) -> None:
    """One manager serves both; neither hears the other."""

    async def main() -> None:
        async with rig(bank, [Answer(3.0, ANSWER)]) as one, rig(bank, [Answer(6.0, ANSWER)]) as other:
            await one.user_says()
            await one.until(8.0)
            assert len(one.sink.filler_times) == 2
            assert not other.sink.played
            await other.user_says()
            await other.until(9.0)
            assert len(other.sink.filler_times) == 2
            assert len(one.sink.filler_times) == 2

    live(main)


def test_wrong_use_is_named(bank: ClipBank) -> None:
    """Before anything plays, and in one sentence."""

    async def main() -> None:
        async with rig(bank, [Answer(3.0, ANSWER)]) as it:
            it.fillers.attach(it.session)  # again: nothing
            manager = FillerManager(stopgap.load_config(NONE), clock=LoopClock(it.loop), bank=bank)
            with pytest.raises(UsageError, match="has fillers already"):
                LiveKitFillers(manager).attach(it.session)
            with pytest.raises(UsageError, match="attached to another session"):
                it.fillers.attach(AgentSession())
            with pytest.raises(UsageError, match="begin before attach"):
                LiveKitFillers(manager).begin()
            with pytest.raises(UsageError, match="there is no session yet"):
                _ = LiveKitFillers(manager).session
            for lead_ms in (10, 2000, float("nan")):
                with pytest.raises(UsageError, match="lead_ms"):
                    LiveKitFillers(manager, lead_ms=lead_ms)
            assert not LiveKitFillers(manager).waiting

    live(main)


def test_attach_needs_an_event_loop(bank: ClipBank) -> None:
    """It says where to call it."""
    with (
        FillerManager(stopgap.load_config(NONE), clock=stopgap.VirtualClock(), bank=bank) as manager,
        pytest.raises(UsageError, match="event loop"),
    ):
        LiveKitFillers(manager).attach(mock.MagicMock(spec=AgentSession))


def test_other_versions_are_named(bank: ClipBank, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has another framework than the tested one learns both versions."""
    monkeypatch.setattr("stopgap.engine.integrations._versions.version", lambda _: "2.0.0")
    with (
        FillerManager(stopgap.load_config(NONE), clock=stopgap.VirtualClock(), bank=bank) as manager,
        pytest.warns(UserWarning, match=r"livekit-agents 1\.8\.9, and 2\.0\.0 is installed"),
    ):
        LiveKitFillers(manager)


# Examples -------------------------------------------------------------------------------------------------------------

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_the_examples_run_as_written(tmp_path: Path) -> None:
    """Two answers are heard with fillers before them, the file holds the sound; the detector hears no filler's echo."""
    commands = [("livekit_fake.py", ("--out", str(tmp_path / "heard.wav"))), ("livekit_echo.py", ())]
    running = [
        subprocess.Popen(
            [sys.executable, EXAMPLES / name, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
        )
        for name, arguments in commands
    ]  # fmt: skip
    (out, _), (echo, errors) = [process.communicate(timeout=120) for process in running]
    assert out.count("the answer") == 2
    assert out.index("hesitation") < out.index("the answer")
    samples, rate = soundfile.read(tmp_path / "heard.wav")
    blocks = samples[: len(samples) // (rate // 10) * (rate // 10)].reshape(-1, rate // 10)
    assert (np.sqrt((blocks**2).mean(axis=1)) > 0.01).sum() > 20  # of some 120: answers of 2 s, fillers of 2
    left = re.search(r"of its echo (-\d+) dB are left to the detector", echo)
    assert left is not None, errors
    assert int(left[1]) < -20
