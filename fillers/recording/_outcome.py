"""What became of a spec's takes."""

from dataclasses import dataclass
from pathlib import Path

from .._spec import Line


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
        """Return a sentence on each line of which the TTS knows fewer ways than takes were asked for."""
        repeated: dict[Line, int] = {}
        for repeat in self.repeats:
            repeated[repeat.line] = repeated.get(repeat.line, 0) + 1
        kept = {line: sum(take.line == line for take in self.takes) for line in repeated}
        return [
            f"this TTS says {line.text!r} the same way each time; {kept[line]} of {kept[line] + times} takes kept"
            if kept[line] <= 1
            else f"this TTS repeats itself in {line.text!r}; {kept[line]} of {kept[line] + times} takes kept"
            for line, times in repeated.items()
        ]
