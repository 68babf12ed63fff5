"""What libsndfile cannot read (m4a, aac, wma, webm, amr), by ffmpeg.

pydub, which packs are loaded with, holds the whole recording in memory several times and cannot tell ffmpeg what it
may open; an imported recording may last half an hour and come from anywhere.
"""

import shutil
import subprocess
from pathlib import Path

from .._errors import PackError

PATIENCE_S = 600
"""s that a conversion may take."""
MAX_CONVERTED_BYTES = 4 << 30
"""Half an hour of 32-bit stereo at 192 kHz is 2.8 GB."""


def convert_with_ffmpeg(path: Path, target: Path, *, container: str | None, limit_s: float) -> None:
    """Write *target*, a WAV file of 32-bit floats, of what *path* holds.

    Args:
        path: A recording that soundfile cannot read.
        target: A new file.
        container: ffmpeg's name of its format; None: it is none that ffmpeg may be asked about.
        limit_s: s after which the rest is left out.

    Raises:
        PackError: if it is no audio or damaged, or there is no ffmpeg; one sentence that names the file.
    """
    if container is None:
        raise PackError(f"{path} is not audio; export it as FLAC or WAV")
    program = shutil.which("ffmpeg")
    if program is None:
        raise PackError(f"{path} is not audio that libsndfile reads, and ffmpeg is not installed; "
                        "install it or export FLAC or WAV")  # fmt: skip
    command = [
        program, "-nostdin", "-hide_banner", "-v", "error", "-n",
        "-protocol_whitelist", "file,pipe", "-f", container, "-i", f"file:{path.resolve()}",
        "-map", "0:a:0", "-t", f"{limit_s:g}", "-fs", str(MAX_CONVERTED_BYTES), "-map_metadata", "-1",
        "-c:a", "pcm_f32le", "-rf64", "auto", "-f", "wav", f"file:{target}",
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=False)
    except subprocess.TimeoutExpired:
        raise PackError(f"{path} keeps ffmpeg busy for more than {PATIENCE_S} s; export it as FLAC or WAV") from None
    told = done.stderr.decode("utf-8", "replace").strip().splitlines()
    if done.returncode != 0 and not target.is_file():
        raise PackError(f"{path} is truncated or not audio ({_plain(told)}); export it as FLAC or WAV")
    if done.returncode != 0 or told:  # ffmpeg goes on with what it could read
        raise PackError(f"{path} is truncated or damaged ({_plain(told)}); copy it again or export it as FLAC or WAV")
    if target.stat().st_size >= MAX_CONVERTED_BYTES:
        raise PackError(f"{path} is larger than {MAX_CONVERTED_BYTES >> 30} GiB once it is decoded; cut it in parts")


def _plain(told: list[str]) -> str:
    """Return ffmpeg's first complaint without what it says of itself."""
    return f"ffmpeg: {told[0].rpartition('] ')[2].rpartition(': ')[2]}" if told else "ffmpeg does not say why"
