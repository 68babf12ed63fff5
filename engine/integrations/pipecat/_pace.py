"""The pace of time, for transports that do not keep it."""

import asyncio
from collections.abc import Callable

LEAD_S = 0.005
"""s that a chunk of silence may be early beyond its own length: a transport that waits between two chunks, rather than
after each, takes the next one when the last has just begun to sound."""
LOOK_S = 0.01
"""s after which the transport is let look whether there is something to say: more, and the reply would wait for it."""


class Pace:
    """Holds back silence which the transport would take earlier than it can be heard.

    With a mixer Pipecat pulls as fast as the transport writes, and mixes silence whenever it has nothing else. Most
    writes take as long as the sound lasts: Daily, SmallWebRTC, websockets (telephony among them), local audio. They
    are never held back. Others return at once: LiveKit's until a queue is full (``audio_out_queue_size_ms``, 1000 by
    default), Vonage's, Tavus's with ``audio_out_faster_than_realtime``, and those of almost all transports while no
    client is connected. A queue that is full of silence makes each reply and each filler late by its length, and
    without a client a core would be busy with it.

    What has been said counts, too: silence that follows waits until no more than a chunk of it is still to be heard.
    The reply's own chunks are never held back.

    Args:
        now: Returns the time, s on the manager's clock.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.ahead_s = 0.0
        """s from when the last chunk could be written to when it is heard, behind what was written before."""
        self._due = 0.0
        """s at which what is written next is heard, if all is heard that was written."""
        self._last = b""
        self._silence: bytes | None = None
        """What the transport mixes when it has nothing to say: it is the same object each time."""

    async def too_early(self, audio: bytes, length_s: float) -> bool:
        """Return whether *audio*, which lasts *length_s*, should not be written yet; wait for that, up to `LOOK_S`."""
        if audio is self._last:
            self._silence = audio
        self._last = audio
        if audio is self._silence:
            early_s = self._due - self._now() - length_s - LEAD_S
            if early_s > 0.0:
                await asyncio.sleep(min(early_s, LOOK_S))
                if early_s > LOOK_S:
                    return True
        now = self._now()
        self.ahead_s = max(0.0, self._due - now)
        self._due = now + self.ahead_s + length_s
        return False

    def interrupted(self) -> None:
        """Take in that the transport drops what was written and not heard yet."""
        self._due = 0.0
