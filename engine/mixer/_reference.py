"""The numpy mixer: what the C core must equal, and what serves where that was not built."""

from collections import deque

import numpy as np

from ...fillers import Samples
from ._commands import Arm, Command, Stop, Tell, Write
from ._handoff import equal_power
from ._limiter import limit
from ._replyqueue import ReplyQueue
from ._schedule import MixerEvent, Schedule, Voice
from ._tap import TapBlock


class ReferenceMixer:
    """Mixes with a `Schedule` and numpy.

    Both its queues are `collections.deque`, whose append and popleft are atomic in CPython: neither side ever waits
    for the other. A clip's samples stay alive through the voice that refers to them; reply chunks until they were
    read.

    Args:
        rate: Hz.
        preroll_ms: ms of reply to hold before its handoff begins.
    """

    engine = "numpy"

    def __init__(self, rate: int, preroll_ms: float = 0.0) -> None:
        self.rate = rate
        self.schedule = Schedule(rate, round(preroll_ms * rate / 1000))
        self._commands: deque[Command] = deque()
        self._events: deque[MixerEvent] = deque()
        self._reply = ReplyQueue()
        self._tail_start = 0
        self._tail = np.zeros(0, np.float32)
        self._written = 0
        self._horizon: int | None = None
        self._tap: deque[TapBlock] | None = None
        self._tap_room = 0

    @property
    def position(self) -> int:
        return self.schedule.position

    @property
    def reply_queued(self) -> int:
        return self._written - self._reply.taken

    @property
    def told(self) -> bool:
        return bool(self._commands)

    def post(self, command: Command) -> None:
        if isinstance(command, Write):
            self._written += len(command.samples)
        self._commands.append(command)

    def attend(self, horizon: int | None) -> None:
        self._horizon = horizon

    def take_events(self) -> list[MixerEvent]:
        taken = []
        while self._events:
            taken.append(self._events.popleft())
        return taken

    def open_tap(self, seconds: float) -> None:
        if self._tap is None:
            self._tap_room = round(seconds * self.rate)
            self._tap = deque()

    def read_tap(self) -> list[TapBlock]:
        blocks = []
        while self._tap:
            blocks.append(self._tap.popleft())
        return blocks

    def render(self, out: Samples) -> None:
        self._obey()
        self.go_on(out)

    def go_on(self, out: Samples) -> None:
        first = self.schedule.position
        filler = self._fill(out, self.schedule, self._reply)
        self._hand_over_events()
        if self._tap is not None and 0 < len(out) <= self._tap_room - sum(len(b.samples) for b in list(self._tap)):
            self._tap.append(TapBlock(first, out.copy(), filler))

    def preview(self, out: Samples) -> None:
        self._obey()
        self._fill(out, self.schedule.copy(), self._reply.copy())

    def skip_to(self, frame: int) -> None:
        self._obey()
        before = self.schedule.reply_queued
        self.schedule.advance(max(frame, self.schedule.position))
        self._reply.skip(before - self.schedule.reply_queued)
        self._tail = self._tail[:0]
        self._hand_over_events()

    def _fill(self, out: Samples, schedule: Schedule, reply: ReplyQueue) -> bool:
        """Fill *out*, moving *schedule* on; return whether a filler sounded."""
        start, end = schedule.position, schedule.position + len(out)
        filler = False
        out[:] = 0.0
        while schedule.position < end:
            change = schedule.next_change()
            stop = end if change is None else min(end, max(change, schedule.position + 1))
            filler = filler or bool(schedule.voices)
            self._mix(out[schedule.position - start : stop - start], schedule, reply)
            schedule.advance(stop)
        return filler

    def _obey(self) -> None:
        if self._horizon != self.schedule.horizon:
            self.schedule.attend(self._horizon)
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
            self._keep_tail()
        if flush:
            self._reply.clear()
            schedule.flush()
        else:
            schedule.hold()

    def _keep_tail(self) -> None:
        """The reply stops here: keep its next frames, fading, on top of what still fades of an earlier stop."""
        schedule = self.schedule
        tail = self._reply.peek(schedule.stop_fade).copy()
        tail *= np.linspace(1.0, 0.0, len(tail), endpoint=False, dtype=np.float32)
        tail *= np.float32(min(1.0, (schedule.position - schedule.reply_resumed) / schedule.stop_fade))
        old = self._tail[schedule.position - self._tail_start :]
        longer, shorter = (tail, old) if len(tail) >= len(old) else (old.copy(), tail)
        longer[: len(shorter)] += shorter
        self._tail_start, self._tail = schedule.position, longer

    def _hand_over_events(self) -> None:
        self._events.extend(self.schedule.events)
        self.schedule.events.clear()

    def _mix(self, out: Samples, schedule: Schedule, reply: ReplyQueue) -> None:
        """Add everything that sounds to *out*; nothing changes within it."""
        position = schedule.position
        if schedule.reply_playing and not schedule.held:
            count = min(len(out), schedule.replies[0].queued)
            reply.read_into(out[:count])
            since = position - schedule.reply_resumed
            if since < schedule.stop_fade:
                ramp = np.arange(since, since + count, dtype=np.float32) / np.float32(schedule.stop_fade)
                out[:count] *= np.minimum(ramp, np.float32(1.0))
        for voice in schedule.voices:
            _add_voice(out, voice, position)
        tail = self._tail[position - self._tail_start :][: len(out)]
        out[: len(tail)] += tail
        limit(out if schedule.voices else out[: len(tail)])


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
