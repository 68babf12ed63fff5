"""WAV files whose header was written before the audio: what was streamed does not know its own length."""

import struct
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

PLACEHOLDER = 0x7FFF_0000
"""Bytes. Who streams writes 0, 0xFFFFFFFF, or (espeak-ng, SoX) a number from here on as the length of the data."""
SLACK = 64
"""Bytes by which writers are off without anything being lost."""


class _Data(NamedTuple):
    """The chunk that holds the audio."""

    start: int
    """Where the audio begins in the file."""
    told: int
    """Its length in bytes, as the header has it."""
    present: int
    """Bytes from its start to the file's end."""
    whole: int
    """The length of the whole file, as the header has it."""

    @property
    def unknown(self) -> bool:
        empty = self.told == 0 and self.present > 0 and self.whole != self.start + self.present
        return empty or self.told >= PLACEHOLDER


def with_known_length(path: Path) -> Path | BytesIO:
    """Return *path*, or, of a streamed WAV file that says its length is 0, the content with its true length.

    libsndfile copes with lengths that are too large, and takes 0 at its word.
    """
    data = _data_chunk(path)
    if data is None or not data.unknown or data.told:
        return path
    content = bytearray(path.read_bytes())
    content[4:8] = struct.pack("<I", len(content) - 8)
    content[data.start - 4 : data.start] = struct.pack("<I", data.present)
    return BytesIO(content)


def missing_bytes(path: Path) -> int:
    """Return how much of a WAV file's audio is not there: libsndfile plays the rest as if it were all. 0 for others."""
    data = _data_chunk(path)
    if data is None or data.unknown or data.told - data.present <= SLACK:
        return 0
    return data.told - data.present


def _data_chunk(path: Path) -> _Data | None:
    """Return the data chunk of a RIFF WAVE file, or None."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return None
        whole = struct.unpack("<I", head[4:8])[0] + 8
        at = 12
        while at + 8 <= size:
            file.seek(at)
            name, told = struct.unpack("<4sI", file.read(8))
            if name == b"data":
                return _Data(at + 8, told, size - at - 8, whole)
            at += 8 + told + told % 2
    return None
