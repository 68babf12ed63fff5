"""Selection: variety, weights, order, language, voice, phrases."""

import itertools
import random
from collections import Counter
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stopgap.fillers import NO_LANGUAGE, Clip, ClipBank, Kind, Selector, Wanted, matching_phrases, usable_clips

ORDERS: tuple[Literal["shuffle", "round_robin", "random"], ...] = ("shuffle", "round_robin", "random")


def plain_clip(
    id: str,
    kind: Kind = Kind.HESITATION,
    *,
    frames: int = 500,
    weight: float = 1.0,
    order: int | None = None,
    language: str = "en-US",
    voice: str | None = "v",
    text: str | None = "Um",
) -> Clip:
    samples = np.zeros(frames, np.float32)
    return Clip(id, kind, samples, 1000, text, language, voice, weight=weight, order=order)


def clips_named(names: str, **settings: object) -> list[Clip]:
    return [plain_clip(name, **settings) for name in names]  # type: ignore[arg-type]


def choose_heard(selector: Selector, wanted: Wanted, clips: list[Clip]) -> Clip:
    """Choose a clip and hear it."""
    clip = selector.choose(wanted, clips)
    assert clip is not None
    selector.heard(clip)
    return clip


HESITATION = Wanted(Kind.HESITATION)


# Variety -------------------------------------------------------------------------------------------------------


@given(
    count=st.integers(2, 8),
    weights=st.lists(st.floats(0.01, 100.0), min_size=8, max_size=8),
    seed=st.integers(0, 1000),
    order=st.sampled_from(["shuffle", "round_robin"]),
    rounds=st.integers(1, 4),
)
def test_no_clip_again_before_the_others(
    count: int, weights: list[float], seed: int, order: Literal["shuffle", "round_robin"], rounds: int
) -> None:
    """In each round every clip of the kind is heard once, and none twice in a row where rounds meet."""
    clips = [plain_clip(f"c{i}", weight=weights[i]) for i in range(count)]
    selector = Selector(order, random.Random(seed))
    heard = [choose_heard(selector, HESITATION, clips).id for _ in range(count * rounds)]
    for start in range(0, len(heard), count):
        assert len(set(heard[start : start + count])) == count
    assert all(one != other for one, other in itertools.pairwise(heard))


@given(seed=st.integers(0, 1000), plan=st.lists(st.integers(1, 3), min_size=3, max_size=12))
def test_no_clip_again_across_sheets(seed: int, plan: list[int]) -> None:
    """What is on the same sheet counts as heard; what was planned and never sounded does not."""
    clips = clips_named("abcd")
    selector = Selector("shuffle", random.Random(seed))
    heard: list[str] = []
    for length in plan:
        sheet: list[Clip] = []
        for _ in range(length):
            chosen = selector.choose(HESITATION, clips, sheet)
            assert chosen is not None
            sheet.append(chosen)
        assert len({clip.id for clip in sheet}) == length or len(heard) % 4 + length > 4
        selector.heard(sheet[0])  # then the reply came
        heard.append(sheet[0].id)
    for start in range(0, len(heard) - 3, 4):
        assert len(set(heard[start : start + 4])) == 4


def test_other_kinds_have_rounds_of_their_own() -> None:
    """A backchannel does not use up a hesitation."""
    hesitations, others = clips_named("ab"), clips_named("xy", kind=Kind.BACKCHANNEL)
    selector = Selector("shuffle", random.Random(1))
    first = choose_heard(selector, HESITATION, hesitations + others)
    for _ in range(3):
        choose_heard(selector, Wanted(Kind.BACKCHANNEL), hesitations + others)
    assert choose_heard(selector, HESITATION, hesitations + others) is not first


def test_a_clip_that_comes_late() -> None:
    """A clip that may not be played for a while (it claims work) comes once when it may, not often to catch up."""
    always, sometimes = clips_named("ab"), clips_named("c")
    selector = Selector("shuffle", random.Random(1))
    for _ in range(3):
        assert {choose_heard(selector, HESITATION, always).id for _ in range(2)} == {"a", "b"}
    assert choose_heard(selector, HESITATION, always + sometimes).id == "c"
    assert {choose_heard(selector, HESITATION, always + sometimes).id for _ in range(2)} == {"a", "b"}


