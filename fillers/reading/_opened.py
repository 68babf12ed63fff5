"""From a recording, whatever its format, to mono samples."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from stat import S_ISREG
from typing import Any

import numpy as np
import soundfile

from .._clip import Samples
from .._container import container_of
from .._decode import MAX_CLIP_S, MPEG_SLACK_FRAMES, UNKNOWN_FRAMES
from .._errors import PackError
from .._manifest import StepEntry
from .._streamedwav import with_known_length
from .._truncation import missing_end
from ._channels import Mixing, mixing_of
from ._conversions import converted
from ._ffmpeg import convert_with_ffmpeg

MAX_RECORDING_S = 1800.0
"""s of a recording that holds many clips."""
MAX_RECORDING_BYTES = 1 << 30
MIN_RECORDING_S = 0.05
"""s: no word is shorter."""
RATES = (8_000, 192_000)
"""Hz: the lowest and the highest."""
MAX_CHANNELS = 32
SILENT = 0.002
"""Share of full scale between the lowest and the highest sample up to which a recording is silent: -60 dBFS."""
BLOCK_FRAMES = 1 << 16


class TooLongError(PackError):
    """What holds more than one clip."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What a file, or a piece of it, holds."""

    samples: Samples
    """float32, mono, shape (frames,)."""
    rate: int
    """Hz."""
    frames: int
    """Of the whole file."""
    steps: tuple[StepEntry, ...] = ()
    """What was done to make it mono."""


def read_recording(path: Path, start_frame: int | None = None, end_frame: int | None = None) -> Recording:
    """Read *path*, from one frame to another, at most a minute of it.

    Several channels become one: their mean, or, where some are silent or cancel each other out, what is left.

    Raises:
        PackError: if it is no audio that can be used; one sentence that names the file.
    """
    with opened_recording(path) as file:
        start, end = start_frame or 0, file.frames if end_frame is None else min(end_frame, file.frames)
        if end - start > MAX_CLIP_S * file.rate:
            raise TooLongError(f"{path} lasts {(end - start) / file.rate:.0f} s; a clip has at most {MAX_CLIP_S:.0f} s")
        mixing = file.survey(start, end)
        blocks = [block if mixing is None else mixing.mixed(block) for block in file.blocks(start, end)]
        samples = np.concatenate([block.reshape(-1) for block in blocks])  # survey found some
        return Recording(samples, file.rate, file.frames, () if mixing is None else (mixing.step(),))


def recording_rate(path: Path) -> int:
    """Return the Hz of *path*.

    Raises:
        PackError: one sentence that names the file.
    """
    with opened_recording(path) as file:
        return file.rate


