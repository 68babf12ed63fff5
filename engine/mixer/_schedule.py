"""Which sound plays from which frame to which: the mixer without its samples.

A state machine over frames. It is told what to do (arm, write, hold ...) at its present position, and then moved on;
on the way it starts cues, ends voices and starts the reply, each at its own frame, and notes an event for it.
The numpy renderer moves it from change to change and fills the stretches between with samples; replay just moves it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from ...fillers import Clip
from ._handoff import Ending, HandoffFrames, clip_length, ending, mark_frames, release

MAX_VOICES = 32
"""Voices that sound at once. Cues beyond that are skipped and reported."""
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
    """A cue was due and could not start: belated, or too many voices."""
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
        self.reply_queued = 0
        """Frames of reply that were written and not yet heard."""
        self.reply_playing = False
        self.reply_start: int | None = None
        """Frame at which the handoff lets the reply start."""
        self.reply_resumed = _LONG_AGO
        """Frame at which a held reply went on: it fades in from there."""
        self.stop_fade = round(STOP_FADE_S * rate)
        self._preroll = preroll
        self._available: int | None = None
        self._reply_open = False
        self._starved = False
        self._held_since = 0
        self._quiet_until = 0

    @property
    def reply_waiting(self) -> bool:
        """Whether a reply is available that does not sound yet."""
        return self._available is not None and not self.reply_playing

    # What it is told, at its present position -----------------------------------------------------------------

    def arm(self, cues: Iterable[ArmedCue]) -> None:
        """Replace the cues that have not started by *cues*.

        Nothing is armed against a reply that is there. Once its end is known, cues wait behind it.
        """
        blocked = self._available is not None and self._reply_open
        self.pending = [] if blocked else sorted(cues, key=lambda cue: (cue.start, cue.id))
        self._settle()

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

    def write(self, frames: int) -> None:
        """Note *frames* more of the reply. The first ones disarm, and begin the handoff once the preroll is there."""
        self.reply_queued += frames
        self._reply_open = True
        self._starved = False
        self.pending = []
        if self._available is None:
            self._available = self.position
        self._try_handoff()

    def end_reply(self) -> None:
        """No more of this reply will come (a later `write` starts, or goes on with, another)."""
        self._reply_open = False
        self._try_handoff()
        self._settle()

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
        self._try_handoff()
        self._settle()

    def flush(self) -> None:
        """End all: fade everything within 20 ms, drop the cue sheet and the reply."""
        self.held = False
        self.pending = []
        self._fade_voices()
        self.reply_queued = 0
        self._reply_gone()

    # Moving on -------------------------------------------------------------------------------------------------

    def next_change(self) -> int | None:
        """Return the next frame at which something changes by itself, or None."""
        frames = [voice.end for voice in self.voices if voice.end is not None]
        if not self.held:
            if self.pending and self._available is None:
                frames.append(self.pending[0].start)
            if self.reply_start is not None:
                frames.append(self.reply_start)
            if self.reply_playing and self.reply_queued:
                frames.append(self.position + self.reply_queued)
        return min(frames, default=None)

    def advance(self, frame: int) -> None:
        """Move on to *frame*; every change up to and at it has then happened."""
        while True:
            change = self.next_change()
            stop = frame if change is None else min(frame, change)
            if self.reply_playing and not self.held:
                self.reply_queued -= min(self.reply_queued, stop - self.position)
            self.position = stop
            self._settle()
            if stop >= frame:
                return

    def _settle(self) -> None:
        """Let everything happen that is due at the present position."""
        for voice in [v for v in self.voices if v.end is not None and v.end <= self.position]:
            self.voices.remove(voice)
            self._quiet_until = max(self._quiet_until, self.position + voice.cue.rule.gap)
            self._note(Heard.ENDED, self.position, voice.cue.id, voice.cut)
        if self.held:
            return
        if self.reply_start is not None and self.reply_start <= self.position:
            self.reply_start, self.reply_playing = None, True
            self._note(Heard.REPLY_STARTED, self.position if self._available is None else self._available)
        if self.reply_playing and not self.reply_queued:
            if not self._reply_open:
                self._note(Heard.REPLY_ENDED, self.position)
                self._reply_gone()
            elif not self._starved:
                self._starved = True
                self._note(Heard.REPLY_STARVED, self.position)
        while self.pending and self._available is None and self.pending[0].start <= self.position:
            self._start(self.pending.pop(0))

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
        self._note(Heard.STARTED, cue.start, cue.id)

    def _try_handoff(self) -> None:
        if self.held or self._available is None or self.reply_playing or self.reply_start is not None:
            return
        if self.reply_queued < self._preroll and self._reply_open:
            return
        self.reply_start = self._yield_all()
        self._settle()

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

    def _reply_gone(self) -> None:
        self.reply_playing, self.reply_start, self._available = False, None, None
        self.reply_resumed = _LONG_AGO
        self._reply_open = self._starved = False

    def _note(self, what: Heard, requested: int, cue: int | None = None, cut: bool = False) -> None:
        self.events.append(MixerEvent(what, self.position, requested, cue, cut))


def _shifted(cue: ArmedCue, by: int) -> ArmedCue:
    return replace(cue, start=cue.start + by, end=None if cue.end is None else cue.end + by)
