"""Lines that synthesisers say and tell of where each word ends: what cut marks are measured with."""

import tomllib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files

import numpy as np
from stopgap.audio_assets._festival import KAL, SLT, FestivalError, Line, speak
from stopgap.audio_assets._finish import RATE
from stopgap.fillers import Samples, UsageError
from stopgap.fillers.texts import bank_languages, read_bank

from ._espeak import load_espeak
from ._wordends import word_ends

FESTIVAL_VOICES = (SLT, KAL)
ESPEAK_VOICES = {
    "de": ("de", "de+f2", "de+m3"),
    "en": ("en-us", "en-us+f2", "en+m3"),
    "es": ("es", "es+f2", "es-419+m3"),
    "fr": ("fr", "fr+f2", "fr-be+m3"),
    "pt": ("pt", "pt+f2", "pt-br+m3"),
    "ru": ("ru", "ru+f2", "ru+m3"),
}
"""By language; each voice speaks at both paces."""
ESPEAK_PACES = (150, 190)
"""Words a minute."""


@dataclass(frozen=True, slots=True, eq=False)
class Take:
    """A line that was said."""

    text: str
    samples: Samples
    rate: int
    """Hz."""
    ends_s: tuple[float, ...]
    """s from the start; one for each word of *text*."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """A synthesiser in one language."""

    name: str
    language: str
    voices: tuple[Callable[[], list[Take]], ...]
    """Each speaks all lines in one voice, at one pace, and leaves out lines of which words were read otherwise than
    written. It raises a `UsageError` if it is not installed."""


def find_speakers(languages: Collection[str] = (), *, development: bool = False) -> list[Speaker]:
    """Return who speaks in *languages*.

    Args:
        languages: Without regions; none: all that there are.
        development: Have them say sentences by which the method may be changed.

    Raises:
        UsageError: if espeak-ng is not installed, or does not speak one of *languages* here.
    """
    unknown = sorted(set(languages) - set(ESPEAK_VOICES))
    if unknown:
        raise UsageError(f"there are no sentences in {unknown[0]!r}; write one of {', '.join(ESPEAK_VOICES)}")
    load_espeak()
    said = {
        language: sentences(language, development=development)
        for language in ESPEAK_VOICES
        if language in languages or not languages
    }
    return [
        *(_festival_speaker(voice, said["en"]) for voice in FESTIVAL_VOICES if "en" in said),
        *(_espeak_speaker(language, lines) for language, lines in said.items()),
    ]


def sentences(language: str, *, development: bool = False) -> list[str]:
    """Return what is said in *language*: the filler texts of several words where there are such."""
    if not development and language in bank_languages():
        return [line.text for line in read_bank(language).lines if len(line.text.split()) > 1]
    written = tomllib.loads((files("stopgap.benchmarks") / "data/marks.toml").read_text(encoding="utf-8"))
    found: list[str] = written["development" if development else "held_out"][language]
    return found


def _festival_speaker(voice: str, lines: Sequence[str]) -> Speaker:
    return Speaker(voice.removeprefix("voice_"), "en", (partial(_festival, voice, lines),))


def _espeak_speaker(language: str, lines: Sequence[str]) -> Speaker:
    voices = (partial(_espeak, voice, pace, lines) for voice in ESPEAK_VOICES[language] for pace in ESPEAK_PACES)
    return Speaker(f"espeak-ng {language}", language, tuple(voices))


def _espeak(voice: str, pace: int, lines: Sequence[str]) -> list[Take]:
    spoken = [(text, load_espeak().speak(voice, text, pace)) for text in lines]
    told = [(text, said, word_ends(text, said)) for text, said in spoken]
    return [Take(text, said.samples, said.rate, ends) for text, said, ends in told if ends]


def _festival(voice: str, lines: Sequence[str]) -> list[Take]:
    try:
        said = speak(voice, {str(number): Line(text) for number, text in enumerate(lines)})
    except FestivalError as exc:
        raise UsageError(str(exc)) from exc
    spoken = [(text, said[str(number)]) for number, text in enumerate(lines)]
    return [
        Take(text, np.asarray(speech.samples, np.float32), RATE, speech.word_ends)
        for text, speech in spoken
        if len(speech.word_ends) == len(text.split())
    ]
