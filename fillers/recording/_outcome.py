"""What became of a spec's takes."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from .._spec import Line

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Take:
    """A recording that is there."""

    line: Line
    number: int
    """Which recording of the line, from 1."""
    original: Path
    """The file, in the pack's ``originals``."""
    rate: int
    """Hz."""
    word_ends_ms: tuple[float, ...]
    """ms from its start; empty if the TTS did not tell."""
    cached: bool
    """It was there before."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """A take in which the TTS said the line in the very same way as before; nothing was kept."""

    line: Line
    number: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A take that is not there."""

    line: Line
    number: int
    reason: str
    """One sentence that names the line's text."""


@dataclass(frozen=True, slots=True)
class Untried:
    """A take that was not asked for, since the TTS refused to go on."""

    line: Line
    number: int


Outcome = Take | Repeat | Failure | Untried


@dataclass(frozen=True, slots=True)
class Recorded:
    """All of them, in the order of the spec."""

    takes: tuple[Take, ...]
    failures: tuple[Failure, ...] = ()
    repeats: tuple[Repeat, ...] = ()
    untried: tuple[Untried, ...] = ()

    def notes(self) -> list[str]:
        """Return sentences on the lines of which the TTS knows fewer ways than takes were asked for."""
        repeated = Counter(repeat.line for repeat in self.repeats)
        kept = Counter(take.line for take in self.takes)
        alike: dict[tuple[int, int], list[str]] = {}
        for line, times in repeated.items():
            alike.setdefault((kept[line], kept[line] + times), []).append(line.text)
        return [
            f"this TTS says {_listed(texts)} the same way each time; {few} of {many} takes kept"
            if few <= 1
            else f"this TTS repeats itself in {_listed(texts)}; {few} of {many} takes kept"
            for (few, many), texts in alike.items()
        ]


def _listed(texts: list[str]) -> str:
    shown = ", ".join(map(repr, texts[:_SHOWN]))
    more = len(texts) - _SHOWN
    return f"{shown} and {more} other line{'' if more == 1 else 's'}" if more > 0 else shown
