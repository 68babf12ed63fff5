"""How sound is written on the line: G.711 and linear PCM."""

import re
import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ....fillers import Samples, UsageError
from ...outputs import as_pcm16

with warnings.catch_warnings():  # in the standard library up to 3.12, and from audioop-lts since
    warnings.filterwarnings("ignore", "'audioop' is deprecated", DeprecationWarning)
    import audioop

Encoding = Literal["mulaw", "alaw", "l16"]

RATES = (8_000, 16_000, 24_000)
"""Hz."""
_NAMES: dict[str, Encoding] = {
    "mulaw": "mulaw", "ulaw": "mulaw", "pcmu": "mulaw", "g711ulaw": "mulaw",
    "alaw": "alaw", "pcma": "alaw", "g711alaw": "alaw",
    "l16": "l16", "pcm": "l16", "pcm16": "l16", "linear16": "l16", "raw": "l16", "slin": "l16",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """Mono sound on the line.

    Args:
        encoding: ``mulaw``, ``alaw`` (both 8 bits and 8 kHz) or ``l16`` (16 bits).
        rate: Hz. 8,000, 16,000 or 24,000.
        byte_order: Of ``l16``. Exotel documents little; Telnyx sends RTP payloads, big by RFC 3551; the other providers
            do not say, and are taken to mean little.

    Raises:
        UsageError: if it is none of these.
    """

    encoding: Encoding = "mulaw"
    rate: int = 8_000
    byte_order: Literal["little", "big"] = "little"

    def __post_init__(self) -> None:
        if self.encoding not in ("mulaw", "alaw", "l16"):
            raise UsageError(f"encoding={self.encoding!r} is none of mulaw, alaw, l16")
        if self.rate not in RATES or (self.encoding != "l16" and self.rate != 8_000):
            raise UsageError(f"rate={self.rate!r} does not go with {self.encoding}; G.711 has 8000, l16 one of {RATES}")
        if self.byte_order not in ("little", "big"):
            raise UsageError(f"byte_order={self.byte_order!r} is neither little nor big")

    @classmethod
    def named(cls, name: str, rate: int | None = None) -> "AudioFormat":
        """Return the format that a provider calls *name*: ``audio/x-mulaw``, ``PCMA``, ``audio/x-l16;rate=16000``.

        Args:
            name: In capitals or not.
            rate: Hz; None: what *name* says, else 8,000.

        Raises:
            UsageError: if stopgap does not speak it (G.722, Opus, AMR-WB, MP3).
        """
        kind, _, parameters = name.lower().partition(";")
        found = re.search(r"rate=(\d{4,6})\b", parameters)
        encoding = _NAMES.get(re.sub(r"[^a-z0-9]", "", kind.removeprefix("audio/").removeprefix("x-")))
        if encoding is None:
            raise UsageError(f"encoding {name!r} is not spoken here; have the provider send mu-law, A-law or L16")
        return cls(encoding, rate or (int(found[1]) if found else 8_000))

    @property
    def mime(self) -> str:
        """Its name as a media type."""
        return f"audio/x-{self.encoding}"

    @property
    def sample_bytes(self) -> int:
        return 2 if self.encoding == "l16" else 1

    def encode(self, samples: Samples) -> bytes:
        """Return *samples*, float32, as they go over the line; beyond ±1 they are clipped."""
        pcm = as_pcm16(samples)
        if self.encoding == "l16":
            return pcm.astype("<i2" if self.byte_order == "little" else ">i2").tobytes()
        to_line = audioop.lin2ulaw if self.encoding == "mulaw" else audioop.lin2alaw
        return to_line(pcm.tobytes(), 2)

    def decode(self, payload: bytes) -> Samples:
        """Return the samples of *payload*, float32 in ±1.

        Raises:
            UsageError: if *payload* is no whole number of samples.
        """
        if len(payload) % self.sample_bytes:
            raise UsageError(f"a payload of {len(payload)} bytes is no whole number of 16-bit samples")
        if self.encoding == "l16":
            pcm = np.frombuffer(payload, "<i2" if self.byte_order == "little" else ">i2")
        else:
            from_line = audioop.ulaw2lin if self.encoding == "mulaw" else audioop.alaw2lin
            pcm = np.frombuffer(from_line(payload, 2), np.int16)
        return pcm.astype(np.float32) / np.float32(32768.0)
