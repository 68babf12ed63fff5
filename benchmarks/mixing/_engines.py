"""What is mixed, stopgap's own engines mixing it, and the stopwatch that all of them share."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from stopgap.engine import FrameBatch, FrameOutput, MonotonicClock
from stopgap.engine.mixer import Arm, ArmedCue, HandoffFrames, Heard, Mixer, Write
from stopgap.fillers import Clip, ClipBank, Samples

FRAME_MS = 20.0
GAIN = 0.4
"""Of the looping clips; what Pipecat's mixer has by default."""
LEVEL = 0.3
"""Of the speech, which is white noise: only its length counts."""
PREFILL_S = 1.2
"""s of reply that a session holds when measuring begins. With `WHOLE_S` on top it still fits into the C core's ring."""
WHOLE_S = 1.0
"""s of reply that a session gets at a time, where writing it is not what is measured."""
PCM_PREFILL_S = 0.04
"""s of speech that a session holds when measuring begins, where it comes a frame at a time, just before it is due: as
the frameworks' mixers get theirs."""
ENDLESS = 10**9
"""Frames that no measurement reaches."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a session has to mix."""

    name: str
    voices: int
    """Looping clips."""
    pcm: bool
    """Speech comes in and goes out as 16-bit PCM, 20 ms at a time; else it comes in as float32, 1 s at a time, and
    goes out as float32."""


VOICES_AND_REPLY = Work("two looping voices and a reply", 2, False)
CLIP_UNDER_SPEECH = Work("one looping clip under speech", 1, True)


@dataclass(frozen=True, slots=True)
class Timing:
    """One repetition: passes, in each of which every session mixes a frame."""

    passes: int
    read_s: float
    """s of wall time in which frames were mixed and handed out."""
    cpu_s: float
    """s of the process's CPU time in which they were."""
    write_s: float
    """s of wall time in which speech was handed over beforehand; NaN where it comes with the call that mixes."""


class Rig(Protocol):
    """Sessions of one engine, in the steady state."""

    def run(self, seconds: float) -> Timing:
        """Mix until that took *seconds* of wall time."""
        ...

    def close(self) -> None: ...


def timed(
    write: Callable[[int], None], read: Callable[[], None], seconds: float, pace_s: float | None = None
) -> Timing:
    """Repeat *write* (given the number of the pass) and *read*, and measure them apart.

    Args:
        write: Hands over speech.
        read: Mixes a frame of each session.
        seconds: s of wall time that *read* takes altogether; of all that passes, if there is a *pace_s*.
        pace_s: s from one *read* to the next; None: at once. The wait comes before *read*, whose caches it cools.
    """
    passes, read_s, cpu_s, write_s = 0, 0.0, 0.0, 0.0
    due = time.perf_counter()
    while not passes or (read_s if pace_s is None else passes * pace_s) < seconds:
        started = time.perf_counter()
        write(passes)
        write_s += time.perf_counter() - started
        if pace_s is not None:
            due = max(due + pace_s, time.perf_counter())
            time.sleep(max(0.0, due - time.perf_counter()))
        cpu = time.process_time()
        started = time.perf_counter()
        read()
        read_s += time.perf_counter() - started
        cpu_s += time.process_time() - cpu
        passes += 1
    return Timing(passes, read_s, cpu_s, write_s)


def looping_clips(rate: int, bank: ClipBank) -> list[Clip]:
    """Return the bundled clips that loop."""
    return [clip for clip in bank.clips(rate) if clip.loops]


def noise(rate: int) -> Samples:
    """Return a second of what stands for speech."""
    return np.random.default_rng(0).uniform(-LEVEL, LEVEL, rate).astype(np.float32)


def pcm_frames(samples: Samples, frames: int) -> list[npt.NDArray[np.int16]]:
    """Cut *samples* into pieces of *frames* samples of 16-bit PCM; what is left over is dropped."""
    pcm = (samples * np.float32(32767.0)).astype("<i2")
    return [pcm[at : at + frames] for at in range(0, len(pcm) - frames + 1, frames)]