class OpenRecording:
    """A recording from which blocks are read; made by `opened_recording`."""

    def __init__(self, path: Path, file: Any) -> None:
        self._path, self._file = path, file
        self.rate: int = file.samplerate
        self.channels: int = file.channels
        self._slack = MPEG_SLACK_FRAMES if file.subtype.startswith("MPEG") else 0
        self.frames: int = file.frames
        if not RATES[0] <= self.rate <= RATES[1]:
            raise PackError(f"{path} has {self.rate} Hz; export it with {RATES[0]} to {RATES[1]} Hz")
        if self.channels > MAX_CHANNELS:
            raise PackError(f"{path} has {self.channels} channels; export it with at most {MAX_CHANNELS}")
        if self.frames > MAX_RECORDING_S * self.rate:
            raise PackError(f"{path} lasts more than {MAX_RECORDING_S / 60:.0f} minutes; cut it in parts")
        if self.frames == 0:
            raise PackError(f"{path} holds no audio; record it again")
        if self.frames < MIN_RECORDING_S * self.rate:
            raise PackError(f"{path} lasts {self.frames / self.rate:.3f} s, less than any clip "
                            f"({MIN_RECORDING_S:g} s); record it again")  # fmt: skip

    def blocks(self, start: int = 0, end: int | None = None) -> Iterator[Samples]:
        """Yield float32 samples, shape (frames, channels), of at most `BLOCK_FRAMES` frames.

        Raises:
            PackError: if it ends too early, cannot be decoded, or holds NaN or infinite samples.
        """
        place, end = start, self.frames if end is None else end
        try:
            self._file.seek(start)
            while place < end:
                block = self._file.read(min(BLOCK_FRAMES, end - place), dtype="float32", always_2d=True)
                if len(block) == 0 and end - place <= self._slack:
                    return
                if len(block) == 0:
                    raise PackError(f"{self._path} is truncated: {place} of {self.frames} frames; "
                                    "copy or record it again")  # fmt: skip
                if not np.isfinite(block).all():
                    raise PackError(f"{self._path} holds NaN or infinite samples; export it again")
                place += len(block)
                yield block
        except soundfile.LibsndfileError as exc:
            raise _damaged(self._path, exc) from exc

    def survey(self, start: int = 0, end: int | None = None) -> Mixing | None:
        """Look through it, and return how its channels become one; None if there is but one.

        Raises:
            PackError: as of `blocks`, and if it is silent.
        """
        lowest, highest = np.inf, -np.inf
        sums, products, frames = np.zeros(self.channels), np.zeros((self.channels, self.channels)), 0
        for block in self.blocks(start, end):
            exact = block.astype(np.float64)
            lowest, highest = np.minimum(lowest, exact.min(axis=0)), np.maximum(highest, exact.max(axis=0))
            sums, products, frames = sums + exact.sum(axis=0), products + exact.T @ exact, frames + len(exact)
        if frames == 0 or np.max(highest - lowest) < SILENT:
            raise PackError(f"{self._path} is silent; record it again")
        # without each channel's constant part, which a cheap sound card adds
        return mixing_of(products - np.outer(sums, sums) / frames) if self.channels > 1 else None


@contextmanager
def opened_recording(path: Path) -> Iterator[OpenRecording]:
    """Open *path*, with libsndfile or else through ffmpeg.

    Raises:
        PackError: if it is no regular file, empty, larger than 1 GiB, longer than 30 minutes, shorter than 0.05 s,
            truncated, or no audio of 8 to 192 kHz; one sentence that names the file.
    """
    try:
        status = path.stat()
        if not S_ISREG(status.st_mode):
            raise PackError(f"{path} is not a regular file; give a recording")
        if status.st_size == 0:
            raise PackError(f"{path} is empty; record it again")
        if status.st_size > MAX_RECORDING_BYTES:
            raise PackError(f"{path} is larger than {MAX_RECORDING_BYTES >> 30} GiB; cut it in parts or export FLAC")
        if missing := missing_end(path):
            raise PackError(f"{path} is truncated: {missing}; copy or record it again")
        file = _known_to_libsndfile(path)
        if file is not None and file.frames < UNKNOWN_FRAMES:
            with file:
                yield OpenRecording(path, file)
            return
        if file is not None:
            file.close()
        convert = partial(
            convert_with_ffmpeg,
            container=container_of(path) if file is None else "flac",
            limit_s=MAX_RECORDING_S + 1.0,
        )
        with converted(path, convert) as wav, soundfile.SoundFile(wav) as file:
            yield OpenRecording(path, file)
    except OSError as exc:
        raise PackError(f"{path} cannot be read ({exc.strerror or exc}); see whether it is there and yours") from exc


def _known_to_libsndfile(path: Path) -> Any:
    """Return *path*, opened; None if libsndfile does not know it."""
    try:
        return soundfile.SoundFile(with_known_length(path))
    except soundfile.LibsndfileError:
        return None
    except TypeError:  # soundfile takes every name in .raw for headerless audio, whatever the file begins with
        raise PackError(f"{path} has no format of its own; give --raw-rate and --raw-format") from None


def _damaged(path: Path, cause: soundfile.LibsndfileError) -> PackError:
    return PackError(f"{path} is truncated or damaged ({cause.error_string}); copy or record it again")
