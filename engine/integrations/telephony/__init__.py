"""Phone calls over a provider's media WebSocket."""

from ._call import Received, TelephonyCall
from ._dialects import Dialect
from ._format import AudioFormat
from ._messages import (
    CallerAudio,
    Cleared,
    Connected,
    Dtmf,
    Incoming,
    MarkPlayed,
    Media,
    StreamFailed,
    StreamStarted,
    StreamStopped,
)
from ._parse import MESSAGE_LONGEST, parse_message
from ._playout import Playout
from ._transport import StreamTransport, send_paced

__all__ = [
    "MESSAGE_LONGEST",
    "AudioFormat",
    "CallerAudio",
    "Cleared",
    "Connected",
    "Dialect",
    "Dtmf",
    "Incoming",
    "MarkPlayed",
    "Media",
    "Playout",
    "Received",
    "StreamFailed",
    "StreamStarted",
    "StreamStopped",
    "StreamTransport",
    "TelephonyCall",
    "parse_message",
    "send_paced",
]
