"""The mixer: a schedule, its command and event queues, and the numpy renderer."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...fillers import Samples
from ._handoff import equal_power
from ._limiter import limit
from ._schedule import ArmedCue, MixerEvent, Schedule, Voice


@dataclass(frozen=True, slots=True)
class Arm:
    """Replace the cues that have not started."""

    cues: Sequence[ArmedCue]
    starts: int | None = None
    """Starts that the sheet's maker knows of; see `Schedule.arm`."""


@dataclass(frozen=True, slots=True)
class Write:
    """Append reply audio: float32, shape (frames,)."""

    samples: Samples
    reply: int = 0
    """The reply's number."""


@dataclass(frozen=True, slots=True)
class Tell:
    """Call a method of `Schedule` that takes nothing: disarm, release, retire, end_reply, resume."""

    what: str


@dataclass(frozen=True, slots=True)
class Stop:
    """The user speaks: fade everything. With *flush* the cue sheet and the reply are dropped, else they wait."""

    flush: bool


Command = Arm | Write | Tell | Stop


class Mixer:
    """Mixes fillers and the reply, mono float32.

    One thread posts commands at a time (the session's lock sees to that), one thread renders. Both queues are
    `collections.deque`, whose append and popleft are atomic in CPython: neither side ever waits for the other.
    A clip's samples stay alive through the voice that refers to them; reply chunks until they were read.

    Args:
        rate: Hz.
        preroll_ms: ms of reply to hold before its handoff begins.
    """

    def __init__(self, rate: int, preroll_ms: float = 0.0) -> None:
        self.rate = rate
        self.schedule = Schedule(rate, round(preroll_ms * rate / 1000))
        self._commands: deque[Command] = deque()
        self._events: deque[MixerEvent] = deque()
        self._reply = _ReplyQueue()
        self._tails: list[tuple[int, Samples]] = []
        self._written = 0

    @property
    def position(self) -> int:
        """The next frame to be rendered."""
        return self.schedule.position

    @property
    def reply_queued(self) -> int:
        """Frames of reply posted and not yet rendered."""
        return self._written - self._reply.taken

    def post(self, command: Command) -> None:
        """Queue *command* for the start of the next block."""
        if isinstance(command, Write):
            self._written += len(command.samples)
        self._commands.append(command)

    def take_events(self) -> list[MixerEvent]:
        """Return what happened since the last call, in order."""
        taken = []
        while self._events:
            taken.append(self._events.popleft())
        return taken

    def render(self, out: Samples) -> None:
        """Fill *out*, shape (frames,), with the next frames."""
        self._obey()
        schedule = self.schedule
        start, end = schedule.position, schedule.position + len(out)
        out[:] = 0.0
        while schedule.position < end:
            change = schedule.next_change()
            stop = end if change is None else min(end, max(change, schedule.position + 1))
            self._mix(out[schedule.position - start : stop - start])
            schedule.advance(stop)
        self._hand_over_events()

    def skip_to(self, frame: int) -> None:
        """Move on to *frame* without making samples."""
        self._obey()
        before = self.schedule.reply_queued
        self.schedule.advance(max(frame, self.schedule.position))
        self._reply.skip(before - self.schedule.reply_queued)
        self._tails.clear()
        self._hand_over_events()

    def _obey(self) -> None:
        while self._commands:
            match self._commands.popleft():
                case Arm(cues, starts):
                    self.schedule.arm(cues, starts)
                case Write(samples, reply):
                    if len(samples):
                        self._reply.push(samples)
                    self.schedule.write(len(samples), reply)
                case Tell(what):
                    getattr(self.schedule, what)()
                case Stop(flush):
                    self._stop(flush)
        self.schedule.settle()
        self._hand_over_events()

    def _stop(self, flush: bool) -> None:
        schedule = self.schedule
        if schedule.reply_playing and not schedule.held:
            tail = self._reply.peek(schedule.stop_fade).copy()
            tail *= np.linspace(1.0, 0.0, len(tail), endpoint=False, dtype=np.float32)
            since = schedule.position - schedule.reply_resumed
            tail *= np.float32(min(1.0, since / schedule.stop_fade))
            self._tails.append((schedule.position, tail))
        if flush:
            self._reply.clear()
            schedule.flush()
        else:
            schedule.hold()

    def _hand_over_events(self) -> None:
        self._events.extend(self.schedule.events)
        self.schedule.events.clear()

    def _mix(self, out: Samples) -> None:
        """Add everything that sounds to *out*; nothing changes within it."""
        schedule = self.schedule
        position = schedule.position
        if schedule.reply_playing and not schedule.held:
            count = min(len(out), schedule.replies[0].queued)
            self._reply.read_into(out[:count])
            since = position - schedule.reply_resumed
            if since < schedule.stop_fade:
                ramp = np.arange(since, since + count, dtype=np.float32) / np.float32(schedule.stop_fade)
                out[:count] *= np.minimum(ramp, np.float32(1.0))
        alone = not schedule.voices and not self._tails
        for voice in schedule.voices:
            _add_voice(out, voice, position)
        for start, tail in self._tails:
            part = tail[position - start : position - start + len(out)]
            out[: len(part)] += part
        self._tails = [(start, tail) for start, tail in self._tails if position + len(out) < start + len(tail)]
        if not alone:
            limit(out)


