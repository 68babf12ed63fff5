"""Cue sheets as the C core sees them, and how long they stay."""

from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from ...fillers import Clip
from ._core import ffi
from ._handoff import mark_frames
from ._schedule import ArmedCue, Heard, in_order

_clips: WeakKeyDictionary[Clip, tuple[Any, Any]] = WeakKeyDictionary()


def _in_c(clip: Clip) -> tuple[Any, Any]:
    """Return the samples and cut marks of *clip* in C's terms, made once."""
    samples = ffi.from_buffer("float[]", np.ascontiguousarray(clip.samples, np.float32))
    _clips[clip] = in_c = (samples, ffi.new("int64_t[]", mark_frames(clip)))
    return in_c


class Sheet:
    """A cue sheet in C's terms. Holds on to all that its cues point to.

    Args:
        cues: The cues, in any order.
        first: The number by which the core is to call the first of them, the next one that of the second ...
    """

    def __init__(self, cues: Iterable[ArmedCue], first: int) -> None:
        ordered = in_order(cues)
        self.first = first
        self.ids = [cue.id for cue in ordered]
        self.sounding = 0
        """Cues that have started and not ended."""
        self.count = len(ordered)
        self.cues = ffi.new("sg_cue[]", self.count)
        self._kept: list[Any] = []
        for at, cue in enumerate(ordered):
            self._fill(self.cues[at], cue, first + at)

    def _fill(self, c: Any, cue: ArmedCue, number: int) -> None:
        clip, rule = cue.clip, cue.rule
        samples, marks = in_c = _clips.get(clip) or _in_c(clip)
        self._kept.append(in_c)
        c.id, c.start, c.end = number, cue.start, -1 if cue.end is None else max(0, cue.end)
        c.samples, c.frames, c.marks, c.mark_count = samples, clip.frames, marks, len(marks)
        c.min_play, c.max_finish, c.fade, c.gap = rule.min_play, rule.max_finish, rule.fade, rule.gap
        c.fade_in, c.declick, c.gain = rule.fade_in, rule.declick, cue.gain
        c.loops, c.spoken, c.allow_belated = clip.loops, clip.kind.spoken, cue.allow_belated


class SheetKeeper:
    """Keeps the sheets that the core may still look at.

    A sheet may go once the core has obeyed its command, it is not the sheet in force, and each of its cues that had
    started has ended. Ask the core for the first two before taking the events: then no start is missed. The core
    calls cues by numbers of ours: that memory stays must not depend on ids being unique.
    """

    def __init__(self) -> None:
        self._sheets: dict[int, Sheet] = {}
        self._of_cue: dict[int, Sheet] = {}
        self._numbered = 0

    def __len__(self) -> int:
        return len(self._sheets)

    def keep(self, cues: Iterable[ArmedCue], command: int) -> Sheet:
        """Return *cues* as the sheet that the command of that number is to arm."""
        sheet = Sheet(cues, self._numbered)
        self._numbered += sheet.count
        self._sheets[command] = sheet
        for at in range(sheet.count):
            self._of_cue[sheet.first + at] = sheet
        return sheet

    def take(self, what: Heard, number: int) -> int:
        """Take in what happened to the cue of that number; return its id."""
        sheet = self._of_cue[number]
        if what is Heard.STARTED:
            sheet.sounding += 1
        elif what is Heard.ENDED:
            sheet.sounding -= 1
        return sheet.ids[number - sheet.first]

    def let_go(self, obeyed: int, in_force: int) -> None:
        """Drop what the core has no use for, being told how many commands it has obeyed and whose sheet is in force."""
        over = [
            number
            for number, sheet in self._sheets.items()
            if number < obeyed and number != in_force and not sheet.sounding
        ]
        for number in over:
            sheet = self._sheets.pop(number)
            for at in range(sheet.count):
                del self._of_cue[sheet.first + at]
