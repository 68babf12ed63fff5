"""Fillers on the agent's track: held-back speech, the agent's other words, rates, and the way out again."""

import asyncio
import logging
from typing import Any

import numpy as np
import pytest
from livekit.agents import AgentSession
from livekit.agents.voice import io
from livekit.agents.voice.transcription import TranscriptSynchronizer
from livekit_rig import ONE_PHRASE, PHRASES, RATE, Answer, Rig, Sink, is_speech, live, rig
from stopgap import ClipBank
from stopgap.engine.integrations.livekit._frame import FillerFormat
from stopgap.fillers import Samples

ANSWER = "It is forty two."
GREETING = "This is a long greeting of the agent here, it goes on."


# What the lead holds back ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lead_ms", [60.0, 240.0, 1000.0])
def test_what_the_sink_holds_of_a_filler_is_in_the_record(bank: ClipBank, lead_ms: float) -> None:
    """Also where the filler is over for the mixer, which is ahead of the ear: the answer is heard when it says."""

    async def main() -> None:
        config = {**ONE_PHRASE, "ladder": [{"after_ms": 600, "kind": "phrase"}]}
        held: list[float] = []
        for after_s in np.arange(0.1, 0.8, 0.06):
            async with rig(bank, [Answer(float(after_s), ANSWER)], config=config, lead_ms=lead_ms) as it:
                await it.user_says()
                await it.until(5.0)
                (wait,) = it.records[0].waits
                assert wait.available_s is not None
                assert wait.heard_s is not None
                assert wait.heard_s == pytest.approx(it.after(it.sink.speech_at[0]), abs=1e-3)
                assert wait.held_back_s == pytest.approx(wait.heard_s - wait.available_s, abs=1e-6)
                held.append(wait.heard_s - wait.available_s)
        assert max(held) > 0.03

    live(main)


# The agent's other words ----------------------------------------------------------------------------------------------


def test_fillers_wait_for_what_the_agent_says_before_a_wait_begun_by_hand(
    bank: ClipBank, caplog: pytest.LogCaptureFixture
) -> None:
    """They are no part of its queue: nothing is put behind the greeting, and once that is heard out they come."""

    async def main() -> None:
        async with rig(bank, [Answer(9.0, ANSWER)]) as it:
            it.session.say(GREETING)
            await asyncio.sleep(1.0)
            it.fillers.begin()
            it.session.generate_reply(instructions="Tell the news.")
            await asyncio.sleep(14.0)
            greeting, answer = it.sink.speech_at
            first, _ = it.sink.filler_times[0]
            assert first == pytest.approx(greeting + 0.06 * len(GREETING) + 0.6, abs=0.05)
            assert len(it.sink.filler_times) == 2
            assert it.sink.filler_times[-1][1] < answer
            assert [record.outcome for record in it.records] == ["replied"]
            assert it.fillers.statistics()["errors"] == 0

    live(main)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("how", ["detach", "cancel"])
def test_a_wait_that_is_given_up_does_not_cut_what_the_agent_says(bank: ClipBank, how: str) -> None:
    """Only what is a filler's is dropped."""

    async def main() -> None:
        async with rig(bank, [Answer(3.0, ANSWER)]) as it:
            it.session.say(GREETING, allow_interruptions=False)
            await asyncio.sleep(1.0)
            turn = it.fillers.begin()
            await asyncio.sleep(1.0)
            if how == "detach":
                it.fillers.detach()
            else:
                turn.cancel()
            await asyncio.sleep(4.0)
            (end,) = it.sink.finished
            assert not end.interrupted
            assert end.playback_position == pytest.approx(0.06 * len(GREETING), abs=0.03)

    live(main)


