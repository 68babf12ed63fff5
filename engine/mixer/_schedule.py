"""Which sound plays from which frame to which: the mixer without its samples.

A state machine over frames. It is told what to do (arm, write, hold ...) at its present position, and then moved on;
on the way it starts cues, ends voices and starts the reply, each at its own frame, and notes an event for it.
The numpy renderer moves it from change to change and fills the stretches between with samples; replay just moves it.
"""

from collections import deque
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, replace
from enum import StrEnum

from ...fillers import Clip
from ._handoff import Ending, HandoffFrames, clip_length, ending, mark_frames, release

MAX_VOICES = 32
"""Voices that sound at once. Cues beyond that are skipped and reported."""
MAX_CUES = 256
"""Cues of a sheet. The later ones of a longer one are left out."""
MAX_REPLIES = 32
"""Replies that wait behind each other. A further one is joined to the last."""
STOP_FADE_S = 0.02
"""s. Fade of everything that sounds when the user speaks."""
_LONG_AGO = -(1 << 60)


@dataclass(frozen=True, slots=True)
class ArmedCue:
    """One filler with its absolute start frame."""

    id: int
    """Unique within the mixer's life; events carry it."""
    clip: Clip
    start: int
    """Frame of the first sample."""
    rule: HandoffFrames
    gain: float = 1.0
    end: int | None = None
    """Frame at which a loop ends at the latest."""
    allow_belated: bool = True
    """Armed in the past: start at once (True), or skip."""


class Heard(StrEnum):
    """What happened."""

    STARTED = "started"
    """A cue began to sound."""
    ENDED = "ended"
    """A cue's sound ended."""
    SKIPPED = "skipped"
    """A cue was due and could not start: belated, overdue behind a reply, or too many voices."""
    OUTDATED = "outdated"
    """A cue sheet was refused: a cue had started that its maker did not know of."""
    UNATTENDED = "unattended"
    """The process gave no sign of life for so long that the mixer stopped playing by itself."""
    REPLY_STARTED = "reply_started"
    REPLY_STARVED = "reply_starved"
    """The reply ran dry before its end; silence until more arrives."""
    REPLY_ENDED = "reply_ended"


@dataclass(frozen=True, slots=True)
class MixerEvent:
    """One thing that happened, on the mixer's frame counter."""

    what: Heard
    frame: int
    """When it happened: of a start the first frame that sounds, of an end the first that does not."""
    requested_frame: int
    """When it was asked for: the cue's start, the reply's arrival."""
    cue: int | None = None
    reply: int | None = None
    """The reply's number, of the events that concern one."""
    cut: bool = False
    """An end away from any cut mark."""


@dataclass(slots=True)
class Voice:
    """A sounding cue."""

    cue: ArmedCue
    start: int
    end: int | None
    """Frame of its end; None for a loop without one."""
    fade: int = 0
    """Frames before *end* over which it fades."""
    cut: bool = False
    level: float = 1.0
    """Where the fade starts: below 1 if it took over from one that was under way."""

    def stop(self, how: Ending, frame: int) -> None:
        """End as *how* says, decided at *frame*, unless it ends sooner anyway."""
        if self.end is None or self.start + how.end < self.end:
            if self.end is not None and self.fade:
                self.level *= min(1.0, (self.end - frame) / self.fade)
            self.end, self.fade, self.cut = self.start + how.end, how.fade, how.cut


@dataclass(slots=True)
class Reply:
    """A reply, or a part of one that is waited for by itself."""

    number: int
    available: int
    """Frame at which its first audio was there."""
    queued: int = 0
    """Frames written and not yet heard."""
    open: bool = True
    """More may come."""


