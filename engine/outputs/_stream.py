"""A device's stream: PortAudio pulls its frames, through the C core or through Python."""

from collections.abc import Callable
from typing import Any, Protocol

LONGEST_LATENCY_S = 1.0
"""s. PortAudio's own figures beyond this are garbage (89,478 s was seen on a JACK client)."""
OpenStream = Callable[..., Any]
"""Opens a stream of the class it is given, with the arguments of its kind, on the device."""


class Stream(Protocol):
    """A device that pulls from a source.

    Detached at first: the callback is silent and leaves the source alone until `attach`, and again after `detach`.
    While it is attached nobody else may render or skip.
    """

    latency_s: float
    """s from a callback to the ear, as far as the device knows when it is opened."""

    alive: bool
    """False once its callback has given up."""

    @property
    def callbacks(self) -> int:
        """How often it was called while it was attached."""
        ...

    def start(self) -> None:
        """Begin to be called."""
        ...

    def attach(self) -> None:
        """Render from now on."""
        ...

    def detach(self) -> bool:
        """Render no more; return False while the callback is still at it: ask again."""
        ...

    def announced(self) -> list[tuple[int, float]]:
        """Return the first frame of each callback and when it is heard, s on the clock, since the last call."""
        ...

    def statistics(self) -> dict[str, float]:
        """Return counters."""
        ...

    def close(self) -> None:
        """End it. May wait for ever."""
        ...


def on_any_channels(sd: Any, open_with: Callable[[int], Any]) -> Any:
    """Return what *open_with* opens for one channel, or for two where the device refuses mono."""
    try:
        return open_with(1)
    except sd.PortAudioError:
        return open_with(2)


def bounded_latency(stream: Any) -> float:
    """Return the s from a callback to the ear as the stream states them; 0 if that is garbage."""
    latency = float(stream.latency)
    return latency if 0.0 < latency < LONGEST_LATENCY_S else 0.0
