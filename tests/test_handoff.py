"""How a playing filler yields to the reply, at 1000 Hz: a frame is a millisecond."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stopgap.engine.mixer import ArmedCue, Ending, HandoffFrames, Heard, MixerEvent, Schedule, ending
from stopgap.fillers import Clip, Config, Handoff, Kind

MakeClip = Callable[..., Clip]
MakeCue = Callable[..., ArmedCue]

DECLICK = 8
"""Frames of the fade in front of a mark inside a clip (8 ms)."""


def rule(**numbers: float) -> HandoffFrames:
    return HandoffFrames.at_rate(Handoff(**numbers), 1000)


def handed_over(cues: list[ArmedCue], at: int, reply: int = 1000) -> list[MixerEvent]:
    """Return what happens when *cues* play and a reply of *reply* frames is there at frame *at*."""
    schedule = Schedule(1000)
    schedule.arm(cues)
    schedule.advance(at)
    schedule.write(reply)
    schedule.end_reply()
    schedule.advance(1_000_000)
    return schedule.events


def reply_start(events: list[MixerEvent]) -> int:
    (start,) = [event.frame for event in events if event.what is Heard.REPLY_STARTED]
    return start


def end_of(cue: ArmedCue, events: list[MixerEvent]) -> tuple[int, bool]:
    (end,) = [(event.frame, event.cut) for event in events if event.what is Heard.ENDED and event.cue == cue.id]
    return end


FINISH = rule(max_finish_ms=600, fade_ms=60)
QUICK = rule(min_play_ms=200, fade_ms=40)
CASES = [
    # played, length, marks, rule, what is expected
    (300, 2000, (800, 2000), FINISH, Ending(800, DECLICK, cut=False), "the next mark is 500 ms away"),
    (200, 2000, (800, 2000), FINISH, Ending(800, DECLICK, cut=False), "exactly as far away as allowed"),
    (199, 2000, (800, 2000), FINISH, Ending(259, 60, cut=True), "one millisecond too far: faded"),
    (300, 2000, (400, 800, 2000), FINISH, Ending(400, DECLICK, cut=False), "the first of two marks"),
    (395, 2000, (400, 800, 2000), FINISH, Ending(800, DECLICK, cut=False), "too close to fade in front of it"),
    (810, 2000, (800, 2000), FINISH, Ending(870, 60, cut=True), "no mark left but an end too far away"),
    (1500, 2000, (800, 2000), FINISH, Ending(2000, 0, cut=False), "the end is near enough"),
    (1999, 2000, (2000,), rule(fade_ms=40), Ending(2000, 0, cut=False), "about to end: not cut"),
    (1960, 2000, (2000,), rule(fade_ms=40), Ending(2000, 0, cut=False), "ends within its fade: not cut"),
    (1959, 2000, (2000,), rule(fade_ms=40), Ending(1999, 40, cut=True), "a cut that saves a millisecond"),
    (500, 2000, (), rule(fade_ms=0), Ending(500, 0, cut=True), "a hard cut where it is asked for"),
    (50, 900, (900,), QUICK, Ending(240, 40, cut=True), "sounds at least min_play, then fades"),
    (300, 900, (900,), QUICK, Ending(340, 40, cut=True), "min_play is over: fades at once"),
    (50, 150, (150,), QUICK, Ending(150, 0, cut=False), "shorter than min_play: plays whole"),
    (50, 230, (230,), QUICK, Ending(230, 0, cut=False), "ends while the fade would run: plays whole"),
    (50, 900, (120, 300, 900), rule(min_play_ms=200, max_finish_ms=300, fade_ms=40), Ending(300, DECLICK, cut=False),
     "a mark before min_play does not count"),
    (500, None, (), rule(fade_ms=20), Ending(520, 20, cut=False), "a loop is faded, which is no cut"),
    (5, None, (), rule(min_play_ms=100, fade_ms=20), Ending(120, 20, cut=False), "a loop keeps min_play too"),
]  # fmt: skip


@pytest.mark.parametrize(("played", "length", "marks", "numbers", "expected", "why"), CASES, ids=[c[-1] for c in CASES])
def test_ending(
    played: int, length: int | None, marks: tuple[int, ...], numbers: HandoffFrames, expected: Ending, why: str
) -> None:
    """The four numbers decide where a clip ends when the reply is there."""
    assert ending(played, length, marks, numbers) == expected


@given(
    played=st.integers(0, 3000),
    rest=st.integers(1, 3000),
    marks=st.sets(st.integers(1, 6000)),
    min_play=st.integers(0, 4000),
    max_finish=st.integers(0, 2000),
    fade=st.integers(0, 300),
)
def test_ending_keeps_its_promises(
    played: int, rest: int, marks: set[int], min_play: int, max_finish: int, fade: int
) -> None:
    """Any clip sounds at least min_play or whole, ends by max_finish or its fade, and is cut only away from marks."""
    length = played + rest
    places = (*sorted(mark for mark in marks if mark < length), length)
    how = ending(played, length, places, rule(min_play_ms=min_play, max_finish_ms=max_finish, fade_ms=fade))
    earliest = max(played, min_play)
    assert how.end - how.fade >= min(earliest, length)
    assert played <= how.end <= max(played + max_finish, min(earliest + fade, length))
    assert how.end <= length
    assert how.cut or how.end in places
    reachable = [mark for mark in places if earliest + (DECLICK if mark < length else 0) <= mark <= played + max_finish]
    assert not (how.cut and reachable)


def test_phrase_finishes_and_the_reply_follows_without_a_gap(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """By default a phrase plays on to a mark within 600 ms, and the reply starts in the next frame."""
    cue = make_cue(make_clip("phrase", 2000, marks=[900]), 1000)
    events = handed_over([cue], 1400)
    assert end_of(cue, events) == (1900, False)
    assert reply_start(events) == 1900


def test_phrase_without_a_mark_near_enough_is_cut(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """By default a phrase that would hold the reply back for more than 600 ms fades over 60 ms: a cut."""
    cue = make_cue(make_clip("phrase", 2000, marks=[900]), 1000)
    events = handed_over([cue], 1200)
    assert end_of(cue, events) == (1260, True)
    assert reply_start(events) == 1260


def test_hesitation_yields_after_200_ms(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """By default a hesitation sounds for 200 ms and then fades over 40 ms."""
    cue = make_cue(make_clip("hesitation", 900), 1000)
    assert reply_start(handed_over([cue], 1010)) == 1240
    assert reply_start(handed_over([cue], 1500)) == 1540


def test_beds_fade_at_once_by_default(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """A bed alone fades over 20 ms, uncut, beneath a reply that it does not hold back."""
    cue = make_cue(make_clip("ambience", 300), 1000)
    events = handed_over([cue], 5000)
    assert end_of(cue, events) == (5020, False)
    assert reply_start(events) == 5000


def test_bed_goes_on_beneath_the_words(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """The spoken filler decides: a bed beneath it stays until the last word and is gone when the reply starts."""
    bed = make_cue(make_clip("ambience", 300), 500)
    phrase = make_cue(make_clip("phrase", 2000, marks=[900]), 1000, gap_ms=150)
    for order in ([bed, phrase], [phrase, bed]):
        events = handed_over(order, 1400)
        assert end_of(phrase, events) == (1900, False)
        assert end_of(bed, events) == (1900, False)
        assert reply_start(events) == 2050


def test_bed_does_not_forbid_an_overlap(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """Where the reply is to overlap the last word, a bed makes way for it earlier."""
    bed = make_cue(make_clip("ambience", 300), 500)
    phrase = make_cue(make_clip("phrase", 2000, marks=[900]), 1000, gap_ms=-120)
    events = handed_over([bed, phrase], 1400)
    assert reply_start(events) == 1780
    assert end_of(bed, events) == (1780, False)
    assert end_of(phrase, events) == (1900, False)


def test_of_two_spoken_fillers_the_later_end_decides(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """The reply waits for both; each ends by its own kind's rule."""
    hesitation = make_cue(make_clip("hesitation", 900), 1200)
    phrase = make_cue(make_clip("phrase", 2000, marks=[900]), 1000)
    events = handed_over([hesitation, phrase], 1400)
    assert end_of(hesitation, events) == (1440, True)
    assert reply_start(events) == 1900


