"""What the pump hands its sound to, and how much that holds a reply back."""

from typing import Protocol

from ....fillers import Samples
from ..._turn import Turn


class FillerSink(Protocol):
    """Takes what is to sound."""

    @property
    def fillers_until(self) -> float | None:
        """When the fillers that it holds, of a segment that is not complete, are heard out; loop time. None: none."""
        ...

    @property
    def heard_out_at(self) -> float:
        """When the fillers that speech would follow are heard out, if it came now; loop time. Past: there are none."""
        ...

    @property
    def kept_s(self) -> float:
        """s of what it was given that it keeps back: a resampler needs to know what follows."""
        ...

    @property
    def prebuffering(self) -> bool:
        """Whether it plays nothing of the fillers that it holds before it is given more."""
        ...

    async def put(self, samples: Samples, ahead_s: float) -> None:
        """Play *samples*, mono float32 at the session's rate, *ahead_s* from now."""
        ...

    async def put_rest(self) -> None:
        """Play what is kept back of a sound that is over."""
        ...

    def end_fillers(self) -> None:
        """Nothing follows for now."""
        ...


def reply_follows(turn: Turn, behind_s: float) -> None:
    """Take in that the reply of *turn* is there, and is heard behind what the sink holds of a filler: *behind_s* on."""
    if not behind_s:
        turn.reply_started()
        return
    with turn._line.lock:
        now = turn._line.sync()
        if turn._passes_by(now):
            turn.reply_heard(now + behind_s, behind_s)


def account_for_lead(turn: Turn) -> None:
    """Have the record say by how much the reply of *turn* was held back in all.

    The mixer, which is ahead of the ear by the lead, knows only by how much it was beyond that.
    """
    with turn._line.lock:
        wait = turn._state.wait
        if wait.available_at is not None and wait.heard_at is not None:
            wait.held_back_s = max(wait.held_back_s or 0.0, wait.heard_at - wait.available_at)
