"""What a turn was: frozen records, written when it has ended (or on asking, as it stands)."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ...fillers import Kind

Outcome = Literal["waiting", "replied", "cancelled", "retracted"]


@dataclass(frozen=True, slots=True)
class MilestoneRecord:
    """News that came while waiting."""

    name: str
    at_s: float
    """s from time 0."""
    tool: str | None = None


@dataclass(frozen=True, slots=True)
class SoundRecord:
    """A filler as it was heard. Times are s from time 0 of the turn."""

    kind: Kind
    clip: str
    """The clip's id."""
    text: str | None
    """What was heard of its text: whole words up to where it ended."""
    start_s: float
    end_s: float | None
    """None while it sounds."""
    requested_s: float
    """When it was to start."""
    start_frame: int
    """First frame that sounded, on the session's counter."""
    end_frame: int | None
    """First frame that did not; None while it sounds."""
    cut: bool
    """Faded away from any cut mark."""
    reason: str
    """Why it was chosen."""


@dataclass(frozen=True, slots=True)
class WaitRecord:
    """One wait of the turn. Times are s from time 0 of the turn."""

    began_s: float
    available_s: float | None
    """The reply's first audio existed; None: it never did."""
    heard_s: float | None
    """The reply began to sound."""
    held_back_s: float | None
    """s by which fillers held it back: from its arrival in the mixer to its first frame. What the output's own
    latency adds is not in it."""


@dataclass(frozen=True, slots=True)
class PredictionRecord:
    """What was predicted at time 0 for the reply's arrival."""

    q50_s: float
    q80_s: float
    q95_s: float


@dataclass(frozen=True, slots=True)
class TurnRecord:
    """What the user heard in one turn, and when. All ``_s`` are seconds from the end of the user's speech."""

    id: str
    session: str
    agent: str | None
    language: str
    outcome: Outcome
    speech_ended_at: float
    """s on the manager's clock: time 0 of the turn."""
    began_s: float
    """When `begin` was called."""
    ended_s: float | None
    """When the turn was finished, cancelled or retracted; None while it is open."""
    cancel_reason: str | None
    policy: str
    prediction: PredictionRecord
    milestones: tuple[MilestoneRecord, ...] = ()
    waits: tuple[WaitRecord, ...] = ()
    sounds: tuple[SoundRecord, ...] = ()
    prompt_tokens: int | None = None
    """Size of the prompt, as `begin` was told."""
    notes: tuple[str, ...] = field(default=())
    """Calls that came out of order and what was done with them."""
    cut_off_s: float | None = None
    """When the turn was cancelled: the barge-in, if `cancel` followed one."""
    owns_reply: bool = True
    """Whether the reply could be held until fillers had yielded (see `Output`)."""
    behavior: tuple[str, int] | None = None
    """Name and version of the behaviour that was in force at the end."""
    assigned: tuple[tuple[str, int], ...] = ()
    """Name and version of each behaviour of which the conversation was dealt one of several versions, in force or
    not."""
    user_spoke: tuple[tuple[float, float], ...] = ()
    """From when to when the user spoke while waiting, and the turn went on (`Session.resume`)."""

    @property
    def filler_text(self) -> str:
        """What was heard of the fillers' text, for a transcript or the agent's context. Mark it as filler there."""
        return " ".join(sound.text for sound in self.sounds if sound.text)

    @property
    def first_sound_s(self) -> float | None:
        """s to any sound, filler or reply."""
        times = [s.start_s for s in self.sounds] + [w.heard_s for w in self.waits if w.heard_s is not None]
        return min(times, default=None)

    @property
    def reply_heard_s(self) -> float | None:
        """s to the reply's first sound; a spoken preamble is part of the reply."""
        return next((wait.heard_s for wait in self.waits if wait.heard_s is not None), None)

    @property
    def answer_heard_s(self) -> float | None:
        """s to the first sound of what no further wait followed: a preamble ("Let me look.") is no answer."""
        return self.waits[-1].heard_s if self.waits else None

    @property
    def reply_delay_s(self) -> float | None:
        """s by which fillers held back the reply, over all waits; None if no reply was heard."""
        delays = [wait.held_back_s for wait in self.waits if wait.held_back_s is not None]
        return sum(delays) if delays else None

    def as_dict(self) -> dict[str, Any]:
        """Return the record as plain data, ready for JSON."""
        return asdict(self)