# Rates ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("to_rate", [8_000, 16_000, 22_050, 48_000])
def test_a_sound_is_whole_and_the_next_one_begins_anew(to_rate: int) -> None:
    """What a resampler keeps back is the end of the sound, and of no other; a tail follows it without a gap."""
    sound: Samples = np.sin(np.arange(480 * 10) / 7.0).astype(np.float32)
    made = FillerFormat(RATE, to_rate, 1)
    runs = []
    for _ in range(2):
        parts = [made.resampled(block) for block in sound.reshape(-1, 480)]
        assert sum(map(len, parts)) < len(sound) * to_rate // RATE
        parts.append(made.end()[0])
        runs.append(np.concatenate(parts))
    assert len(runs[0]) == round(len(sound) * to_rate / RATE)
    assert np.array_equal(runs[0], runs[1])
    begin = [made.resampled(block) for block in sound[:2400].reshape(-1, 480)]
    late, under = made.end(sound[2400:])
    assert len(np.concatenate([*begin, late])) == 2400 * to_rate // RATE
    assert np.allclose(np.concatenate([*begin, late, under]), runs[0], atol=1e-4)


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_a_filler_ends_with_its_end_and_begins_with_its_beginning_at_any_rate(bank: ClipBank, rate: int) -> None:
    """A bed that was cut by the user: the next one begins as softly as the first, with nothing of the first in it."""

    async def main() -> None:
        config = {**ONE_PHRASE, "ladder": [{"after_ms": 600, "kind": "ambience"}]}
        sink = Sink(rate)
        async with rig(bank, [Answer(3.0, ANSWER)], config=config, sink=sink) as it:
            await it.user_says()
            await it.until(1.5)
            it.user_starts()
            await asyncio.sleep(0.3)
            it.user_goes_on(0.8)
            await asyncio.sleep(0.7)
            before = len(sink.played)
            await it.user_stops("again")
            await it.until(6.0)
            beds = [
                np.concatenate([played.pcm for played in part if played.pcm.any() and not is_speech(played.pcm)])
                for part in (sink.played[:before], sink.played[before:])
            ]
            assert all(np.abs(bed[: rate // 500]).max() < 100 for bed in beds)
            assert max(np.abs(beds[0]).max(), np.abs(beds[1]).max()) > 1000

    live(main)


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_a_phrase_that_is_heard_out_is_whole_at_any_rate(bank: ClipBank, rate: int) -> None:
    """To its last sample, and at once: no end comes late."""

    async def main() -> None:
        sink = Sink(rate)
        async with rig(bank, [Answer(4.0, ANSWER)], config=ONE_PHRASE, sink=sink) as it:
            await it.user_says()
            await it.until(8.0)
            clip = next(clip for clip in bank.clips(RATE) if clip.id == it.records[0].sounds[0].clip)
            fillers = [played for played in sink.played if played.until < sink.speech_at[0]]
            heard = np.concatenate([played.pcm for played in fillers])
            assert len(heard) / rate == pytest.approx(len(clip.samples) / RATE, abs=0.021)
            assert fillers[-1].until == pytest.approx(fillers[0].at + len(heard) / rate, abs=1e-3)

    live(main)


def test_a_sink_that_is_exchanged_beneath_gets_fillers_of_its_own_rate(bank: ClipBank) -> None:
    """The framework may do so without telling, where the fillers stand right before its own proxy."""

    async def main() -> None:
        second = Sink(16_000)
        async with rig(bank, [Answer(3.0, ANSWER)], attach_first=False) as it:
            it.session.output.replace_audio_tail(second)
            await it.user_says()
            await it.until(7.0)
            assert {played.rate for played in second.played} == {16_000}
            assert any(not is_speech(played.pcm) for played in second.played)
            assert not it.sink.played

    live(main)


# The way out ----------------------------------------------------------------------------------------------------------


def chain(it: Rig) -> list[io.AudioOutput]:
    outputs, output = [], it.session.output.audio
    while output is not None:
        outputs.append(output)
        output = output.next_in_chain
    return outputs


def synchronised(session: AgentSession[None], sink: Sink) -> None:
    synchronizer = TranscriptSynchronizer(next_in_chain_audio=sink, next_in_chain_text=None)
    session.output.audio = synchronizer.audio_output
    session.output.transcription = synchronizer.text_output


@pytest.mark.parametrize("wrap", [None, synchronised])
@pytest.mark.parametrize("at_s", [None, 1.0, 2.6, 3.9])
def test_after_detach_the_session_is_as_it_was(
    bank: ClipBank, caplog: pytest.LogCaptureFixture, wrap: Any, at_s: float | None
) -> None:
    """The same outputs in the same order, nobody listens to the sink but they, and the framework warns of nothing;
    also when it was in silence, in the midst of a filler, or of the answer. Attached again, it fills again."""

    async def main() -> None:
        async with rig(bank, [Answer(3.0, ANSWER)], config=PHRASES, wrap=wrap) as it:
            it.fillers.detach()
            await asyncio.sleep(0.1)
            plain = chain(it)
            assert plain[-1] is it.sink
            assert len(plain) == (1 if wrap is None else 3)
            listeners = len(it.sink._events["playback_finished"])
            for _ in range(2):
                it.fillers.attach(it.session)
                assert chain(it) != plain
                await it.user_says()
                await it.until(7.0 if at_s is None else at_s)
                it.fillers.detach()
                await it.until(8.0)
                assert chain(it) == plain
                assert len(it.sink._events["playback_finished"]) == listeners
                before = len(it.sink.speech_at)
                await it.user_says()
                await it.until(7.0)
                assert len(it.sink.speech_at) == before + 1
            assert it.fillers.statistics()["errors"] == 0

    live(main)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
