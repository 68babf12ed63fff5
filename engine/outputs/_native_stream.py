"""A device that the C core serves."""

from typing import Any

from .._clock import Clock
from ..mixer import NativeMixer, NativePort
from ._stream import OpenStream, bounded_latency, on_any_channels


class NativeStream:
    """Rendered in C: the callback needs no interpreter.

    PortAudio keeps but the addresses of the port and, through it, of the mixer. Both stay alive because this object
    holds them, and whoever drops it has seen `close` return; a thread that still waits for that holds it too.

    Args:
        sd: The module sounddevice.
        open_stream: Opens the stream.
        mixer: What plays.
        clock: The output's.
    """

    alive = True

    def __init__(self, sd: Any, open_stream: OpenStream, mixer: NativeMixer, clock: Clock) -> None:
        def open_with(channels: int) -> Any:
            self._port = NativePort(mixer, channels)
            return open_stream(
                sd._StreamBase,  # sounddevice's hook for libraries that bring their own callback
                kind="output",
                channels=channels,
                callback=sd._ffi.cast("PaStreamCallback *", self._port.callback),
                userdata=sd._ffi.cast("void *", self._port.userdata),
            )

        self._stream = on_any_channels(sd, open_with)
        self.latency_s = bounded_latency(self._stream)
        self._port.set_latency(self.latency_s)
        self._behind_s = _clock_difference(clock)

    @property
    def callbacks(self) -> int:
        return self._port.callbacks

    def start(self) -> None:
        self._stream.start()

    def attach(self) -> None:
        self._port.attach()

    def detach(self) -> bool:
        return self._port.detach()

    def announced(self) -> list[tuple[int, float]]:
        return [(frame, at + self._behind_s) for frame, at in self._port.announced()]

    def statistics(self) -> dict[str, float]:
        counted = self._port.statistics()
        return {
            "callbacks": counted.callbacks,
            "underruns": counted.underruns,
            "over_period": counted.over_period,
            "smallest_block": counted.smallest_block,
            "largest_block": counted.largest_block,
            "callback_p50_ms": counted.quantile_ns(0.5) / 1e6,
            "callback_p99_ms": counted.quantile_ns(0.99) / 1e6,
            "longest_callback_ms": counted.longest_ns / 1e6,
        }

    def close(self) -> None:
        self._stream.abort()
        self._stream.close()


def _clock_difference(clock: Clock) -> float:
    """Return *clock* minus the core's own clock, s, from the pair that was read the fastest."""
    pairs = []
    for _ in range(9):
        before, now, after = NativePort.now(), clock.now(), NativePort.now()
        pairs.append((after - before, now - (before + after) / 2.0))
    return min(pairs)[1]
