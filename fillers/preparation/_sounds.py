"""Which sounds a text is made of, guessed from its letters."""

import re
from dataclasses import dataclass
from enum import IntEnum

from .._language import primary_language
from ._spellings import respelled


class Sound(IntEnum):
    """How a stretch of speech looks in `sound_features`; the order is that of the tables in ``_alignment``."""

    PAUSE = 0
    VOWEL = 1
    NASAL = 2
    GLIDE = 3
    """l, r, w, y."""
    HISS = 4
    """s, sh, z."""
    BREATH = 5
    """f, v, th, h."""
    CLOSURE = 6
    """The silence in which p, t, k, b, d and g begin."""
    BURST = 7
    """And the noise with which they end."""
    ANY = 8
    """A letter of which nothing is known."""


@dataclass(frozen=True)
class Word:
    """A word of a text, as it is split at white space."""

    sounds: tuple[Sound, ...]
    """Empty for a mark that stands alone ("-"): nothing of it is heard."""
    pause: bool
    """Whether a punctuation mark follows at which speakers pause."""


_STOP = (Sound.CLOSURE, Sound.BURST)
_SPELLINGS: tuple[tuple[str, tuple[Sound, ...]], ...] = (
    ("tsch", (*_STOP, Sound.HISS)),
    ("sch", (Sound.HISS,)),
    ("tch", (*_STOP, Sound.HISS)),
    ("igh", (Sound.VOWEL,)),
    ("ch", (*_STOP, Sound.HISS)),
    ("sh", (Sound.HISS,)),
    ("th", (Sound.BREATH,)),
    ("ph", (Sound.BREATH,)),
    ("wh", (Sound.GLIDE,)),
    ("gh", ()),
    ("ck", _STOP),
    ("qu", (*_STOP, Sound.GLIDE)),
    ("ng", (Sound.NASAL,)),
    ("x", (*_STOP, Sound.HISS)),
)
_LETTERS = {
    **dict.fromkeys("aeiouyæøœ", (Sound.VOWEL,)),
    **dict.fromkeys("mn", (Sound.NASAL,)),
    **dict.fromkeys("lrwł", (Sound.GLIDE,)),
    **dict.fromkeys("szßj", (Sound.HISS,)),
    **dict.fromkeys("fvhðþ", (Sound.BREATH,)),
    **dict.fromkeys("ptkcqbdgđ", _STOP),
}
_DIGIT = (Sound.ANY,) * 3
_PAUSES = re.compile(r"[.,;:!?…–—。、，！？]")


def words_of(text: str, language: str = "en") -> tuple[Word, ...]:
    """Return the words of *text*, one for each part that ``text.split()`` has.

    Args:
        language: Tag of what *text* is in.
    """
    primary = primary_language(language)
    return tuple(Word(_sounds_of(respelled(part, primary)), bool(_PAUSES.search(part[-2:]))) for part in text.split())


def _sounds_of(letters: str) -> tuple[Sound, ...]:
    sounds: list[Sound] = []
    at = 0
    while at < len(letters):
        spelling, said = _next_of(letters, at)
        doubled = at > 0 and letters[at] == letters[at - 1]
        vowels = bool(sounds) and sounds[-1] is Sound.VOWEL and said == (Sound.VOWEL,)
        if not doubled and not vowels:  # "ll" is one l, "ea" one vowel
            sounds += said
        at += len(spelling)
    return tuple(sounds)


def _next_of(letters: str, at: int) -> tuple[str, tuple[Sound, ...]]:
    for spelling, said in _SPELLINGS:
        if letters.startswith(spelling, at):
            return spelling, said
    letter = letters[at]
    return letter, _DIGIT if letter.isdigit() else _LETTERS.get(letter, (Sound.ANY,))
