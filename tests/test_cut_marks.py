"""Cut marks: where words end, as the TTS tells it or as the sound alone shows it."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from speech_rig import need
from stopgap.audio_assets._festival import KAL, SLT, Line, speak
from stopgap.fillers import Clip, CutMarkEntry, Samples, find_pack, load_pack
from stopgap.fillers.preparation._alignment import align
from stopgap.fillers.preparation._cuts import cut_marks
from stopgap.fillers.preparation._features import sound_features
from stopgap.fillers.preparation._sounds import Sound, words_of

RATE = 16_000
NEAR_MS = 40.0

HELD_OUT = (
    "Okay, let me look into it.",
    "Still here, still searching.",
    "Thank you, that helps a lot.",
    "Let me confirm the address.",
    "Checking availability for tomorrow evening.",
    "Bear with me a little longer.",
    "It looks like the server is busy.",
    "I am asking the warehouse.",
    "Sure thing, one moment.",
    "I want to get this right for you.",
    "Sorry, this is taking longer than usual.",
    "Let me fetch the report.",
    "Could you stay with me for a bit?",
    "Yes, dogs are welcome here.",
    "It is on its way, and arrives on Friday.",
)
"""Sentences that no constant was chosen by."""


def beeps(*spans_ms: tuple[int, int], total_ms: int) -> Samples:
    """Return silence with a sound in each of *spans_ms*."""
    samples = np.zeros(total_ms * RATE // 1000, np.float32)
    for start, end in spans_ms:
        frames = (end - start) * RATE // 1000
        sound = 0.3 * np.sin(2 * np.pi * 200 * np.arange(frames) / RATE) * np.hanning(frames)
        samples[start * RATE // 1000 :][:frames] = sound
    return samples


def pairs(marks: Sequence[CutMarkEntry]) -> list[tuple[float, int]]:
    return [(mark.ms, mark.words) for mark in marks]


# What a TTS tells ------------------------------------------------------------------------------------------------


def test_told_word_ends_are_moved_to_the_quietest_place() -> None:
    """A word end that the TTS puts 25 ms too early lands in the pause behind the word; the last mark is the end."""
    sound = beeps((0, 300), (340, 700), total_ms=720)
    cuts = cut_marks(sound, RATE, "so well", [285.0, 700.0])
    (first, end) = cuts.marks
    assert cuts.source == "tts"
    assert 300 <= first.ms <= 340
    assert (first.words, end) == (1, CutMarkEntry(ms=720, words=2))


def test_told_word_ends_that_cannot_be_cut() -> None:
    """Left out: in the first 120 ms, 80 ms before the end or after another, and in the middle of a sound."""
    sound = beeps((0, 80), (110, 400), (430, 460), (490, 900), total_ms=920)
    cuts = cut_marks(sound, RATE, "a b c d e f", [95.0, 250.0, 415.0, 475.0, 905.0, 910.0])
    assert [words for _, words in pairs(cuts.marks)] == [3, 6]


def test_told_word_ends_outside_the_clip() -> None:
    """Times before the clip's start and beyond its end, as a trim may leave them, are no marks."""
    cuts = cut_marks(beeps((0, 300), (340, 700), total_ms=720), RATE, "a b c d", [-20.0, 320.0, 5000.0, 6000.0])
    assert [words for _, words in pairs(cuts.marks)] == [2, 4]


def test_a_dash_is_no_word_to_a_tts() -> None:
    """Parts of the text without letters have no time of their own, but count as words of the text."""
    cuts = cut_marks(beeps((0, 300), (340, 700), total_ms=720), RATE, "so — well", [310.0, 700.0])
    assert [words for _, words in pairs(cuts.marks)] == [1, 3]


def test_times_that_do_not_fit_the_text() -> None:
    """A TTS that counts words otherwise than the text does is not believed."""
    assert cut_marks(beeps((0, 300), (340, 700), total_ms=720), RATE, "so well", [100.0, 310.0, 700.0]).source == (
        "audio"
    )


# What the sound alone shows --------------------------------------------------------------------------------------


def test_letters_become_sounds() -> None:
    """Doubled letters and letter groups are one sound; a comma is a pause; digits are sounds of any kind."""
    check, moment = words_of("Check, moment")
    assert check.pause
    assert not moment.pause
    stop = (Sound.CLOSURE, Sound.BURST)
    assert check.sounds == (*stop, Sound.HISS, Sound.VOWEL, *stop)
    assert moment.sounds == (Sound.NASAL, Sound.VOWEL, Sound.NASAL, Sound.VOWEL, Sound.NASAL, *stop)
    assert words_of("see")[0].sounds == (Sound.HISS, Sound.VOWEL)
    assert set(words_of("42")[0].sounds) == {Sound.ANY}
    assert words_of("- 你好")[0].sounds == ()
    assert words_of("你好")[0].sounds == (Sound.ANY,) * 2


@pytest.mark.parametrize(
    ("language", "word", "like"),
    [
        ("en", "please", "pleas"),
        ("de", "bitte", "bitti"),
        ("de-AT", "zwölf", "tswolf"),
        ("es-MX", "hace", "asi"),
        ("es", "quede", "kele"),
        ("fr", "champagne", "shapani"),
        ("pt-BR", "atenção", "atinsao"),
        ("pt", "trabalho", "trabalo"),
        ("ru", "для", "dla"),
        ("ru", "число", "tshislo"),
    ],
)
def test_letters_are_read_by_their_language(language: str, word: str, like: str) -> None:
    """An e at the end is heard but in English; c, h and z are other sounds elsewhere; Cyrillic letters are known."""
    assert words_of(word, language) == words_of(like, "xx")


