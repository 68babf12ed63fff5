"""What a policy is told, and what it answers."""

import math
from dataclasses import dataclass
from typing import Protocol

from ...fillers import Clip, Costs, Kind, Override
from ..prediction import Context


@dataclass(frozen=True, slots=True)
class Situation:
    """A wait at the moment of planning. Times are s and count from now unless they say otherwise."""

    context: Context
    milestone: str
    """The latest milestone."""
    milestone_age_s: float
    """s since it."""
    wait_age_s: float
    """s since the wait's time 0 (the end of the user's speech, or of the spoken preamble)."""
    tool_age_s: float | None
    """s since the running tool started; None without one."""
    clips: tuple[Clip, ...]
    """What may be played: language, voice, enabled kinds and honesty are already seen to."""
    override: Override
    """The configuration of this agent and tool."""
    spoken: int
    """Spoken fillers of this turn that have started."""
    spoken_left: int
    """How many more the limits allow."""
    recent: int
    """Spoken fillers heard in earlier turns of the conversation in the last 60 s."""
    silent_s: float
    """s of silence up to now since the last spoken sound, a bed's time discounted; 0 while one sounds."""
    sounding_s: float
    """s for which the present spoken filler will still sound; 0 in silence."""
    since_spoken_s: float
    """s since the last spoken filler of this turn ended; infinite without one, 0 while one sounds."""
    bed: bool
    """Whether a bed sounds."""
    phrases_said: int
    """Phrases of this turn that have started."""
    progress_said: int
    """Progress lines of this turn that have started."""
    horizon_s: float
    """s until nothing new may start (``limits.max_wait_s``)."""
    first: bool
    """Whether this is the first plan of the wait."""
    costs: Costs | None = None
    """Those of the behaviour that is in force; None: the configuration's."""
    owns_reply: bool = True
    """Whether the reply can be held until a filler has yielded; else every filler that sounds then is cut."""
    started_s: float = -math.inf
    """s from now to the start of the filler that has started last: an output's latency ahead at most, else past."""


@dataclass(frozen=True, slots=True)
class PlannedCue:
    """A filler wished for: its kind and length; selection finds the clip."""

    start_s: float
    """s from where the sheet's times count."""
    kind: Kind
    duration_s: float | None = None
    """s. Preferred length; None: any."""
    tolerance_s: float = 0.0
    phrases: tuple[str, ...] | None = None
    """Texts or ids: only these."""
    swap: bool = False
    """A phrase may stand for a progress line and the other way round, whichever fits what was said."""
    reason: str = ""
    """Why it is there, for the turn record."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A cue sheet."""

    cues: tuple[PlannedCue, ...] = ()
    """In order of start."""
    age_s: float = 0.0
    """s that have passed since the moment from which the cues' times count."""
    again_s: float = math.inf
    """s from now after which to plan again if nothing has happened by then: the sheet does not look farther."""
    stale: bool = False
    """Whether enough was learned since it was planned to plan anew."""


class Policy(Protocol):
    """Decides what plays if the reply keeps not arriving."""

    name: str

    def plan(self, situation: Situation) -> Sheet:
        """Return the cue sheet for *situation*."""
        ...

    def ready(self, situation: Situation) -> Sheet | None:
        """Return the cue sheet if it can be had at once, or None."""
        ...
