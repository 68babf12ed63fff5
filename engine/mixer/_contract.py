"""What every mixer does, and which one there is."""

from typing import Protocol

from ...fillers import Samples
from ._commands import Command
from ._core import native_available
from ._native_mixer import REPLY_RING_S, NativeMixer
from ._reference import ReferenceMixer
from ._schedule import MixerEvent
from ._tap import TapBlock


class Mixer(Protocol):
    """Mixes fillers and the reply, mono float32.

    One thread at a time posts commands and takes what happened (the session's lock sees to that), one at a time
    renders; neither ever waits for the other.
    """

    rate: int
    """Hz."""
    engine: str
    """Which one it is: ``native`` or ``numpy``."""

    @property
    def position(self) -> int:
        """The next frame to be rendered."""
        ...

    @property
    def reply_queued(self) -> int:
        """Frames of reply posted and not yet rendered."""
        ...

    @property
    def told(self) -> bool:
        """Whether commands wait to be obeyed."""
        ...

    def post(self, command: Command) -> None:
        """Queue *command* for the start of the next block."""
        ...

    def attend(self, horizon: int | None) -> None:
        """Allow it to play on by itself up to the frame *horizon*; see `Schedule.attend`."""
        ...

    def take_events(self) -> list[MixerEvent]:
        """Return what happened since the last call, in order."""
        ...

    def open_tap(self, seconds: float) -> None:
        """Keep what is rendered from now on, up to *seconds* of it, for `read_tap`. Stays open."""
        ...

    def read_tap(self) -> list[TapBlock]:
        """Return what was rendered since the last call; a gap in the frames tells what was not taken in time."""
        ...

    def render(self, out: Samples) -> None:
        """Fill *out*, float32, shape (frames,), contiguous, with the next frames."""
        ...

    def go_on(self, out: Samples) -> None:
        """Like `render`, but what was told waits: for sound that was previewed and sent before."""
        ...

    def preview(self, out: Samples) -> None:
        """Fill *out* with what comes next if no more is said, without moving on. Commands that wait are obeyed."""
        ...

    def skip_to(self, frame: int) -> None:
        """Move on to *frame* without making samples."""
        ...


def new_mixer(rate: int, preroll_ms: float = 0.0, *, replies: bool = True) -> Mixer:
    """Return the C core where it was built, else the numpy reference.

    Args:
        rate: Hz.
        preroll_ms: ms of reply to hold before its handoff begins.
        replies: Whether replies will be played by somebody who does not wait: room is made for 2 s of them.
    """
    if native_available:
        return NativeMixer(rate, preroll_ms, reply_ring_s=REPLY_RING_S if replies else 0.0)
    return ReferenceMixer(rate, preroll_ms)
