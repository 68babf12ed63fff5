"""Where words end in what espeak-ng said.

espeak-ng tells when each word and each sound begins. A word's end is where its last sound is over: where the pause
behind it begins, and without a pause, where the next word does; the closure in which that may begin (p, t, k) is the
next word's, as it is in Festival's word ends. Two things are taken care of. A nasal or l at a word's end is spoken
together with a vowel that follows ("one of"), and espeak-ng then marks the next word before it: the end is where that
vowel begins. Words that espeak-ng draws together ("of the") have no beginning of their own: no end is told then.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

from ._espeak import Event, Utterance


def word_ends(text: str, said: Utterance) -> tuple[float, ...]:
    """Return when each word of *text* ends, in s from the start; none if a word has no beginning of its own."""
    begins = _begins([match.start() for match in re.finditer(r"\S+", text)], said.events)
    if None in begins or sorted(begins, key=lambda at: at or 0) != begins:
        return ()
    bounds = [at for at in begins if at is not None] + [len(said.events)]
    ends = (_end(said.events, first, behind, len(said.samples)) for first, behind in pairwise(bounds))
    return tuple(end / said.rate for end in ends)


def _begins(words: Sequence[int], events: Sequence[Event]) -> list[int | None]:
    """Return for each word, given by its place in the text, which event is the first of it."""
    found: list[int | None] = [None] * len(words)
    for index, event in enumerate(events):
        word = sum(place <= event.position for place in words) - 1
        if event.kind == "word" and found[word] is None:
            found[word] = index
    return found


def _end(events: Sequence[Event], first: int, behind: int, length: int) -> int:
    """Return the frame at which the last sound of the events *first* to *behind* is over."""
    sounds = [at for at in range(first, behind) if events[at].kind == "phoneme" and events[at].phoneme[:1] != "_"]
    last = sounds[-1] if sounds else first
    return next((event.sample for event in events[last + 1 :] if event.sample > events[last].sample), length)
