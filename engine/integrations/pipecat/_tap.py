"""What really goes to the transport, for echo cancellers and voice activity detectors."""

from collections.abc import Callable

import numpy as np

from ....fillers import Samples
from ...mixer import TapBlock
from ._trouble import Trouble

OnBlock = Callable[[TapBlock], object]


class OutputTap:
    """Hands each chunk, as the transport gets it, to whoever asked for it.

    Args:
        trouble: Where errors of listeners end.
    """

    def __init__(self, trouble: Trouble) -> None:
        self._listeners: list[OnBlock] = []
        self._trouble = trouble

    def __bool__(self) -> bool:
        return bool(self._listeners)

    def add(self, on_block: OnBlock) -> Callable[[], None]:
        """Call *on_block* with each chunk from now on; return what ends that."""
        self._listeners.append(on_block)

        def remove() -> None:
            if on_block in self._listeners:
                self._listeners.remove(on_block)

        return remove

    def tell(self, frame: int, pcm: bytes, channels: int, filler: bool) -> None:
        """Hand on *pcm*, 16-bit, whose first frame has the number *frame*; channels are averaged."""
        samples: Samples = np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32768.0)
        if channels > 1:
            samples = samples.reshape(-1, channels).mean(axis=1, dtype=np.float32)
        block = TapBlock(frame, samples, filler)
        for on_block in tuple(self._listeners):
            with self._trouble.kept_in("a tap's listener"):
                on_block(block)
