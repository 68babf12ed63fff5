"""What a file's name says of the clip in it."""

import re
import unicodedata
from dataclasses import dataclass

_TAKE = re.compile(
    r"(?P<text>.*?\w.*?)(?:[\s_.-]*\((?P<bracketed>\d{1,3})\)|[\s_.-]+(?:take[\s_.-]*)?(?P<plain>\d{1,3}))",
    re.IGNORECASE | re.DOTALL,
)
_EMPTY = frozenset(
    ("recording", "new recording", "audio", "voice", "voice memo", "memo", "untitled", "track", "take", "clip", "file")
)
"""What recorders call a file that its owner has not named."""


@dataclass(frozen=True, slots=True)
class NamedTake:
    """A file's name, taken apart."""

    stem: str
    """Without the number."""
    take: int
    """From 1."""

    @property
    def text(self) -> str | None:
        """The words; None if it has none, or those of a recorder."""
        words = " ".join(re.split(r"[\s_-]+", self.stem)).strip(" .")
        said = words.lower() not in _EMPTY and any(character.isalpha() for character in words)
        return words if said else None


def named_take(stem: str) -> NamedTake:
    """Return what *stem*, a file's name without its suffix, says: ``um-2``, ``um (2)`` and ``um take 2`` are takes."""
    whole = unicodedata.normalize("NFC", stem).strip()  # macOS takes letters and their accents apart
    match = _TAKE.fullmatch(whole)
    if match is None:
        return NamedTake(whole, 1)
    number = int(match["bracketed"] or match["plain"])
    return NamedTake(match["text"].strip(), number) if number else NamedTake(whole, 1)
