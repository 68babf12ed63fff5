"""Keep fillers out of the agent's ears: echo cancelling and detection in LiveKit Agents, with what was played.

    pip install 'stopgap[livekit]'
    python examples/livekit_echo.py

In rooms the caller's client cancels echoes, fillers' too: they are on the agent's track. In the console the framework
does. Where nobody does (a phone line over SIP), the agent may do it in its `stt_node`, with `LiveKitFillers.read_tap`
as the reference, and be harder of hearing while `LiveKitFillers.filler_sounding`. This runs that on a line with an echo
80 ms late and a tenth as loud, and prints how much of a filler is left.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

import numpy as np
import stopgap
from livekit import rtc
from livekit.agents import Agent, AgentSession, stt
from livekit.agents.utils.audio import AudioByteStream
from livekit.agents.voice import ModelSettings, io
from stopgap.livekit import LiveKitFillers

RATE = 24_000
BLOCK = RATE // 100
"""Samples of 10 ms: what the canceller takes."""
ECHO_S = 0.08


class EchoCanceller:
    """Takes out of the microphone's frames what the fillers' tap says was played.

    Args:
        fillers: Attached to the session.
    """

    def __init__(self, fillers: LiveKitFillers) -> None:
        self._fillers = fillers
        self._canceller = rtc.AudioProcessingModule(echo_cancellation=True)
        self._played = AudioByteStream(RATE, 1, samples_per_channel=BLOCK)
        fillers.open_tap(2.0)

    def clean(self, frame: rtc.AudioFrame) -> rtc.AudioFrame:
        """Return *frame*, 10 ms of the microphone, without echoes."""
        for played in self._fillers.read_tap():
            for block in self._played.push(played.frame.data):
                self._canceller.process_reverse_stream(block)
        self._canceller.set_stream_delay_ms(round(1000 * ECHO_S))
        self._canceller.process_stream(frame)
        return frame


class CarefulAgent(Agent):
    """Hears without echoes, and only loud voices while a filler sounds: put this node into your own agent."""

    def __init__(self, fillers: LiveKitFillers) -> None:
        super().__init__(instructions="Answer.")
        self._fillers = fillers

    async def stt_node(
        self, audio: AsyncIterable[rtc.AudioFrame], model_settings: ModelSettings
    ) -> AsyncIterator[stt.SpeechEvent | str]:
        async def heard() -> AsyncIterator[rtc.AudioFrame]:
            canceller = EchoCanceller(self._fillers)
            blocks = AudioByteStream(RATE, 1, samples_per_channel=BLOCK)
            async for frame in audio:
                for block in blocks.push(frame.data):
                    clean = canceller.clean(block)
                    faint = level(clean) < 0.02
                    yield silence() if faint and self._fillers.filler_sounding else clean

        async for event in Agent.default.stt_node(self, heard(), model_settings):
            yield event


def level(frame: rtc.AudioFrame) -> float:
    samples = np.frombuffer(frame.data, np.int16).astype(np.float64) / 32768
    return float(np.sqrt(np.mean(samples**2)))


def silence() -> rtc.AudioFrame:
    return rtc.AudioFrame.create(RATE, 1, BLOCK)


# A line with an echo --------------------------------------------------------------------------------------------------


class EchoingLine(io.AudioOutput):
    """Plays nothing, and comes back on the microphone."""

    def __init__(self) -> None:
        super().__init__(label="line", capabilities=io.AudioOutputCapabilities(pause=False), sample_rate=RATE)
        self._samples: deque[int] = deque([0] * round(ECHO_S * RATE))

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        self._samples.extend(np.frombuffer(frame.data, np.int16) // 10)

    def flush(self) -> None:
        super().flush()
        asyncio.get_running_loop().call_soon(self._end)

    def _end(self) -> None:
        self.on_playback_finished(playback_position=0.0, interrupted=False)

    def clear_buffer(self) -> None:
        pass

    def microphone(self) -> rtc.AudioFrame:
        pcm = [self._samples.popleft() if self._samples else 0 for _ in range(BLOCK)]
        return rtc.AudioFrame(np.array(pcm, np.int16).tobytes(), RATE, 1, BLOCK)


async def main() -> None:
    line = EchoingLine()
    config: dict[str, Any] = {"mode": "ladder", "ladder": [{"after_ms": 100, "kind": "phrase"}]}
    with stopgap.FillerManager.from_config(config) as manager:
        session: AgentSession[None] = AgentSession()
        session.output.audio = line
        fillers = LiveKitFillers(manager)
        fillers.attach(session)
        canceller = EchoCanceller(fillers)
        before, after, sounding = [], [], 0
        loop = asyncio.get_running_loop()
        for _ in range(3):  # a canceller learns the line
            turn = fillers.begin()
            due = loop.time()
            for _ in range(170):
                frame = line.microphone()
                before.append(level(frame))
                after.append(level(canceller.clean(frame)))
                sounding += fillers.filler_sounding
                due += 0.01
                await asyncio.sleep(due - loop.time())
            turn.finish()
        await fillers.aclose()
    last = slice(len(before) // 2, None)
    left = 10 * np.log10((np.square(after[last]).sum() + 1e-12) / np.square(before[last]).sum())
    print(f"a filler sounded for {sounding / 100:.1f} s; of its echo {left:.0f} dB are left")


if __name__ == "__main__":
    asyncio.run(main())
