"""The same sound twice under two names."""

from collections.abc import Iterator, Sequence
from itertools import combinations

from .._language import primary_language
from ._finding import Finding, warning
from ._fingerprint import Fingerprint
from ._loading import Loaded


def check_duplicates(loaded: Sequence[Loaded]) -> Iterator[Finding]:
    """Find clips of a kind that are one recording; two takes of one text are not.

    Only within a language: an "mm-hm" may well serve two of them.
    """
    groups: dict[tuple[str, str], list[Loaded]] = {}
    for one in loaded:
        groups.setdefault((one.clip.kind, primary_language(one.clip.language)), []).append(one)
    for members in groups.values():
        yield from _within(members)


def _within(members: list[Loaded]) -> Iterator[Finding]:
    prints = {one.id: Fingerprint.of(one.clip) for one in members} if len(members) > 1 else {}
    known: set[str] = set()
    for one, other in combinations(members, 2):
        same_words = _words(one) == _words(other)
        if other.id not in known and prints[one.id].same_as(prints[other.id], same_words=same_words):
            known.add(other.id)
            text = f"is the same recording as {one.id}, which is then heard more often; record another or remove it"
            yield warning("duplicate", text, other.id)


def _words(one: Loaded) -> str:
    return "".join(c for c in (one.clip.text or "").casefold() if c.isalnum())