def start_loops(mixer: Mixer, clips: Sequence[Clip], rng: np.random.Generator) -> None:
    """Let *clips* sound for ever, each anywhere in itself; a reply may begin over them at once."""
    rule = HandoffFrames(min_play=ENDLESS, max_finish=0, fade=0, gap=-ENDLESS, fade_in=0, declick=0)
    ahead = max(len(clip.samples) for clip in clips)
    starts = rng.integers(0, ahead, len(clips)).tolist()
    mixer.post(Arm([ArmedCue(n, clip, starts[n], rule, GAIN) for n, clip in enumerate(clips)]))
    mixer.skip_to(ahead)


class OwnRig:
    """Sessions of ours: a `FrameOutput` with a mixer each, read one by one or as a batch.

    Args:
        make_mixer: Given the rate.
        work: What each of them mixes.
        clips: Looping ones, at least as many as the work has voices.
        rate: Hz.
        sessions: How many.
        batched: Read with a `FrameBatch`.
    """

    def __init__(
        self, make_mixer: Callable[[int], Mixer], work: Work, clips: Sequence[Clip], rate: int, sessions: int,
        *, batched: bool = False,
    ) -> None:  # fmt: skip
        self._work = work
        self._speech = noise(rate)
        self._pieces = pcm_frames(self._speech, round(rate * FRAME_MS / 1000.0))
        self._per_second = len(self._pieces)
        self._written = 0
        rng, clock = np.random.default_rng(sessions), MonotonicClock()
        self.mixers: list[Mixer] = []
        self.outputs: list[FrameOutput] = []
        held = np.resize(self._speech, round((PCM_PREFILL_S if work.pcm else PREFILL_S) * rate))
        for _ in range(sessions):
            mixer, output = make_mixer(rate), FrameOutput(rate, FRAME_MS)
            output.start(mixer, clock)
            start_loops(mixer, clips[: work.voices], rng)
            mixer.post(Write(held, 1))
            self.mixers.append(mixer)
            self.outputs.append(output)
        self._batch = FrameBatch(self.outputs) if batched else None
        self._out = np.empty((sessions, self.outputs[0].frame_samples), np.float32)
        self._pcm = np.empty(self._out.shape, np.int16)
        self.read()
        self._check(Counter({Heard.STARTED: work.voices, Heard.REPLY_STARTED: 1}))

    def run(self, seconds: float, pace_s: float | None = None) -> Timing:
        """Mix until that took *seconds*; with a *pace_s* mix every *pace_s* as a server does, for *seconds* in all."""
        timing = timed(self._write, self.read, seconds, pace_s)
        self._check(Counter())
        return timing

    def close(self) -> None:
        for output in self.outputs:
            output.close()

    def read(self) -> None:
        """Mix a frame of each session."""
        if self._batch is not None:
            if self._work.pcm:
                self._batch.read_pcm16(self._pcm)
            else:
                self._batch.read(self._out)
        elif self._work.pcm:
            for output in self.outputs:
                output.read_pcm16()
        else:
            for output in self.outputs:
                output.read()

    def _write(self, number: int) -> None:
        at = self._written % self._per_second
        self._written += 1
        if self._work.pcm:
            piece = self._pieces[at]
            for mixer in self.mixers:
                mixer.post(Write(np.asarray(piece / np.float32(32768.0), np.float32), 1))
        else:  # each session once a second, not all of them in the same pass
            for mixer in self.mixers[at :: self._per_second]:
                mixer.post(Write(self._speech, 1))

    def _check(self, expected: Counter[Heard]) -> None:
        """Make sure that every session did what it is said to have done: sound begins once and never ends."""
        for mixer in self.mixers:
            heard = Counter(event.what for event in mixer.take_events())
            if heard != expected:
                raise RuntimeError(f"a session was to tell of {dict(expected)} and told of {dict(heard)}")
