"""What a mixer is told."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ...fillers import Samples
from ._schedule import ArmedCue


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
    """Call a method of `Schedule` that takes nothing."""

    what: Literal["disarm", "release", "retire", "end_reply", "resume"]


@dataclass(frozen=True, slots=True)
class Stop:
    """The user speaks: fade everything. With *flush* the cue sheet and the reply are dropped, else they wait."""

    flush: bool


Command = Arm | Write | Tell | Stop