class Schedule:
    """The mixer's state: armed cues, sounding voices, and where the reply stands.

    Args:
        rate: Hz.
        preroll: Frames of reply to hold before the handoff begins.
    """

    def __init__(self, rate: int, preroll: int = 0) -> None:
        self.position = 0
        """The next frame to be rendered."""
        self.voices: list[Voice] = []
        self.pending: list[ArmedCue] = []
        self.events: list[MixerEvent] = []
        self.held = False
        """The user speaks: nothing sounds, nothing starts."""
        self.horizon: int | None = None
        """Frame up to which it plays on by itself; see `attend`."""
        self.unattended = False
        self.starts = 0
        """Cues that have ever started."""
        self.replies: deque[Reply] = deque()
        """The reply that sounds or is to sound, and those behind it."""
        self.reply_playing = False
        self.reply_start: int | None = None
        """Frame at which the handoff lets the reply start."""
        self.reply_resumed = _LONG_AGO
        """Frame at which a held reply went on: it fades in from there."""
        self.stop_fade = round(STOP_FADE_S * rate)
        self._preroll = max(preroll, 1)
        self._starved = False
        self._held_since = 0
        self._quiet_until = 0

    @property
    def reply_waiting(self) -> bool:
        """Whether a reply is available that does not sound yet."""
        return bool(self.replies) and not self.reply_playing

    @property
    def reply_queued(self) -> int:
        """Frames of reply that were written and not yet heard."""
        return sum(reply.queued for reply in self.replies)

    # What it is told, at its present position -----------------------------------------------------------------

    def arm(self, cues: Iterable[ArmedCue], starts: int | None = None) -> None:
        """Replace the cues that have not started by *cues*.

        Nothing is armed against a reply that is there. Once its end is known, cues wait behind it.

        Args:
            cues: The new sheet.
            starts: How many starts (`starts`) its maker knows of. If there were more, the sheet is refused: it
                could speak over what has just begun.
        """
        if starts is not None and starts != self.starts:
            self._note(Heard.OUTDATED, self.position)
            return
        blocked = bool(self.replies) and self.replies[-1].open
        self.pending = [] if blocked else in_order(cues)

    def disarm(self) -> None:
        """Drop the cues that have not started; what sounds plays on."""
        self.pending = []

    def release(self) -> None:
        """The reply is announced: drop what has not started, end spoken voices at their next cut mark."""
        self.pending = []
        for voice in self.voices:
            clip = voice.cue.clip
            how = release(self.position - voice.start, clip_length(clip), mark_frames(clip), voice.cue.rule)
            if clip.kind.spoken and how is not None:
                voice.stop(how, self.position)

    def retire(self) -> None:
        """There will be no reply: drop what has not started, end spoken voices at their next mark, fade the rest."""
        self.release()
        for voice in self.voices:
            clip, fade = voice.cue.clip, voice.cue.rule.fade
            if not clip.kind.spoken:
                voice.stop(Ending(self.position - voice.start + fade, fade, cut=not clip.loops), self.position)

    def write(self, frames: int, reply: int = 0) -> None:
        """Note *frames* more of the reply number *reply*; one with another number follows what is queued, and ends it.

        The first ones (even if they are none yet) disarm; once the preroll is there they begin the handoff.
        """
        self._starved = False
        self.pending = []
        if not self.replies or (self.replies[-1].number != reply and len(self.replies) < MAX_REPLIES):
            if self.replies:
                self.replies[-1].open = False
            self.replies.append(Reply(reply, self.position))
        last = self.replies[-1]
        last.queued += frames
        last.open = True
        self._try_handoff()

    def end_reply(self) -> None:
        """No more of the last reply will come."""
        if self.replies:
            self.replies[-1].open = False
        self._try_handoff()

    def hold(self) -> None:
        """The user speaks: fade everything within 20 ms, keep the cue sheet and the reply for `resume`."""
        if self.held:
            return
        self.held, self._held_since = True, self.position
        self.reply_start = None
        self._fade_voices()

    def resume(self) -> None:
        """Go on: the cue sheet's clock and the reply continue where they stopped."""
        if not self.held:
            return
        self.held = False
        shift = self.position - self._held_since
        self.pending = [_shifted(cue, shift) for cue in self.pending]
        if self.reply_playing:
            self.reply_resumed = self.position
        elif self.replies:
            self.replies[0].available = self.position
        self._try_handoff()

    def copy(self) -> "Schedule":
        """Return one that goes on from here by itself."""
        twin = copy(self)
        twin.voices, twin.events = [copy(voice) for voice in self.voices], []
        twin.pending = list(self.pending)
        twin.replies = deque(copy(reply) for reply in self.replies)
        return twin

    def flush(self) -> None:
        """End all: fade everything within 20 ms, drop the cue sheet and the reply."""
        self.held = False
        self.pending = []
        self._fade_voices()
        self.replies.clear()
        self.reply_playing, self.reply_start, self.reply_resumed = False, None, _LONG_AGO

    def attend(self, horizon: int | None) -> None:
        """The process is alive: play on by itself up to the frame *horizon*; None: for ever.

        From there on what has not started is dropped and what sounds ends: a stuck agent must not hum for ever.
        """
        self.horizon = horizon
        if horizon is None or horizon > self.position:
            self.unattended = False

    # Moving on -------------------------------------------------------------------------------------------------

    def next_change(self) -> int | None:
        """Return the next frame at which something changes by itself, or None."""
        frames = [voice.end for voice in self.voices if voice.end is not None]
        if not self.held:
            if self.pending and not self.replies:
                frames.append(self.pending[0].start)
            if self.horizon is not None and not self.unattended and (self.pending or self.voices):
                frames.append(self.horizon)
            if self.reply_start is not None:
                frames.append(self.reply_start)
            if self.reply_playing and self.replies[0].queued:
                frames.append(self.position + self.replies[0].queued)
        return min(frames, default=None)

    def advance(self, frame: int) -> None:
        """Move on to *frame*; every change up to and at it has then happened."""
        while True:
            change = self.next_change()
            stop = frame if change is None else max(self.position, min(frame, change))
            if self.reply_playing and not self.held:
                head = self.replies[0]
                head.queued -= min(head.queued, stop - self.position)
            self.position = stop
            self.settle()
            if stop >= frame:
                return

    def settle(self) -> None:
        """Let everything happen that is due at the present position."""
        self._end_voices()
        if self.held:
            return
        if self.horizon is not None and not self.unattended and self.horizon <= self.position:
            self._stop_alone(self.horizon)
        if self.reply_start is not None and self.reply_start <= self.position:
            self.reply_start, self.reply_playing = None, True
            self._note_reply(Heard.REPLY_STARTED, self.replies[0])
        while self.reply_playing and not self.replies[0].queued and not self.replies[0].open:
            self._note_reply(Heard.REPLY_ENDED, self.replies.popleft())
            self.reply_playing, self.reply_resumed = bool(self.replies), _LONG_AGO
            if self.replies:
                self.replies[0].available = self.position  # what held it back was no filler
                self._note_reply(Heard.REPLY_STARTED, self.replies[0])
            else:
                self._drop_overdue()
        if self.reply_playing and not self.replies[0].queued and not self._starved:
            self._starved = True
            self._note_reply(Heard.REPLY_STARVED, self.replies[0])
        while self.pending and not self.replies and self.pending[0].start <= self.position:
            self._start(self.pending.pop(0))

    def _end_voices(self) -> None:
        for voice in [v for v in self.voices if v.end is not None and v.end <= self.position]:
            self.voices.remove(voice)
            self._quiet_until = max(self._quiet_until, self.position + voice.cue.rule.gap)
            self._note(Heard.ENDED, self.position, voice.cue.id, voice.cut)

    def _stop_alone(self, horizon: int) -> None:
        if self.pending or self.voices:
            self.unattended = True
            self.retire()
            self._note(Heard.UNATTENDED, horizon)
            self._end_voices()

    def _start(self, cue: ArmedCue) -> None:
        belated = cue.start < self.position
        if (belated and not cue.allow_belated) or len(self.voices) >= MAX_VOICES:
            self._note(Heard.SKIPPED, cue.start, cue.id)
            return
        end = cue.end if cue.clip.loops else self.position + cue.clip.frames
        if end is not None and end <= self.position:
            self._note(Heard.SKIPPED, cue.start, cue.id)
            return
        fade = cue.rule.fade if cue.clip.loops else 0
        self.voices.append(Voice(cue, self.position, end, fade))
        self.starts += 1
        self._note(Heard.STARTED, cue.start, cue.id)

    def _try_handoff(self) -> None:
        if self.held or not self.replies or self.reply_playing or self.reply_start is not None:
            return
        if self.replies[0].queued < self._preroll and self.replies[0].open:
            return
        self.reply_start = self._yield_all()

    def _yield_all(self) -> int:
        """End every voice by its kind's rule and return the frame at which the reply may start.

        The spoken voices decide; beds go on beneath them and are gone when the last word is, or, where the reply
        overlaps it, when the reply starts.
        """
        last_word = self.position
        for voice in sorted(self.voices, key=lambda v: not v.cue.clip.kind.spoken):
            clip, rule = voice.cue.clip, voice.cue.rule
            played = self.position - voice.start
            how = ending(played, clip_length(clip), mark_frames(clip), rule)
            if clip.kind.spoken:
                voice.stop(how, self.position)
                last_word = max(last_word, (voice.end or 0) + min(rule.gap, 0))
            else:
                voice.stop(Ending(max(how.end, last_word - voice.start), how.fade, how.cut), self.position)
        gaps = [voice.end + voice.cue.rule.gap for voice in self.voices if voice.end is not None]
        return max(self.position, self._quiet_until, *gaps) if gaps else max(self.position, self._quiet_until)

    def _fade_voices(self) -> None:
        for voice in self.voices:
            length = self.position - voice.start + self.stop_fade
            voice.stop(Ending(length, self.stop_fade, cut=not voice.cue.clip.loops), self.position)

    def _drop_overdue(self) -> None:
        """Leave out the spoken cues that fell due behind a reply: the silence they were meant for begins only now."""
        overdue = [cue for cue in self.pending if cue.start < self.position and cue.clip.kind.spoken]
        for cue in overdue:
            self.pending.remove(cue)
            self._note(Heard.SKIPPED, cue.start, cue.id)

    def _note_reply(self, what: Heard, reply: Reply) -> None:
        self.events.append(MixerEvent(what, self.position, reply.available, reply=reply.number))

    def _note(self, what: Heard, requested: int, cue: int | None = None, cut: bool = False) -> None:
        self.events.append(MixerEvent(what, self.position, requested, cue, cut=cut))


def in_order(cues: Iterable[ArmedCue]) -> list[ArmedCue]:
    """Return a sheet's cues as the mixer takes them."""
    return sorted(cues, key=lambda cue: (cue.start, cue.id))[:MAX_CUES]


def _shifted(cue: ArmedCue, by: int) -> ArmedCue:
    return replace(cue, start=cue.start + by, end=None if cue.end is None else cue.end + by)
