"""How good cut marks are that are found from the sound alone, where a synthesiser tells the truth."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from stopgap.audio_assets._festival import KAL, SLT, FestivalError, Line, Speech, speak
from stopgap.audio_assets._finish import RATE
from stopgap.fillers import Kind, PreparationSettings, Samples, UsageError
from stopgap.fillers.preparation import Levels, levels_of, prepare
from stopgap.fillers.texts import read_bank

NEAR_MS = 40.0
"""ms from a word's true end within which a mark counts as right."""


@dataclass(frozen=True, slots=True)
class MarksRow:
    """The marks of one voice."""

    voice: str
    lines: int
    word_ends: int
    """Within lines: the last one's end is no question."""
    marks: int
    near: int
    """Marks within `NEAR_MS` of a word's end."""
    over: int
    """Marks that count more words than were spoken by then."""
    under: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def measure_marks(advance: Callable[[int], None] = lambda steps: None) -> list[MarksRow]:
    """Have Festival's two voices speak the English texts of several words, and compare marks with its word ends.

    Args:
        advance: Called with 1 after each voice.

    Raises:
        UsageError: if Festival or a voice is not installed.
    """
    texts = [line.text for line in read_bank("en").lines if len(line.text.split()) > 1]
    rows = []
    for voice in (SLT, KAL):
        try:
            said = speak(voice, {str(number): Line(text) for number, text in enumerate(texts)})
        except FestivalError as exc:
            raise UsageError(str(exc)) from exc
        speeches = [(text, said[str(number)]) for number, text in enumerate(texts)]
        rows.append(_row(voice, [(text, speech) for text, speech in speeches if _told(text, speech)]))
        advance(1)
    return rows


def _told(text: str, speech: Speech) -> bool:
    """Whether Festival read as many words as are written."""
    return len(speech.word_ends) == len(text.split())


def _row(voice: str, speeches: list[tuple[str, Speech]]) -> MarksRow:
    settings = PreparationSettings()
    levels = levels_of(((_samples(speech), RATE, Kind.PHRASE) for _, speech in speeches), settings)
    found = [mark for text, speech in speeches for mark in _marks(text, speech, levels, settings)]
    return MarksRow(
        voice=voice.removeprefix("voice_"),
        lines=len(speeches),
        word_ends=sum(len(speech.word_ends) - 1 for _, speech in speeches),
        marks=len(found),
        near=sum(abs(off_ms) <= NEAR_MS for off_ms, _ in found),
        over=sum(words > 0 for _, words in found),
        under=sum(words < 0 for _, words in found),
    )


def _marks(text: str, speech: Speech, levels: Levels, settings: PreparationSettings) -> Iterator[tuple[float, int]]:
    """Yield, for each mark within the line, the ms to the nearest word's end and the words counted too many."""
    prepared = prepare(_samples(speech), RATE, kind=Kind.PHRASE, text=text, levels=levels, settings=settings)
    trimmed_ms = next((step.facts["start_ms"] for step in prepared.steps if step.step == "trim"), 0.0)
    ends_ms = [1000 * end for end in speech.word_ends]
    for mark in prepared.cut_marks[:-1]:
        at_ms = mark.ms + trimmed_ms
        spoken = sum(end <= at_ms + NEAR_MS for end in ends_ms)
        yield min((at_ms - end for end in ends_ms), key=abs), mark.words - spoken


def _samples(speech: Speech) -> Samples:
    return np.asarray(speech.samples, np.float32)
