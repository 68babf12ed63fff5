"""What an audio file is by its first bytes: only what is known here may reach ffmpeg.

ffmpeg guesses from the content, and some of what it guesses (playlists, concat scripts, DASH manifests) names other
files and addresses, which it opens. So it is told the format, and a file of no format listed here is not handed over.
"""

from pathlib import Path

_AT_START = {
    b"\x1aE\xdf\xa3": "matroska",
    b"0&\xb2u\x8ef\xcf\x11": "asf",
    b"#!AMR": "amr",
    b"OggS": "ogg",
    b"wvpk": "wv",
    b"TTA1": "tta",
    b"MAC ": "ape",
    b"\x0bw": "ac3",
}
"""ffmpeg's name of the format that begins so."""
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
"""Of MPEG-4 and QuickTime, after four bytes of length."""
_LAYERS = {0: "aac", 2: "mp3", 4: "mp3", 6: "mp3"}
"""By the bits after the eleven that are set where a frame of MPEG audio begins."""


def container_of(path: Path) -> str | None:
    """Return ffmpeg's name of *path*'s format; None if ffmpeg must not be asked.

    Raises:
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(16)
        if head[:3] == b"ID3":  # a tag before the audio; its length has seven bits a byte
            size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=False))
            file.seek(10 + size + (10 if len(head) > 5 and head[5] & 0x10 else 0))
            head = file.read(16)
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return "wav"  # with a codec that libsndfile lacks
    if head[4:8] in _BOXES:
        return "mov"
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        return _LAYERS[head[1] & 0x06]
    return next((name for start, name in _AT_START.items() if head.startswith(start)), None)
