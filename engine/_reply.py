"""The reply of a turn: checked, converted and resampled at the border, and handed to the mixer."""

import hashlib
from typing import Any

import numpy as np
import soxr

from ..fillers import MAX_CLIP_S, Clip, CutMark, Kind, Samples, UsageError, with_soft_edges
from ._line import Line, Owner
from .mixer import Tell


class ReplyInput:
    """Turns what an agent's TTS delivers into the session's samples.

    Args:
        rate: Hz of the session.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._resampler: Any = None
        self._resampled_rate = 0

    def convert(self, audio: Any, rate: int | None) -> tuple[Samples, int]:
        """Return *audio* as mono float32 at the session's rate, always a copy, and its own number of frames.

        Args:
            audio: float32 or int16 samples, shape (frames,) or (frames, 1); or bytes of 16-bit little-endian PCM.
            rate: Hz of *audio*; None: the session's.

        Raises:
            UsageError: for another dtype or shape, NaN, or a rate that cannot be.
        """
        samples = _checked(audio)
        if rate is None or rate == self._rate:
            return samples, len(samples)
        if not isinstance(rate, int) or not 4_000 <= rate <= 384_000:
            raise UsageError(f"reply rate {rate!r} is not possible; give whole Hz between 4000 and 384000")
        if self._resampler is None or rate != self._resampled_rate:
            self._resampler = soxr.ResampleStream(rate, self._rate, 1, dtype="float32", quality="HQ")
            self._resampled_rate = rate
        return np.asarray(self._resampler.resample_chunk(samples), np.float32), len(samples)

    def finish(self) -> Samples:
        """Return what the resampler still holds."""
        if self._resampler is None:
            return np.zeros(0, np.float32)
        rest = self._resampler.resample_chunk(np.zeros(0, np.float32), last=True)
        self._resampler = None
        return np.asarray(rest, np.float32)


class TurnReply:
    """A turn's replies on their way into the mixer, one for each of its waits. Whoever calls holds the line's lock.

    Args:
        line: Where they sound.
        turn: Whose they are.
    """

    def __init__(self, line: Line, turn: Owner) -> None:
        self._line = line
        self._turn = turn
        self._input = ReplyInput(line.rate)
        self._number: int | None = None

    def convert(self, audio: Any, rate: int | None) -> tuple[Samples, int]:
        """See `ReplyInput.convert`."""
        return self._input.convert(audio, rate)

    def write(self, samples: Samples) -> int:
        """Play *samples*; return the frames queued. The first ones disarm and start the handoff."""
        if self._number is None:
            self._number = self._line.new_reply(self._turn)
        return self._line.speak(self._number, samples)

    def end(self) -> None:
        """Play what the resampler still holds; no more of this reply will come."""
        rest = self._input.finish()
        if len(rest) and self._number is not None:
            self._line.speak(self._number, rest)
        self._line.post(Tell("end_reply"))
        self._number = None

    def pass_by(self) -> None:
        """Have fillers yield to a reply that somebody else plays: to the mixer it is one without audio."""
        self.write(np.zeros(0, np.float32))
        self.end()


def offered_clip(audio: Any, rate: int | None, to_rate: int, *, text: str | None, kind: Kind) -> Clip:
    """Return *audio* as a clip at *to_rate* that may end cleanly at its end.

    Args:
        audio: As `ReplyInput.convert` takes it.
        rate: Hz of *audio*; None: *to_rate*.
        to_rate: Hz.
        text: What it says.
        kind: Of the clip.

    Raises:
        UsageError: where `ReplyInput.convert` does, and if it is empty or lasts more than 60 s.
    """
    input = ReplyInput(to_rate)
    samples, frames = input.convert(audio, rate)
    seconds = frames / (rate or to_rate)
    if not 0.0 < seconds <= MAX_CLIP_S:
        raise UsageError(f"a filler of {seconds:g} s was offered; it must hold audio, and at most {MAX_CLIP_S:.0f} s")
    samples = with_soft_edges(np.concatenate([samples, input.finish()]), to_rate)
    samples.setflags(write=False)
    marks = (CutMark(len(samples), len((text or "").split())),)
    digest = hashlib.sha256(samples.tobytes()).hexdigest()[:12]
    return Clip(f"offered/{digest}", kind, samples, to_rate, text=text, cut_marks=marks)


def _checked(audio: Any) -> Samples:
    if isinstance(audio, bytes | bytearray | memoryview):
        audio = memoryview(audio).cast("B")
        if len(audio) % 2:
            raise UsageError(f"reply audio has {len(audio)} bytes, which is no whole number of 16-bit samples")
        audio = np.frombuffer(audio, "<i2")
    if not isinstance(audio, np.ndarray):
        raise UsageError(f"reply audio must be a numpy array or bytes of 16-bit PCM, not {type(audio).__name__}")
    if audio.ndim == 2 and audio.shape[1] == 1:
        audio = audio[:, 0]
    if audio.ndim != 1:
        raise UsageError(f"reply audio must have the shape (frames,), not {audio.shape}; mix it down to mono")
    if audio.dtype == np.int16:
        return np.asarray(audio / np.float32(32768.0), np.float32)
    if audio.dtype != np.float32:
        raise UsageError(f"reply audio must be float32 or int16, not {audio.dtype}; use .astype(numpy.float32)")
    if not np.isfinite(audio).all():
        raise UsageError("reply audio holds NaN or infinite samples; check what the TTS delivers")
    return np.array(audio, np.float32)
