"""Pipecat's services whose speech is a stream that never ends, as those of avatars and speech-to-speech models are."""

import asyncio
from typing import Any

import hushed_pipecat  # noqa: F401
import numpy as np
import pytest
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    CancelFrame,
    EndFrame,
    Frame,
    InterruptionFrame,
    SpeechOutputAudioRawFrame,
    StartFrame,
    TTSAudioRawFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat_call import FADE, SLOW, calling, virtually
from pipecat_rig import RATE, REPLY_LEVEL, Answer
from stopgap import ClipBank

PART_S = 0.02


class Avatar(FrameProcessor):
    """Takes in the voice and gives back a stream that is silent where there is none, but for an encoder's noise."""

    def __init__(self) -> None:
        super().__init__()
        self._said = b""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, TTSAudioRawFrame):
            self._said += frame.audio
            return
        if isinstance(frame, StartFrame):
            self._streaming = self.create_task(self._stream())
        elif isinstance(frame, InterruptionFrame):
            self._said = b""
        elif isinstance(frame, EndFrame | CancelFrame):
            await self.cancel_task(self._streaming)
        await self.push_frame(frame, direction)

    async def _stream(self) -> None:
        size = 2 * round(PART_S * RATE)
        silence = np.tile(np.array([3, -3], "<i2"), size // 4).tobytes()
        while True:
            await asyncio.sleep(PART_S)
            part, self._said = self._said[:size], self._said[size:]
            await self.push_frame(SpeechOutputAudioRawFrame(part + silence[len(part) :], RATE, 1))


@pytest.mark.parametrize("arguments", [{}, {"handoff": True}])
def test_silence_of_a_stream_is_no_reply(bank: ClipBank, arguments: dict[str, Any]) -> None:
    """While the stream is silent fillers sound as ever; they yield to its speech, and its end is the reply's."""

    async def main() -> None:
        script = [Answer(2.0, SLOW.text), SLOW]
        async with calling(bank, *script, rig={"extra": [Avatar()]}, **arguments) as call:
            zero = await call.rig.say()
            while call.record.reply_heard_s is None:
                await asyncio.sleep(0.01)
            assert len(call.record.sounds) == 2
            at = call.rig.now
            assert at - zero == pytest.approx(2.6, abs=1.0 if arguments else 0.1)
            await asyncio.sleep(0.5)
            said = np.concatenate([chunk.samples for chunk in call.rig.written(at + 0.1)])
            assert (said[FADE:] == REPLY_LEVEL).mean() > 0.9
            assert call.fillers.statistics()["errors"] == 0
            await call.rig.say()
            await asyncio.sleep(1.0)
            assert call.record.sounds
            assert len(call.rig.collector.of(BotStartedSpeakingFrame)) == 2  # once, both ways: no filler is the bot's

    virtually(main)