@pytest.mark.parametrize(("gap", "start"), [(0, 1900), (250, 2150), (-300, 1600), (-490, 1410), (-5000, 1400)])
def test_gap_is_kept_to_the_frame(gap: int, start: int, make_clip: MakeClip, make_cue: MakeCue) -> None:
    """The reply starts *gap* after the filler's end, or before it, but never before it exists."""
    cue = make_cue(make_clip("phrase", 2000, marks=[900]), 1000, gap_ms=gap)
    events = handed_over([cue], 1400)
    assert reply_start(events) == start
    assert end_of(cue, events) == (1900, False)


def test_gap_counts_from_a_filler_that_has_just_ended(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """A reply that comes within the gap after a filler's own end waits for the rest of it; a later one does not."""
    cue = make_cue(make_clip("phrase", 400), 1000, gap_ms=500)
    assert reply_start(handed_over([cue], 1600)) == 1900
    assert reply_start(handed_over([cue], 1950)) == 1950


def test_lex_settings(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """Amazon Lex's "minimum play time" and pause: the reply waits for 3 s of the filler and 500 ms of silence."""
    numbers = {"min_play_ms": 3000, "max_finish_ms": 0, "fade_ms": 0, "gap_ms": 500}
    long = make_cue(make_clip("phrase", 9000, marks=[4000]), 1000, **numbers)
    events = handed_over([long], 1500)
    assert end_of(long, events) == (4000, True)
    assert reply_start(events) == 4500
    short = make_cue(make_clip("phrase", 1200), 1000, **numbers)
    events = handed_over([short], 1500)
    assert end_of(short, events) == (2200, False)
    assert reply_start(events) == 2700


def test_fifo_settings(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """A queue that plays in order, as most peers do: what has begun is played to its end, however long."""
    cue = make_cue(make_clip("phrase", 60_000), 1000, max_finish_ms=600_000)
    events = handed_over([cue], 1001)
    assert end_of(cue, events) == (61_000, False)
    assert reply_start(events) == 61_000


def test_release_ends_words_at_their_next_mark_and_leaves_beds(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """An announced reply drops what has not started and lets the words end at a mark; beds go on."""
    phrase = make_cue(make_clip("phrase", 4000, marks=[900, 2500]), 1000)
    bed = make_cue(make_clip("ambience", 300), 1000)
    later = make_cue(make_clip("phrase", 100), 9000)
    schedule = Schedule(1000)
    schedule.arm([phrase, bed, later])
    schedule.advance(2000)
    schedule.release()
    schedule.advance(20_000)
    assert end_of(phrase, schedule.events) == (3500, False)
    assert [voice.cue.id for voice in schedule.voices] == [bed.id]
    assert len([event for event in schedule.events if event.what is Heard.STARTED]) == 2


def test_release_never_cuts(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """Without a mark inside, or before min_play, an announced reply changes nothing."""
    plain = make_cue(make_clip("phrase", 2000), 0)
    early = make_cue(make_clip("phrase", 2000, marks=[300]), 0, min_play_ms=1000)
    schedule = Schedule(1000)
    schedule.arm([plain, early])
    schedule.advance(100)
    schedule.release()
    schedule.advance(5000)
    assert end_of(plain, schedule.events) == (2000, False)
    assert end_of(early, schedule.events) == (2000, False)


def test_reply_after_release_may_come_sooner_than_the_mark(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """A filler released to a far mark still yields to the reply by the rule when that is there."""
    cue = make_cue(make_clip("phrase", 4000, marks=[3000]), 0)
    schedule = Schedule(1000)
    schedule.arm([cue])
    schedule.advance(500)
    schedule.release()
    schedule.advance(1000)
    schedule.write(100)
    schedule.advance(5000)
    assert end_of(cue, schedule.events) == (1060, True)
    assert reply_start(schedule.events) == 1060


def test_handoff_waits_for_the_preroll(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """The filler plays on until the preroll is there; only then it yields."""
    cue = make_cue(make_clip("hesitation", 900), 0)
    schedule = Schedule(1000, preroll=200)
    schedule.arm([cue])
    schedule.advance(300)
    schedule.write(100)
    schedule.advance(400)
    schedule.write(100)
    schedule.advance(5000)
    assert end_of(cue, schedule.events) == (440, True)
    assert reply_start(schedule.events) == 440


def test_defaults_at_another_rate() -> None:
    """The numbers are milliseconds: at 48 kHz a hesitation's 200 ms are 9600 frames."""
    numbers = HandoffFrames.at_rate(Config().handoff.of(Kind.HESITATION), 48_000)
    assert (numbers.min_play, numbers.fade, numbers.declick) == (9600, 1920, 384)