def test_languages_that_are_not_known() -> None:
    """They are read letter by letter: no e is silent."""
    assert words_of("siamo pronte", "it") != words_of("siamo pronte", "en")
    assert words_of("ça", "tr") == words_of("sa", "en")


@cache
def bundled() -> tuple[Clip, ...]:
    """Return the bundled clips of several words; their marks are from Festival's own alignment."""
    _, clips = load_pack(find_pack("en-us"))
    return tuple(clip for clip in clips if clip.text and len(clip.text.split()) > 1)


def share(flags: Sequence[bool]) -> float:
    return sum(flags) / len(flags)


def test_guarantee_on_the_bundled_pack() -> None:
    """Most marks made from the sound alone are where Festival ended a word that can be cut, and few count too many."""
    near: list[bool] = []
    over: list[bool] = []
    right: list[bool] = []
    found = known = 0
    for clip in bundled():
        true = [(1000 * mark.frame / clip.rate, mark.words) for mark in clip.cut_marks[:-1]]
        *inner, end = cut_marks(clip.samples, clip.rate, clip.text or "").marks
        assert end.words == len((clip.text or "").split())
        known += len(true)
        found += sum(any(abs(ms - mark.ms) <= NEAR_MS for mark in inner) for ms, _ in true)
        for mark in inner:
            near.append(any(abs(ms - mark.ms) <= NEAR_MS for ms, _ in true))
            words = max((words for ms, words in true if ms <= mark.ms + NEAR_MS), default=0)
            over.append(mark.words > words)
            right.append(mark.words == words)
    assert len(near) >= 25
    assert share(near) >= 0.88
    assert share(right) >= 0.88
    assert share(over) <= 0.03
    assert found >= 0.5 * known


@pytest.mark.parametrize("voice", [KAL, SLT])
def test_guarantee_on_held_out_sentences(voice: str) -> None:
    """The same on sentences, and with a voice, that the method was not made with."""
    need("festival")
    said = speak(voice, {str(number): Line(text) for number, text in enumerate(HELD_OUT)})
    near: list[bool] = []
    over: list[bool] = []
    for number, text in enumerate(HELD_OUT):
        speech = said[str(number)]
        ends_ms = [1000 * end for end in speech.word_ends]
        for mark in cut_marks(speech.samples.astype(np.float32), 32_000, text).marks[:-1]:
            near.append(min(abs(mark.ms - end) for end in ends_ms) <= NEAR_MS)
            over.append(mark.words > sum(end <= mark.ms + NEAR_MS for end in ends_ms))
    assert len(near) >= 30
    assert share(near) >= 0.85
    assert share(over) <= 0.06


def test_marks_survive_noise_and_telephony() -> None:
    """In a noisy room, or at 8 kHz, there are fewer marks, and they are no worse."""
    rng = np.random.default_rng(0)
    near: list[bool] = []
    for clip in bundled():
        true = [1000 * mark.frame / clip.rate for mark in clip.cut_marks]
        noisy = (clip.samples + 10 ** (-45 / 20) * rng.standard_normal(clip.frames)).astype(np.float32)
        for mark in cut_marks(noisy, clip.rate, clip.text or "").marks[:-1]:
            near.append(min(abs(ms - mark.ms) for ms in true) <= NEAR_MS)
    assert len(near) >= 20
    assert share(near) >= 0.85


def test_no_mark_in_a_loud_sound() -> None:
    """Marks from the sound alone lie in dips: 6 dB below the loud parts, and the level rises on both sides."""
    for clip in bundled():
        loud = float(np.sqrt(np.mean(clip.samples**2)))
        for mark in cut_marks(clip.samples, clip.rate, clip.text or "").marks[:-1]:
            middle, half = round(mark.ms * clip.rate / 1000), clip.rate // 200
            assert np.sqrt(np.mean(clip.samples[middle - half : middle + half] ** 2)) < loud


def test_a_text_that_was_not_said() -> None:
    """A text far too long for its sound gives no inner marks, and no error."""
    clip = bundled()[0]
    text = "let me tell you all there is to say about this matter " * 20
    (end,) = cut_marks(clip.samples, clip.rate, text).marks
    assert end.words == len(text.split())
    assert align(sound_features(clip.samples, clip.rate), words_of(text)) is None


def test_texts_without_anything_to_align() -> None:
    """One word, no word and punctuation alone have the end as their only mark."""
    sound = beeps((0, 300), total_ms=320)
    for text, words in (("Um", 1), ("", 0), ("… —", 2)):
        assert pairs(cut_marks(sound, RATE, text).marks) == [(320, words)]


@given(
    text=st.text(st.sampled_from("abc smt, .42яé—"), max_size=60),
    spans=st.lists(st.integers(20, 300), min_size=1, max_size=8),
    ends=st.lists(st.floats(-100, 3000), max_size=8),
)
def test_marks_are_in_order(text: str, spans: list[int], ends: list[float]) -> None:
    """Whatever text and times: marks ascend within the clip, words never fall, and the end has all of them."""
    edges = np.cumsum([0, *spans])
    samples = beeps(*zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True), total_ms=int(edges[-1]) + 50)
    marks = cut_marks(samples, RATE, text, ends).marks
    times = [mark.ms for mark in marks]
    counts = [mark.words for mark in marks]
    assert times == sorted(set(times))
    assert times[-1] == pytest.approx(1000 * len(samples) / RATE, abs=0.001)
    assert counts == sorted(counts)
    assert counts[-1] == len(text.split())
