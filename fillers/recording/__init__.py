"""From texts to recordings: the agent's own TTS speaks a spec."""

from ._opening import open_tts, tts_form
from ._options import RecordOptions, TtsFormat, TtsOptions
from ._outcome import Failure, Outcome, Recorded, Repeat, Take, Untried
from ._pace import Clock, SystemClock
from ._recording import plan, record, record_async
from ._speech import Speech, Spoken
from ._trouble import NotSpoken, OutOfOrder, TryLater
from ._tts import Tts

__all__ = [
    "Clock",
    "Failure",
    "NotSpoken",
    "OutOfOrder",
    "Outcome",
    "RecordOptions",
    "Recorded",
    "Repeat",
    "Speech",
    "Spoken",
    "SystemClock",
    "Take",
    "TryLater",
    "Tts",
    "TtsFormat",
    "TtsOptions",
    "Untried",
    "open_tts",
    "plan",
    "record",
    "record_async",
    "tts_form",
]
