"""Fillers that are in no pack: offered for a moment, by an agent's server for example."""

import itertools
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import stopgap
from hypothesis import given
from hypothesis import strategies as st
from stopgap import ClipBank, FillerManager, FrameOutput, Kind, MemoryOutput, SilentOutput, UsageError, VirtualClock
from stopgap.fillers import Samples

RATE = 24_000
QUIET: dict[str, Any] = {"mode": "none"}
PHRASE_AT_2: dict[str, Any] = {"mode": "ladder", "seed": 1, "ladder": [{"after_ms": 2000, "kind": "phrase"}]}
PREDICTIVE: dict[str, Any] = {"seed": 1, "prediction": {"expected_ms": 4000}}


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(100.0)


@pytest.fixture
def quiet(clock: VirtualClock, bank: ClipBank) -> Iterator[FillerManager]:
    """A manager whose plan is to say nothing."""
    with FillerManager(stopgap.load_config(QUIET), clock=clock, bank=bank) as manager:
        yield manager


@pytest.fixture
def ladder(clock: VirtualClock, bank: ClipBank) -> Iterator[FillerManager]:
    """A manager that says a phrase after 2 s."""
    with FillerManager(stopgap.load_config(PHRASE_AT_2), clock=clock, bank=bank) as manager:
        yield manager


def voice(seconds: float = 1.0, rate: int = 16_000, level: float = 0.2) -> Samples:
    """Return a tone without a silent sample at its start."""
    return np.asarray(level * np.cos(np.arange(round(seconds * rate)) * 0.05), np.float32)


def test_it_is_heard_at_once_and_whole(quiet: FillerManager, clock: VirtualClock) -> None:
    """An offered filler sounds at once, at the line's rate, and the record tells it like any other."""
    output = MemoryOutput(RATE)
    turn = quiet.session(output).begin()
    clock.advance(1.0)
    assert turn.offer_filler(voice(), 16_000, text="one moment")
    clock.advance(3.0)
    (sound,) = turn.record.sounds
    assert (sound.kind, sound.text, sound.reason, sound.cut) == (Kind.PHRASE, "one moment", "offered", False)
    assert sound.start_s == pytest.approx(1.0, abs=0.001)
    assert sound.end_s == pytest.approx(2.0, abs=0.002)
    heard = np.flatnonzero(np.abs(output.samples) > 1e-3)
    assert heard[0] / RATE == pytest.approx(1.0, abs=0.005)
    assert heard[-1] / RATE == pytest.approx(2.0, abs=0.005)
    assert np.abs(output.samples).max() == pytest.approx(0.2, abs=0.02)


def test_it_yields_to_the_reply_like_any_other(quiet: FillerManager, clock: VirtualClock) -> None:
    """A reply near its end waits for the end; one that comes early has it fade by its kind's rule."""
    for written_after_s, held_back_s, cut in ((0.7, 0.3, False), (0.2, 0.06, True)):
        turn = quiet.session(MemoryOutput(RATE)).begin()
        turn.offer_filler(voice(), 16_000)
        clock.advance(written_after_s)
        turn.write(voice(0.5, RATE))
        turn.finish()
        clock.advance(2.0)
        assert turn.record.reply_delay_s == pytest.approx(held_back_s, abs=0.005)
        assert turn.record.sounds[0].cut is cut


def test_what_sounds_already_wins(ladder: FillerManager, clock: VirtualClock) -> None:
    """While a filler sounds no other one is taken, however much it is wanted; afterwards the gap is kept."""
    turn = ladder.session(MemoryOutput(RATE)).begin()
    clock.advance(2.1)
    assert not turn.offer_filler(voice(), 16_000, insist=True)
    assert "an offered filler was left out: a filler sounds" in turn.record.notes
    while turn.record.sounds[0].end_s is None:
        clock.advance(0.05)
    assert turn.offer_filler(voice(), 16_000)
    clock.advance(2.0)
    first, second = turn.record.sounds
    assert first.end_s is not None
    assert second.start_s - first.end_s == pytest.approx(0.3, abs=0.002)


