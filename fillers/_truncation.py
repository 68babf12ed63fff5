"""Whether the end of a recording is missing, where the decoder would play what is there without a word."""

import struct
from pathlib import Path
from typing import BinaryIO

from ._streamedwav import PLACEHOLDER, SLACK, missing_bytes


def missing_end(path: Path) -> str | None:
    """Return what tells that the end of *path* (WAV, AIFF, AU or Ogg) is missing; None if nothing does.

    Raises:
        OSError: if it cannot be read.
    """
    size = path.stat().st_size
    if missing := missing_bytes(path):
        return f"{missing} bytes are missing"
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] == b"FORM" and head[8:] in (b"AIFF", b"AIFC"):
            return _cut_chunk(file, size)
        if head[:4] == b".snd" and len(head) == 12:
            start, length = struct.unpack(">II", head[4:])
            return _short(size - start, length)
        if head[:4] == b"OggS":
            return _cut_page(file, size)
    return None


def _cut_chunk(file: BinaryIO, size: int) -> str | None:
    place = 12
    while place + 8 <= size:
        file.seek(place)
        name, length = struct.unpack(">4sI", file.read(8))
        if name == b"SSND":
            return _short(size - place - 8, length)
        place += 8 + length + length % 2
    return None


def _short(there: int, length: int) -> str | None:
    missing = length - there
    return f"{missing} bytes are missing" if missing > SLACK and length < PLACEHOLDER else None


def _cut_page(file: BinaryIO, size: int) -> str | None:
    """Follow the pages; their headers tell how long each is."""
    place = 0
    while place < size:
        file.seek(place)
        head = file.read(27)
        if head[:4] != b"OggS":
            return None  # what follows is no page: the decoder skips it
        segments = file.read(head[26]) if len(head) == 27 else b""
        if len(head) < 27 or len(segments) < head[26] or place + 27 + len(segments) + sum(segments) > size:
            return "its last page is cut off"
        place += 27 + len(segments) + sum(segments)
    return None
