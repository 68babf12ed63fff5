"""An agent in LiveKit Agents with a slow fake model, tool and voice: no keys, no room, no microphone.

    pip install 'stopgap[livekit]'
    python examples/livekit_fake.py                  # prints what was heard, and when
    python examples/livekit_fake.py --out heard.wav  # and writes it to a file

All but the models is real: an `AgentSession` with its detectors, its state and its queue. The lines with `fillers` are
all that stopgap needs.
"""

import argparse
import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import soundfile
import stopgap
from livekit import rtc
from livekit.agents import Agent, AgentSession, RunContext, function_tool, llm, stt, tts, vad
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS
from livekit.agents.voice import io
from stopgap.livekit import LiveKitFillers

RATE = 24_000


class Assistant(Agent):
    """Thinks for 1.6 s; looks an order up, in 2.8 s, where it is asked for one."""

    def __init__(self) -> None:
        super().__init__(instructions="Answer.")

    async def llm_node(
        self, chat_ctx: llm.ChatContext, tools: list[llm.Tool], model_settings: Any
    ) -> AsyncIterator[Any]:
        """Stand in for a streaming language model."""
        await asyncio.sleep(1.6)
        last = chat_ctx.items[-1]
        if isinstance(last, llm.ChatMessage) and "order" in (last.text_content or ""):
            call = llm.FunctionToolCall(name="lookup_order", arguments="{}", call_id="call-1")
            yield llm.ChatChunk(id="1", delta=llm.ChoiceDelta(role="assistant", tool_calls=[call]))
            return
        for word in ("It is on its way." if isinstance(last, llm.FunctionCallOutput) else "Forty-two.").split():
            yield word + " "

    @function_tool
    async def lookup_order(self, context: RunContext[None]) -> str:
        """Look the user's order up."""
        await asyncio.sleep(2.8)
        return "on its way"


async def main(out: str | None) -> None:
    sink, detector, ears = Loudspeaker(), ScriptedDetector(), ScriptedEars()
    with stopgap.FillerManager.from_config() as manager:
        session: AgentSession[None] = AgentSession(
            vad=detector, stt=ears, llm=UnusedModel(), tts=Murmur(), turn_handling={"turn_detection": "vad"}
        )
        fillers = LiveKitFillers(manager, agent="fake-model", on_turn=show)
        fillers.attach(session)
        session.output.audio = sink  # ctx.room brings its own, given to session.start
        await session.start(Assistant())
        for question, seconds in (("What is six times seven?", 3.2), ("Where is my order?", 8.2)):
            print(f"        {question}")
            detector.tell(vad.VADEventType.START_OF_SPEECH)
            await asyncio.sleep(0.5)
            detector.tell(vad.VADEventType.END_OF_SPEECH)
            ears.tell(question)
            await asyncio.sleep(seconds)
        await session.aclose()
    if out is not None:
        soundfile.write(out, sink.heard(), RATE)


def show(record: stopgap.TurnRecord) -> None:
    for sound in record.sounds:
        print(f"{sound.start_s:5.2f} s  {sound.kind:<10}  {sound.text or ''}")
    if record.reply_heard_s is not None:
        delay_ms = 1000 * (record.reply_delay_s or 0.0)
        print(f"{record.reply_heard_s:5.2f} s  the answer  (held back by {delay_ms:.0f} ms)\n")


# What a real agent gets from its services and its room ----------------------------------------------------------------


