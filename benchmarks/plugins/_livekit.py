"""Fillers in LiveKit Agents, measured at a paced sink, in real time; and the framework's own background player."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from livekit import rtc
from livekit.agents import (
    AgentSession,
    AgentStateChangedEvent,
    ConversationItemAddedEvent,
    SpeechCreatedEvent,
    UserStateChangedEvent,
    llm,
)
from livekit.agents.voice import SpeechHandle, io
from stopgap.engine import FillerManager
from stopgap.engine.integrations.livekit import LiveKitFillers
from stopgap.fillers import load_config

from .._spread import Spread

RATE = 24_000
FRAME_S = 0.02
SPEECH = 9000
DUE_MS = 200.0
"""ms after the user's last word at which a filler is due."""
BACKGROUND_RATE = 48_000
_LADDER: dict[str, Any] = {
    "mode": "ladder",
    "seed": 1,
    "ladder": [{"after_ms": DUE_MS, "kind": "hesitation"}],
    "limits": {"per_minute": "unlimited"},
}


@dataclass(frozen=True, slots=True)
class LiveKitFigures:
    """What `livekit_figures` found. Times at the sink are those of `AudioOutput.capture_frame` being called."""

    armed_to_captured_ms: Spread
    """ms from the event that confirms the user's turn, whose first filler is due by then, to its first frame."""
    due_to_captured_ms: Spread
    """ms from when a filler is due in the midst of a wait to the frame that it begins in; negative: ahead of it, for
    the frame has the filler at its place."""
    reply_through_us: Spread
    """µs from the session's handing over a reply's first frame, no filler sounding, to the sink's being handed it."""
    reply_plain_us: Spread
    """The same without the plug-in."""
    after_clear_ms: Spread
    """ms after the session's ``clear_buffer`` in the midst of a filler to the last frame of it; 0: none came."""
    frame_through_us: Spread
    """µs that a further frame of the reply takes."""
    frame_plain_us: Spread
    """The same without the plug-in."""
    idle_pull_us: Spread
    """µs that looking at a frame of 20 ms takes while the user waits in silence."""


@dataclass(frozen=True, slots=True)
class BackgroundFigures:
    """What `background_figures` found."""

    added_to_mixed_ms: Spread
    """ms from adding a sound to the mixer of `BackgroundAudioPlayer` to the first block that it is in."""


class PacedSink(io.AudioOutput):
    """Plays in real time, and remembers when it was handed what."""

    def __init__(self) -> None:
        super().__init__(label="sink", capabilities=io.AudioOutputCapabilities(pause=True), sample_rate=RATE)
        self.fillers: list[float] = []
        """When frames with a filler came."""
        self.speech_at = 0.0
        """When the last frame of speech came."""
        self._until = self._pushed_s = 0.0
        self._cleared = False

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        now = time.perf_counter()
        await super().capture_frame(frame)
        if frame.data[0] == SPEECH:
            self.speech_at = now
        elif np.frombuffer(frame.data, np.int16).any():
            self.fillers.append(now)
        self._until = max(now, self._until) + frame.duration
        self._pushed_s += frame.duration

    def flush(self) -> None:
        super().flush()
        if self._pushed_s:
            wait_s = 0.0 if self._cleared else max(0.0, self._until - time.perf_counter())
            asyncio.get_running_loop().call_later(wait_s, self._end, self._pushed_s, self._cleared)
            self._pushed_s, self._cleared = 0.0, False

    def _end(self, position: float, interrupted: bool) -> None:
        self.on_playback_finished(playback_position=position, interrupted=interrupted)

    def clear_buffer(self) -> None:
        self._cleared, self._until = self._pushed_s > 0.0, 0.0


class _Conversation:
    """A session whose events are made up, with fillers and a paced sink."""

    def __init__(self, manager: FillerManager) -> None:
        self.session: AgentSession[None] = AgentSession()
        self.sink = PacedSink()
        self.session.output.audio = self.sink
        self.fillers = LiveKitFillers(manager)
        self.fillers.attach(self.session)
        self._speech: SpeechHandle | None = None

    @property
    def output(self) -> io.AudioOutput:
        assert self.session.output.audio is not None
        return self.session.output.audio

    def user_stops(self, ago_s: float) -> None:
        event = UserStateChangedEvent(old_state="speaking", new_state="listening", created_at=time.time() - ago_s)
        self.session.emit("user_state_changed", event)
        self._speech = SpeechHandle.create()
        self.session.emit(
            "speech_created",
            SpeechCreatedEvent(user_initiated=True, source="generate_reply", speech_handle=self._speech),
        )

    def commit(self) -> None:
        message = llm.ChatMessage(role="user", content=["hello"])
        self.session.emit("conversation_item_added", ConversationItemAddedEvent(item=message))
        self.session.emit("agent_state_changed", AgentStateChangedEvent(old_state="listening", new_state="thinking"))

    async def end(self) -> None:
        """End the turn, and let the sink run dry."""
        assert self._speech is not None
        self.output.clear_buffer()
        self._speech._mark_done()
        await asyncio.sleep(0.1)
        self.sink.fillers.clear()


def livekit_figures(*, trials: int, frames: int, seed: int) -> LiveKitFigures:
    """Measure, in real time: about 2 s a trial.

    Args:
        trials: Of each kind of what is heard.
        frames: Of 20 ms whose cost is timed.
        seed: Of the moments at which things happen.
    """
    return asyncio.run(_measure(trials, frames, random.Random(seed)))


