"""The filler of an ``action-too-long`` event: sound or text; nothing but looking tells which."""

import base64
import binascii
import io
from dataclasses import dataclass

import numpy as np
import soundfile

from ....fillers import MAX_CLIP_S, Samples, UsageError

_WAV_IN_BASE64 = "UklGR"
"""How base64 of ``RIFF`` begins."""
MAX_ENCODED = 1 << 24
"""Characters of base64 that are looked at: a minute of stereo at 48 kHz."""
NATIVE_RATE = 16_000
"""Hz that the server's documentation promises."""


@dataclass(frozen=True, slots=True, eq=False)
class FillerAudio:
    """A filler that is sound."""

    samples: Samples
    """float32, mono, shape (frames,)."""
    rate: int
    """Hz."""
    remark: str | None = None
    """What about it was other than documented, and put right."""


def filler_audio(filler: str) -> FillerAudio | None:
    """Return the sound in *filler*, or None if it is text.

    Another rate than 16 kHz is kept as it is, several channels are mixed down.

    Raises:
        UsageError: if it is meant to be sound and cannot be played: broken base64, a broken WAV, no frames, or longer
            than 60 s.
    """
    encoded = filler.strip()
    if not encoded.startswith(_WAV_IN_BASE64):
        return None
    if len(encoded) > MAX_ENCODED:
        raise UsageError(f"the filler has {len(encoded)} characters, too many to be a filler")
    try:
        data = base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise UsageError(f"the filler's base64 is broken: {exc}") from exc
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            rate, channels, promised = file.samplerate, file.channels, file.frames
            if promised > MAX_CLIP_S * rate:
                raise UsageError(f"the filler lasts {promised / rate:.0f} s; it may have {MAX_CLIP_S:.0f} s")
            samples = np.asarray(file.read(dtype="float32", always_2d=True), np.float32)
    except (soundfile.LibsndfileError, RuntimeError) as exc:
        raise UsageError(f"the filler is no WAV that can be read: {exc}") from exc
    if not len(samples):
        raise UsageError("the filler's WAV holds no audio")
    if not np.isfinite(samples).all():
        raise UsageError("the filler's WAV holds NaN or infinite samples")
    remark = None
    if channels != 1 or rate != NATIVE_RATE:
        remark = f"it has {channels} channels at {rate} Hz, not one at {NATIVE_RATE}"
    return FillerAudio(np.ascontiguousarray(samples.mean(axis=1, dtype=np.float32)), rate, remark)
