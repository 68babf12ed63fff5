"""Frames sent ahead of time, to transports that can take them back.

A transport that pulls on the agent's event loop falls silent with that loop. One that plays from a queue of its own
plays on; so it is sent some hundred ms ahead, and when news changes what is to come (the reply is there, the user
speaks), what it has not played yet is replaced from the first sample that differs.
"""

import asyncio
from typing import Protocol

import numpy as np

from ...fillers import Samples, UsageError
from ..mixer import Mixer, NativeMixer, ReferenceMixer, Stop
from ._frames import FrameOutput

LEAD_LONGEST_MS = 2000.0
"""ms. As much of a queued reply as a mixer surely sees beforehand."""


class AheadTransport(Protocol):
    """Plays, at its own steady pace, what it was sent. When it has played all of that, it waits for more."""

    async def put(self, first: int, samples: Samples) -> None:
        """Play *samples*, float32, from the sample number *first* on, in the place of what it holds from there on.

        Sample 0 is the first one that was ever put. News that came late may begin with samples, up to a frame of
        them, whose place has been played already: leave those out.
        """
        ...


class AheadFrames:
    """What to send, and what to replace. Knows no time: it is told how much was played.

    Args:
        mixer: What plays.
        lead: Samples to be ahead.
    """

    def __init__(self, mixer: Mixer, lead: int) -> None:
        self._mixer = mixer
        self._origin = mixer.position
        self._sent: Samples = np.zeros(0, np.float32)
        """What was sent and not played yet."""
        self._lead = lead
        self.replaced = 0
        """Samples that were sent again because they had changed."""

    def played(self, count: int) -> tuple[int, Samples] | None:
        """Take in that *count* more samples were played; return from which number on to send what, if anything."""
        if count:
            self._mixer.go_on(np.empty(count, np.float32))
            self._sent = self._sent[count:]
        ahead = np.empty(self._lead, np.float32)
        self._mixer.preview(ahead)
        known = min(len(self._sent), self._lead)
        differing = np.flatnonzero(self._sent[:known] != ahead[:known])
        same = int(differing[0]) if len(differing) else known
        self.replaced += len(self._sent) - same
        self._sent = ahead
        if same == self._lead:
            return None
        return self._mixer.position - self._origin + same, ahead[same:].copy()


async def send_ahead(output: FrameOutput, transport: AheadTransport, *, lead_ms: float = 400.0) -> None:
    """Keep *transport* supplied, *lead_ms* ahead, until *output* is closed. Run it as a task of its own.

    What the transport plays is taken to start with the first `AheadTransport.put` and to keep the output's pace.
    While the event loop is blocked for up to *lead_ms* the line does not fall silent; after a longer block it goes on
    where it stopped, and nothing of the reply is lost. News is heeded at the next frame, at most one frame's length
    late. When *output* is closed, what still sounds fades within 20 ms.

    Args:
        output: Of an open session.
        transport: Where the frames go.
        lead_ms: ms. More than the event loop is ever blocked; at least two frames, at most 2,000.

    Raises:
        UsageError: if *output* has no session, or *lead_ms* is not between two frames and 2,000 ms.
    """
    mixer = output.source
    if not isinstance(mixer, NativeMixer | ReferenceMixer):
        raise UsageError("send_ahead needs the output of an open session; open the session first")
    frame_s = output.frame_samples / output.rate
    least_ms = 2000.0 * frame_s
    if not least_ms <= lead_ms <= LEAD_LONGEST_MS:
        raise UsageError(f"lead_ms={lead_ms!r} must lie between two frames ({least_ms:g}) and {LEAD_LONGEST_MS:g}")
    lead = round(lead_ms / 1000.0 * output.rate)
    output.stall_s = max(output.stall_s, lead / output.rate)
    ahead = AheadFrames(mixer, lead)
    loop = asyncio.get_running_loop()
    started_at = loop.time()
    frames = 0
    while True:
        closed = output.source is None
        if closed:
            mixer.post(Stop(flush=True))
        ran_dry_s = loop.time() - started_at - frames * frame_s - lead / output.rate
        if ran_dry_s > 0.0:
            started_at += ran_dry_s
        played_s = loop.time() - started_at
        due = int(played_s / frame_s + 1e-6) - frames
        frames += due
        news = ahead.played(due * output.frame_samples)
        output.observe(played_s - frames * frame_s, anew=ran_dry_s > 0.0)
        if news is not None:
            await transport.put(*news)
        if closed:
            return
        await asyncio.sleep(max(0.0, started_at + (frames + 1) * frame_s - loop.time()))
