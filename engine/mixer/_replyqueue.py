"""The numpy mixer's queue of reply audio."""

from collections import deque
from copy import copy

import numpy as np

from ...fillers import Samples


class ReplyQueue:
    """Reply chunks, read in order. Only the rendering thread touches it; *taken* is read from outside."""

    def __init__(self) -> None:
        self._chunks: deque[Samples] = deque()
        self._offset = 0
        self.taken = 0
        """Frames read, skipped or cleared so far."""

    def copy(self) -> "ReplyQueue":
        """Return one that is read by itself."""
        twin = copy(self)
        twin._chunks = self._chunks.copy()
        return twin

    def push(self, samples: Samples) -> None:
        self._chunks.append(samples)

    def read_into(self, out: Samples) -> None:
        filled = 0
        while filled < len(out):
            chunk = self._chunks[0]
            part = chunk[self._offset : self._offset + len(out) - filled]
            out[filled : filled + len(part)] += part
            filled += len(part)
            self._step(len(part))

    def peek(self, frames: int) -> Samples:
        """Return up to *frames* of what comes next, without taking it."""
        if not self._chunks:
            return np.zeros(0, np.float32)
        parts, have = [], 0
        for number, chunk in enumerate(self._chunks):
            part = chunk[self._offset if number == 0 else 0 :][: frames - have]
            parts.append(part)
            have += len(part)
            if have >= frames:
                break
        return np.concatenate(parts)

    def skip(self, frames: int) -> None:
        while frames > 0:
            part = min(frames, len(self._chunks[0]) - self._offset)
            self._step(part)
            frames -= part

    def clear(self) -> None:
        self.taken += sum(len(chunk) for chunk in self._chunks) - self._offset
        self._chunks.clear()
        self._offset = 0

    def _step(self, frames: int) -> None:
        self.taken += frames
        self._offset += frames
        while self._chunks and self._offset >= len(self._chunks[0]):
            self._offset -= len(self._chunks.popleft())