def test_a_planned_filler_that_is_near_wins_unless_the_caller_insists(
    ladder: FillerManager, clock: VirtualClock
) -> None:
    """An offer that would still sound when a planned filler is due is left out; insisted on, it takes its place."""
    turn = ladder.session(MemoryOutput(RATE)).begin()
    clock.advance(1.5)
    assert not turn.offer_filler(voice(), 16_000)
    clock.advance(3.0)
    assert [round(sound.start_s, 3) for sound in turn.record.sounds] == [2.0]
    turn = ladder.session(MemoryOutput(RATE)).begin()
    clock.advance(1.5)
    assert turn.offer_filler(voice(), 16_000, insist=True)
    clock.advance(4.0)
    offered, planned = turn.record.sounds
    assert (round(offered.start_s, 3), offered.reason) == (1.5, "offered")
    assert planned.start_s >= 2.8 - 1e-6


def test_an_offer_long_before_the_plan_is_taken(ladder: FillerManager, clock: VirtualClock) -> None:
    """Where nothing is due for long enough the offer is heard, and the plan goes on after it."""
    turn = ladder.session(MemoryOutput(RATE)).begin()
    clock.advance(0.3)
    assert turn.offer_filler(voice(), 16_000)
    clock.advance(4.0)
    assert [(s.reason == "offered", round(s.start_s, 2)) for s in turn.record.sounds] == [(True, 0.3), (False, 2.0)]


def test_the_same_one_is_not_heard_twice_in_a_turn(quiet: FillerManager, clock: VirtualClock) -> None:
    """A server that repeats itself is heard once in a turn, and again in the next."""
    session = quiet.session(MemoryOutput(RATE))
    for _ in range(2):
        turn = session.begin()
        for _ in range(4):
            turn.offer_filler(voice(), 16_000)
            clock.advance(1.5)
        assert len(turn.record.sounds) == 1
        turn.cancel()


def test_text_is_said_by_a_clip_of_the_packs(quiet: FillerManager, clock: VirtualClock) -> None:
    """A text that a clip of the turn's language says is heard in that voice; another is left out, and noted."""
    turn = quiet.session(MemoryOutput(RATE)).begin()
    said = next(clip for clip in quiet.bank.originals if clip.kind is Kind.PHRASE and clip.text)
    assert not turn.offer_filler(text="The quick brown fox")
    assert turn.record.notes == ("an offered filler was left out: no clip says that",)
    assert turn.offer_filler(text=(said.text or "").upper())
    clock.advance(3.0)
    assert [sound.text for sound in turn.record.sounds] == [said.text]


def test_not_over_a_reply_nor_over_the_user(quiet: FillerManager, clock: VirtualClock) -> None:
    """Nothing is taken while the user speaks, once the reply is there, while a preamble sounds, or after the turn."""
    session = quiet.session(MemoryOutput(RATE))
    turn = session.begin(tentative=True)
    assert not turn.offer_filler(voice(), 16_000)
    turn.commit()
    session.user_speaking()
    assert not turn.offer_filler(voice(), 16_000)
    session.resume()
    turn.write(voice(1.0, RATE))
    assert not turn.offer_filler(voice(), 16_000)
    turn.wait_again()
    clock.advance(0.5)
    assert not turn.offer_filler(voice(), 16_000)
    clock.advance(1.0)
    assert turn.offer_filler(voice(), 16_000)
    turn.finish()
    later = session.begin()
    assert not turn.offer_filler(voice(), 16_000)
    later.cancel()
    assert not later.offer_filler(voice(), 16_000)
    session.close()
    assert not later.offer_filler(voice(), 16_000)
    whys = [note.removeprefix("an offered filler was left out: ") for note in turn.record.notes]
    assert whys == [
        "the end of speech is not confirmed", "the user speaks", "no reply is pending", "a reply sounds",
        "the turn is over",
    ]  # fmt: skip
    assert quiet.statistics()["offers_left_out"] == 7
    assert quiet.statistics()["offers_taken"] == 1


