"""Whether a sentence promises that work is being done."""

import re
import tomllib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from .._language import primary_language

_PAUSE = re.compile(r"\.{2,}|…|\s-\s|[–—]")
_SENTENCE = re.compile(r"[^.!?;:¿\n]+[.!?;:]*")
_NAME = re.compile(r"<([a-z]+)>")
_TAG_WORDS = 2
"""Words that a question may have that only asks for consent ("..., okay?")."""


def claims_work(text: str, language: str) -> bool | None:
    """Tell whether *text* promises that work is being done: checking, looking, searching, asking, processing ...

    Offers ("shall I check?"), requests ("please check"), what was done and what cannot be claim nothing; neither do
    "one moment", "let me see" and "I'm thinking". In doubt the answer is no: of claims in words that its lists were
    not made for it finds three in four (English nine in ten, German two in three), and it takes one in three hundred
    other sentences for a claim (``tests/claims_heldout.toml``: some 58 of each in each language).

    Args:
        text: One or more sentences.
        language: A language tag; region and script do not count.

    Returns:
        None if there is no list for that language.
    """
    signs = _signs(primary_language(language))
    if signs is None:
        return None
    return any(signs.claim(words, question) for words, question in _sentences(text))


@dataclass(frozen=True, slots=True)
class _Signs:
    """What to look for in one language."""

    claims: re.Pattern[str]
    others: re.Pattern[str]
    """Taken out first."""
    asks: re.Pattern[str]
    """How a question begins; what comes before it is no question."""
    meanwhile: re.Pattern[str]
    """Where in a question a promise may begin."""

    def claim(self, words: str, question: bool) -> bool:
        return any(self.claims.search(self.others.sub(" ", said)) for said in self._said(words, question))

    def _said(self, words: str, question: bool) -> Iterator[str]:
        """Yield what of the sentence is said, not asked."""
        if not question:
            yield words
            return
        if asked := self.asks.search(words):
            yield words[: asked.start()]
        if begins := self.meanwhile.search(words):
            yield words[begins.start() :]


@cache
def _lists() -> dict[str, dict[str, list[str]]]:
    return tomllib.loads((files(__package__) / "claims.toml").read_text(encoding="utf-8"))


@cache
def _signs(language: str) -> _Signs | None:
    named = _lists().get(language)
    if named is None:
        return None
    return _Signs(*(re.compile(_either(named, key)) for key in ("claims", "others", "asks", "meanwhile")))


def _either(named: dict[str, list[str]], key: str) -> str:
    """Return a pattern for any of the list *key*, as whole words, with what its <names> stand for.

    A name must not lead back to itself.
    """

    def meant(name: re.Match[str]) -> str:
        return r"(?:^|, )" if name[1] == "start" else _group(named[name[1]])

    pattern = _group(named[key])
    while _NAME.search(pattern):
        pattern = _NAME.sub(meant, pattern)
    return rf"(?<!\w){pattern}(?!\w)"


def _group(patterns: list[str]) -> str:
    return f"(?:{'|'.join(patterns)})"


def _sentences(text: str) -> Iterator[tuple[str, bool]]:
    """Yield each sentence's words, commas among them, and whether it is a question."""
    for sentence in _SENTENCE.findall(_PAUSE.sub(",", _plain(text))):
        words = " ".join(re.sub(r"[^\w,]+", " ", sentence).replace(",", " , ").split()).strip(" ,")
        question = "?" in sentence
        said, _, tag = words.rpartition(" , ")
        if question and said and len(tag.split()) <= _TAG_WORDS:
            words, question = said, False
        if words:
            yield words, question


def _plain(text: str) -> str:
    """Return *text* in small letters without accents."""
    spread = unicodedata.normalize("NFKD", text.casefold().replace("œ", "oe"))
    return "".join(c for c in spread if not unicodedata.combining(c))
