"""The session that is open at present: a pipeline comes and goes, and may come back at another rate."""

import asyncio

import numpy as np

from ....fillers import Samples
from ..._manager import FillerManager
from ..._session import Session
from ...outputs import FrameOutput
from ._report import LoopReporter

STALL_S = 0.005
"""s. A chunk that is pulled this late follows a gap: the transport pulls when it has written the one before, and does
not make up for time in which the event loop was busy. What is planned next counts from there; else it would be late."""


class SessionSlot:
    """Opens a session at the transport's rate, and closes it.

    Args:
        manager: Of the process.
        listener: Of each session.
        owns_reply: Whether the reply is held until fillers have yielded.
        latency_s: s from the transport's write to the ear.
        language: Of each session; None: the configuration's.
        voice: Of each session; None: the configuration's.
    """

    def __init__(
        self,
        manager: FillerManager,
        listener: LoopReporter,
        *,
        owns_reply: bool,
        latency_s: float,
        language: str | None,
        voice: str | None,
    ) -> None:
        self.output: FrameOutput | None = None
        """Of the newest session."""
        self.opened = 0
        """Sessions that were opened."""
        self._manager = manager
        self._listener = listener
        self._owns_reply, self._latency_s = owns_reply, latency_s
        self._language, self._voice = language, voice
        self._session: Session | None = None
        self._wanted = 0

    @property
    def session(self) -> Session | None:
        """The open one; None if none is."""
        return self._session if self._session is not None and not self._session.closed else None

    @property
    def position(self) -> int:
        """The frame that is rendered next."""
        source = None if self.output is None else self.output.source
        return 0 if source is None else source.position

    def render(self, frames: int, ahead_s: float) -> Samples | None:
        """Return the next *frames* of fillers, which are heard in *ahead_s*; None: they are silent."""
        output = self.output
        source = None if output is None else output.source
        if output is None or source is None or not frames:
            return None
        out = np.empty(frames, np.float32)
        output.observe(-ahead_s)
        source.render(out)
        return out if out.any() else None

    async def open(self, rate: int) -> None:
        """Open a session at *rate*, unless one is open at that rate."""
        self._listener.attach()
        self._wanted += 1
        ticket = self._wanted
        # resampled off the event loop, which must not stand still for it
        await asyncio.to_thread(self._manager.bank.clips, rate)
        session = self.session
        if ticket != self._wanted or (session is not None and session.rate == rate):
            return
        if session is not None:
            session.close()
        # chunks of any length are rendered from its source; the length of a frame only has to be possible
        output = FrameOutput(rate, 1000.0, latency_s=self._latency_s, owns_reply=self._owns_reply, stall_s=STALL_S)
        self._session = self._manager.session(
            output, language=self._language, voice=self._voice, listener=self._listener
        )
        self.output = output
        self.opened += 1

    def close(self) -> None:
        """Close the session, and have one that is just being opened stay closed."""
        self._wanted += 1
        if self._session is not None:
            self._session.close()