def test_an_offer_waits_for_a_user_who_only_says_ok(quiet: FillerManager, clock: VirtualClock) -> None:
    """A user who speaks while an offered filler sounds silences it, and it does not come back afterwards."""
    output = MemoryOutput(RATE)
    session = quiet.session(output)
    turn = session.begin()
    turn.offer_filler(voice(), 16_000)
    clock.advance(0.3)
    session.user_speaking()
    clock.advance(0.5)
    session.resume()
    clock.advance(2.0)
    assert len(turn.record.sounds) == 1
    assert not output.samples[round(0.33 * RATE) :].any()


def test_limits_and_configuration_hold(clock: VirtualClock, bank: ClipBank) -> None:
    """Limits hold always; what the configuration says of a tool and of kinds holds unless the caller insists."""
    config = {**QUIET, "limits": {"per_turn": 1}, "tools": {"silent": {"silent": True}, "late": {"after_s": 2.0}}}
    with FillerManager(stopgap.load_config(config), clock=clock, bank=bank) as manager:
        turn = manager.session(MemoryOutput(RATE)).begin()
        turn.milestone("tool_started", tool="silent")
        assert not turn.offer_filler(voice(), 16_000)
        turn.milestone("tool_ended", tool="silent")
        turn.milestone("tool_started", tool="late")
        clock.advance(1.9)
        assert not turn.offer_filler(voice(), 16_000)
        assert not turn.offer_filler(voice(), 16_000, kind=Kind.TONE)  # disabled by default
        clock.advance(0.2)
        assert turn.offer_filler(voice(), 16_000)
        clock.advance(2.0)
        assert not turn.offer_filler(voice(0.5), 16_000, insist=True)
        assert turn.record.notes[-1].endswith("the limit of spoken fillers is reached")
        turn = manager.session(MemoryOutput(RATE)).begin()
        turn.milestone("tool_started", tool="silent")
        assert turn.offer_filler(voice(), 16_000, insist=True)


def test_not_over_a_bed_unless_the_caller_insists(clock: VirtualClock, bank: ClipBank) -> None:
    """Where typing covers the wait the offer is left out; insisted on, it is heard over it and the bed goes on."""
    config = {"mode": "ladder", "seed": 1, "ladder": [{"after_ms": 500, "kind": "ambience"}]}
    with FillerManager(stopgap.load_config(config), clock=clock, bank=bank) as manager:
        turn = manager.session(MemoryOutput(RATE)).begin()
        clock.advance(1.0)
        assert not turn.offer_filler(voice(), 16_000)
        assert turn.offer_filler(voice(), 16_000, insist=True)
        clock.advance(2.0)
        bed, offered = turn.record.sounds
        assert bed.end_s is None
        assert offered.start_s == pytest.approx(1.0, abs=0.001)


@pytest.mark.parametrize("news", ["first_token", "tts_started"])
def test_not_once_the_reply_is_announced_unless_the_caller_insists(
    quiet: FillerManager, clock: VirtualClock, news: str
) -> None:
    """A reply that is on its way would be held back by it; a tool that starts after that changes the matter."""
    turn = quiet.session(MemoryOutput(RATE)).begin()
    turn.milestone(news)
    assert not turn.offer_filler(voice(), 16_000)
    turn.milestone("tool_started", tool="lookup")
    assert turn.offer_filler(voice(), 16_000)
    turn = quiet.session(MemoryOutput(RATE)).begin()
    turn.milestone(news)
    assert turn.offer_filler(voice(), 16_000, insist=True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "without audio or text"),
        ({"audio": np.zeros(0, np.float32)}, "filler of 0 s"),
        ({"audio": np.zeros(61 * RATE, np.float32)}, "filler of 61 s"),
        ({"audio": np.full(100, np.nan, np.float32)}, "NaN"),
        ({"audio": np.zeros((100, 2), np.float32)}, "mono"),
        ({"audio": voice(), "rate": 7}, "rate 7"),
        ({"audio": voice(), "kind": "ambience"}, "loops"),
    ],
)
def test_wrong_arguments(quiet: FillerManager, arguments: dict[str, Any], says: str) -> None:
    """What cannot be a filler is refused in one sentence, and nothing is played."""
    turn = quiet.session(MemoryOutput(RATE)).begin()
    with pytest.raises(UsageError, match=says):
        turn.offer_filler(**arguments)
    assert not turn.record.sounds


