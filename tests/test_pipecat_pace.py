"""Pipecat's transports that take sound faster than it is heard: the queue stays short, and no core is busy."""

import asyncio

import hushed_pipecat  # noqa: F401
import numpy as np
import pytest
from pipecat.frames.frames import TTSAudioRawFrame
from pipecat_call import LADDER, ONE_PHRASE, PREAMBLE, SLOW, calling, onset, virtually
from pipecat_rig import CHUNK_S, Answer, BoundlessOutput, QueueOutput, running
from stopgap import ClipBank

QUEUED_S = 2 * CHUNK_S + 0.02
"""s by which a queue of silence may make the reply later."""


def test_a_queue_of_silence_does_not_delay_the_answer(bank: ClipBank) -> None:
    """Where writes return until a second is queued, answers and fillers come at most two chunks later, every time."""

    async def main() -> None:
        async with running([SLOW], output=QueueOutput) as plain:
            zero = await plain.say()
            await asyncio.sleep(4.0)
            without = plain.reply_at() - zero
        async with calling(bank, *[SLOW] * 3, config=ONE_PHRASE, rig={"output": QueueOutput}) as call:
            await asyncio.sleep(3.0)
            for _ in range(3):
                at = call.rig.now
                zero = await call.rig.say()
                later = await call.answered(at) - zero - without
                assert 0.0 <= later <= QUEUED_S
                assert onset(call.rig, at) - zero == pytest.approx(0.7, abs=0.006)
                assert call.record.sounds[0].start_s == pytest.approx(0.7, abs=0.006)
                await asyncio.sleep(2.0)

    virtually(main)


def test_a_queue_is_short_again_without_an_interruption(bank: ClipBank) -> None:
    """What is queued of a preamble is heard before more silence is written: the tool's fillers and answer are in time.

    The transport says that the bot is silent when all was written, a second before the preamble has been heard.
    """

    async def main() -> None:
        async with calling(bank, PREAMBLE, Answer(0.3, "It is on its way."), rig={"output": QueueOutput}) as call:
            zero = await call.rig.say()
            first = await call.answered()
            silent = first + 0.06 * len(PREAMBLE.text)
            await asyncio.sleep(8.0)
            second = call.rig.reply_at(silent)
            assert silent - 0.001 <= onset(call.rig, silent - 0.001)
            asked_at = zero + next(n.at_s for n in call.record.milestones[::-1] if n.name == "tts_started")
            assert second - asked_at <= 0.1 + QUEUED_S
            heard = np.concatenate([chunk.fillers for chunk in call.rig.written(silent, second)])
            assert np.abs(heard).max() > 1000

    virtually(main)


def test_a_transport_that_takes_all_gets_the_answer_at_once(bank: ClipBank) -> None:
    """The reply is written as fast as it comes, whatever is queued; silence and fillers at the pace of time."""

    async def main() -> None:
        script = [Answer(1.5, "This is a long answer, and it is written at once.")]
        async with calling(bank, *script, config=LADDER, rig={"output": BoundlessOutput}) as call:
            await asyncio.sleep(10.0)
            assert call.fillers.statistics()["chunks"] == pytest.approx(10.0 / CHUNK_S, abs=4)
            await call.rig.say()
            while not [chunk for chunk in call.rig.output.written if chunk.kind is TTSAudioRawFrame]:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.05)
            said = [chunk for chunk in call.rig.output.written if chunk.kind is TTSAudioRawFrame]
            assert len(said) == pytest.approx(0.06 * len(script[0].text) / CHUNK_S, abs=1)
            assert len(call.record.sounds) == 2
            assert said[0].at - call.rig.now <= QUEUED_S
            await asyncio.sleep(5.0)
            steps = np.diff([chunk.at for chunk in call.rig.written(said[0].at)])
            assert steps.max() <= CHUNK_S + 0.001

    virtually(main)


def test_no_core_is_busy_without_a_client(bank: ClipBank) -> None:
    """While nobody is connected writes return at once, and chunks are mixed no more often than they are long."""

    async def main() -> None:
        async with calling(bank, SLOW) as call:
            call.rig.output.connected = False
            before = call.fillers.statistics()["chunks"]
            await asyncio.sleep(2.0)
            assert call.fillers.statistics()["chunks"] - before == pytest.approx(2.0 / CHUNK_S, abs=4)

    virtually(main)


def test_a_line_that_is_lost_within_a_wait(bank: ClipBank) -> None:
    """A record stays possible when the client is gone for part of a wait: sounds begin in it, in order, and end."""

    async def main() -> None:
        config = {**LADDER, "ladder": [{"after_ms": 700, "kind": "phrase"}, {"after_ms": 3500, "kind": "progress"}]}
        async with calling(bank, Answer(5.0, "It is on its way."), config=config) as call:
            zero = await call.rig.say()
            call.rig.output.connected = False
            await asyncio.sleep(2.0)
            call.rig.output.connected = True
            at = await call.answered()
            lost, heard = call.record.sounds
            assert lost.start_s == pytest.approx(0.7, abs=0.006)
            assert lost.end_s is not None
            assert lost.start_s < lost.end_s < heard.start_s
            assert onset(call.rig, zero + 3.0) - zero == pytest.approx(heard.start_s, abs=CHUNK_S + 0.006)
            assert heard.start_s == pytest.approx(3.5, abs=0.006)
            assert call.record.outcome == "replied"
            assert call.record.waits[0].available_s == pytest.approx(at - zero, abs=CHUNK_S)

    virtually(main)
