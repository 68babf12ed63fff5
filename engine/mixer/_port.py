"""What connects a device's callback with the C core."""

from dataclasses import dataclass
from typing import Any

from ._core import ffi, lib
from ._native_mixer import NativeMixer


@dataclass(frozen=True, slots=True)
class PortStatistics:
    """What the callback counted."""

    callbacks: int
    underruns: int
    """Callbacks to which the device said that it had run dry."""
    over_period: int
    """Callbacks that took longer than what they rendered lasts."""
    smallest_block: int
    largest_block: int
    """Frames."""
    longest_ns: int
    """ns. The longest callback."""
    run_time: tuple[int, ...]
    """Callbacks by run time: bucket *b* ends at ``2 ** (b // 4) * (1 + (b % 4 + 1) / 4)`` ns."""

    def quantile_ns(self, share: float) -> float:
        """Return the upper edge of the bucket in which *share* of the run times is reached, ns; 0 without any."""
        left = share * sum(self.run_time)
        for bucket, count in enumerate(self.run_time):
            left -= count
            if count and left <= 0.0:
                return float(2.0 ** (bucket // 4) * (1.0 + (bucket % 4 + 1) / 4))
        return 0.0


class NativePort:
    """Lets a device's callback render a mixer. Detached at first: the callback is silent, the mixer left alone.

    A device keeps but the addresses: hold this object, and through it the mixer, until the device is closed.

    Args:
        mixer: What it renders.
        channels: Of the device; each gets the same.
    """

    def __init__(self, mixer: NativeMixer, channels: int) -> None:
        port = lib.sg_new_port(mixer.address, channels, mixer.rate)
        if port == ffi.NULL:
            raise MemoryError("no memory for a device's port")
        self._port = ffi.gc(port, lib.sg_free_port)
        self._mixer = mixer
        self._observations = ffi.new("sg_observation[]", lib.SG_OBSERVATIONS)

    @property
    def callback(self) -> Any:
        """PortAudio's callback (``PaStreamCallback *``)."""
        return ffi.addressof(lib, "sg_callback")

    @property
    def userdata(self) -> Any:
        """What the callback is to be given."""
        return self._port

    @staticmethod
    def now() -> float:
        """Return the time in s on the callback's clock."""
        return float(lib.sg_now_ns()) * 1e-9

    def set_latency(self, latency_s: float) -> None:
        """Say what stands in where the device does not announce its latency, before `attach`."""
        lib.sg_set_latency(self._port, latency_s)

    def attach(self) -> None:
        """Render from now on."""
        lib.sg_attach(self._port)

    def detach(self) -> bool:
        """Render no more; return False while the callback is still at it: ask again."""
        return bool(lib.sg_detach(self._port))

    def announced(self) -> list[tuple[int, float]]:
        """Return the first frame of each callback and when it is heard, s on `now`'s clock, since the last call."""
        seen = self._observations
        count = lib.sg_observations(self._port, seen, len(seen))
        return [(seen[at].frame, seen[at].at_s) for at in range(count)]

    @property
    def callbacks(self) -> int:
        """How often the device asked while the port was attached."""
        return int(lib.sg_callbacks(self._port))

    def statistics(self) -> PortStatistics:
        c = ffi.new("sg_port_statistics *")
        lib.sg_statistics(self._port, c)
        return PortStatistics(
            c.callbacks, c.underruns, c.over_period, c.smallest_block, c.largest_block, c.longest_ns, tuple(c.run_time)
        )