times = st.floats(0.0, 6.0)


@given(offers=st.lists(st.tuples(times, st.booleans()), max_size=6), reply_s=times, predictive=st.booleans())
def test_offers_never_overlap_fillers_or_the_reply(
    bank: ClipBank, offers: list[tuple[float, bool]], reply_s: float, predictive: bool
) -> None:
    """Whatever is offered when, spoken fillers keep their distance, and none starts after the reply."""
    clock = VirtualClock()
    config = stopgap.load_config(PREDICTIVE if predictive else PHRASE_AT_2)
    with FillerManager(config, clock=clock, bank=bank) as manager:
        turn = manager.session(MemoryOutput(RATE)).begin()
        for place, (at, insist) in enumerate(sorted(offers)):
            if at < reply_s:
                clock.advance(at - clock.now())
                turn.offer_filler(voice(0.4 + place / 10), 16_000, insist=insist)
        clock.advance(reply_s - clock.now())
        turn.write(voice(1.0, RATE))
        turn.finish()
        clock.advance(5.0)
        record = turn.record
    spoken = sorted((s for s in record.sounds if s.kind.spoken), key=lambda s: s.start_s)
    for one, other in itertools.pairwise(spoken):
        assert one.end_s is not None
        assert other.start_s >= one.end_s + 0.3 - 0.001
    assert record.reply_heard_s is not None
    assert record.reply_delay_s is not None
    assert record.reply_delay_s <= 0.61
    assert all(s.end_s is not None and s.end_s <= record.reply_heard_s + 0.0201 for s in record.sounds)


@pytest.mark.parametrize("config", [{"seed": 1}, QUIET, PHRASE_AT_2])
def test_many_threads_offer_at_once(bank: ClipBank, config: dict[str, Any]) -> None:
    """On a real clock, of offers from many threads one is heard, and a plan made meanwhile does not lose it."""
    with FillerManager(stopgap.load_config(config), bank=bank) as manager:
        output = FrameOutput(RATE, 20)
        turn = manager.session(output).begin()
        taken: list[bool] = []

        def offer() -> None:
            taken.append(turn.offer_filler(voice(), 16_000, insist=True))

        ways = [threading.Thread(target=offer) for _ in range(8)]
        for way in ways:
            way.start()
        for way in ways:
            way.join()
        assert taken.count(True) == 1
        turn.milestone("llm_started")
        for _ in range(10):
            output.read()
        assert [sound.reason for sound in turn.record.sounds][:1] == ["offered"]


def test_nothing_is_heard_of_an_offer_whose_moment_has_passed(quiet: FillerManager, clock: VirtualClock) -> None:
    """On a line that nobody pulls, an offer is not kept for later: news after a second no longer arm it."""
    turn = quiet.session(FrameOutput(RATE, 20)).begin()
    assert turn.offer_filler(voice(), 16_000)
    clock.advance(1.5)
    turn.milestone("llm_started")
    output = turn._line.output
    assert isinstance(output, FrameOutput)
    for _ in range(20):
        output.read()
    assert not turn.record.sounds


def test_it_counts_where_the_transport_plays_the_reply(quiet: FillerManager, clock: VirtualClock) -> None:
    """Where the reply has a path of its own the offered filler fades beneath it."""
    turn = quiet.session(SilentOutput(RATE, owns_reply=False)).begin()
    turn.offer_filler(voice(), 16_000)
    clock.advance(0.5)
    turn.reply_started()
    turn.finish()
    clock.advance(1.0)
    (sound,) = turn.record.sounds
    assert sound.end_s is not None
    assert sound.end_s <= 0.5201
