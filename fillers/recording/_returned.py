"""What a Python callable may return, as one audio file."""

from collections.abc import Iterable
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._received import MOST_BYTES, as_wav, refuse_text
from ._speech import Speech, Spoken, checked_word_ends
from ._trouble import NotSpoken

FORMS = "return the bytes of an audio file, (samples, rate), Speech, or chunks of one of the first two"
_RATES = range(8_000, 192_001)
_MOST_CHANNELS = 8
_LOUDEST = 4.0
"""Float samples above 1 clip; above this they are integers in disguise."""

_SCALARS = (bool, int, float, str, np.generic)


class _Sound(NamedTuple):
    samples: NDArray[Any]
    rate: int


class Chunks:
    """Puts chunks together as they come: all bytes, or all (samples, rate)."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._sounds: list[_Sound] = []
        self._bytes = 0

    def add(self, chunk: object) -> None:
        """Take the next one.

        Raises:
            NotSpoken: if it does not go with those before.
        """
        if isinstance(chunk, bytes | bytearray | memoryview):
            self._pieces.append(bytes(chunk))
            self._bytes += len(self._pieces[-1])
        elif isinstance(chunk, tuple):
            sound = _sound(chunk)
            first = self._sounds[0] if self._sounds else sound
            if sound.rate != first.rate:
                raise NotSpoken(f"the function changed its rate from {first.rate} to {sound.rate} Hz between chunks")
            if (sound.samples.dtype, sound.samples.shape[1]) != (first.samples.dtype, first.samples.shape[1]):
                raise NotSpoken("the function changed the type or the channels of its samples between chunks")
            self._sounds.append(sound)
            self._bytes += sound.samples.nbytes
        else:
            raise NotSpoken(f"the function returned chunks of {_type(chunk)}; {FORMS}")
        if self._pieces and self._sounds:
            raise NotSpoken("the function returned chunks of bytes and of samples; return one or the other")
        if self._bytes > MOST_BYTES:
            raise NotSpoken(f"the function returned more than {MOST_BYTES // 1_000_000} MB")

    def spoken(self) -> Spoken:
        """Return all of it.

        Raises:
            NotSpoken: if that is nothing, or no audio.
        """
        if self._sounds:
            return Spoken(as_wav(np.concatenate([sound.samples for sound in self._sounds]), self._sounds[0].rate))
        audio = b"".join(self._pieces)
        refuse_text(audio, "the function")
        return Spoken(audio)


def spoken_of(returned: object) -> Spoken | None:
    """Return what a callable returned as audio, or None if it came as something to be iterated over.

    Raises:
        NotSpoken: if it is none of what it may be.
    """
    chunks = Chunks()
    match returned:
        case Speech():
            chunks.add((returned.samples, returned.rate))
            return Spoken(chunks.spoken().audio, _word_ends(returned))
        case bytes() | bytearray() | memoryview() | tuple():
            chunks.add(returned)
            return chunks.spoken()
        case str() | Path():
            raise NotSpoken(f"the function returned {_type(returned)}; {FORMS}")
        case np.ndarray():
            raise NotSpoken("the function returned samples without their rate; return (samples, rate)")
        case Iterable():
            return None
        case _:
            raise NotSpoken(f"the function returned {_type(returned)}; {FORMS}")


def _word_ends(speech: Speech) -> tuple[float, ...]:
    try:
        return checked_word_ends(speech.word_ends_ms)
    except (ValueError, TypeError) as exc:
        raise NotSpoken("the function returned word_ends_ms that are not positive, ascending ms") from exc


def _sound(pair: tuple[Any, ...]) -> _Sound:
    if len(pair) != 2:
        raise NotSpoken(f"the function returned a tuple of {len(pair)}; return (samples, rate)")
    values, rate = pair
    if isinstance(values, _SCALARS) and not isinstance(rate, _SCALARS):
        raise NotSpoken("the function returned (rate, samples); return (samples, rate)")
    if isinstance(rate, bool) or not isinstance(rate, int | float | np.number) or not isfinite(float(rate)):
        raise NotSpoken(f"the function returned a rate that is {_type(rate)}; return (samples, rate) with Hz")
    if int(rate) not in _RATES:
        raise NotSpoken(f"the function returned the rate {float(rate):g}; it lies from 8000 to 192000 Hz")
    return _Sound(_samples(values), int(rate))


def _samples(values: object) -> NDArray[Any]:
    """Return int16 or float32, shape (frames, channels)."""
    try:
        samples = np.asarray(values)
    except (ValueError, TypeError) as exc:
        raise NotSpoken(f"the function returned samples that are {_type(values)}; return a numpy array") from exc
    if samples.dtype.kind == "f":
        samples = samples.astype(np.float32)
    elif samples.dtype != np.int16:
        raise NotSpoken(f"the function returned {samples.dtype} samples; return float32 from -1 to 1, or int16")
    if samples.ndim == 1:
        samples = samples[:, np.newaxis]
    elif samples.ndim == 2 and samples.shape[0] <= _MOST_CHANNELS < samples.shape[1]:
        samples = samples.T  # torch's order
    if samples.ndim != 2 or not 1 <= samples.shape[1] <= _MOST_CHANNELS:
        raise NotSpoken(f"the function returned samples of shape {np.shape(samples)}; return (frames,)")
    if samples.dtype == np.float32 and samples.size and float(np.nanmax(np.abs(samples), initial=0.0)) > _LOUDEST:
        raise NotSpoken("the function returned float samples far above 1; divide them by 32768, or return int16")
    return np.ascontiguousarray(samples)


def _type(value: object) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"
