"""What a provider says on the WebSocket of a call."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ....fillers import Samples

ProviderName = Literal["twilio", "telnyx", "plivo", "exotel"]
"""Whose form of the messages it is. Others have taken over Twilio's (SignalWire, and many more)."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The socket is open; `StreamStarted` follows."""


@dataclass(frozen=True, slots=True)
class StreamStarted:
    """Sound will flow."""

    provider: ProviderName
    stream_id: str
    call_id: str | None
    encoding: str
    """As the provider calls it; see `AudioFormat.named`."""
    rate: int | None
    """Hz; None: not told."""
    channels: int
    parameters: Mapping[str, str] = field(default_factory=dict)
    """What the application has given the stream."""


@dataclass(frozen=True, slots=True)
class Media:
    """A piece of sound, as it came. Pieces may come out of order; *chunk* and *timestamp_ms* tell."""

    payload: bytes
    track: str
    """``inbound``: what the caller says."""
    timestamp_ms: int | None = None
    """ms, mostly since the stream's start."""
    chunk: int | None = None
    sequence: int | None = None


@dataclass(frozen=True, slots=True)
class CallerAudio:
    """What the caller said."""

    samples: Samples
    """float32 in ±1, shape (frames,)."""
    rate: int
    """Hz."""
    timestamp_ms: int | None = None
    """ms, mostly since the stream's start."""

    @property
    def pcm16(self) -> bytes:
        """The same as 16-bit little-endian PCM."""
        whole = np.clip(np.rint(self.samples * 32768.0), -32768.0, 32767.0).astype("<i2")
        return bytes(whole.tobytes())


@dataclass(frozen=True, slots=True)
class MarkPlayed:
    """All that was sent before a mark has been played, or thrown away."""

    name: str


@dataclass(frozen=True, slots=True)
class Dtmf:
    """The caller pressed a key."""

    digit: str


@dataclass(frozen=True, slots=True)
class Cleared:
    """What was queued has been thrown away (Plivo tells)."""


@dataclass(frozen=True, slots=True)
class StreamFailed:
    """The provider complains (Telnyx tells)."""

    reason: str


@dataclass(frozen=True, slots=True)
class StreamStopped:
    """No more sound will flow: the call is over, or streaming was ended."""


Incoming = Connected | StreamStarted | Media | MarkPlayed | Dtmf | Cleared | StreamFailed | StreamStopped
