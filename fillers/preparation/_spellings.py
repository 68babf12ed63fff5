"""Words of other languages, respelled in letters that sound as ``_sounds`` reads them."""

import re
import unicodedata

_LETTERS = str.maketrans(
    {
        **dict(zip("абвгґдеёєзиіїйклмнопрстуўфхыэюя", "abvggdeeeziiiyklmnoprstuvfhyeua", strict=True)),
        "ж": "sh",
        "ц": "ts",
        "ч": "tsh",
        "ш": "sh",
        "щ": "sh",
        "ъ": "",
        "ь": "",
        "ç": "s",
    }
)
"""Cyrillic letters, and one that is another sound than without its accent."""

_SOFT_C = ("c(?=[eiy])", "s")

_RESPELLINGS: dict[str, tuple[tuple[str, str], ...]] = {
    # "me" and "see" sound as written, "please" and "time" end in a consonant; in other languages such an e is heard
    "en": (("([^aeiouy][aeiouy]+[^aeiouy]+)e$", r"\1"),),
    "de": (("t?z", "ts"),),
    "es": (
        ("(?<!c)h", ""),
        _SOFT_C,
        ("qu", "k"),
        ("gu(?=[ei])", "g"),
        ("j|g(?=[ei])", "f"),
        ("(?<=[aeiou])[bdgv](?=[aeiour])", "l"),  # "cada": between vowels no closure
    ),
    "fr": (
        ("(?<![cps])h", ""),
        ("gn", "n"),
        _SOFT_C,
        ("ch", "sh"),
        ("(?<=[aeiouy])[mn](?=[^aeiouymn]|$)", ""),  # "bon": a vowel in the nose
    ),
    "pt": (
        ("nh", "n"),
        ("lh", "l"),
        ("ch", "x"),
        ("h", ""),
        _SOFT_C,
        ("([qg])u(?=[ei])", r"\1"),
        ("g(?=[eiy])", "j"),
        ("x", "sh"),
    ),
}
"""By language, in this order; letters of which nothing is said here look enough like English ones."""


def respelled(word: str, language: str) -> str:
    """Return the letters and digits of *word* without accents, spelled as they sound.

    Args:
        language: Primary subtag, ``de``; one that is not known is read letter by letter.
    """
    letters = unicodedata.normalize("NFC", word.casefold()).translate(_LETTERS)
    letters = "".join(letter for letter in unicodedata.normalize("NFKD", letters) if letter.isalnum())
    for pattern, replacement in _RESPELLINGS.get(language, ()):
        letters = re.sub(pattern, replacement, letters)
    return letters
