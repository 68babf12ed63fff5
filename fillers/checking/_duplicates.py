"""The same sound twice under two names."""

from collections.abc import Iterator, Sequence

from .._language import primary_language
from ._candidates import candidates
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
    prints = [Fingerprint.of(one.clip) for one in members] if len(members) > 1 else []
    known: set[int] = set()
    for first, second in candidates(prints):
        one, other = members[first], members[second]
        same_words = _words(one) == _words(other)
        if second not in known and prints[first].same_as(prints[second], same_words=same_words):
            known.add(second)
            text = f"is the same recording as {one.id}, which is then heard more often; record another or remove it"
            yield warning("duplicate", text, other.id)


def _words(one: Loaded) -> str:
    return "".join(c for c in (one.clip.text or "").casefold() if c.isalnum())