class Loudspeaker(io.AudioOutput):
    """Plays into an array, in real time."""

    def __init__(self) -> None:
        super().__init__(label="array", capabilities=io.AudioOutputCapabilities(pause=False), sample_rate=RATE)
        self._played: list[tuple[float, np.ndarray[Any, np.dtype[np.int16]]]] = []
        self._began_at, self._until, self._pushed_s = time.monotonic(), 0.0, 0.0

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        start = max(time.monotonic(), self._until)
        if not self._pushed_s:
            self.on_playback_started(created_at=time.time())
        self._played.append((start, np.frombuffer(frame.data, np.int16)))
        self._until = start + frame.duration
        self._pushed_s += frame.duration

    def flush(self) -> None:
        super().flush()
        if self._pushed_s:
            position, self._pushed_s = self._pushed_s, 0.0
            wait_s = max(0.0, self._until - time.monotonic())
            asyncio.get_running_loop().call_later(wait_s, self._end, position)

    def _end(self, position: float) -> None:
        self.on_playback_finished(playback_position=position, interrupted=False)

    def clear_buffer(self) -> None:
        pass  # nobody interrupts here

    def heard(self) -> np.ndarray[Any, np.dtype[np.int16]]:
        out = np.zeros(round((time.monotonic() - self._began_at) * RATE), np.int16)
        for at, pcm in self._played:
            first = round((at - self._began_at) * RATE)
            out[first : first + len(pcm)] = pcm[: max(0, len(out) - first)]
        return out


class Murmur(tts.TTS[Any]):
    """Stands in for a TTS: 0.2 s to the first sound, then a murmur as long as the text."""

    def __init__(self) -> None:
        super().__init__(capabilities=tts.TTSCapabilities(streaming=False), sample_rate=RATE, num_channels=1)

    def synthesize(self, text: str, *, conn_options: Any = DEFAULT_API_CONNECT_OPTIONS) -> tts.ChunkedStream:
        return MurmurStream(tts=self, input_text=text, conn_options=conn_options)


class MurmurStream(tts.ChunkedStream):
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        await asyncio.sleep(0.2)
        t = np.arange(round(0.07 * len(self.input_text) * RATE)) / RATE
        syllables = np.clip(np.sin(2 * np.pi * 4 * t), 0, None)
        sound = 0.25 * syllables * np.sin(2 * np.pi * (140 + 20 * np.sin(3 * t)) * t)
        output_emitter.initialize(request_id="murmur", sample_rate=RATE, num_channels=1, mime_type="audio/pcm")
        output_emitter.push((sound * 32767).astype(np.int16).tobytes())
        output_emitter.flush()


class UnusedModel(llm.LLM[Any]):
    """The agent's own node answers."""

    def chat(self, **_: Any) -> llm.LLMStream:
        raise NotImplementedError


class ScriptedDetector(vad.VAD):
    """Says when the user speaks, 0.1 s late."""

    def __init__(self) -> None:
        super().__init__(capabilities=vad.VADCapabilities(update_interval=0.1))
        self._stream: ScriptedVadStream | None = None

    def stream(self) -> vad.VADStream:
        self._stream = ScriptedVadStream(self)
        return self._stream

    def tell(self, what: vad.VADEventType) -> None:
        assert self._stream is not None
        self._stream.tell(vad.VADEvent(what, 0, time.time(), speech_duration=0.5, silence_duration=0.1))


class ScriptedVadStream(vad.VADStream):
    def tell(self, event: vad.VADEvent) -> None:
        self._event_ch.send_nowait(event)

    async def _main_task(self) -> None:
        async for _ in self._input_ch:
            pass


class ScriptedEars(stt.STT[Any]):
    """Knows what the user said."""

    def __init__(self) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=False))
        self._stream: ScriptedSttStream | None = None

    async def _recognize_impl(self, *_: Any, **__: Any) -> stt.SpeechEvent:
        raise NotImplementedError

    def stream(self, *, conn_options: Any = DEFAULT_API_CONNECT_OPTIONS, **_: Any) -> stt.RecognizeStream:
        self._stream = ScriptedSttStream(stt=self, conn_options=conn_options)
        return self._stream

    def tell(self, text: str) -> None:
        assert self._stream is not None
        data = stt.SpeechData(language="en", text=text)  # type: ignore[arg-type]
        self._stream.tell(stt.SpeechEvent(stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=[data]))


class ScriptedSttStream(stt.RecognizeStream):
    def tell(self, event: stt.SpeechEvent) -> None:
        self._event_ch.send_nowait(event)

    async def _run(self) -> None:
        async for _ in self._input_ch:
            pass


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", metavar="FILE.wav", help="write there what was heard")
    asyncio.run(main(parser.parse_args().out))