@pytest.mark.parametrize("order", ORDERS)
def test_the_only_clip_is_repeated(order: Literal["shuffle", "round_robin", "random"]) -> None:
    """One clip is better than none, also right after itself."""
    selector = Selector(order, random.Random(1))
    assert [choose_heard(selector, HESITATION, clips_named("a")).id for _ in range(3)] == ["a"] * 3


@pytest.mark.parametrize("order", ORDERS)
def test_no_clip_of_the_kind(order: Literal["shuffle", "round_robin", "random"]) -> None:
    """Without a clip of the kind there is none, not one of another kind."""
    selector = Selector(order, random.Random(1))
    assert selector.choose(Wanted(Kind.PHRASE), clips_named("ab")) is None
    assert selector.choose(HESITATION, []) is None


def test_round_robin_keeps_the_packs_order() -> None:
    """round_robin goes through the clips as the pack lists them, again and again."""
    selector = Selector("round_robin", random.Random(1))
    clips = [plain_clip(name, weight=weight) for name, weight in [("c", 0.1), ("a", 9.0), ("b", 1.0)]]
    assert "".join(choose_heard(selector, HESITATION, clips).id for _ in range(7)) == "cabcabc"


def test_random_may_repeat() -> None:
    """random does not look back, so the same clip comes twice in a row now and then."""
    selector = Selector("random", random.Random(1))
    heard = [choose_heard(selector, HESITATION, clips_named("abc")).id for _ in range(60)]
    assert any(one == other for one, other in itertools.pairwise(heard))
    assert set(heard) == set("abc")


@pytest.mark.parametrize("order", ["shuffle", "random"])
def test_weights(order: Literal["shuffle", "random"]) -> None:
    """A clip of weight 3 comes first three times as often as one of weight 1 (within 4 standard errors)."""
    clips = [plain_clip("rare"), plain_clip("often", weight=3.0)]
    rng = random.Random(7)
    firsts = Counter(choose_heard(Selector(order, rng), HESITATION, clips).id for _ in range(4000))
    assert abs(firsts["often"] / 4000 - 0.75) < 4 * (0.75 * 0.25 / 4000) ** 0.5


@pytest.mark.parametrize("order", ORDERS)
def test_same_seed_same_clips(order: Literal["shuffle", "round_robin", "random"], bank: ClipBank) -> None:
    """The same seed and the same calls give the same clips; another seed gives others."""
    wishes = [Wanted(kind) for kind in (Kind.HESITATION, Kind.PHRASE, Kind.BACKCHANNEL)] * 8

    def played(seed: int) -> list[str]:
        selector = Selector(order, random.Random(seed))
        return [choose_heard(selector, wanted, list(bank.catalog)).id for wanted in wishes]

    assert played(5) == played(5)
    assert (played(5) == played(6)) is (order == "round_robin")


# Lengths -------------------------------------------------------------------------------------------------------


def test_the_nearest_length_is_taken() -> None:
    """A wish for a length gets the nearest one; within the tolerance all are equal."""
    clips = [plain_clip(name, frames=frames) for name, frames in [("a", 400), ("b", 500), ("c", 900)]]
    near = {Selector("shuffle", random.Random(s)).choose(Wanted(Kind.HESITATION, 0.8), clips) for s in range(30)}
    assert {clip.id for clip in near if clip} == {"c"}
    wide = {Selector("shuffle", random.Random(s)).choose(Wanted(Kind.HESITATION, 0.45, 0.06), clips) for s in range(30)}
    assert {clip.id for clip in wide if clip} == {"a", "b"}


def test_variety_goes_before_length() -> None:
    """A clip of another length is taken before one that was just heard."""
    clips = [plain_clip("a", frames=400), plain_clip("b", frames=900)]
    selector = Selector("shuffle", random.Random(1))
    assert [choose_heard(selector, Wanted(Kind.HESITATION, 0.4), clips).id for _ in range(4)] == ["a", "b", "a", "b"]


# Progress ------------------------------------------------------------------------------------------------------


@given(
    orders=st.lists(st.none() | st.integers(1, 5), min_size=1, max_size=6), place=st.integers(1, 7), seed=st.integers()
)
def test_progress_lines_by_place(orders: list[int | None], place: int, seed: int) -> None:
    """At each place a line of that order is said, else of the highest order below it, else any."""
    clips = [plain_clip(f"c{i}", Kind.PROGRESS, order=order) for i, order in enumerate(orders)]
    chosen = Selector("shuffle", random.Random(seed)).choose(Wanted(Kind.PROGRESS, place=place), clips)
    assert chosen is not None
    reached = [order for order in orders if order is not None and order <= place]
    if reached:
        assert chosen.order == max(reached)


