"""What came instead of audio, in words; and raw samples as files."""

import io
import json
import re
from html import unescape
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from ._trouble import NotSpoken

MOST_BYTES = 50_000_000
"""Bytes. A minute of speech at 48 kHz in 32 bits has 12 million."""
_SUFFIXES = (
    (b"RIFF", "wav"), (b"RF64", "wav"), (b"fLaC", "flac"), (b"OggS", "ogg"), (b"ID3", "mp3"), (b"FORM", "aiff"),
    (b"\x1aE\xdf\xa3", "webm"), (b".snd", "au"), (b"\xff\xf1", "aac"), (b"\xff\xf9", "aac"), (b"\xff", "mp3"),
)  # fmt: skip


def refuse_text(audio: bytes, who: str) -> None:
    """Do nothing if *audio* may be audio.

    Args:
        audio: What came.
        who: From whom, for the message: "the endpoint".

    Raises:
        NotSpoken: saying what came instead.
    """
    if not audio:
        raise NotSpoken(f"{who} returned nothing")
    text = _as_text(audio)
    if text is None:
        return
    if re.match(r"(?i)<(!doctype html|html|head|body)", text):
        raise NotSpoken(f"{who} returned HTML{_shown(_title(text))}, not audio")
    if (message := error_message(text)) is not None:
        raise NotSpoken(f"{who} returned JSON{_shown(message)}, not audio")
    raise NotSpoken(f"{who} returned text{_shown(text)}, not audio")


def error_message(text: str) -> str | None:
    """Return what a JSON body says went wrong, "" if it does not say, None if it is no JSON."""
    try:
        found: Any = json.loads(text)
    except ValueError:
        return None if text[:1] not in ("{", "[") else ""
    for key in ("error", "detail", "message", "msg", "error_description"):
        while isinstance(found, list) and found:
            found = found[0]
        if isinstance(found, dict) and key in found:
            found = found[key]
    return found if isinstance(found, str) else ""


def shortened(text: str, most: int = 160) -> str:
    """Return *text* as one line that can be printed."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= most else line[: most - 3] + "..."


def suffix_of(audio: bytes) -> str:
    """Return what a file with this content is usually called."""
    if audio[4:8] == b"ftyp":
        return "m4a"
    return next((suffix for magic, suffix in _SUFFIXES if audio.startswith(magic)), "audio")


def as_wav(samples: NDArray[Any], rate: int) -> bytes:
    """Return a WAV file of *samples*: int16 as PCM_16, float32 as FLOAT, unchanged."""
    file = io.BytesIO()
    subtype = "PCM_16" if samples.dtype == np.int16 else "FLOAT"
    soundfile.write(file, samples, rate, format="WAV", subtype=subtype)
    return file.getvalue()


def raw_as_wav(audio: bytes, rate: int, who: str) -> bytes:
    """Return a WAV file of raw mono PCM, 16 bits, little-endian.

    Raises:
        NotSpoken: if it is text, or ends within a sample.
    """
    refuse_text(audio, who)
    if len(audio) % 2:
        raise NotSpoken(f"{who} returned {len(audio)} bytes of PCM, half a sample too many: it is truncated")
    return as_wav(np.frombuffer(audio, "<i2").astype(np.int16), rate)


def _as_text(audio: bytes) -> str | None:
    """Return the beginning of *audio* if it can be read: no audio file begins so."""
    head = audio[:4096].removeprefix(b"\xef\xbb\xbf")
    if head[:4] in (b"RIFF", b"RF64", b"OggS", b"fLaC", b"FORM"):
        return None
    try:
        text = head.decode()
    except UnicodeDecodeError as exc:
        if exc.start < len(head) - 3 or len(audio) <= 4096:
            return None
        text = head[: exc.start].decode()
    plain = all(char.isprintable() or char.isspace() for char in text)
    return text.strip() if plain else None


def _title(html: str) -> str:
    found = re.search(r"(?is)<title[^>]*>(.*?)</title>", html) or re.search(r"(?is)<h1[^>]*>(.*?)</h1>", html)
    return unescape(found[1]).strip() if found else ""


def _shown(text: str) -> str:
    return f' ("{shortened(text, 80)}")' if text else ""
