"""Let espeak-ng speak, and learn from it where words and sounds begin: through its C library, since only that tells."""

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from stopgap.fillers import Samples, UsageError

_LIBRARIES = ("libespeak-ng.so.1", "libespeak-ng.1.dylib", "libespeak-ng.dll")
_INSTALL = "install espeak-ng; on Debian: apt-get install espeak-ng"

# names and values of espeak-ng's speak_lib.h
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_PHONEME_EVENTS, _INITIALIZE_DONT_EXIT = 0x0001, 0x8000
_CHARS_UTF8 = 1
_POS_CHARACTER = 1
_RATE = 1
_EVENT_END = 0
_KINDS: dict[int, Literal["word", "phoneme"]] = {1: "word", 7: "phoneme"}


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_void_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    ]


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True, slots=True)
class Event:
    """A word or a sound that begins."""

    kind: Literal["word", "phoneme"]
    sample: int
    """Frames from the start."""
    position: int = 0
    """Of a word: of its first letter in the text, from 0."""
    phoneme: str = ""
    """espeak-ng's name of the sound; those of pauses begin with an underscore."""


@dataclass(frozen=True, slots=True, eq=False)
class Utterance:
    """Something said."""

    samples: Samples
    rate: int
    """Hz."""
    events: tuple[Event, ...]
    """In the order of time."""


class Espeak:
    """The library, which has one state for the whole process: what it says depends, inaudibly, on what it said before.

    Raises:
        UsageError: if the library or its data is not installed.
    """

    def __init__(self) -> None:
        self._library = _library()
        self._pieces: list[Samples] = []
        self._events: list[Event] = []
        self.rate = int(
            self._library.espeak_Initialize(
                _AUDIO_OUTPUT_SYNCHRONOUS, 0, None, _INITIALIZE_PHONEME_EVENTS | _INITIALIZE_DONT_EXIT
            )
        )
        if self.rate <= 0:
            raise UsageError(f"espeak-ng's data is not installed; {_INSTALL}")
        self._callback = _Callback(self._on_sound)  # kept, since the library does not keep it alive
        self._library.espeak_SetSynthCallback(self._callback)

    def speak(self, voice: str, text: str, words_per_minute: int) -> Utterance:
        """Synthesise *text*.

        Args:
            voice: A language and, behind a plus, a variant: ``de+f2``.
            words_per_minute: 80 to 450; 175 is usual.

        Raises:
            UsageError: if there is no such voice.
        """
        self._pieces, self._events = [np.zeros(0, np.float32)], []
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise UsageError(f"espeak-ng has no voice {voice!r}; {_INSTALL}")
        self._library.espeak_SetParameter(_RATE, words_per_minute, 0)
        said = text.encode() + b"\0"
        size = ctypes.c_size_t(len(said))
        if self._library.espeak_Synth(said, size, 0, _POS_CHARACTER, 0, _CHARS_UTF8, None, None) != 0:
            raise UsageError(f"espeak-ng does not speak {text!r} with the voice {voice!r}")
        return Utterance(np.concatenate(self._pieces), self.rate, tuple(self._events))

    def _on_sound(self, samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            self._pieces.append(np.ctypeslib.as_array(samples, (count,)).astype(np.float32) / np.float32(32768))
        self._events += _read(events)
        return 0


@cache
def load_espeak() -> Espeak:
    """Return the process's one `Espeak`."""
    return Espeak()


def _library() -> ctypes.CDLL:
    for name in _LIBRARIES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise UsageError(f"the library libespeak-ng is not installed; {_INSTALL}")


def _read(events: Any) -> Iterator[Event]:
    at = 0
    while events[at].type != _EVENT_END:
        event = events[at]
        kind = _KINDS.get(event.type)
        if kind == "phoneme":
            yield Event(kind, event.sample, phoneme=event.id.string.decode("utf-8", "replace"))
        elif kind == "word" and event.length > 0:  # a clause's end comes as a word without length
            yield Event(kind, event.sample, position=event.text_position - 1)
        at += 1
