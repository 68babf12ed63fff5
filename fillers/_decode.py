"""From an audio file to mono float32 samples at one rate."""

import warnings
from pathlib import Path

import numpy as np
import soundfile
import soxr

from ._clip import Samples
from ._container import container_of
from ._errors import PackError
from ._streamedwav import with_known_length
from ._truncation import missing_end

MAX_CLIP_S = 60.0
"""s. A filler is short, and a decoded clip stays in memory."""
EDGE_S = 0.002
"""s. Raised-cosine fade put on both ends of a clip that does not loop, so that no start or end can click."""
UNKNOWN_FRAMES = 1 << 60
"""From here on libsndfile says that a FLAC, written to a pipe, does not tell its length; soundfile cannot read that."""
MPEG_SLACK_FRAMES = 2 * 1152
"""By which MPEG audio may be shorter than its header says: encoders count the last, half-filled frames differently, and
the length of what was streamed is an estimate."""


def decode(path: Path) -> tuple[Samples, int]:
    """Decode *path* with soundfile, or with pydub where soundfile cannot.

    Returns:
        Mono float32 samples, shape (frames,), and their rate in Hz.

    Raises:
        PackError: if the file is empty, truncated, not audio, longer than 60 s, multi-channel, or has NaN in it.
    """
    if path.stat().st_size == 0:
        raise PackError(f"{path} is empty; record it again")
    if missing := missing_end(path):
        raise PackError(f"{path} is truncated: {missing}; copy or record it again")
    try:
        with soundfile.SoundFile(with_known_length(path)) as file:
            rate, told = file.samplerate, file.frames
            if told >= UNKNOWN_FRAMES:
                samples, rate = _decode_with_pydub(path, None)
                told = len(samples)
            elif told > MAX_CLIP_S * rate:
                raise PackError(f"{path} lasts {told / rate:.0f} s; a clip has at most {MAX_CLIP_S:.0f} s")
            else:
                samples = _read(file, path)
                told -= MPEG_SLACK_FRAMES if file.subtype.startswith("MPEG") else 0
    except soundfile.LibsndfileError as exc:
        samples, rate = _decode_with_pydub(path, exc)
        told = len(samples)
    if len(samples) == 0:
        raise PackError(f"{path} holds no audio; record it again")
    if len(samples) < told:
        raise PackError(f"{path} is truncated: {len(samples)} of {told} frames; copy or record it again")
    if samples.shape[1] != 1:
        raise PackError(f"{path} has {samples.shape[1]} channels; a clip is mono: mix it down first")
    mono = np.ascontiguousarray(samples[:, 0])
    if not np.isfinite(mono).all():
        raise PackError(f"{path} holds NaN or infinite samples; export it again")
    return mono, rate


def _read(file: soundfile.SoundFile, path: Path) -> Samples:
    """Return all of *file*. What libsndfile knows but cannot read is damaged: another decoder would play a part."""
    try:
        return np.asarray(file.read(dtype="float32", always_2d=True), np.float32)
    except soundfile.LibsndfileError as exc:
        raise PackError(f"{path} is truncated or damaged ({exc.error_string}); copy or record it again") from exc


def resampled(samples: Samples, rate: int, to_rate: int) -> Samples:
    """Return *samples* at *to_rate* (soxr, high quality)."""
    if rate == to_rate:
        return samples
    return np.asarray(soxr.resample(samples, rate, to_rate, quality="HQ"), np.float32)


def resampled_loop(samples: Samples, rate: int, to_rate: int) -> Samples:
    """Return the loop *samples* at *to_rate*, seamless as before: the filter sees the loop's own neighbours."""
    if rate == to_rate:
        return samples
    around = np.pad(samples, len(samples), mode="wrap")
    length = round(len(samples) * to_rate / rate)
    return resampled(around, rate, to_rate)[length : 2 * length].copy()  # a view would keep all three rounds alive


def with_soft_edges(samples: Samples, rate: int) -> Samples:
    """Return *samples* with both ends faded over `EDGE_S`."""
    frames = min(round(EDGE_S * rate), len(samples) // 2)
    ramp = (0.5 - 0.5 * np.cos(np.pi * np.arange(frames) / max(frames, 1))).astype(np.float32)
    soft = samples.copy()
    soft[:frames] *= ramp
    soft[len(soft) - frames :] *= ramp[::-1]
    return soft


def _decode_with_pydub(path: Path, cause: Exception | None) -> tuple[Samples, int]:
    """Decode what libsndfile cannot (m4a, aac, webm, streamed FLAC): pydub runs ffmpeg, about 0.13 s a file."""
    container, problem = "flac" if cause is None else container_of(path), ""
    if container is None:
        raise PackError(f"{path} is not audio; export it as FLAC or WAV") from cause
    with warnings.catch_warnings():  # pydub's, of deprecated modules, of a missing ffmpeg, of the file it leaves open
        warnings.simplefilter("ignore")
        from pydub import AudioSegment
        from pydub.exceptions import CouldntDecodeError

        try:
            segment = AudioSegment.from_file(path, format=container, duration=MAX_CLIP_S + 1)
        except FileNotFoundError:
            problem = "is not audio that libsndfile reads, and ffmpeg is not installed; install it or write FLAC"
        except (CouldntDecodeError, IndexError, ValueError, OSError):
            problem = "is not audio; export it as FLAC or WAV"
    if problem:
        raise PackError(f"{path} {problem}") from cause
    if len(segment) > MAX_CLIP_S * 1000:
        raise PackError(f"{path} lasts more than {MAX_CLIP_S:.0f} s, the most a clip may have")
    scale = float(1 << (8 * segment.sample_width - 1))
    samples = np.array(segment.get_array_of_samples(), np.float32) / scale
    return samples.reshape(-1, segment.channels), segment.frame_rate
