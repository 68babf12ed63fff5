"""Where the agent's speech meets its fillers, as the output sees it."""

from collections.abc import Awaitable
from typing import Protocol

from ....fillers import Samples


class SpeechGate(Protocol):
    """What fillers do about the agent's own speech."""

    def yields(self) -> Awaitable[Samples] | None:
        """Speech of the agent is about to be played; return what to wait for, if anything. It brings the end of a
        filler that is to lie under the speech."""
        ...

    def emptied(self) -> None:
        """The session drops what its sink holds: the agent is interrupted."""
        ...

    def muted(self, muted: bool) -> None:
        """The sink plays nothing for now, or plays on."""
        ...

    def played_out(self) -> None:
        """The sink has come to the end of a segment."""
        ...

    def displaced(self) -> None:
        """Perhaps the output is not in the session's chain any more."""
        ...
