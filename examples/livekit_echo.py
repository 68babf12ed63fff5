"""Keep fillers out of the agent's ears: echo cancelling and detection in LiveKit Agents, with what was played.

    pip install 'stopgap[livekit]'
    python examples/livekit_echo.py

In rooms the caller's client cancels echoes, fillers' too: they are on the agent's track. In the console the framework
does. Where nobody does (a phone line over SIP), the agent may do it itself, with `LiveKitFillers.read_tap` as the
reference, and be harder of hearing while `LiveKitFillers.filler_sounding`. It is done to the session's audio input, so
that whatever listens, the voice activity detector as well as the STT, hears the same. This runs that on a line with an
echo 80 ms late and a tenth as loud, and prints how much of a filler is left.
"""

import asyncio
from collections import deque
from typing import Any

import numpy as np
import stopgap
from livekit import rtc
from livekit.agents import Agent, AgentSession, vad
from livekit.agents.utils.audio import AudioByteStream
from livekit.agents.voice import io
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


class CleanInput(io.AudioInput):
    """The microphone without echoes, and without anything faint while a filler sounds.

    Put it in front of the session's own input, once that has started::

        session.input.audio = CleanInput(session.input.audio, fillers)

    Args:
        source: The microphone.
        fillers: Attached to the session.
    """

    def __init__(self, source: io.AudioInput, fillers: LiveKitFillers) -> None:
        super().__init__(label="clean", source=source)
        self._microphone, self._fillers = source, fillers
        self._canceller = EchoCanceller(fillers)
        self._blocks = AudioByteStream(RATE, 1, samples_per_channel=BLOCK)
        self._ready: deque[rtc.AudioFrame] = deque()

    async def __anext__(self) -> rtc.AudioFrame:
        while not self._ready:
            frame = await self._microphone.__anext__()
            self._ready.extend(self._blocks.push(frame.data))
        clean = self._canceller.clean(self._ready.popleft())
        faint = level(clean) < 0.02
        return silence() if faint and self._fillers.filler_sounding else clean


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


class Microphone(io.AudioInput):
    """Hears *line*, 10 ms at a time, and notes how loud it was."""

    def __init__(self, line: EchoingLine) -> None:
        super().__init__(label="microphone")
        self.levels: list[float] = []
        self._line = line
        self._due = asyncio.get_running_loop().time()

    async def __anext__(self) -> rtc.AudioFrame:
        self._due += BLOCK / RATE
        await asyncio.sleep(self._due - asyncio.get_running_loop().time())
        frame = self._line.microphone()
        self.levels.append(level(frame))
        return frame


class Detector(vad.VAD):
    """Never takes anything for speech; notes how loud it is what it is given."""

    def __init__(self) -> None:
        super().__init__(capabilities=vad.VADCapabilities(update_interval=0.1))
        self.levels: list[float] = []

    def stream(self) -> vad.VADStream:
        return DetectorStream(self)


class DetectorStream(vad.VADStream):
    """What the session gives the detector."""

    async def _main_task(self) -> None:
        async for frame in self._input_ch:
            if isinstance(frame, rtc.AudioFrame) and isinstance(self._vad, Detector):
                self._vad.levels.append(level(frame))


async def main() -> None:
    line, detector = EchoingLine(), Detector()
    microphone = Microphone(line)
    config: dict[str, Any] = {"mode": "ladder", "ladder": [{"after_ms": 100, "kind": "phrase"}]}
    with stopgap.FillerManager.from_config(config) as manager:
        session: AgentSession[None] = AgentSession(vad=detector)
        session.output.audio = line
        fillers = LiveKitFillers(manager)
        fillers.attach(session)
        session.input.audio = CleanInput(microphone, fillers)
        await session.start(Agent(instructions="Answer."))
        sounding = 0
        for _ in range(3):  # a canceller learns the line
            turn = fillers.begin()
            for _ in range(170):
                sounding += fillers.filler_sounding
                await asyncio.sleep(0.01)
            turn.finish()
        await session.aclose()
        await fillers.aclose()
    before, after = microphone.levels, detector.levels
    last = slice(min(len(before), len(after)) // 2, min(len(before), len(after)))
    left = 10 * np.log10((np.square(after[last]).sum() + 1e-12) / np.square(before[last]).sum())
    print(f"a filler sounded for {sounding / 100:.1f} s; of its echo {left:.0f} dB are left to the detector")


if __name__ == "__main__":
    asyncio.run(main())