async def _measure(trials: int, frames: int, moments: random.Random) -> LiveKitFigures:
    with FillerManager(load_config(_LADDER)) as manager, FillerManager(load_config({"mode": "none"})) as silent:
        talking = _Conversation(manager)
        armed = [await _armed(talking, moments) for _ in range(trials)]
        due = [await _due(talking, moments) for _ in range(trials)]
        cleared = [await _cleared(talking, moments) for _ in range(trials)]
        talking.fillers.detach()
        waiting = _Conversation(silent)
        plain = PacedSink()
        through = [await _replied(waiting, moments) for _ in range(trials)]
        without = [await _first(plain, plain) for _ in range(trials)]
        further = await _further(waiting.output, waiting.sink, frames)
        beside = await _further(plain, plain, frames)
        idle = await _idle(waiting, frames)
        waiting.fillers.detach()
    return LiveKitFigures(*map(Spread.of, (armed, due, through, without, cleared, further, beside, idle)))


async def _armed(talking: _Conversation, moments: random.Random) -> float:
    """Return the ms from the commit of a turn whose filler is due to the filler's first frame."""
    talking.user_stops(DUE_MS / 1000 + 0.1)
    await asyncio.sleep(moments.uniform(0.02, 0.06))
    began = time.perf_counter()
    talking.commit()
    heard = await _heard(talking.sink)
    await talking.end()
    return 1000.0 * (heard - began)


async def _due(talking: _Conversation, moments: random.Random) -> float:
    """Return the ms from when a filler is due to its first frame."""
    ago_s = moments.uniform(0.0, 0.05)
    began = time.perf_counter() - ago_s
    talking.user_stops(ago_s)
    talking.commit()
    heard = await _heard(talking.sink)
    await talking.end()
    return 1000.0 * (heard - began) - DUE_MS


async def _cleared(talking: _Conversation, moments: random.Random) -> float:
    """Return the ms for which frames of a filler come after the session has emptied the sink."""
    talking.user_stops(DUE_MS / 1000)
    talking.commit()
    await _heard(talking.sink)
    await asyncio.sleep(moments.uniform(0.02, 0.2))
    began = time.perf_counter()
    talking.output.clear_buffer()
    await asyncio.sleep(0.2)
    last = max((at for at in talking.sink.fillers if at > began), default=began)
    await talking.end()
    return 1000.0 * (last - began)


async def _heard(sink: PacedSink) -> float:
    async with asyncio.timeout(5.0):
        while not sink.fillers:
            await asyncio.sleep(0.001)
    return sink.fillers[0]


async def _replied(waiting: _Conversation, moments: random.Random) -> float:
    """Return the µs that the first frame of a reply takes in the midst of a silent wait."""
    waiting.user_stops(0.0)
    waiting.commit()
    await asyncio.sleep(moments.uniform(0.02, 0.1))
    taken = await _first(waiting.output, waiting.sink)
    await waiting.end()
    return taken


async def _first(output: io.AudioOutput, sink: PacedSink) -> float:
    """Return the µs that the first frame of a segment takes to the sink."""
    frame = _speech()
    began = time.perf_counter()
    await output.capture_frame(frame)
    taken = 1e6 * (sink.speech_at - began)
    output.flush()
    output.clear_buffer()
    await asyncio.sleep(0.03)
    return taken


async def _further(output: io.AudioOutput, sink: PacedSink, frames: int) -> list[float]:
    """Return the µs that each of *frames* takes to the sink, those of one segment."""
    frame, taken = _speech(), []
    await output.capture_frame(frame)
    for _ in range(frames):
        began = time.perf_counter()
        await output.capture_frame(frame)
        taken.append(1e6 * (sink.speech_at - began))
    output.flush()
    output.clear_buffer()
    await asyncio.sleep(0.03)
    return taken


async def _idle(waiting: _Conversation, frames: int) -> list[float]:
    """Return the µs that each of *frames* looks takes while nothing sounds."""
    waiting.user_stops(0.0)
    waiting.commit()
    pump, taken = waiting.fillers._last.pump, []
    for _ in range(frames):
        began = time.perf_counter()
        pump._pull()
        taken.append(1e6 * (time.perf_counter() - began))
    await waiting.end()
    return taken


def _speech() -> rtc.AudioFrame:
    samples = round(FRAME_S * RATE)
    return rtc.AudioFrame(np.full(samples, SPEECH, np.int16).tobytes(), RATE, 1, samples)


def background_figures(trials: int) -> BackgroundFigures:
    """Measure the mixer of the framework's background player, made as that makes it: about 1 s a trial.

    Args:
        trials: Sounds that are added.
    """
    return asyncio.run(_background(trials))


async def _background(trials: int) -> BackgroundFigures:
    mixer = rtc.AudioMixer(BACKGROUND_RATE, 1, blocksize=4800, capacity=1, stream_timeout_ms=200)
    taken: list[float] = []
    for _ in range(trials):
        stream = _paced_tone()
        began = time.perf_counter()
        mixer.add_stream(stream)
        async for block in mixer:
            if np.frombuffer(block.data, np.int16).any():
                break
        taken.append(1000.0 * (time.perf_counter() - began))
        mixer.remove_stream(stream)
        await asyncio.sleep(0.3)
    await mixer.aclose()
    return BackgroundFigures(Spread.of(taken))


async def _paced_tone() -> AsyncIterator[rtc.AudioFrame]:
    """Yield 20 ms of a sound whenever they are due."""
    samples = round(FRAME_S * BACKGROUND_RATE)
    due = time.perf_counter()
    while True:
        yield rtc.AudioFrame(np.full(samples, SPEECH, np.int16).tobytes(), BACKGROUND_RATE, 1, samples)
        due += FRAME_S
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
