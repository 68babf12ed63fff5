"""The reply of a turn: checked, converted and resampled at the border, and handed to the mixer."""

import weakref
from typing import Any

import numpy as np
import soxr

from ..fillers import Samples, UsageError
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
        self._odd = b""
        """The first half of a sample whose second half comes with the next bytes."""

    def convert(self, audio: Any, rate: int | None) -> tuple[Samples, int]:
        """Return *audio* as mono float32 at the session's rate, always a copy, and its own number of frames.

        Args:
            audio: float32 or int16 samples, shape (frames,) or (frames, 1); or bytes of 16-bit little-endian PCM,
                cut anywhere: an odd byte waits for the next ones.
            rate: Hz of *audio*; None: the session's.

        Raises:
            UsageError: for another dtype or shape, NaN, or a rate that cannot be.
        """
        if rate is None:
            rate = self._rate
        if not isinstance(rate, int) or not 4_000 <= rate <= 384_000:
            raise UsageError(f"reply rate {rate!r} is not possible; give whole Hz between 4000 and 384000")
        if isinstance(audio, bytes | bytearray | memoryview):
            audio = self._whole(memoryview(audio).cast("B"))
        samples = _checked(audio)
        given = len(samples)
        if not given:
            return samples, 0
        before = self._drain() if rate != self._resampled_rate else np.zeros(0, np.float32)
        if rate != self._rate:
            if self._resampler is None:
                self._resampler = soxr.ResampleStream(rate, self._rate, 1, dtype="float32", quality="HQ")
                self._resampled_rate = rate
            samples = np.asarray(self._resampler.resample_chunk(samples), np.float32)
        return np.concatenate([before, samples]) if len(before) else samples, given

    def _whole(self, audio: memoryview) -> memoryview:
        """Return the whole samples of the bytes so far, and keep what is left."""
        joined = memoryview(self._odd + audio.tobytes()) if self._odd else audio
        self._odd = joined[len(joined) - len(joined) % 2 :].tobytes()
        return joined[: len(joined) - len(joined) % 2]

    def finish(self) -> Samples:
        """Return what the resampler still holds; half a sample is dropped."""
        self._odd = b""
        return self._drain()

    def _drain(self) -> Samples:
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
        self._turn = weakref.ref(turn)  # which holds this: not a cycle for the garbage collector to stop everything for
        self._input = ReplyInput(line.rate)
        self._number: int | None = None

    def convert(self, audio: Any, rate: int | None) -> tuple[Samples, int]:
        """See `ReplyInput.convert`."""
        return self._input.convert(audio, rate)

    def write(self, samples: Samples) -> int:
        """Play *samples*; return the frames queued. The first ones disarm and start the handoff."""
        if self._number is None:
            turn = self._turn()
            if turn is None:
                return self._line.mixer.reply_queued
            self._number = self._line.new_reply(turn)
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


def _checked(audio: Any) -> Samples:
    if isinstance(audio, memoryview):
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