def _add_voice(out: Samples, voice: Voice, position: int) -> None:
    clip, frames = voice.cue.clip, len(out)
    offset = position - voice.start
    if clip.loops:
        part = np.take(clip.samples, np.arange(offset, offset + frames), mode="wrap")
    else:
        part = clip.samples[offset : offset + frames]
    gain = np.full(frames, voice.cue.gain, np.float32)
    fade_in = voice.cue.rule.fade_in
    if offset < fade_in:
        gain *= _ramp(np.arange(offset, offset + frames), fade_in, clip.kind.spoken)
    if voice.end is not None and (voice.level < 1.0 or position + frames > voice.end - voice.fade):
        left = voice.end - np.arange(position, position + frames)
        gain *= _ramp(left, max(voice.fade, 1), not equal_power(clip.kind), voice.level)
    out += part * gain


def _ramp(at: np.ndarray, length: int, linear: bool, top: float = 1.0) -> Samples:
    share = np.float32(top) * np.clip(at.astype(np.float32) / np.float32(length), 0.0, 1.0)
    return np.asarray(share if linear else np.sin(share * np.float32(np.pi / 2)), np.float32)


class _ReplyQueue:
    """Reply chunks, read in order. Only the rendering thread touches it; *taken* is read from outside."""

    def __init__(self) -> None:
        self._chunks: deque[Samples] = deque()
        self._offset = 0
        self.taken = 0
        """Frames read, skipped or cleared so far."""

    def push(self, samples: Samples) -> None:
        self._chunks.append(samples)

    def read_into(self, out: Samples) -> None:
        filled = 0
        while filled < len(out):
            chunk = self._chunks[0]
            part = chunk[self._offset : self._offset + len(out) - filled]
            out[filled : filled + len(part)] += part
            filled += len(part)
            self._step(len(part))

    def peek(self, frames: int) -> Samples:
        """Return up to *frames* of what comes next, without taking it."""
        if not self._chunks:
            return np.zeros(0, np.float32)
        parts, have = [], 0
        for number, chunk in enumerate(self._chunks):
            part = chunk[self._offset if number == 0 else 0 :][: frames - have]
            parts.append(part)
            have += len(part)
            if have >= frames:
                break
        return np.concatenate(parts)

    def skip(self, frames: int) -> None:
        while frames > 0:
            part = min(frames, len(self._chunks[0]) - self._offset)
            self._step(part)
            frames -= part

    def clear(self) -> None:
        self.taken += sum(len(chunk) for chunk in self._chunks) - self._offset
        self._chunks.clear()
        self._offset = 0

    def _step(self, frames: int) -> None:
        self.taken += frames
        self._offset += frames
        while self._chunks and self._offset >= len(self._chunks[0]):
            self._offset -= len(self._chunks.popleft())
