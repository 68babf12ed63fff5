"""The fillers of one turn: armed, sounding, heard."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ..fillers import Clip, Kind
from .mixer import Heard, MixerEvent
from .planning import CastCue
from .turns import SoundRecord


@dataclass(slots=True)
class Played:
    """A filler that has started."""

    cue: CastCue
    requested_at: float
    start_at: float
    start_frame: int
    end_at: float | None = None
    heard_frames: int | None = None
    cut: bool = False

    @property
    def clip(self) -> Clip:
        return self.cue.clip


@dataclass(frozen=True, slots=True)
class Standing:
    """What a turn has heard so far. Times are s on the manager's clock."""

    spoken: int = 0
    """Spoken fillers that have started."""
    phrases: int = 0
    progress: int = 0
    bed: bool = False
    """Whether a looping bed sounds."""
    until: float | None = None
    """When the spoken filler that sounds now will end by itself; None: none sounds."""
    last_end: float = -math.inf
    """When the last spoken filler ended; minus infinity without one."""
    latest_start: float = -math.inf
    """When the filler that started last was, or will be, heard first; minus infinity without one."""


_NOTHING = Standing()


class TurnSounds:
    """Keeps what a turn has armed and what of it was heard. Times are s on the manager's clock."""

    def __init__(self) -> None:
        self._armed: dict[int, CastCue] = {}
        self._played: dict[int, Played] = {}

    def arm(self, cues: Mapping[int, CastCue]) -> None:
        """Take in armed *cues* by their ids. Those they replace are kept: the mixer may have started one meanwhile."""
        self._armed.update(cues)

    def take(self, event: MixerEvent, at: float, requested_at: float) -> Clip | None:
        """Take in what happened to a cue at *at*; return the clip if it started."""
        cue = event.cue or 0
        if event.what is Heard.STARTED:
            self._played[cue] = Played(self._armed.pop(cue), requested_at, at, event.frame)
            return self._played[cue].clip
        if event.what is Heard.ENDED:
            played = self._played[cue]
            played.end_at, played.cut = at, event.cut
            played.heard_frames = event.frame - played.start_frame
        return None

    def stop(self, now: float) -> list[int]:
        """Take in that nothing sounds any more; return the cues that did until now."""
        sounding = [cue for cue, played in self._played.items() if played.end_at is None]
        for played in (self._played[cue] for cue in sounding):
            played.end_at, played.cut = max(now, played.start_at), True
            played.heard_frames = round((played.end_at - played.start_at) * played.clip.rate)
        return sounding

    @property
    def silent(self) -> bool:
        """Whether none sounds."""
        return all(played.end_at is not None for played in self._played.values())

    def record(self, cue: int, zero: float, now: float) -> SoundRecord:
        """Return what was heard of *cue*, which has started, up to *now*; times count from *zero*."""
        return _record(self._played[cue], zero, now)

    def started(self, cue: int) -> bool:
        """Whether the armed *cue* has started."""
        return cue in self._played

    def has_played(self, clip: str) -> bool:
        """Whether the clip with the id *clip* has started."""
        return any(played.clip.id == clip for played in self._played.values())

    def first_start(self) -> float:
        """Return when the first one started; infinite without one."""
        return min((played.start_at for played in self._played.values()), default=math.inf)

    def standing(self) -> Standing:
        """Return what has been said and what sounds."""
        if not self._played:
            return _NOTHING
        spoken, lines, bed = 0, {Kind.PHRASE: 0, Kind.PROGRESS: 0}, False
        until, last_end, latest_start = -math.inf, -math.inf, -math.inf
        for played in self._played.values():
            clip, latest_start = played.clip, max(latest_start, played.start_at)
            if not clip.kind.spoken:
                bed = bed or (played.end_at is None and clip.loops)
                continue
            spoken += 1
            if clip.kind in lines:
                lines[clip.kind] += 1
            if played.end_at is None:
                until = max(until, played.start_at + clip.duration_s)
            else:
                last_end = max(last_end, played.end_at)
        until_end = until if until > -math.inf else None
        return Standing(spoken, lines[Kind.PHRASE], lines[Kind.PROGRESS], bed, until_end, last_end, latest_start)

    def clips(self) -> tuple[Clip, ...]:
        """Return the clips that have started, in the order of `records`."""
        return tuple(played.clip for played in self._played.values())

    def silence(self, start: float, end: float, ambience_credit: float) -> float:
        """Return the s from *start* to *end*, a bed's time discounted."""
        covered = 0.0
        for played in self._played.values():
            if not played.clip.kind.spoken:
                until = played.end_at if played.end_at is not None else end
                covered += max(0.0, min(end, until) - max(start, played.start_at))
        return max(0.0, end - start - ambience_credit * covered)

    def records(self, zero: float, now: float) -> tuple[SoundRecord, ...]:
        """Return what was heard up to *now*; times count from *zero*."""
        return tuple(_record(played, zero, now) for played in self._played.values())


def _record(played: Played, zero: float, now: float) -> SoundRecord:
    clip, heard = played.clip, played.heard_frames
    if heard is None:
        heard = round(max(0.0, now - played.start_at) * clip.rate)
    return SoundRecord(
        kind=clip.kind,
        clip=clip.id,
        text=clip.heard_text(heard),
        start_s=played.start_at - zero,
        end_s=None if played.end_at is None else played.end_at - zero,
        requested_s=played.requested_at - zero,
        start_frame=played.start_frame,
        end_frame=None if played.heard_frames is None else played.start_frame + played.heard_frames,
        cut=played.cut,
        reason=played.cue.reason,
    )
