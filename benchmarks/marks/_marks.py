"""How good cut marks are that are found from the sound alone, where a synthesiser tells the truth."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from stopgap.fillers import Kind, PreparationSettings
from stopgap.fillers.preparation import Levels, levels_of, prepare

from ._lines import Speaker, Take

NEAR_MS = 40.0
"""ms from a word's true end within which a mark counts as right."""


@dataclass(frozen=True, slots=True)
class MarksRow:
    """The marks of one Festival voice, or of all espeak-ng's in a language."""

    voice: str
    language: str
    lines: int
    """In each voice at each pace anew."""
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


def measure_marks(speakers: Iterable[Speaker], advance: Callable[[int], None] = lambda steps: None) -> list[MarksRow]:
    """Have *speakers* say their lines, and compare marks with the word ends that they tell.

    Args:
        speakers: As `find_speakers` returns them.
        advance: Called with 1 after each of their voices.

    Raises:
        UsageError: if Festival or a voice is not installed.
    """
    return [_row(speaker, advance) for speaker in speakers]


def _row(speaker: Speaker, advance: Callable[[int], None]) -> MarksRow:
    lines = word_ends = 0
    found: list[tuple[float, int]] = []
    for voice in speaker.voices:
        takes = voice()
        lines += len(takes)
        word_ends += sum(len(take.ends_s) - 1 for take in takes)
        found += _found(takes, speaker.language)
        advance(1)
    return MarksRow(
        voice=speaker.name,
        language=speaker.language,
        lines=lines,
        word_ends=word_ends,
        marks=len(found),
        near=sum(abs(off_ms) <= NEAR_MS for off_ms, _ in found),
        over=sum(words > 0 for _, words in found),
        under=sum(words < 0 for _, words in found),
    )


def _found(takes: Sequence[Take], language: str) -> Iterator[tuple[float, int]]:
    settings = PreparationSettings()
    levels = levels_of(((take.samples, take.rate, Kind.PHRASE) for take in takes), settings)
    for take in takes:
        yield from _marks(take, language, levels, settings)


def _marks(take: Take, language: str, levels: Levels, settings: PreparationSettings) -> Iterator[tuple[float, int]]:
    """Yield, for each mark within the line, the ms to the nearest word's end and the words counted too many."""
    prepared = prepare(
        take.samples, take.rate, kind=Kind.PHRASE, text=take.text, language=language, levels=levels, settings=settings
    )
    trimmed_ms = next((step.facts["start_ms"] for step in prepared.steps if step.step == "trim"), 0.0)
    ends_ms = [1000 * end for end in take.ends_s]
    for mark in prepared.cut_marks[:-1]:
        at_ms = mark.ms + trimmed_ms
        spoken = sum(end <= at_ms + NEAR_MS for end in ends_ms)
        yield min((at_ms - end for end in ends_ms), key=abs), mark.words - spoken
