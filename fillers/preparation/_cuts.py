"""Where a spoken clip may end without breaking a word, and how many words have been said by then."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .._clip import Samples
from .._level import rms_dbfs
from .._manifest import CutMarkEntry
from ._alignment import Alignment, align
from ._features import sound_features
from ._sounds import Word, words_of

_EARLIEST_MS = 120
_APART_MS = 80
_SEARCH_MS = 30
_LIKE_QUIETEST_DB = 2.0
"""Places this much louder than the quietest are as good; the one nearest to the word's end is taken."""

_TOLD_BELOW_DB = -3.0
_GUESSED_BELOW_DB = -6.0
"""dB against the clip's loud parts that a cut may have at most: one in louder sound is heard."""
_GUESSED_DIP_DB = 4.0
"""dB by which the level must rise again on both sides."""
_DIP_MS = 120
_SURE = 0.8
_SURE_MS = 30.0
"""A word end that the sound alone gives counts if it lies within 30 ms of its place with probability 0.8."""


@dataclass(frozen=True)
class WordEnd:
    """A place where a word is over."""

    ms: float
    """From the clip's start."""
    words: int
    """Words of the text said by then."""


@dataclass(frozen=True)
class Cuts:
    """A clip's cut marks and where they are from."""

    marks: tuple[CutMarkEntry, ...]
    source: Literal["tts", "audio"]


def cut_marks(
    samples: Samples, rate: int, text: str, word_ends_ms: Sequence[float] = (), *, language: str = "en"
) -> Cuts:
    """Return where the finished clip *samples* may end; the last mark is its end, with all words.

    A word end is moved to the quietest place within 30 ms. Left out are marks in the first 120 ms, less than 80 ms
    after another or before the end, and where one word runs into the next without a dip in the level.

    Without *word_ends_ms*, or with another number of them than *text* has words, the ends are estimated from the
    sound, and only those of which the estimate is sure are used. ``stopgap bench marks`` measures them: of the marks
    in sentences that the method was not made with, 94 to 99% in German, English, Spanish, French, Portuguese and
    Russian (espeak-ng) and 86% (a diphone voice) lay within 40 ms of a word's end; at most 3% counted a word too many.

    Args:
        word_ends_ms: ms from the clip's start; one for each word of *text* that sounds.
        language: Tag of what *text* is in: in German an e at a word's end is heard, in English it is not.
    """
    words = words_of(text, language)
    spoken = [count for count, word in enumerate(words, start=1) if word.sounds]
    level = _Level.of(samples, rate)
    end = CutMarkEntry(ms=min(round(1000 * len(samples) / rate, 3), 60_000.0), words=len(words))
    if len(word_ends_ms) == len(spoken) > 0:
        told = [WordEnd(ms, count) for ms, count in zip(word_ends_ms, spoken, strict=True)]
        return Cuts((*_placed(told[:-1], level, _TOLD_BELOW_DB, dip_db=0.0), end), "tts")
    guessed = _sure_ends(samples, rate, words) if len(spoken) > 1 else []
    return Cuts((*_placed(guessed, level, _GUESSED_BELOW_DB, dip_db=_GUESSED_DIP_DB), end), "audio")


def _sure_ends(samples: Samples, rate: int, words: Sequence[Word]) -> list[WordEnd]:
    """Return the inner word ends about whose place the sound leaves little doubt."""
    alignment = align(sound_features(samples, rate), words)
    return [] if alignment is None else list(_sure_ones(alignment))


def _sure_ones(alignment: Alignment) -> Iterator[WordEnd]:
    for row, count in enumerate(alignment.counts[:-1]):
        ms = alignment.likely_end_ms(row)
        if alignment.at(ms + _SURE_MS)[row] - alignment.at(ms - _SURE_MS)[row] >= _SURE:
            yield WordEnd(ms, count)


@dataclass(frozen=True)
class _Level:
    """The level around every millisecond of a clip."""

    dbfs: NDArray[np.float64]
    """RMS of the 10 ms around it."""
    active_dbfs: float
    """Of the clip's loud parts."""

    @classmethod
    def of(cls, samples: Samples, rate: int) -> "_Level":
        energy = np.concatenate([[0.0], np.cumsum(samples.astype(np.float64) ** 2)])
        at = np.arange(int(1000 * len(samples) / rate) + 1) * (rate / 1000)
        first = np.clip(np.round(at - 0.005 * rate), 0, len(samples)).astype(np.int64)
        last = np.clip(np.round(at + 0.005 * rate), 0, len(samples)).astype(np.int64)
        power = (energy[last] - energy[first]) / np.maximum(last - first, 1)
        return cls(10 * np.log10(np.maximum(power, 1e-30)), rms_dbfs(samples, rate))

    def quietest_ms(self, near_ms: float) -> int:
        """Return the place within 30 ms of *near_ms* that is as quiet as any there, the nearest one of equals."""
        first = max(0, round(near_ms) - _SEARCH_MS)
        around = self.dbfs[first : round(near_ms) + _SEARCH_MS + 1]
        quiet = first + np.flatnonzero(around <= around.min() + _LIKE_QUIETEST_DB)
        return int(quiet[np.argmin(np.abs(quiet - near_ms))])

    def dip_db(self, at_ms: int) -> float:
        """Return by how much the level rises within 120 ms on both sides, the smaller of the two."""
        before = self.dbfs[max(0, at_ms - _DIP_MS) : at_ms + 1].max()
        after = self.dbfs[at_ms : at_ms + _DIP_MS].max()
        return float(min(before, after) - self.dbfs[at_ms])


def _placed(ends: Sequence[WordEnd], level: _Level, below_db: float, dip_db: float) -> Iterator[CutMarkEntry]:
    last_ms = len(level.dbfs) - 1 - _APART_MS
    earliest_ms = _EARLIEST_MS
    for end in ends:
        if not 0 <= end.ms < len(level.dbfs) - 1:
            continue
        ms = level.quietest_ms(end.ms)
        quiet = level.dbfs[ms] <= level.active_dbfs + below_db and level.dip_db(ms) >= dip_db
        if quiet and earliest_ms <= ms <= last_ms:
            yield CutMarkEntry(ms=ms, words=end.words)
            earliest_ms = ms + _APART_MS
