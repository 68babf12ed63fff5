"""The mixer's C core, in Python's hands."""

import threading
from collections import deque
from typing import Any

import numpy as np

from ...fillers import Samples
from ._commands import Arm, Command, Stop, Tell, Write
from ._core import ffi, lib, native_available
from ._schedule import STOP_FADE_S, Heard, MixerEvent
from ._sheets import SheetKeeper
from ._tap import TapBlock

REPLY_RING_S = 2.0
"""s of reply that the ring holds at least; what exceeds it queues in front of it."""
_HEARD = tuple(Heard)
_TELLS = ("disarm", "release", "retire", "end_reply", "resume")


class NativeMixer:
    """Mixes in C, without the interpreter; see `Mixer` for what its methods do, and core.h for the rings.

    What the rings have no room for queues here and is fed to them whenever something is posted, the events are
    taken, or Python renders. `address` is for a device that renders without Python.

    Args:
        rate: Hz.
        preroll_ms: ms of reply to hold before its handoff begins.
        reply_ring_s: s of reply that the ring holds at least.
    """

    engine = "native"

    def __init__(self, rate: int, preroll_ms: float = 0.0, *, reply_ring_s: float = REPLY_RING_S) -> None:
        if not native_available:
            raise RuntimeError("stopgap's C core was not built; use new_mixer, or install stopgap with a C compiler")
        self.rate = rate
        preroll = round(preroll_ms * rate / 1000)
        self._room = _power_of_two(max(64, preroll, round(reply_ring_s * rate)))
        mixer = lib.sg_new(preroll, round(STOP_FADE_S * rate), self._room)
        if mixer == ffi.NULL:
            raise MemoryError(f"no memory for a mixer with {self._room} frames of reply")
        self._mixer = ffi.gc(mixer, lib.sg_free, size=4 * self._room)
        self._feeding = threading.RLock()
        self._urgent: deque[Command] = deque()
        self._queue: deque[Command] = deque()
        self._behind = False
        self._sheets = SheetKeeper()
        self._posted = 0
        self._written = self._placed = 0
        self._events = ffi.new("sg_event[64]")
        self._tap_room = 0

    @property
    def address(self) -> Any:
        """The ``sg_mixer *``. It lives as long as this object."""
        return self._mixer

    @property
    def position(self) -> int:
        return int(lib.sg_position(self._mixer))

    @property
    def reply_queued(self) -> int:
        return self._written - int(lib.sg_reply_taken(self._mixer))

    @property
    def told(self) -> bool:
        return bool(lib.sg_told(self._mixer))

    @property
    def posted_ns(self) -> int:
        """ns. When the core was last told something, on `sg_now_ns`'s clock."""
        return int(lib.sg_posted_ns(self._mixer))

    def post(self, command: Command) -> None:
        with self._feeding:
            match command:
                case Write(samples, reply):
                    self._written += len(samples)
                    plain = samples.flags.c_contiguous and samples.dtype == np.float32
                    write = command if plain else Write(np.ascontiguousarray(samples, np.float32), reply)
                    rest = write if self._behind else self._write(write)
                    if rest is None:
                        return
                    self._queue.append(rest)
                case Stop(flush):
                    # A stop does not wait behind the reply that it stops.
                    if flush:
                        self._forget_queue()
                    self._urgent.append(command)
                case Tell("resume"):
                    self._urgent.append(command)
                case _:
                    self._queue.append(command)
            self._feed()

    def attend(self, horizon: int | None) -> None:
        lib.sg_attend(self._mixer, -1 if horizon is None else max(0, horizon))

    def take_events(self) -> list[MixerEvent]:
        obeyed, in_force = int(lib.sg_obeyed(self._mixer)), int(lib.sg_sheet(self._mixer))
        taken: list[MixerEvent] = []
        with self._feeding:
            while count := lib.sg_take_events(self._mixer, self._events, len(self._events)):
                taken += [self._event(self._events[at]) for at in range(count)]
            self._sheets.let_go(obeyed, in_force)
            if self._behind:
                self._feed()
        return taken

    def open_tap(self, seconds: float) -> None:
        if not self._tap_room:
            room = _power_of_two(max(4096, round(seconds * self.rate)))
            if not lib.sg_open_tap(self._mixer, room):
                raise MemoryError(f"no memory for a tap of {seconds} s")
            self._tap_room = room

    def read_tap(self) -> list[TapBlock]:
        blocks: list[TapBlock] = []
        frame, filler = ffi.new("int64_t *"), ffi.new("int32_t *")
        out = np.empty(4096, np.float32)
        into = ffi.from_buffer("float[]", out)
        while count := lib.sg_read_tap(self._mixer, into, len(out), frame, filler):
            blocks.append(TapBlock(frame[0], out[:count].copy(), bool(filler[0])))
        return blocks

    def render(self, out: Samples) -> None:
        into = ffi.from_buffer("float[]", out, require_writable=True)
        done = 0
        while True:
            part = self.make_ready(len(into) - done)
            lib.sg_render(self._mixer, into + done, part)
            done += part
            if done >= len(into):
                return

    def go_on(self, out: Samples) -> None:
        lib.sg_go_on(self._mixer, ffi.from_buffer("float[]", out, require_writable=True), len(out))

    def preview(self, out: Samples) -> None:
        # of the reply it knows what the ring holds
        self.make_ready(0)
        into = ffi.from_buffer("float[]", out, require_writable=True)
        lib.sg_preview(self._mixer, into, len(into))

    def skip_to(self, frame: int) -> None:
        while True:
            here = self.position
            part = self.make_ready(max(0, frame - here))
            lib.sg_skip_to(self._mixer, here + part)
            if here + part >= frame:
                return

    @property
    def behind(self) -> bool:
        """Whether something waits for room in the rings; the core is told, so that a batch need not ask each."""
        return self._behind

    def feed(self) -> None:
        """Hand the core what it has room for by now."""
        if self._behind:
            with self._feeding:
                self._feed()

    def make_ready(self, frames: int) -> int:
        """Before rendering: feed, and return how many of *frames* may pass before that must be done again."""
        self.feed()
        while self._behind and self.told:
            before = lib.sg_obeyed(self._mixer)
            lib.sg_obey(self._mixer)
            if lib.sg_obeyed(self._mixer) == before:  # the events have no room
                return frames
            self.feed()
        if not self._queue:
            return frames
        # one frame stays: a reply that runs dry reports it at once
        return min(frames, max(1, self._placed - int(lib.sg_reply_taken(self._mixer)) - 1))

    def _feed(self) -> None:
        while queue := self._urgent or self._queue:
            if self._posted - int(lib.sg_obeyed(self._mixer)) >= lib.SG_COMMANDS:
                break
            command = queue.popleft()
            if not isinstance(command, Write):
                self._tell(command)
            elif (rest := self._write(command)) is not None:
                queue.appendleft(rest)
                break
        if self._behind != bool(queue):
            self._behind = bool(queue)
            lib.sg_set_behind(self._mixer, self._behind)

    def _tell(self, command: Command) -> None:
        c = ffi.new("sg_command *")
        match command:
            case Arm(cues, starts):
                sheet = self._sheets.keep(cues, self._posted)
                c.what, c.count, c.cues = lib.SG_ARM, sheet.count, sheet.cues
                c.starts = -1 if starts is None else starts
            case Tell(what):
                c.what = _codes[what]
            case Stop(flush):
                c.what = lib.SG_FLUSH if flush else lib.SG_HOLD
        self._posted += int(lib.sg_post(self._mixer, c, 1))

    def _write(self, command: Write) -> Write | None:
        """Hand over reply audio; return what found no room, and is to wait in its place."""
        samples = command.samples
        if len(samples) and self._placed - int(lib.sg_reply_taken(self._mixer)) == self._room:
            return command
        taken = int(lib.sg_write(self._mixer, ffi.from_buffer("float[]", samples), len(samples), command.reply))
        if taken < 0:  # the command ring is full
            return command
        self._posted += 1
        self._placed += taken
        return None if taken == len(samples) else Write(samples[taken:], command.reply)

    def _event(self, c: Any) -> MixerEvent:
        what = _HEARD[c.what]
        if what in _OF_REPLIES:
            return MixerEvent(what, c.frame, c.requested, reply=c.number)
        cue = None if c.number < 0 else self._sheets.take(what, c.number)
        return MixerEvent(what, c.frame, c.requested, cue, cut=bool(c.cut))

    def _forget_queue(self) -> None:
        self._written -= sum(len(c.samples) for c in self._queue if isinstance(c, Write))
        self._queue.clear()
        self._urgent.clear()


def _power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()


_OF_REPLIES = frozenset({Heard.REPLY_STARTED, Heard.REPLY_STARVED, Heard.REPLY_ENDED})
_codes = {what: getattr(lib, f"SG_{what.upper()}") for what in _TELLS} if native_available else {}
