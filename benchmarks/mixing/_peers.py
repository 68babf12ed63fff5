"""The mixers of Pipecat and LiveKit, mixing one looping clip under speech.

Neither is imported before it is measured. Pipecat replaces `asyncio.wait_for` on import under Python 3.11; nothing
that is measured here calls it.
"""

import asyncio
import importlib
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
from stopgap.fillers import Samples

from ._engines import FRAME_MS, GAIN, Rig, Timing, noise, pcm_frames

WARM_UP = 3
"""Passes before anything is measured: LiveKit's mixers run ahead of their reader by a frame or two."""
PATIENCE_MS = 60_000
"""ms for which LiveKit's mixer waits for a stream: with many mixers in one loop, theirs are slow."""
TOLERANCE = 2
"""Steps of 16 bits by which the first frame may differ from what it is to be."""


class MissingPeerError(Exception):
    """A peer cannot be measured here; says why."""


def peer_version(distribution: str) -> str | None:
    """Return the version of an installed distribution, or None."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


class PipecatRig:
    """`SoundfileMixer`: speech comes as bytes with the call, one file loops under it.

    Args:
        clip: What loops.
        rate: Hz.
        sessions: How many mixers.
        frame_ms: ms of speech that come with a call; Pipecat's output transport hands over 40.
    """

    def __init__(self, clip: Samples, rate: int, sessions: int, frame_ms: float = FRAME_MS) -> None:
        mixer_class = _load("pipecat-ai", "pipecat.audio.mixers.soundfile_mixer").SoundfileMixer
        self._speech = [piece.tobytes() for piece in pcm_frames(noise(rate), round(rate * frame_ms / 1000.0))]
        self._at = 0
        self._loop = asyncio.new_event_loop()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "clip.wav")
            soundfile.write(path, clip, rate, subtype="PCM_16")
            self._mixers = [
                mixer_class(sound_files={"clip": str(path)}, default_sound="clip", volume=GAIN) for _ in range(sessions)
            ]
            _begin(self, self._loop, self._start(rate, clip))

    def run(self, seconds: float) -> Timing:
        return self._loop.run_until_complete(_timed(self._pass, seconds))

    def close(self) -> None:
        self._loop.close()

    async def _start(self, rate: int, clip: Samples) -> None:
        for mixer in self._mixers:
            await mixer.start(rate)
        first = np.frombuffer(await self._mixers[0].mix(self._speech[0]), "<i2")
        _check("Pipecat's", first, self._speech[0], clip * np.float32(GAIN))

    async def _pass(self) -> None:
        speech = self._speech[self._at]
        self._at = (self._at + 1) % len(self._speech)
        for mixer in self._mixers:
            await mixer.mix(speech)


class LiveKitRig:
    """`AudioMixer`: two streams of ready-made frames, the speech and the clip, whose gain it was given before.

    Args:
        clip: What loops.
        rate: Hz.
        sessions: How many mixers.
        block_ms: ms that a mixer mixes at a time; LiveKit's default is 100. The streams give 20 ms at a time.
    """

    def __init__(self, clip: Samples, rate: int, sessions: int, block_ms: float = FRAME_MS) -> None:
        self._rtc = _load("livekit", "livekit.rtc")
        self._rate = rate
        frames = round(rate * FRAME_MS / 1000.0)
        self._loop = asyncio.new_event_loop()
        quiet = clip * np.float32(GAIN)
        speech, under = (pcm_frames(samples, frames) for samples in (noise(rate), quiet))
        block = round(rate * block_ms / 1000.0)
        self._mixers: list[Any] = []
        _begin(self, self._loop, self._start(speech, under, sessions, block, quiet))

    def run(self, seconds: float) -> Timing:
        return self._loop.run_until_complete(_timed(self._pass, seconds))

    def close(self) -> None:
        self._loop.run_until_complete(self._stop())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _start(
        self, speech: Sequence[npt.NDArray[np.int16]], under: Sequence[npt.NDArray[np.int16]], sessions: int,
        block: int, clip: Samples,
    ) -> None:  # fmt: skip
        self._mixers = [
            # capacity 1: what LiveKit Agents gives its own; a mixer that runs ahead mixes no less
            self._rtc.AudioMixer(self._rate, 1, blocksize=block, capacity=1, stream_timeout_ms=PATIENCE_MS)
            for _ in range(sessions)
        ]
        streams = [
            [self._rtc.AudioFrame(piece.tobytes(), self._rate, 1, len(piece)) for piece in pieces]
            for pieces in (speech, under)
        ]
        for mixer in self._mixers:
            for stream in streams:
                mixer.add_stream(_endless(stream))
        first = np.frombuffer((await self._mixers[0].__anext__()).data, "<i2")
        _check("LiveKit's", first, np.concatenate(speech)[:block].tobytes(), clip)
        for _ in range(WARM_UP):
            await self._pass()

    async def _stop(self) -> None:
        for mixer in self._mixers:
            await mixer.aclose()

    async def _pass(self) -> None:
        for mixer in self._mixers:
            await mixer.__anext__()


def _begin(rig: Rig, loop: asyncio.AbstractEventLoop, start: Coroutine[Any, Any, None]) -> None:
    try:
        loop.run_until_complete(start)
    except BaseException:
        rig.close()
        raise


async def _endless(frames: Sequence[Any]) -> AsyncIterator[Any]:
    while True:
        for frame in frames:
            yield frame


async def _timed(one_pass: Callable[[], Awaitable[None]], seconds: float) -> Timing:
    """Repeat *one_pass* until that took *seconds* of wall time."""
    passes, cpu, started = 0, time.process_time(), time.perf_counter()
    while not passes or time.perf_counter() - started < seconds:
        await one_pass()
        passes += 1
    wall_s, cpu_s = time.perf_counter() - started, time.process_time() - cpu
    return Timing(passes, wall_s, cpu_s, float("nan"))


def _load(distribution: str, module: str) -> Any:
    if peer_version(distribution) is None:
        raise MissingPeerError(f"not installed: pip install {distribution}")
    try:
        if distribution == "pipecat-ai":  # it logs each file that it loads, and a banner on import
            importlib.import_module("loguru").logger.disable("pipecat")
        return importlib.import_module(module)
    except ImportError as exc:
        raise MissingPeerError(f"installed, but {module} cannot be imported: {exc}") from exc


def _check(whose: str, mixed: npt.NDArray[np.int16], speech: bytes, clip: Samples) -> None:
    """Make sure that the clip is in the mix: Pipecat's mixer plays nothing and goes on if it cannot load a file."""
    expected = np.frombuffer(speech, "<i2") + clip[: len(mixed)] * np.float32(32767.0)
    if len(mixed) * 2 != len(speech) or np.max(np.abs(mixed - expected)) > TOLERANCE:
        raise RuntimeError(f"{whose} mixer did not mix the clip under the speech")
