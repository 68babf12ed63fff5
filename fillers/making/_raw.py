"""Headerless audio, as telephony and some TTS write it: given a WAV header, its bytes stay as they are."""

import shutil
import struct
from pathlib import Path

from pydantic import Field

from .._errors import PackError
from .._validation import Section

_ENCODINGS = {"s16le": (1, 2), "s24le": (1, 3), "f32le": (3, 4), "u8": (1, 1), "ulaw": (7, 1), "alaw": (6, 1)}
"""WAV's number of the encoding, and bytes a sample."""
ENCODINGS = tuple(_ENCODINGS)
RAW_SUFFIXES = {
    ".raw": "s16le", ".pcm": "s16le", ".s16": "s16le", ".s16le": "s16le", ".sw": "s16le",
    ".s24": "s24le", ".s24le": "s24le", ".f32": "f32le", ".f32le": "f32le", ".u8": "u8", ".ub": "u8",
    ".ulaw": "ulaw", ".mulaw": "ulaw", ".ul": "ulaw", ".alaw": "alaw", ".al": "alaw",
}  # fmt: skip
"""What the encoding is unless told otherwise."""
_HEADERS = (b"RIFF", b"FORM", b"fLaC", b"OggS", b"RF64")


class RawSettings(Section):
    """How headerless files are to be read."""

    rate: int | None = Field(default=None, ge=8_000, le=192_000)
    """Hz; None: not told, so such files are refused."""
    format: str | None = None
    """One of `ENCODINGS`; None: by the file's name."""
    channels: int = Field(default=1, ge=1, le=32)


def with_header(path: Path, settings: RawSettings, target: Path) -> None:
    """Write *target*, a WAV file with the bytes of *path*.

    Raises:
        PackError: if the settings do not say how, or cannot be right.
    """
    if settings.rate is None:
        raise PackError(f"{path} is headerless audio; give --raw-rate HZ (and --raw-format, --raw-channels)")
    encoding = settings.format or RAW_SUFFIXES.get(path.suffix.lower(), "s16le")
    tag, width = _ENCODINGS[encoding]
    frame, size = width * settings.channels, path.stat().st_size
    with path.open("rb") as source:
        start = source.read(4)
        if not start:
            raise PackError(f"{path} is empty; record it again")
        if start in _HEADERS:
            raise PackError(f"{path} has a header, so it is not headerless audio; name it by its format, such as .wav")
        if size % frame:
            raise PackError(f"{path} has {size} bytes, which are no whole number of {encoding} frames; "
                            "give another --raw-format or --raw-channels")  # fmt: skip
        source.seek(0)
        rate, channels = settings.rate, settings.channels
        layout = struct.pack("<HHIIHH", tag, channels, rate, rate * frame, frame, 8 * width)
        if tag != 1:  # what is not PCM says how long its extension is, and how many frames there are
            layout += struct.pack("<H", 0)
        body = b"WAVEfmt " + struct.pack("<I", len(layout)) + layout
        if tag != 1:
            body += b"fact" + struct.pack("<II", 4, size // frame)
        body += b"data" + struct.pack("<I", size)
        with target.open("xb") as sink:
            sink.write(b"RIFF" + struct.pack("<I", len(body) + size + size % 2) + body)
            shutil.copyfileobj(source, sink)
            sink.write(b"\0" * (size % 2))
