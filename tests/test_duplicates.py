"""Duplicates among many clips: which pairs are not even compared, and that none of them is one."""

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from stopgap.fillers import Clip, ClipBank, ClipEntry, CutMark, Kind, Samples
from stopgap.fillers.checking import _candidates
from stopgap.fillers.checking._candidates import candidates
from stopgap.fillers.checking._duplicates import check_duplicates
from stopgap.fillers.checking._fingerprint import LOOK, STRETCH, Fingerprint, _likeness
from stopgap.fillers.checking._loading import Loaded

RATE = 8_000


def syllables(seed: int, count: int) -> Samples:
    """Return something like speech: tones and noise that swell and fade."""
    rng = np.random.default_rng(seed)
    at = np.arange(1200)
    parts = [
        np.sin(at * rng.uniform(0.1, 2.0)) * np.hanning(1200) * rng.uniform(0.3, 1.0)
        + 0.1 * rng.standard_normal(1200) * np.hanning(1200)
        for _ in range(count)
    ]
    return np.asarray(0.3 * np.concatenate(parts), np.float32)


CHANGES: dict[str, Callable[[Samples], NDArray[Any]]] = {
    "none": lambda samples: samples,
    "softer": lambda samples: 0.2 * samples,
    "turned over": lambda samples: -samples,
    "begun later": lambda samples: samples[len(samples) // 6 :],
    "cut in half": lambda samples: samples[: len(samples) // 2],
    "slower": lambda samples: np.repeat(samples, 2),
    "filtered": lambda samples: np.convolve(samples, np.full(4, 0.25), "same"),
    "noisy": lambda samples: samples + 0.05 * np.random.default_rng(7).standard_normal(len(samples)),
    "silent": np.zeros_like,
}


def a_clip(place: int, seed: int, count: int, change: str, text: str) -> Loaded:
    samples = np.asarray(CHANGES[change](syllables(seed, count)), np.float32)
    entry = ClipEntry(id=f"clip-{place}", file="x.wav", kind=Kind.PHRASE, text=text)
    clip = Clip(entry.id, Kind.PHRASE, samples, RATE, text, "en", cut_marks=(CutMark(len(samples), 1),))
    return Loaded(entry, clip, samples)


def by_pairs(members: list[Loaded]) -> list[tuple[str | None, str]]:
    """Return what is a duplicate, each with what it repeats, by looking at every pair."""
    prints = [Fingerprint.of(one.clip) for one in members]
    found: dict[int, int] = {}
    for first, second in combinations(range(len(members)), 2):
        same_words = members[first].clip.text == members[second].clip.text
        if second not in found and prints[first].same_as(prints[second], same_words=same_words):
            found[second] = first
    return [(members[second].id, members[first].id) for second, first in found.items()]


recipes = st.tuples(
    st.integers(0, 3), st.integers(1, 3), st.sampled_from(sorted(CHANGES)), st.sampled_from(["um", "oh"])
)


@given(st.lists(recipes, max_size=8))
@example([(0, 2, "none", "um"), (1, 2, "none", "um"), (0, 2, "softer", "oh"), (1, 2, "begun later", "um")])
@example([(0, 2, change, "um") for change in sorted(CHANGES)])
@example([(0, 1, "silent", "um"), (0, 1, "silent", "oh"), (1, 2, "silent", "um")])
def test_as_if_every_pair_was_compared(wanted: list[Any]) -> None:
    """The same findings in the same order."""
    members = [a_clip(place, *recipe) for place, recipe in enumerate(wanted)]
    found = [(one.clip, one.message) for one in check_duplicates(members)]
    expected = by_pairs(members)
    assert [clip for clip, _ in found] == [second for second, _ in expected]
    for (_, text), (_, first) in zip(found, expected, strict=True):
        assert text.startswith(f"is the same recording as {first}, ")


def prints_of(seed: int, count: int) -> list[Fingerprint]:
    """Return fingerprints of any bands; half are others, shifted and with so much noise that they are just alike.

    Most are of few steps: the fewer, the less a bound has to spare.
    """
    rng = np.random.default_rng(seed)
    made: list[Fingerprint] = []
    for _ in range(count):
        steps = int(rng.integers(1, 4 if rng.random() < 0.7 else 60))
        bands = rng.standard_normal((12, steps)).cumsum(axis=1) if rng.random() < 0.5 else rng.random((12, steps))
        if made and rng.random() < 0.5:
            like = made[int(rng.integers(len(made)))].bands
            shifted = np.pad(like, ((0, 0), (int(rng.integers(0, 3)), 0)))
            noise = rng.standard_normal(shifted.shape) / np.sqrt(shifted.size)
            bands = rng.choice([-1.0, 1.0]) * shifted + rng.uniform(0.8, 1.3) * noise
        bands = bands / float(np.sqrt(np.sum(bands**2)))
        sounds_s = 0.0 if rng.random() < 0.1 else bands.shape[1] / 100.0
        made.append(Fingerprint(np.zeros(1, np.float32), bands, sounds_s))
    return made


@settings(max_examples=300)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(0, 12),
    at_a_time=st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 9)),
    low=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_no_pair_that_is_alike_is_left_out(seed: int, count: int, at_a_time: tuple[int, int, int], low: float) -> None:
    """However much of the spectrum is multiplied, and however many at a time; each pair comes once, in order."""
    prints = prints_of(seed, count)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_candidates, "_LOW", low)
        for name, most in zip(("_ROWS", "_COLUMNS", "_BINS"), at_a_time, strict=True):
            patch.setattr(_candidates, name, most)
        found = candidates(prints)
    assert found == sorted(set(found))
    assert all(one < other for one, other in found)
    for one, other in combinations(range(count), 2):
        short, long = sorted((prints[one].sounds_s, prints[other].sounds_s))
        if long <= STRETCH * short and _likeness(prints[one].bands, prints[other].bands) >= LOOK:
            assert (one, other) in found


def test_what_is_alike_at_one_shift_and_opposite_at_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recordings are shifted past each other, not around a circle; and just alike is alike: here the bound is exact."""
    monkeypatch.setattr(_candidates, "_LOW", 1.0)
    alike, opposite = np.sqrt(LOOK + 0.01), np.sqrt(0.99 - LOOK)
    one, other = np.zeros((12, 2)), np.zeros((12, 2))
    one[0, 1] = other[0, 0] = alike
    one[1, 0], other[1, 1] = opposite, -opposite
    prints = [Fingerprint(np.zeros(1, np.float32), bands, 0.02) for bands in (one, other)]
    assert candidates(prints) == [(0, 1)]


def test_few_pairs_are_compared(bank: ClipBank) -> None:
    """Of one voice's lines not one pair in five; else thousands of clips would take minutes."""
    lines = [clip for clip in bank.originals if clip.kind in (Kind.PHRASE, Kind.PROGRESS)]
    found = candidates([Fingerprint.of(clip) for clip in lines])
    assert len(found) < len(lines) * (len(lines) - 1) / 2 / 5
