"""What is said to a provider."""

import base64
import json
from dataclasses import dataclass, replace

from ....fillers import UsageError
from ._format import AudioFormat
from ._messages import ProviderName, StreamStarted

PROVIDERS: tuple[ProviderName, ...] = ("exotel", "plivo", "telnyx", "twilio")


def received_format(start: StreamStarted) -> AudioFormat:
    """Return the format of what the stream brings.

    Raises:
        UsageError: if stopgap does not speak it, or it is not mono.
    """
    if start.channels != 1:  # how they would lie in a message, no provider documents
        raise UsageError(f"channels={start.channels} are not understood here; have the provider send mono")
    return _told_format(start)


@dataclass(frozen=True, slots=True)
class Dialect:
    """Builds the messages for one stream.

    Sources: see `parse_message`. Telnyx's messages name no stream; Plivo's are called ``playAudio``, ``checkpoint``
    and ``clearAudio`` and say the format each time; the others are Twilio's.

    Args:
        provider: One of `PROVIDERS`.
        stream_id: As ``start`` told it.
        format: Of what is sent.

    Raises:
        UsageError: if there is no such provider.
    """

    provider: ProviderName
    stream_id: str
    format: AudioFormat

    def __post_init__(self) -> None:
        if self.provider not in PROVIDERS:
            raise UsageError(f"provider={self.provider!r} is none of {', '.join(PROVIDERS)}")

    @classmethod
    def of(cls, start: StreamStarted, format: AudioFormat | None = None) -> "Dialect":
        """Return what the stream that *start* announces understands.

        Args:
            start: As received.
            format: What to send; None: the format of what is received, which `start` tells. Telnyx sets both
                directions apart (``stream_bidirectional_codec``), so there it is PCMU at 8 kHz, its default.

        Raises:
            UsageError: if stopgap does not speak that format.
        """
        if format is None:
            format = AudioFormat() if start.provider == "telnyx" else _told_format(start)
        return cls(start.provider, start.stream_id, format)

    @property
    def message_samples(self) -> int:
        """Samples in a message: 20 ms; for Exotel, which asks for 3,200 bytes at least and multiples of 320, more."""
        frame = self.format.rate // 50
        return frame * -(-3200 // (2 * frame)) if self.provider == "exotel" else frame

    @property
    def whole_frames(self) -> bool:
        """Whether shorter messages are refused (Telnyx, Exotel)."""
        return self.provider in ("exotel", "telnyx")

    def media(self, payload: bytes) -> str:
        """Return the message that queues *payload* for playing."""
        sound = base64.b64encode(payload).decode("ascii")
        if self.provider == "plivo":
            media = {"contentType": self.format.mime, "sampleRate": self.format.rate, "payload": sound}
            return self._message("playAudio", media=media)
        return self._message("media", media={"payload": sound})

    def mark(self, name: str) -> str:
        """Return the message that asks to be told when all before it was played."""
        if self.provider == "plivo":
            return self._message("checkpoint", name=name)
        return self._message("mark", mark={"name": name})

    def clear(self) -> str:
        """Return the message that throws away all that is queued."""
        return self._message("clearAudio" if self.provider == "plivo" else "clear")

    def _message(self, event: str, **parts: object) -> str:
        match self.provider:
            case "telnyx":
                stream = {}
            case "plivo":
                stream = {"streamId": self.stream_id}
            case "exotel":
                stream = {"stream_sid": self.stream_id}
            case "twilio":
                stream = {"streamSid": self.stream_id}
        return json.dumps({"event": event, **stream, **parts}, separators=(",", ":"))


def _told_format(start: StreamStarted) -> AudioFormat:
    format = AudioFormat.named(start.encoding, start.rate)
    return replace(format, byte_order="big") if start.provider == "telnyx" else format