def test_progress_lines_in_a_long_turn(bank: ClipBank) -> None:
    """The bundled lines come in their order, and the last order goes on."""
    selector = Selector("shuffle", random.Random(1))
    lines = [choose_heard(selector, Wanted(Kind.PROGRESS, place=n), list(bank.catalog)) for n in range(1, 6)]
    assert [line.order for line in lines] == [1, 2, 3, 3, 3]


# Language and voice --------------------------------------------------------------------------------------------

BED = plain_clip("bed", Kind.AMBIENCE, language=NO_LANGUAGE, voice=None, text=None)
TONGUES = [
    plain_clip("us", language="en-US", voice="ann"),
    plain_clip("us2", language="en-US", voice="bob"),
    plain_clip("gb", language="en-GB", voice="ann"),
    plain_clip("de", language="de-DE", voice="ann"),
    plain_clip("nobody", language="de-DE", voice=None),
    BED,
]


@pytest.mark.parametrize(
    ("language", "voice", "fitting"),
    [
        ("en-US", None, {"us", "us2"}),
        ("EN-us", None, {"us", "us2"}),
        ("en-US", "ann", {"us"}),
        ("en-GB", None, {"gb"}),
        ("en-AU", None, {"us", "us2", "gb"}),  # no such tag: any of the same language
        ("en", "ann", {"us", "gb"}),
        ("en_AU", "bob", {"us2"}),
        ("en-GB", "bob", {"us2"}),  # the voice is not to change, so the tag may
        ("de-AT", "ann", {"de"}),
        ("de-DE", "bob", set()),  # never somebody else's voice, nor one that is not known
        ("fr-FR", None, set()),  # never another language
        ("e", None, set()),
        ("eng", None, set()),
    ],
)
def test_language_and_voice(language: str, voice: str | None, fitting: set[str]) -> None:
    """The exact tag, else the same language, always in the voice asked for; clips without words always fit."""
    assert {clip.id for clip in usable_clips(TONGUES, language=language, voice=voice)} == {"bed", *fitting}


@given(
    language=st.sampled_from(["en", "en-US", "en-GB", "de", "de-CH", "fr", "pt-BR"]),
    voice=st.sampled_from([None, "ann", "bob", "eve"]),
)
def test_never_another_language_or_voice(language: str, voice: str | None) -> None:
    """Nothing spoken ever fits that is of another language or voice."""
    for clip in usable_clips(TONGUES, language=language, voice=voice):
        if clip.language != NO_LANGUAGE:
            assert clip.language.split("-")[0] == language.split("-")[0]
            assert voice is None or clip.voice == voice


# Phrases -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "phrase",
    [
        "Let me check that for you.",
        "let me check that for you",
        "LET ME CHECK THAT, FOR YOU!",
        "  Let me   check that for you ",
        "check-that",
        "Check that",
    ],
)
def test_phrase_matches(phrase: str, bank: ClipBank) -> None:
    """A phrase is matched by text or id; case, punctuation and spaces do not count."""
    assert [clip.id for clip in matching_phrases(bank.catalog, [phrase])] == ["check-that"]


@pytest.mark.parametrize("phrase", ["Let me check", "check", "...", "", "Let me check that for you please"])
def test_phrase_does_not_match(phrase: str, bank: ClipBank) -> None:
    """A part of a text is another text; punctuation alone matches nothing, not even what has no words."""
    assert matching_phrases(bank.catalog, [phrase]) == ()


def test_no_phrases_asked_for(bank: ClipBank) -> None:
    """None means all, and an empty list means none."""
    assert matching_phrases(bank.catalog, None) == bank.catalog
    assert matching_phrases(bank.catalog, ()) == ()


def test_phrases_keep_the_packs_order(bank: ClipBank) -> None:
    """The pack's order stays, whatever the order of the phrases."""
    found = matching_phrases(bank.catalog, ["one-moment", "Well", "um"])
    assert [clip.id for clip in found] == ["um", "well", "one-moment"]
