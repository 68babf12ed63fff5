"""The benchmark of cut marks: it measures what it says it measures."""

import json
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from typing import Literal

import numpy as np
import pytest
from speech_rig import need
from stopgap.benchmarks.marks import _espeak
from stopgap.benchmarks.marks._espeak import Event, Utterance, load_espeak
from stopgap.benchmarks.marks._lines import ESPEAK_VOICES, find_speakers, sentences
from stopgap.benchmarks.marks._marks import measure_marks
from stopgap.benchmarks.marks._wordends import word_ends
from stopgap.cli import main
from stopgap.fillers import UsageError

RATE = 1000


def told(*events: tuple[Literal["word", "phoneme"], int, int | str], frames: int = 1000) -> Utterance:
    """Return what espeak-ng tells: (kind, frame, place in the text or name)."""
    made = [
        Event(kind, frame, phoneme=what) if isinstance(what, str) else Event(kind, frame, position=what)
        for kind, frame, what in events
    ]
    return Utterance(np.zeros(frames, np.float32), RATE, tuple(made))


# The truth -------------------------------------------------------------------------------------------------------


def test_a_word_ends_where_its_last_sound_is_over() -> None:
    """At the pause behind it, else at the next word; the last one where its pause begins, or with the sound."""
    said = told(
        ("word", 0, 0), ("phoneme", 0, "s"), ("phoneme", 80, "oU"),
        ("word", 200, 3), ("phoneme", 230, "b"), ("phoneme", 250, "i:"), ("phoneme", 300, "_:"), ("phoneme", 450, "_"),
        ("word", 450, 7), ("phoneme", 450, "I"), ("phoneme", 500, "t"),
    )  # fmt: skip
    assert word_ends("so be, it", said) == (0.2, 0.3, 1.0)


def test_a_nasal_that_is_spoken_with_the_next_vowel() -> None:
    """The marker of the next word comes before both; the word is over when the vowel begins."""
    said = told(
        ("word", 0, 0), ("phoneme", 0, "I"), ("phoneme", 40, "n"),
        ("word", 40, 3), ("phoneme", 90, "a"), ("phoneme", 150, "n"), ("phoneme", 200, "_:"),
    )  # fmt: skip
    assert word_ends("in an", said) == (0.09, 0.2)


@pytest.mark.parametrize("places", [[0], [0, 0], [3, 0]])
def test_words_that_are_drawn_together(places: Sequence[int]) -> None:
    """Where a word has no beginning of its own, or they come in another order, no end is told."""
    events = [("word", 100 * number, place) for number, place in enumerate(places)]
    assert word_ends("of the", told(*events)) == ()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("voice", "text"),
    [
        ("de", "Einen Moment, ich prüfe das, Augenblick."),
        ("es+f2", "Un momento, reviso, espere."),
        ("fr", "D'accord, un instant, je cherche."),
        ("ru", "Хорошо, одну минуту, сейчас."),
    ],
)
def test_pauses_begin_at_word_ends(voice: str, text: str) -> None:
    """At a comma there is sound up to the word's end that is told, and silence from 60 ms behind it."""
    need("espeak-ng")
    said = load_espeak().speak(voice, text, 160)
    ends = word_ends(text, said)
    assert len(ends) == len(text.split())
    assert list(ends) == sorted(ends)
    loud = np.sqrt(np.mean(said.samples**2))
    for end, word in zip(ends, text.split(), strict=True):
        if word.endswith(","):
            at = round(end * said.rate)
            before, behind = (round(s * said.rate) for s in (0.08, 0.06))
            assert np.abs(said.samples[at - before : at]).max() > 0.1 * loud
            assert np.abs(said.samples[at + behind : at + behind + 100]).max() < 0.1 * loud


def test_espeak_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence names what to install; a voice that is unknown is named."""
    need("espeak-ng")
    with pytest.raises(UsageError, match="espeak-ng has no voice 'xq'"):
        load_espeak().speak("xq", "so", 160)
    monkeypatch.setattr(_espeak, "_LIBRARIES", ("libnothing.so.9",))
    with pytest.raises(UsageError, match="libespeak-ng is not installed; install espeak-ng"):
        _espeak.Espeak()


# The sentences ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ESPEAK_VOICES)
def test_sentences(language: str) -> None:
    """There are enough to develop with, each of several words, and none of them is held out."""
    development = sentences(language, development=True)
    held_out = sentences(language)
    assert len(set(development)) == len(development) >= 25
    assert len(held_out) >= 25
    assert all(len(text.split()) > 1 for text in (*development, *held_out))
    assert not {text.casefold() for text in development} & {text.casefold() for text in held_out}


def test_every_written_sentence_is_used() -> None:
    """What the file has is what is said: no language is forgotten in it."""
    written = tomllib.loads((files("stopgap.benchmarks") / "data/marks.toml").read_text(encoding="utf-8"))
    assert set(written["development"]) == set(ESPEAK_VOICES)
    assert set(written["held_out"]) == {"ru"}


# The marks -------------------------------------------------------------------------------------------------------


def test_every_mark_of_festival_is_judged() -> None:
    """Both voices speak the same lines; shares are of the marks that were made, which most often are right."""
    need("festival", "espeak-ng")
    done: list[int] = []
    rows = measure_marks(find_speakers(["en"])[:2], done.append)
    assert done == [1, 1]
    assert rows[0].lines == rows[1].lines > 30
    for row in rows:
        assert 0 < row.marks <= row.word_ends
        assert row.near + row.over + row.under <= 2 * row.marks
        assert row.near >= 0.8 * row.marks


@pytest.mark.parametrize("language", ["de", "fr", "ru"])
def test_marks_in_other_languages(language: str) -> None:
    """At least half of the words' ends are found, and hardly a mark counts a word too many."""
    need("espeak-ng")
    (speaker,) = find_speakers([language])
    (row,) = measure_marks([replace(speaker, voices=speaker.voices[:1])])
    assert (row.voice, row.language) == (f"espeak-ng {language}", language)
    assert row.marks >= 0.5 * row.word_ends
    assert row.near >= 0.9 * row.marks
    assert row.over <= 0.03 * row.marks


def test_a_language_without_sentences() -> None:
    """Those that there are, are named."""
    with pytest.raises(UsageError, match="'xq'; write one of de, en, es, fr, pt, ru"):
        find_speakers(["xq"])


def test_the_command_prints_rows(capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON: one row a voice of Festival, one a language of espeak-ng."""
    need("espeak-ng")
    with pytest.raises(SystemExit) as ended:
        main(["bench", "marks", "--language", "ru", "--development", "--json"])
    assert not ended.value.code
    (row,) = json.loads(capsys.readouterr().out)
    assert row["voice"] == "espeak-ng ru"
    assert row["marks"] >= row["near"] > 0
