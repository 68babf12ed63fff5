"""Pipecat: whole pipelines, with Pipecat's own aggregators, services and output transport, on virtual time."""

import asyncio
import itertools
import logging
import math
from pathlib import Path
from typing import Any

import hushed_pipecat  # noqa: F401
import numpy as np
import pytest
import soundfile
import stopgap
import stopgap.engine.integrations.pipecat
import stopgap.pipecat
from pipecat.audio.mixers.base_audio_mixer import BaseAudioMixer
from pipecat.frames.frames import (
    BotSpeakingFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    InterruptionFrame,
    LLMConfigureOutputFrame,
    LLMContextFrame,
    LLMRunFrame,
    MetricsFrame,
    MixerControlFrame,
    TTSAudioRawFrame,
    UserBackchannelFrame,
    UserMuteStartedFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.observers.user_bot_latency_observer import UserBotLatencyObserver
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.transports.base_transport import TransportParams
from pipecat_call import BY_WORDS, CHUNK, FADE, LADDER, ONE_PHRASE, PREAMBLE, SLOW, calling, onset, virtually
from pipecat_rig import CHUNK_S, CONFIRM_S, RATE, REPLY_LEVEL, STOP_S, Answer, Rig, running
from stopgap import ClipBank, FillerManager, Kind
from stopgap.engine.mixer import TapBlock
from stopgap.engine.turns import SoundRecord, TurnRecord
from stopgap.pipecat import PipecatFillers
from test_examples import run_example
from virtual_loop import LoopClock, VirtualLoop


class PlainMixer(BaseAudioMixer):
    """The mixer that somebody has already: adds a constant, and remembers what it was told."""

    def __init__(self, level: int = 0) -> None:
        self.level = level
        self.told: list[Any] = []

    async def start(self, sample_rate: int) -> None:
        self.told.append(sample_rate)

    async def stop(self) -> None:
        self.told.append("stop")

    async def process_frame(self, frame: MixerControlFrame) -> None:
        self.told.append(frame)

    async def mix(self, audio: bytes) -> bytes:
        return (np.frombuffer(audio, "<i2") + self.level).astype("<i2").tobytes()


class UpTo(FrameProcessor):
    """Lets no audio through to the processor behind it: hands it on around that."""

    def __init__(self, beyond: "Beyond") -> None:
        super().__init__()
        self.beyond = beyond

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await (self.beyond if isinstance(frame, TTSAudioRawFrame) else self).push_frame(frame, direction)


class Beyond(FrameProcessor):
    """Behind the processor."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)


# The reply ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after_s", [0.45, 0.9, 1.3, 1.63, 2.1, 3.0])
def test_a_filler_does_not_delay_the_answer(bank: ClipBank, after_s: float) -> None:
    """Whenever it comes, the answer is written in the very chunk in which it is without fillers."""

    async def main() -> None:
        script = [Answer(after_s, "It is on its way.")]
        async with running(script, mixer=PlainMixer()) as plain:
            zero = await plain.say()
            await asyncio.sleep(after_s + 2.0)
            without = plain.reply_at() - zero
        async with calling(bank, *script) as call:
            zero = await call.rig.say()
            assert await call.answered() - zero == pytest.approx(without, abs=1e-6)
            assert call.record.reply_delay_s == 0.0

    virtually(main)


@pytest.mark.parametrize("after_s", [0.9, 1.3, 1.63, 2.1])
def test_no_filler_sounds_over_or_after_the_answer(bank: ClipBank, after_s: float) -> None:
    """What sounds of a filler when the answer begins fades within its first 20 ms; then the answer is bit-exact."""

    async def main() -> None:
        async with calling(bank, Answer(after_s, "It is on its way.")) as call:
            await call.rig.say()
            at = await call.answered()
            assert call.record.sounds
            assert np.abs(call.rig.fillers(0.0, at)).max() > 1000
            assert not call.rig.fillers(at)[FADE + 1 :].any()

    virtually(main)


def test_no_filler_starts_where_the_answer_is_quick(bank: ClipBank) -> None:
    """An answer that is there before the first filler is due is heard alone, bit by bit."""

    async def main() -> None:
        async with calling(bank, Answer(0.0, "Yes."), config=ONE_PHRASE) as call:
            await call.rig.say()
            await call.answered()
            assert not call.rig.fillers().any()
            assert not call.record.sounds

    virtually(main)


def test_a_phrase_fades_and_is_not_cut_abruptly(bank: ClipBank) -> None:
    """Beneath the answer a phrase fades within 20 ms: each sample is what such a fade leaves of the clip's."""

    async def main() -> None:
        async with calling(bank, Answer(0.4, "It is on its way."), config=ONE_PHRASE) as call:
            await call.rig.say()
            at = await call.answered()
            (sound,) = call.record.sounds
            assert sound.cut
            clip = next(clip for clip in bank.clips(RATE) if clip.id == sound.clip)
            written = call.rig.fillers().astype(float)
            begins = len(call.rig.fillers(0.0, at))  # the fade
            heard = written[begins - CHUNK :][: CHUNK + FADE]
            said = begins - CHUNK - sound.start_frame  # a chunk was written before the session was open
            whole = clip.samples[said - CHUNK :][: CHUNK + FADE] * 32767.0
            assert np.abs(whole[CHUNK:]).max() > 1000
            gain = np.concatenate([np.ones(CHUNK), np.linspace(1.0, 0.0, FADE, endpoint=False)])
            np.testing.assert_allclose(heard, whole * gain, atol=20.0)
            assert not written[begins + FADE + 1 :].any()

    virtually(main)


@pytest.mark.parametrize("after_s", [0.55, 0.7, 0.85, 1.0, 1.2])
def test_handoff_lets_a_phrase_finish(bank: ClipBank, after_s: float) -> None:
    """With the handoff a phrase ends at a cut mark, then the answer comes, and it is held no longer than that takes."""

    async def main() -> None:
        async with calling(bank, Answer(after_s, "It is on its way."), config=ONE_PHRASE, handoff=True) as call:
            zero = await call.rig.say()
            at = await call.answered() - zero
            sound, wait = call.record.sounds[-1], call.record.waits[0]
            assert sound.end_s is not None
            assert wait.available_s is not None
            rule = call.manager.config.handoff.phrase
            if not sound.cut:
                assert not call.rig.fillers(zero + at).any()
            assert sound.end_s - wait.available_s <= (rule.max_finish_ms + rule.fade_ms) / 1000 + 2 * CHUNK_S
            assert at - max(sound.end_s, wait.available_s) <= 2 * CHUNK_S + 0.01
            assert call.fillers.statistics()["held_too_long"] == 0

    virtually(main)


def test_handoff_finishes_what_is_nearly_said(bank: ClipBank) -> None:
    """At least one of the moments above lets a phrase finish that would otherwise be cut."""

    async def main() -> None:
        whole = 0
        for after_s in (0.55, 0.7, 0.85, 1.0, 1.2):
            async with calling(bank, Answer(after_s, "Here it is."), config=ONE_PHRASE, handoff=True) as call:
                await call.rig.say()
                await call.answered()
                whole += not call.record.sounds[-1].cut
        assert whole >= 3

    virtually(main)


def test_handoff_keeps_the_order_and_lets_an_interruption_through(bank: ClipBank) -> None:
    """While the answer is held an interruption drops it and what is queued behind it, and the filler stops."""

    async def main() -> None:
        config = {**ONE_PHRASE, "handoff": {"phrase": {"min_play_ms": 3000}}}
        async with calling(bank, Answer(0.6, "It is on its way."), config=config, handoff=True) as call:
            await call.rig.say()
            await asyncio.sleep(0.6 + 0.1 + 0.2)
            assert call.record.waits[0].available_s is not None
            assert TTSAudioRawFrame not in {chunk.kind for chunk in call.rig.output.written}
            assert call.fillers.filler_sounding
            at = call.rig.now
            await call.rig.send(InterruptionFrame())
            await asyncio.sleep(2.0)
            assert not call.rig.fillers(at + CHUNK_S)[FADE + 1 :].any()
            assert TTSAudioRawFrame not in {chunk.kind for chunk in call.rig.output.written}
            assert call.record.outcome == "cancelled"

    virtually(main)


def test_handoff_never_holds_longer_than_it_may(bank: ClipBank) -> None:
    """A rule that would play a whole phrase first is obeyed; the answer comes in whole and in order behind it."""

    async def main() -> None:
        config = {**ONE_PHRASE, "handoff": {"phrase": {"min_play_ms": 3000, "gap_ms": 100}}}
        async with calling(bank, Answer(0.6, "It is on its way."), config=config, handoff=True) as call:
            zero = await call.rig.say()
            at = await call.answered()
            sound = call.record.sounds[-1]
            assert not sound.cut
            assert sound.end_s is not None
            assert sound.end_s + 0.1 <= at - zero <= sound.end_s + 0.1 + 2 * CHUNK_S + 0.01
            said = np.concatenate([c.samples for c in call.rig.written(at) if c.kind is TTSAudioRawFrame])
            assert (said == REPLY_LEVEL).sum() == round(0.06 * len("It is on its way.") * RATE)

    virtually(main)


@pytest.mark.parametrize("tail_s", [0.2, 0.4, 0.7])
def test_handoff_does_not_care_when_the_model_ends(bank: ClipBank, tail_s: float) -> None:
    """A model that ends its response while the answer is held neither cuts the hold short nor ends the turn."""

    async def main() -> None:
        config = {**ONE_PHRASE, "handoff": {"phrase": {"min_play_ms": 3000}}}
        script = [Answer(0.6, "It is on its way. It will come soon.", tail_s=tail_s)]
        async with calling(bank, *script, config=config, handoff=True) as call:
            zero = await call.rig.say()
            at = await call.answered()
            (sound,) = call.record.sounds
            assert not sound.cut
            assert sound.end_s is not None
            assert at - zero >= sound.end_s
            assert not call.rig.fillers(at).any()

    virtually(main)


def test_handoff_of_a_preamble(bank: ClipBank) -> None:
    """With the handoff, too, a slow tool behind a preamble is a second wait, and both end without a cut."""

    async def main() -> None:
        config = {**LADDER, "handoff": {"phrase": {"min_play_ms": 3000}, "hesitation": {"min_play_ms": 3000}}}
        async with calling(bank, PREAMBLE, Answer(0.3, "It is on its way."), config=config, handoff=True) as call:
            await call.rig.say()
            await asyncio.sleep(12.0)
            assert len(call.record.waits) == 2
            assert len(call.record.sounds) >= 2
            assert not any(sound.cut for sound in call.record.sounds)
            assert call.record.outcome == "replied"
            assert call.fillers.statistics()["held_too_long"] == 0

    virtually(main)


# What is said ---------------------------------------------------------------------------------------------------


def test_not_the_same_phrase_twice(bank: ClipBank) -> None:
    """Over a conversation's turns no phrase comes twice in a row."""

    async def main() -> None:
        async with calling(bank, *[Answer(2.5, "Here.")] * 6, config=ONE_PHRASE) as call:
            for _ in range(6):
                at = call.rig.now
                await call.rig.say()
                await call.answered(at)
                await asyncio.sleep(1.0)
            clips = [sound.clip for record in call.turns for sound in record.sounds]
            assert len(clips) >= 5
            assert all(one != following for one, following in itertools.pairwise(clips))

    virtually(main)


def test_not_one_filler_and_then_silence(bank: ClipBank) -> None:
    """While a tool takes 12 s, sounds go on: planned with the defaults, no silence is longer than 4 s."""

    async def main() -> None:
        script = [Answer(0.4, "", (("lookup", 12.0),)), Answer(0.4, "It is on its way.")]
        async with calling(bank, *script, config={"seed": 1}) as call:
            zero = await call.rig.say()
            at = await call.answered()
            heard = np.abs(call.rig.fillers(zero, at).astype(int)) > 30
            edges = np.flatnonzero(np.concatenate([[True], heard, [True]]))
            assert len(call.record.sounds) >= 3
            assert np.diff(edges).max() / RATE < 4.0

    virtually(main)


def test_the_thinking_loop_loops_over_tool_steps(bank: ClipBank) -> None:
    """One typing loop sounds through model, tool, model, tool, and is not started again at any of them."""

    async def main() -> None:
        config = {**LADDER, "ladder": [{"after_ms": 600, "kind": "ambience"}]}
        script = [
            Answer(1.0, "", (("lookup", 2.0),)),
            Answer(1.0, "", (("lookup", 2.0),)),
            Answer(1.0, "It is on its way."),
        ]
        async with calling(bank, *script, config=config) as call:
            zero = await call.rig.say()
            at = await call.answered()
            (sound,) = call.record.sounds
            assert sound.kind is Kind.AMBIENCE
            assert sound.end_s is not None
            assert sound.end_s == pytest.approx(at - zero, abs=CHUNK_S)
            assert sum(news.name == "tool_started" for news in call.record.milestones) == 2

    virtually(main)


def test_different_sounds_for_tools_and_the_model(bank: ClipBank) -> None:
    """A tool's own phrase is said while it runs, by its name; while the model thinks another one."""

    async def main() -> None:
        clips = [clip for clip in bank.originals if clip.kind is Kind.PHRASE and not clip.claims_work]
        phrases = sorted({clip.text for clip in clips if clip.text})
        config = {
            **ONE_PHRASE,
            "tools": {"lookup": {"phrases": [phrases[0]]}},
            "agents": {"m": {"phrases": [phrases[1]]}},
        }
        script = [Answer(0.2, "", (("lookup", 2.5),)), Answer(0.1, "Here."), Answer(2.5, "There.")]
        async with calling(bank, *script, config=config, agent="m") as call:
            for _ in range(2):
                at = call.rig.now
                await call.rig.say()
                await call.answered(at)
            said = [[sound.text for sound in record.sounds] for record in call.turns]
            assert said == [[phrases[0]], [phrases[1]]]

    virtually(main)


def test_a_preamble_and_a_slow_tool_are_a_second_wait(bank: ClipBank) -> None:
    """After a spoken "one moment" the slow tool gets fillers of its own, once the preamble has been heard."""

    async def main() -> None:
        async with calling(bank, PREAMBLE, Answer(0.3, "It is on its way.")) as call:
            zero = await call.rig.say()
            first = await call.answered()
            silent = call.rig.collector.times(BotStoppedSpeakingFrame)[0]
            second = await call.answered(silent)
            waits, sounds = call.record.waits, call.record.sounds
            assert len(waits) == 2
            assert zero + waits[1].began_s == pytest.approx(silent + 0.05, abs=CHUNK_S)
            assert waits[1].available_s is not None
            assert not call.rig.fillers(first, silent)[FADE + 1 :].any()
            assert [s for s in sounds if s.start_s > waits[1].began_s]
            assert not call.rig.fillers(second)[FADE + 1 :].any()
            assert call.turns == [call.record]
            assert call.record.outcome == "replied"

    virtually(main)


def test_a_quick_tool_behind_a_preamble_is_no_second_wait(bank: ClipBank) -> None:
    """When the answer is queued right behind the preamble there is nothing to wait for."""

    async def main() -> None:
        script = [
            Answer(0.2, "One moment please.", (("lookup", 0.1),)),
            Answer(0.0, "It is on its way."),
        ]
        async with calling(bank, *script) as call:
            await call.rig.say()
            await asyncio.sleep(6.0)
            assert not call.fillers.waiting
            assert all(wait.available_s is not None for wait in call.record.waits)

    virtually(main)


def test_nobody_waits_for_a_tool_in_the_background(bank: ClipBank) -> None:
    """A tool that is not cancelled on interruption goes on while the user may speak: no fillers after the answer."""

    async def main() -> None:
        script = [Answer(0.2, "I will tell you.", (("report", 8.0),)), Answer(0.1, ""), Answer(0.1, "It is done.")]
        async with calling(bank, *script) as call:
            call.rig.llm.register_function("report", call.rig.llm.tool, cancel_on_interruption=False)
            await call.rig.say()
            at = await call.answered()
            await asyncio.sleep(4.0)
            assert not call.rig.fillers(at)[FADE + 1 :].any()
            assert not call.fillers.waiting

    virtually(main)


def test_right_language_and_voice(bank: ClipBank) -> None:
    """A turn in a language or voice that no clip has is silent; both can be changed between turns."""

    async def main() -> None:
        async with calling(bank, *[SLOW] * 3, language="de-DE") as call:
            for language, voice in (("de-DE", None), ("en-US", None), ("en-US", "nobody")):
                call.fillers.language, call.fillers.voice = language, voice
                at = call.rig.now
                await call.rig.say()
                await call.answered(at)
            counts = [(record.language, len(record.sounds)) for record in call.turns]
            assert counts[0] == ("de-DE", 0)
            assert counts[1][1] > 0
            assert counts[2] == ("en-US", 0)

    virtually(main)


# What Pipecat sees ----------------------------------------------------------------------------------------------


def test_context_is_left_alone(bank: ClipBank) -> None:
    """Fillers leave no trace in what the model is asked with."""

    async def main() -> None:
        async with calling(bank, SLOW) as call:
            await call.rig.say()
            await call.answered()
            assert call.record.filler_text
            messages: list[Any] = call.rig.context.get_messages()
            assert [message["role"] for message in messages] == ["user", "assistant"]

    virtually(main)


def test_context_gets_what_was_heard_where_asked(bank: ClipBank) -> None:
    """On request fillers are put, marked, between question and answer: what was heard, up to the cut."""

    async def main() -> None:
        async with calling(bank, Answer(1.6, "It is on its way."), append_to_context=True) as call:
            await call.rig.say()
            await call.answered()
            messages: list[Any] = call.rig.context.get_messages()
            heard = [sound.text for sound in call.record.sounds if sound.text]
            assert heard
            assert [m["content"] for m in messages[1:-1]] == [f"[filler] {' '.join(heard)}"]
            assert [m["role"] for m in (messages[0], messages[-1])] == ["user", "assistant"]
            assert messages[-1]["content"] == "It is on its way."

    virtually(main)


def test_no_idle_prompt_is_triggered(bank: ClipBank) -> None:
    """A filler is no bot speech: it starts no idle timer of Pipecat's, and `waiting` tells when to hold others."""

    async def main() -> None:
        idle: list[bool] = []
        user = {"user_idle_timeout": 1.5}
        async with calling(bank, PREAMBLE, Answer(3.0, "It is on its way."), rig={"user": user}) as call:

            async def on_idle(_: Any) -> None:
                idle.append(call.fillers.waiting)

            call.rig.pair.user().add_event_handler("on_user_turn_idle", on_idle)
            assert not call.fillers.waiting
            await call.rig.say()
            assert call.fillers.waiting
            await call.answered()
            await asyncio.sleep(1.0)
            assert call.fillers.waiting
            await asyncio.sleep(12.0)
            assert len(call.record.sounds) >= 3
            assert not call.fillers.waiting
            assert idle == [False]  # when both had been silent, at last
            assert len(call.rig.collector.of(BotStartedSpeakingFrame)) == 4  # preamble and answer, both ways

    virtually(main)


class Latencies(UserBotLatencyObserver):
    """Pipecat's own measure, on the rig's wall clock."""

    def __init__(self) -> None:
        super().__init__(time_source=self.wall)
        self.rig: Rig | None = None
        self.measured: list[float] = []
        self.add_event_handler("on_latency_measured", self.on_latency)

    def wall(self) -> float:
        return 0.0 if self.rig is None else self.rig.wall

    async def on_latency(self, _: Any, latency: float) -> None:
        self.measured.append(latency)


async def seen_of_a_turn(rig: Rig, latencies: Latencies) -> tuple[list[Any], list[float]]:
    """Return the kinds of bot and metrics frames of one turn, and what Pipecat measured."""
    latencies.rig = rig
    await rig.say()
    await asyncio.sleep(4.0)
    frames = rig.collector.of(MetricsFrame, BotStartedSpeakingFrame, BotSpeakingFrame, BotStoppedSpeakingFrame)
    return [(type(f), [type(data) for data in getattr(f, "data", ())]) for f in frames], latencies.measured


def test_metrics_are_unspoilt(bank: ClipBank) -> None:
    """Pipecat's frames of metrics and bot speech, and its measure of latency, are the same with and without fillers."""

    async def main() -> None:
        observer = Latencies()
        async with running([SLOW], mixer=PlainMixer(), observers=[observer]) as rig:
            plain, without = await seen_of_a_turn(rig, observer)
        observer = Latencies()
        async with calling(bank, SLOW, rig={"observers": [observer]}) as call:
            filled, measured = await seen_of_a_turn(call.rig, observer)
            assert call.record.sounds
        assert filled == plain
        assert len(without) == 1
        assert measured == pytest.approx(without, abs=CHUNK_S / 2)

    virtually(main)


def test_the_clock_starts_at_the_end_of_speech(bank: ClipBank) -> None:
    """Time 0 is when the voice fell silent, not when that was noticed or confirmed; the first filler counts from it."""

    async def main() -> None:
        async with calling(bank, SLOW) as call:
            ended_at = await call.rig.say()
            await call.answered()
            record = call.record
            assert record.speech_ended_at == pytest.approx(ended_at, abs=0.002)
            assert record.began_s == pytest.approx(STOP_S, abs=0.003)
            committed = next(news.at_s for news in record.milestones if news.name == "turn_committed")
            assert committed == pytest.approx(STOP_S + CONFIRM_S, abs=0.02)
            assert record.sounds[0].requested_s == pytest.approx(0.6, abs=0.002)

    virtually(main)


def test_milestones_of_a_turn(bank: ClipBank) -> None:
    """Model, tool and voice are told in order and by name, each once."""

    async def main() -> None:
        script = [Answer(0.5, "", (("lookup", 1.0),)), Answer(0.5, "It is on its way.")]
        async with calling(bank, *script, agent="m") as call:
            await call.rig.say()
            await call.answered()
            at = {news.name: news.at_s for news in call.record.milestones}
            names = [news.name for news in call.record.milestones]
            assert sorted(names[:4]) == ["llm_started", "speech_ended", "transcript_final", "turn_committed"]
            assert names[4:] == ["tool_started", "tool_ended", "llm_started", "first_token", "tts_started"]
            assert at["tool_ended"] - at["tool_started"] == pytest.approx(1.0, abs=0.01)
            assert {news.tool for news in call.record.milestones} == {None, "lookup"}
            assert call.record.agent == "m"
            assert not call.record.notes

    virtually(main)


def test_a_speculative_request_is_no_news(bank: ClipBank) -> None:
    """A model that is asked before the turn has ended has not been asked, for all that is known of the turn."""

    async def main() -> None:
        async with calling(bank, Answer(0.1, "Too early."), append_to_context=True) as call:
            await call.rig.voice(0.5)
            provisional = type(call.rig.context)([{"role": "user", "content": "Where is"}])
            await call.rig.send(LLMContextFrame(context=provisional, speculation=True))
            await asyncio.sleep(0.2)
            assert [news.name for news in call.record.milestones] == ["speech_ended"]
            assert len(provisional.get_messages()) == 1

    virtually(main)


# The user -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frame", [InterruptionFrame, VADUserStartedSpeakingFrame])
def test_nothing_sounds_beyond_a_chunk_when_the_user_speaks(bank: ClipBank, frame: type[Frame]) -> None:
    """After an interruption, or the user's voice, what sounds is the chunk that was written already and a fade."""

    async def main() -> None:
        async with calling(bank, Answer(8.0, "Too late."), config=ONE_PHRASE) as call:
            await call.rig.say()
            await asyncio.sleep(0.45)
            assert call.fillers.filler_sounding
            at = call.rig.now
            await call.rig.send(frame())
            await asyncio.sleep(1.0)
            written = [chunk for chunk in call.rig.output.written if chunk.at > at]
            assert not np.concatenate([chunk.fillers for chunk in written])[FADE + 1 :].any()
            assert not call.fillers.filler_sounding

    virtually(main)


def test_an_interruption_ends_the_turn(bank: ClipBank) -> None:
    """A real turn of the user's in the midst of waiting cancels the old one; the new one begins at its own end."""

    async def main() -> None:
        async with calling(bank, Answer(8.0, "Too late."), Answer(0.8, "Here.")) as call:
            await call.rig.say()
            await asyncio.sleep(1.3)
            at = call.rig.now
            zero = await call.rig.say("No, my other order.")
            await call.answered(at)
            assert [(record.outcome, record.cancel_reason) for record in call.turns] == [
                ("cancelled", "interrupted"),
                ("replied", None),
            ]
            assert call.record.speech_ended_at == pytest.approx(zero, abs=0.002)

    virtually(main)


def test_speech_that_goes_on_takes_the_end_back(bank: ClipBank) -> None:
    """A pause in the midst of a sentence is a retracted turn, in which nothing was said, and no end of anything."""

    async def main() -> None:
        async with calling(bank, SLOW) as call:
            await call.rig.voice(0.5)
            await asyncio.sleep(0.2)
            assert call.fillers.waiting
            zero = await call.rig.say()
            await call.answered()
            retracted, replied = call.turns
            assert (retracted.outcome, replied.outcome) == ("retracted", "replied")
            assert not retracted.sounds
            assert replied.speech_ended_at == pytest.approx(zero, abs=0.002)

    virtually(main)


def test_an_ok_during_a_filler_does_not_kill_the_turn(bank: ClipBank) -> None:
    """A voice of which no turn is made silences the filler; the wait goes on with the next ones, and is answered."""

    async def main() -> None:
        config = {**LADDER, "ladder": [{"after_ms": 700, "kind": "phrase"}, {"after_ms": 2500, "kind": "progress"}]}
        async with calling(bank, Answer(5.0, "It is on its way."), config=config, rig=BY_WORDS) as call:
            await call.rig.say()
            await asyncio.sleep(0.5)
            assert call.fillers.filler_sounding
            at = call.rig.now
            await call.rig.send(VADUserStartedSpeakingFrame(timestamp=call.rig.wall))
            await asyncio.sleep(0.3)
            assert not call.rig.fillers(at + CHUNK_S)[FADE + 1 :].any()
            await call.rig.send(VADUserStoppedSpeakingFrame(stop_secs=0.2, timestamp=call.rig.wall))
            await call.answered()
            (record,) = call.turns
            assert record.outcome == "replied"
            assert len(record.sounds) >= 2

    virtually(main)


def test_backchannels_that_a_service_tells_of_do_not_kill_the_turn(bank: ClipBank) -> None:
    """Where Pipecat itself hears a "mm-hm", the filler goes on as after any word in passing."""

    async def main() -> None:
        async with calling(bank, Answer(4.0, "It is on its way."), rig=BY_WORDS) as call:
            await call.rig.say()
            await asyncio.sleep(0.5)
            await call.rig.send(VADUserStartedSpeakingFrame(timestamp=call.rig.wall))
            await asyncio.sleep(0.3)
            await call.rig.send(UserBackchannelFrame("mm-hm", "user", ""))
            await asyncio.sleep(1.0)
            assert call.record.outcome == "waiting"
            sounds = len(call.record.sounds)
            await call.answered()
            assert len(call.record.sounds) >= max(2, sounds)

    virtually(main)


def test_a_user_that_is_muted_while_speaking_holds_nothing(bank: ClipBank) -> None:
    """Where Pipecat mutes the user, for a tool, say, the end of what was being said is never told: fillers go on."""

    async def main() -> None:
        async with calling(bank, Answer(4.0, "It is on its way."), rig=BY_WORDS) as call:
            await call.rig.say()
            await call.rig.send(VADUserStartedSpeakingFrame(timestamp=call.rig.wall))
            await asyncio.sleep(0.3)
            await call.rig.send(UserMuteStartedFrame())
            await call.answered()
            assert call.record.sounds

    virtually(main)


def test_words_after_all_make_a_turn_of_it(bank: ClipBank) -> None:
    """Where the words come after the voice has ended, the new turn still begins when the voice fell silent."""

    async def main() -> None:
        async with calling(bank, Answer(8.0, "Too late."), Answer(1.0, "Here."), rig=BY_WORDS) as call:
            await call.rig.say()
            await asyncio.sleep(1.0)
            at = call.rig.now
            zero = await call.rig.say("No, the other one.")
            await call.answered(at)
            assert [record.outcome for record in call.turns] == ["cancelled", "replied"]
            assert call.record.speech_ended_at == pytest.approx(zero, abs=0.002)

    virtually(main)


def test_turns_overlap_where_interruptions_are_off(bank: ClipBank) -> None:
    """The user's next turn during the bot's answer begins to be waited for when the bot has finished."""

    async def main() -> None:
        script = [Answer(0.1, "This is a long answer, and nobody may interrupt it."), Answer(4.0, "Here.")]
        async with calling(bank, *script, rig={"interruptions": False}) as call:
            await call.rig.say()
            await asyncio.sleep(0.3)
            first = call.rig.reply_at()
            zero = await call.rig.say("And the other one?")
            assert call.fillers.waiting
            silent = await call.answered() + 0.06 * len(script[0].text)
            assert not call.rig.fillers(first, silent - CHUNK_S)[FADE + 1 :].any()
            await asyncio.sleep(2.0)
            assert call.record.speech_ended_at == pytest.approx(zero, abs=0.002)
            assert call.record.sounds
            second = await call.answered(silent)
            assert not call.rig.fillers(second)[FADE + 1 :].any()
            assert [record.outcome for record in call.turns] == ["replied", "replied"]

    virtually(main)


def test_no_fillers_behind_an_answer_that_was_queued(bank: ClipBank) -> None:
    """A question during the bot's speech that is answered right behind it is followed by silence."""

    async def main() -> None:
        script = [Answer(0.1, "This is a long answer, and nobody may interrupt it."), Answer(0.2, "Here.")]
        async with calling(bank, *script, config=ONE_PHRASE, rig={"interruptions": False}) as call:
            await call.rig.say()
            await asyncio.sleep(0.5)
            await call.rig.say("And the other one?")
            await asyncio.sleep(8.0)
            assert not call.rig.fillers().any()
            assert not call.fillers.waiting
            assert len(call.rig.llm.asked) == 2

    virtually(main)


# The transport --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 48_000])
def test_right_rate(bank: ClipBank, rate: int) -> None:
    """At the transport's rate, whatever the TTS has, a filler is as long as its clip."""

    async def main() -> None:
        async with calling(bank, SLOW, params={"audio_out_sample_rate": rate}, config=ONE_PHRASE) as call:
            await call.rig.say()
            await asyncio.sleep(1.6)
            assert call.fillers.session is not None
            assert call.fillers.session.rate == rate
            (sound,) = call.record.sounds
            clip = next(clip for clip in bank.clips(rate) if clip.id == sound.clip)
            heard = np.flatnonzero(call.rig.fillers())
            if sound.end_s is not None:
                assert heard[-1] - heard[0] <= len(clip.samples)
                assert heard[-1] - heard[0] >= 0.8 * len(clip.samples)
            else:
                assert clip.duration_s > 0.8

    virtually(main)


def test_two_channels(bank: ClipBank) -> None:
    """Where the transport has two channels, both get the filler, at its own pace."""

    async def main() -> None:
        params = {"audio_out_channels": 2}
        async with calling(bank, SLOW, params=params, channels=2, config=ONE_PHRASE) as call:
            await call.rig.say()
            await asyncio.sleep(1.0)
            left, right = call.rig.fillers()[::2], call.rig.fillers()[1::2]
            assert left.any()
            np.testing.assert_array_equal(left, right)
            (sound,) = call.record.sounds
            heard = np.flatnonzero(left)
            assert sound.end_frame is not None
            assert heard[-1] - heard[0] == pytest.approx(sound.end_frame - sound.start_frame, rel=0.2)

    virtually(main)


def test_the_echo_tap_has_the_exact_output(bank: ClipBank) -> None:
    """The tap gives what the transport writes, sample by sample and gapless: reply, the user's own mixer, fillers."""

    async def main() -> None:
        blocks: list[TapBlock] = []
        async with calling(bank, SLOW, mixer=PlainMixer(100), append_to_context=False) as call:
            remove = call.fillers.tap(blocks.append)
            first = len(call.rig.output.written)
            await call.rig.say()
            await call.answered()
            remove()
            count = len(blocks)
            await asyncio.sleep(0.2)
            assert len(blocks) == count
            written = [chunk.samples for chunk in call.rig.output.written[first:]][: count - 1]
            tapped = [np.rint(block.samples * 32768).astype(int) for block in blocks]
            offset = 0 if np.array_equal(tapped[0], written[0]) else 1
            np.testing.assert_array_equal(
                np.concatenate(tapped[offset : offset + len(written) - 1]), np.concatenate(written[:-1])
            )
            assert {int(step) for step in np.diff([block.frame for block in blocks])} == {CHUNK}
            sounding = {block.frame for block in blocks if block.filler}
            frames = [f for s in call.record.sounds for f in range(s.start_frame // CHUNK, (s.end_frame or 0) // CHUNK)]
            assert {frame // CHUNK for frame in sounding} >= set(frames[1:])
            assert len(sounding) < count / 2

    virtually(main)


def test_the_mixer_that_was_there_goes_on(bank: ClipBank) -> None:
    """A mixer that the transport had is started, told, mixed and stopped as before; fillers come on top."""

    async def main() -> None:
        plain = PlainMixer(7)
        frame = MixerControlFrame()
        async with calling(bank, SLOW, mixer=plain) as call:
            await call.rig.send(frame)
            await call.rig.say()
            at = await call.answered()
            silent = call.rig.written(at)[-1]
            assert set(silent.samples.tolist()) == {7}
            assert np.abs(call.rig.fillers(0.0, at)).max() > 1000
        assert plain.told == [RATE, frame, "stop", "stop"] or plain.told == [RATE, frame, "stop"]

    virtually(main)


def test_survives_a_blocked_loop_with_no_late_burst(bank: ClipBank) -> None:
    """250 ms of standstill are a gap; then sound goes on at its pace, whole, and what is due later is in time."""

    async def main() -> None:
        config = {**LADDER, "ladder": [{"after_ms": 700, "kind": "phrase"}, {"after_ms": 2500, "kind": "progress"}]}
        async with calling(bank, Answer(5.0, "Here."), config=config) as call:
            zero = await call.rig.say()
            await asyncio.sleep(0.4)
            assert call.fillers.filler_sounding
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualLoop)
            loop.jump(0.25)
            await asyncio.sleep(3.0)
            steps = np.diff([chunk.at for chunk in call.rig.output.written])
            assert steps.min() >= CHUNK_S - 1e-6
            assert (steps > CHUNK_S + 1e-6).sum() == 1
            phrase, progress = call.record.sounds[:2]
            clip = next(clip for clip in bank.clips(RATE) if clip.id == phrase.clip)
            assert phrase.end_frame is not None
            assert phrase.end_frame - phrase.start_frame == len(clip.samples)
            onset = next(c for c in call.rig.written(zero + 2.3) if c.fillers.any())
            at = onset.at + np.flatnonzero(onset.fillers)[0] / RATE - zero
            assert progress.requested_s <= at + 0.001
            assert at <= max(2.5, progress.requested_s) + 2 * CHUNK_S + 0.05

    virtually(main)


def test_hiccups_make_no_later_filler_late(bank: ClipBank) -> None:
    """After short standstills, too, a filler begins on time: to the sample, but for 5 ms that may be jitter."""

    async def main() -> None:
        async with calling(bank, SLOW, config=ONE_PHRASE) as call:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualLoop)
            for seconds in (0.03, 0.05, 0.1, 0.004):
                await asyncio.sleep(0.3)
                loop.jump(seconds)
            zero = await call.rig.say()
            await call.answered()
            onset = next(chunk for chunk in call.rig.output.written if chunk.fillers.any())
            at = onset.at + np.flatnonzero(onset.fillers)[0] / RATE - zero
            assert at == pytest.approx(0.7, abs=0.006)

    virtually(main)


class BrokenBank(ClipBank):
    """Clips that cannot be had when they are wanted."""

    def clips(self, rate: int) -> Any:
        raise OSError(f"no clips at {rate} Hz")


def test_a_bad_asset_hangs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Where no clip can be had the pipeline starts and answers as ever: one warning, a counter, no fillers."""

    async def main() -> None:
        async with calling(BrokenBank(("en-us",)), SLOW) as call:
            await call.rig.say()
            await call.answered()
            assert not call.rig.fillers().any()
            assert call.fillers.session is None
            assert not call.fillers.waiting
            assert call.fillers.begin() is None
            assert call.fillers.statistics()["errors"] == 1

    with caplog.at_level(logging.WARNING, "stopgap"):
        virtually(main)
    (warning,) = caplog.records
    assert "opening a session fails, the agent goes on without: OSError('no clips at 24000 Hz')" in warning.getMessage()


def test_used_by_two_destinations(bank: ClipBank, caplog: pytest.LogCaptureFixture) -> None:
    """A second destination that uses the mixer gets its sound unmixed, with one warning; the first one keeps time."""

    async def main() -> None:
        clock = LoopClock(asyncio.get_running_loop())
        with FillerManager(stopgap.load_config(ONE_PHRASE), clock=clock, bank=bank) as manager:
            fillers = PipecatFillers(manager)
            params = TransportParams(
                audio_out_enabled=True,
                audio_out_end_silence_secs=0,
                audio_out_destinations=["other"],
                audio_out_mixer={None: fillers.mixer, "other": fillers.mixer},
            )
            async with running([SLOW], params=params, before_output=fillers.processor) as rig:
                zero = await rig.say()
                await asyncio.sleep(2.0)
                assert fillers.turn is not None
                (sound,) = fillers.turn.record.sounds
                assert onset(rig, zero) - zero == pytest.approx(0.7, abs=0.006)
                clip = next(clip for clip in bank.clips(RATE) if clip.id == sound.clip)
                sounding = [chunk.at for chunk in rig.written(zero) if chunk.fillers.any()]
                assert sounding[-1] - sounding[0] == pytest.approx(len(clip.samples) / RATE, abs=2 * CHUNK_S)
                counts = fillers.statistics()
                assert counts["unmixed"] == pytest.approx(counts["chunks"], abs=3)

    with caplog.at_level(logging.WARNING, "stopgap"):
        virtually(main)
    (warning,) = caplog.records
    assert "serves one transport and destination already" in warning.getMessage()


def test_session_closed_in_the_midst_of_a_filler(bank: ClipBank) -> None:
    """Whoever closes the session silences the fillers; the answer is heard, and the pipeline ends as ever."""

    async def main() -> None:
        async with calling(bank, SLOW, SLOW, config=ONE_PHRASE) as call:
            await call.rig.say()
            await asyncio.sleep(0.5)
            assert call.fillers.filler_sounding
            assert call.fillers.session is not None
            call.fillers.session.close()
            at = call.rig.now
            await call.answered()
            assert not call.rig.fillers(at + 0.001).any()
            at = call.rig.now
            await call.rig.say()
            await call.answered(at)
            assert call.fillers.session is None
            assert call.fillers.statistics()["errors"] == 0

    virtually(main)


def test_a_line_that_was_lost_comes_back(bank: ClipBank) -> None:
    """While the client is gone Pipecat mixes as fast as it can; when it is back, fillers are in time as before."""

    async def main() -> None:
        async with calling(bank, SLOW, SLOW, config=ONE_PHRASE) as call:
            call.rig.output.connected = False
            await asyncio.sleep(3.0)
            call.rig.output.connected = True
            await asyncio.sleep(0.2)
            at = call.rig.now
            await call.rig.say()
            await call.answered(at)
            (sound,) = call.record.sounds
            assert sound.start_s == pytest.approx(0.7, abs=CHUNK_S)
            assert call.record.outcome == "replied"

    virtually(main)


def test_one_object_for_a_pipeline_and_the_next(bank: ClipBank) -> None:
    """When a pipeline has ended, another one with the same object opens a session of its own, at its own rate."""

    async def main() -> None:
        clock = LoopClock(asyncio.get_running_loop())
        with FillerManager(stopgap.load_config(ONE_PHRASE), clock=clock, bank=bank) as manager:
            turns: list[TurnRecord] = []
            fillers = PipecatFillers(manager, on_turn=turns.append)
            for rate in (24_000, 16_000, 16_000):
                params = TransportParams(
                    audio_out_enabled=True,
                    audio_out_end_silence_secs=0,
                    audio_out_mixer=fillers.mixer,
                    audio_out_sample_rate=rate,
                )
                async with running([SLOW], params=params, before_output=fillers.processor) as rig:
                    assert fillers.session is not None
                    assert fillers.session.rate == rate
                    await rig.say()
                    await asyncio.sleep(0.9)
                    assert fillers.filler_sounding
                assert fillers.session is None
            await asyncio.sleep(0.1)
            assert [(len(r.sounds), r.outcome) for r in turns] == [(1, "replied")] * 3
            assert fillers.statistics()["sessions"] == 3
            assert fillers.statistics()["errors"] == 0

    virtually(main)


def test_a_pipeline_that_is_cancelled_in_the_midst_of_a_filler(bank: ClipBank) -> None:
    """The turn is over, and says why; nothing sounds any more."""

    async def main() -> None:
        async with calling(bank, SLOW, config=ONE_PHRASE) as call:
            await call.rig.say()
            await asyncio.sleep(0.5)
            assert call.fillers.filler_sounding
            await call.rig.worker.cancel()
            await asyncio.sleep(0.1)
            assert not call.fillers.filler_sounding
            assert not call.fillers.waiting
            assert [record.cancel_reason for record in call.turns] == ["the pipeline ended"]

    virtually(main)


def test_a_processor_in_two_pipelines_is_named(bank: ClipBank, caplog: pytest.LogCaptureFixture) -> None:
    """One object in two pipelines at once: the second one is warned of, and is heard without fillers."""

    async def main() -> None:
        clock = LoopClock(asyncio.get_running_loop())
        with FillerManager(stopgap.load_config(ONE_PHRASE), clock=clock, bank=bank) as manager:
            fillers = PipecatFillers(manager)
            async with (
                running([SLOW], mixer=fillers.mixer, before_output=fillers.processor),
                running([SLOW], mixer=fillers.mixer) as second,
            ):
                await second.say()
                await asyncio.sleep(3.0)
                assert second.reply_at()
                assert not second.fillers().any()

    with caplog.at_level(logging.WARNING, "stopgap"):
        virtually(main)
    assert any("make a PipecatFillers for each" in record.getMessage() for record in caplog.records)


def test_many_calls_of_one_manager(bank: ClipBank) -> None:
    """Calls at the same time share the manager and nothing else: each has its own turns, sounds, end and session."""

    async def main() -> None:
        clock = LoopClock(asyncio.get_running_loop())
        with FillerManager(stopgap.load_config(ONE_PHRASE), clock=clock, bank=bank) as manager:

            async def one(number: int) -> TurnRecord:
                turns: list[TurnRecord] = []
                fillers = PipecatFillers(manager, agent=f"m{number}", on_turn=turns.append)
                answer = Answer(1.0 + number / 2, "Here.")
                async with running([answer], mixer=fillers.mixer, before_output=fillers.processor) as rig:
                    await asyncio.sleep(number / 4)
                    zero = await rig.say()
                    await asyncio.sleep(4.0 if number else 2.5)
                    at = rig.reply_at()
                    (record,) = turns
                    assert record.waits[0].available_s == pytest.approx(1.59 + number / 2, abs=0.02)
                    assert record.speech_ended_at == pytest.approx(zero, abs=0.002)
                    assert onset(rig, zero) - zero == pytest.approx(0.7, abs=0.006)
                    assert not rig.fillers(at)[FADE + 1 :].any()
                    if number == 0:  # it hangs up while the others wait
                        assert fillers.session is not None
                        fillers.session.close()
                    return record

            records = await asyncio.gather(*(one(number) for number in range(4)))
            assert {record.agent for record in records} == {"m0", "m1", "m2", "m3"}
            assert len({record.id for record in records}) == len({record.session for record in records}) == 4
            assert [len(record.sounds) for record in records] == [1] * 4

    virtually(main)


# Other agents ---------------------------------------------------------------------------------------------------


def test_a_turn_by_hand(bank: ClipBank) -> None:
    """An agent that is asked in text opens the turn itself; what the pipeline tells goes on from there."""

    async def main() -> None:
        async with calling(bank, SLOW) as call:
            turn = call.fillers.begin(speech_ended_at=call.rig.now - 0.1)
            assert turn is not None
            await call.rig.send(LLMRunFrame())
            await call.answered()
            assert turn.record.sounds
            assert turn.record.outcome == "replied"
            assert [news.name for news in turn.record.milestones][-2:] == ["first_token", "tts_started"]

    virtually(main)


def test_a_reply_in_text_ends_the_wait(bank: ClipBank) -> None:
    """Where the answer is shown and not spoken, fillers yield to its first token."""

    async def main() -> None:
        async with calling(bank, Answer(1.0, "It is on its way.")) as call:
            await call.rig.send(LLMConfigureOutputFrame(skip_tts=True))
            await call.rig.say()
            await asyncio.sleep(3.0)
            (record,) = call.turns
            assert record.outcome == "replied"
            assert record.waits[0].available_s == pytest.approx(STOP_S + CONFIRM_S + 1.0, abs=0.02)

    virtually(main)


def test_no_answer_at_all_ends_the_wait(bank: ClipBank) -> None:
    """A model that says nothing and calls no tool leaves nobody waiting."""

    async def main() -> None:
        async with calling(bank, Answer(1.0, "")) as call:
            await call.rig.say()
            await asyncio.sleep(2.0)
            assert not call.fillers.waiting
            assert call.turns[0].outcome == "replied"
            assert call.turns[0].reply_heard_s is None

    virtually(main)


def test_mixer_alone(bank: ClipBank) -> None:
    """Without the processor, and with turns by hand, fillers still yield to what the transport says."""

    async def main() -> None:
        clock = LoopClock(asyncio.get_running_loop())
        with FillerManager(stopgap.load_config(ONE_PHRASE), clock=clock, bank=bank) as manager:
            fillers = PipecatFillers(manager)
            async with running([Answer(1.0, "Here.")], mixer=fillers.mixer) as rig:
                await asyncio.sleep(0.1)
                fillers.begin()
                await rig.send(LLMRunFrame())
                await asyncio.sleep(3.0)
                assert fillers.turn is not None
                assert fillers.turn.record.sounds
                assert not rig.fillers(rig.reply_at())[FADE + 1 :].any()

    virtually(main)


def test_a_processor_at_the_wrong_place_is_noticed(bank: ClipBank) -> None:
    """Where the answer does not pass the processor, fillers yield when the transport says that the bot speaks."""

    async def main() -> None:
        clock = LoopClock(asyncio.get_running_loop())
        with FillerManager(stopgap.load_config(ONE_PHRASE), clock=clock, bank=bank) as manager:
            fillers = PipecatFillers(manager)
            beyond = Beyond()
            around = [UpTo(beyond), fillers.processor, beyond]
            async with running([Answer(1.0, "Here.")], mixer=fillers.mixer, extra=around) as rig:
                await rig.say()
                await asyncio.sleep(3.0)
                assert not rig.fillers(rig.reply_at() + CHUNK_S)[FADE + 1 :].any()
                assert fillers.statistics()["unannounced"] == 1

    virtually(main)


def test_callbacks_come_on_the_loop_and_may_fail(bank: ClipBank, caplog: pytest.LogCaptureFixture) -> None:
    """Functions and coroutine functions are called in order; what they raise is logged once and counted."""

    async def main() -> None:
        told: list[str] = []
        loop = asyncio.get_running_loop()

        async def on_filler(turn: str, sound: SoundRecord) -> None:
            assert asyncio.get_running_loop() is loop
            await asyncio.sleep(0)
            told.append("begins" if sound.end_s is None else "ended")

        def on_turn(record: TurnRecord) -> None:
            told.append(record.outcome)
            raise RuntimeError("no such row")

        clock = LoopClock(loop)
        with FillerManager(stopgap.load_config(ONE_PHRASE), clock=clock, bank=bank) as manager:
            fillers = PipecatFillers(manager, on_filler=on_filler, on_turn=on_turn)
            async with running([SLOW, SLOW], mixer=fillers.mixer, before_output=fillers.processor) as rig:
                for _ in range(2):
                    await rig.say()
                    await asyncio.sleep(4.0)
                assert fillers.statistics()["errors"] == 2
        assert told == ["begins", "ended", "replied"] * 2

    with caplog.at_level(logging.WARNING, "stopgap"):
        virtually(main)
    (warning,) = caplog.records
    assert "a callback fails" in warning.getMessage()


def test_it_works_on_real_time_with_the_service_thread(bank: ClipBank) -> None:
    """With a manager on the real clock, and its thread, a filler sounds, callbacks come, and the answer ends it."""

    async def main() -> None:
        with FillerManager(stopgap.load_config(ONE_PHRASE), bank=bank) as manager:
            turns: list[TurnRecord] = []
            fillers = PipecatFillers(manager, on_turn=turns.append)
            async with running([Answer(0.6, "Yes.")], mixer=fillers.mixer, before_output=fillers.processor) as rig:
                await rig.say(seconds=0.05)
                while not turns:
                    await asyncio.sleep(0.05)
                assert turns[0].outcome == "replied"
                assert fillers.statistics()["errors"] == 0

    asyncio.run(main())


# Arguments ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"mixer": "typing.wav"}, "mixer='typing.wav' is no mixer of Pipecat"),
        ({"latency_ms": -1.0}, "latency_ms=-1.0 must be 0 or more"),
        ({"latency_ms": math.nan}, "latency_ms=nan must be 0 or more"),
        ({"channels": 0}, "channels=0 must be the transport's"),
    ],
)
def test_wrong_arguments(bank: ClipBank, arguments: dict[str, Any], says: str) -> None:
    """What cannot be is refused at once, in one sentence."""
    with FillerManager(bank=bank) as manager, pytest.raises(stopgap.UsageError, match=says):
        PipecatFillers(manager, **arguments)


def test_wrong_manager() -> None:
    """A configuration in the manager's place is named."""
    manager: Any = stopgap.Config()
    with pytest.raises(stopgap.UsageError, match="needs a FillerManager, not Config"):
        PipecatFillers(manager)


def test_untested_version(bank: ClipBank, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside a version that was not tested, the author is told of both, at the author's own line."""
    monkeypatch.setattr("stopgap.engine.integrations._versions.version", lambda _: "1.15.2")
    with (
        FillerManager(bank=bank) as manager,
        pytest.warns(UserWarning, match=r"tested with pipecat-ai 1\.14, and 1\.15\.2 is installed") as caught,
    ):
        PipecatFillers(manager)
    assert caught[0].filename == __file__


def test_face() -> None:
    """`stopgap.pipecat` offers the package's names."""
    inner = stopgap.engine.integrations.pipecat
    assert stopgap.pipecat.__all__ == inner.__all__ == ["PipecatFillers"]
    assert stopgap.pipecat.PipecatFillers is inner.PipecatFillers


# Examples -------------------------------------------------------------------------------------------------------


def test_the_example_is_heard(tmp_path: Path) -> None:
    """The bot speaks twice, with fillers before each time, nothing is held back, and the file holds the sound."""
    out = run_example("pipecat_fake.py", "--out", tmp_path / "heard.wav")
    lines = [line.split("s  ")[1] for line in out.splitlines() if " s  " in line]
    assert lines.count("the bot speaks") == 2
    assert lines[0] != "the bot speaks"
    between = lines[lines.index("the bot speaks") + 1 : -1]
    assert between
    assert "held back by 0 ms" in out
    samples, rate = soundfile.read(tmp_path / "heard.wav")
    blocks = samples[: len(samples) // (rate // 10) * (rate // 10)].reshape(-1, rate // 10)
    assert (np.sqrt((blocks**2).mean(axis=1)) > 0.01).sum() > 20  # of some 110: 2.2 s of speech and fillers


def test_the_echo_example_keeps_the_bot_from_interrupting_itself() -> None:
    """Its own echo cuts fillers off; with a canceller, or with wary detection, it is not taken for the user."""
    out = run_example("pipecat_echo.py")
    counts = [int(line.split("taken for the user: ")[1].split()[0]) for line in out.splitlines()]
    assert counts[0] > 0
    assert counts[1:] == [0, 0]
