"""From the text of a message to what it says."""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from ....fillers import UsageError
from ._messages import (
    Cleared,
    Connected,
    Dtmf,
    Incoming,
    MarkPlayed,
    Media,
    ProviderName,
    StreamFailed,
    StreamStarted,
    StreamStopped,
)

MESSAGE_LONGEST = 1 << 18
"""Characters. Providers send 20 to 100 ms of sound a message; Exotel allows 100 KB. Have the server refuse more."""

_BY_STREAM_KEY: dict[str, ProviderName] = {
    "streamSid": "twilio", "stream_id": "telnyx", "streamId": "plivo", "stream_sid": "exotel"
}  # fmt: skip


def parse_message(text: str | bytes) -> Incoming:
    """Return what a provider says.

    Read: Twilio Media Streams (twilio.com/docs/voice/media-streams/websocket-messages) and who speaks like it
    (SignalWire: developer.signalwire.com/compatibility-api/cxml/voice/stream), Telnyx media streaming
    (developers.telnyx.com/api-reference/websockets/stream-call-media-over-websocket), Plivo audio streaming
    (plivo.com/docs/voice-agents/audio-streaming), Exotel AgentStream (developer.exotel.com/docs/agentstream).
    Vonage sends sound as binary frames and is not among them.

    Args:
        text: One WebSocket message.

    Raises:
        UsageError: saying in one sentence what is wrong with it.
    """
    if len(text) > MESSAGE_LONGEST:
        raise UsageError(f"a message of {len(text)} characters is too long; at most {MESSAGE_LONGEST} are read")
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise UsageError(f"a message is not JSON: {_shown(text)}") from None
    if not isinstance(message, dict):
        raise UsageError(f"a message is not a JSON object: {_shown(text)}")
    match message.get("event"):
        case "connected":
            return Connected()
        case "start":
            return _started(message)
        case "media":
            return _media(_part(message, "media"), message)
        case "mark":
            return MarkPlayed(_text(_part(message, "mark"), "mark", "name"))
        case "playedStream" | "played":
            return MarkPlayed(_text(message, "playedStream", "name"))
        case "clearedAudio":
            return Cleared()
        case "dtmf":
            return Dtmf(_text(_part(message, "dtmf"), "dtmf", "digit"))
        case "error":
            return StreamFailed(json.dumps(message.get("payload", message.get("error")))[:500])
        case "stop":
            return StreamStopped()
        case event:
            raise UsageError(f"event {_shown(event)} is none of connected, start, media, mark, dtmf, stop")


def _started(message: Mapping[str, Any]) -> StreamStarted:
    start = _part(message, "start")
    key = next((key for key in _BY_STREAM_KEY if isinstance(start.get(key, message.get(key)), str)), None)
    if key is None:
        raise UsageError(f"start names no stream; it has none of {', '.join(_BY_STREAM_KEY)}")
    media = start.get("mediaFormat", start.get("media_format"))
    if not isinstance(media, dict):
        raise UsageError("start has no mediaFormat (or media_format)")
    call = next((start[key] for key in ("callSid", "call_control_id", "callId", "call_sid") if key in start), None)
    own = start.get("customParameters", start.get("custom_parameters"))
    given = {str(k): str(v) for k, v in own.items()} if isinstance(own, dict) else _headers(message)
    return StreamStarted(
        provider=_BY_STREAM_KEY[key],
        stream_id=_clean(start.get(key, message.get(key))),
        call_id=_clean(call) if isinstance(call, str) else None,
        encoding=_text(media, "mediaFormat", "encoding"),
        rate=_whole(media.get("sampleRate", media.get("sample_rate"))),
        channels=_whole(media.get("channels")) or 1,
        parameters={_clean(name): _clean(value) for name, value in given.items()},
    )


def _headers(message: Mapping[str, Any]) -> dict[str, str]:
    """Return Plivo's ``extra_headers``, "name=value;name=value" (or with commas)."""
    given = message.get("extra_headers")
    pairs = given.replace(",", ";").split(";") if isinstance(given, str) else []
    return {name.strip(): value.strip() for name, sep, value in (pair.partition("=") for pair in pairs) if sep}


def _media(media: Mapping[str, Any], message: Mapping[str, Any]) -> Media:
    payload = media.get("payload")
    if not isinstance(payload, str):
        raise UsageError("media has no payload")
    try:
        sound = base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError):
        raise UsageError(f"media.payload is not base64: {_shown(payload)}") from None
    track = media.get("track", "inbound")
    return Media(
        payload=sound,
        track=_clean(track).removesuffix("_track") if isinstance(track, str) else "inbound",
        timestamp_ms=_whole(media.get("timestamp")),
        chunk=_whole(media.get("chunk")),
        sequence=_whole(message.get("sequenceNumber", message.get("sequence_number"))),
    )


def _part(message: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = message.get(name)
    if not isinstance(part, dict):
        raise UsageError(f"{name} has no object {name!r} in it")
    return part


def _text(part: Mapping[str, Any], where: str, name: str) -> str:
    value = part.get(name)
    if not isinstance(value, str):
        raise UsageError(f"{where} has no {name}, or it is no text")
    return _clean(value)


def _clean(text: str) -> str:
    """Return *text* without halves of characters, which JSON allows and hardly anything that is done to text does."""
    return text.encode("utf-8", "replace").decode()


def _whole(value: Any) -> int | None:
    """Return *value*, a number or the text of one, as a whole number; None if it is none."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _shown(what: Any) -> str:
    shown = repr(what)
    return shown if len(shown) <= 60 else shown[:57] + "..."
