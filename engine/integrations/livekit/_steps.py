"""What a conversation's events ask of a stopgap session."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Begin:
    """The user has stopped speaking, at *at*; that may be taken back until `Commit`."""

    at: float
    """s on the manager's clock."""


@dataclass(frozen=True, slots=True)
class Commit:
    """The user's turn is over for sure."""


@dataclass(frozen=True, slots=True)
class Retract:
    """The user went on, or nobody answers."""


@dataclass(frozen=True, slots=True)
class Tell:
    """There is news."""

    name: str
    """The milestone."""
    at: float
    """s on the manager's clock."""
    tool: str | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """The user speaks: sound fades, the turn is kept."""


@dataclass(frozen=True, slots=True)
class Resume:
    """It was only an "ok"."""


@dataclass(frozen=True, slots=True)
class WaitAgain:
    """What was said was a preamble."""


@dataclass(frozen=True, slots=True)
class Finish:
    """The reply was heard out."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """The turn ended early."""

    reason: str


Step = Begin | Commit | Retract | Tell | Hold | Resume | WaitAgain | Finish | Cancel
