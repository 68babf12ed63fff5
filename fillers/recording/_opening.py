"""Which TTS ``--tts`` means: a URL, a command line or a Python callable, told apart by form."""

import re
from typing import Literal

from .._errors import UsageError
from ._callable import CallableTts
from ._command import CommandTts
from ._endpoint import EndpointTts
from ._options import TtsOptions
from ._tts import Tts

_URL = re.compile(r"(?i)https?://")
_CALLABLE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
_FOR_ENDPOINTS = ("model", "voice", "instructions", "speed", "key_env")


def tts_form(tts: str) -> Literal["endpoint", "callable", "command"]:
    """Return what *tts* is by its form."""
    if _URL.match(tts):
        return "endpoint"
    return "callable" if _CALLABLE.fullmatch(tts) else "command"


def open_tts(tts: str, options: TtsOptions | None = None) -> Tts:
    """Return the TTS that *tts* means; nothing is spoken yet.

    Args:
        tts: The URL of an OpenAI-compatible endpoint, a command with ``{text}`` or ``{out}``, or
            ``package.module:function``.
        options: What it is asked for; None: WAV, nothing else.

    Raises:
        UsageError: one sentence that says what is wrong with it.
    """
    options = options or TtsOptions()
    form = tts_form(tts)
    if options.format == "pcm" and options.rate is None:
        raise UsageError("--tts-format pcm needs --tts-rate: raw samples do not say how many there are in a second")
    if options.format != "pcm" and options.rate is not None:
        raise UsageError(f"--tts-rate is for --tts-format pcm; {options.format} says its rate itself: leave it out")
    if form == "endpoint":
        return EndpointTts(tts, options)
    for name in _FOR_ENDPOINTS:
        if getattr(options, name) is not None:
            raise UsageError(f"--tts-{name.replace('_', '-')} is for speech endpoints; write it into the {form} itself")
    if form == "command":
        return CommandTts(tts, options)
    if options.format != "wav":
        raise UsageError("--tts-format is for endpoints and commands; a callable says what it returns: leave it out")
    return CallableTts(tts)
