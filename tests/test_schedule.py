"""What sounds from which frame to which, at 1000 Hz: a frame is a millisecond."""

from collections.abc import Callable

import pytest
from stopgap.engine.mixer import MAX_CUES, MAX_REPLIES, MAX_VOICES, ArmedCue, Heard, MixerEvent, Schedule
from stopgap.fillers import Clip

MakeClip = Callable[..., Clip]
MakeCue = Callable[..., ArmedCue]


def of(schedule: Schedule, what: Heard) -> list[MixerEvent]:
    return [event for event in schedule.events if event.what is what]


def frames(schedule: Schedule, what: Heard) -> list[int]:
    return [event.frame for event in of(schedule, what)]


def test_cue_starts_and_ends_to_the_frame(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """A cue sounds from its start for exactly its clip's length, however the schedule is moved."""
    cue = make_cue(make_clip("phrase", 400), 700)
    for stops in ([5000], [699, 700, 701, 1099, 1100, 1101, 5000], range(0, 5001, 7)):
        schedule = Schedule(1000)
        schedule.arm([cue])
        for frame in stops:
            schedule.advance(frame)
        assert schedule.events == [
            MixerEvent(Heard.STARTED, 700, 700, cue.id),
            MixerEvent(Heard.ENDED, 1100, 1100, cue.id),
        ]


def test_belated_cue_starts_at_once_and_says_so(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """Armed in the past, a cue starts now, from its first sample, and the event keeps the requested frame."""
    schedule = Schedule(1000)
    schedule.advance(1000)
    cue = make_cue(make_clip("phrase", 400), 700)
    schedule.arm([cue])
    schedule.advance(2000)
    assert schedule.events == [
        MixerEvent(Heard.STARTED, 1000, 700, cue.id),
        MixerEvent(Heard.ENDED, 1400, 1400, cue.id),
    ]


def test_belated_cue_is_skipped_where_that_was_asked_for(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """A cue that must not be late is reported as skipped; one that is on time plays."""
    schedule = Schedule(1000)
    schedule.advance(1000)
    late = make_cue(make_clip("phrase", 400), 999, allow_belated=False)
    due = make_cue(make_clip("phrase", 400), 1000, allow_belated=False)
    schedule.arm([late, due])
    schedule.settle()
    assert [(event.what, event.cue) for event in schedule.events] == [
        (Heard.SKIPPED, late.id),
        (Heard.STARTED, due.id),
    ]


def test_cues_start_in_the_order_of_their_frames(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """The order in which cues are handed over does not matter."""
    clip = make_clip("phrase", 100)
    cues = [make_cue(clip, start) for start in (900, 100, 500)]
    schedule = Schedule(1000)
    schedule.arm(cues)
    schedule.advance(2000)
    assert frames(schedule, Heard.STARTED) == [100, 500, 900]


def test_arming_replaces_only_what_has_not_started(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """A new cue sheet takes the place of the old one; the cue that sounds plays on to its end."""
    clip = make_clip("phrase", 400)
    old, dropped, new = (make_cue(clip, start) for start in (100, 800, 900))
    schedule = Schedule(1000)
    schedule.arm([old, dropped])
    schedule.advance(200)
    schedule.arm([new])
    schedule.advance(2000)
    assert [(event.what, event.cue, event.frame) for event in schedule.events] == [
        (Heard.STARTED, old.id, 100),
        (Heard.ENDED, old.id, 500),
        (Heard.STARTED, new.id, 900),
        (Heard.ENDED, new.id, 1300),
    ]


def test_disarm_drops_what_is_to_come_and_lets_sound_go_on(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """After `disarm` no cue starts, and what sounds is not cut."""
    clip = make_clip("phrase", 400)
    schedule = Schedule(1000)
    schedule.arm([make_cue(clip, 100), make_cue(clip, 800)])
    schedule.advance(200)
    schedule.disarm()
    schedule.advance(2000)
    assert [(event.what, event.frame, event.cut) for event in schedule.events] == [
        (Heard.STARTED, 100, False),
        (Heard.ENDED, 500, False),
    ]


def test_loop_plays_to_its_end_frame(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """A loop goes round until the frame that was set for it, which is no cut; one without sounds on."""
    bed = make_clip("ambience", 100)
    schedule = Schedule(1000)
    schedule.arm([make_cue(bed, 50, end=1234), make_cue(bed, 60)])
    schedule.advance(100_000)
    assert [(event.frame, event.cut) for event in of(schedule, Heard.ENDED)] == [(1234, False)]
    assert len(schedule.voices) == 1


def test_loop_whose_time_is_over_is_skipped(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """A loop armed after its own end is reported as skipped."""
    schedule = Schedule(1000)
    schedule.advance(500)
    schedule.arm([make_cue(make_clip("hold", 100), 100, end=500)])
    schedule.settle()
    assert [event.what for event in schedule.events] == [Heard.SKIPPED]


def test_thirty_third_voice_is_skipped(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """32 voices sound at once; the next one is reported, and is possible again when one has ended."""
    clip = make_clip("phrase", 400)
    cues = [make_cue(clip, 100) for _ in range(MAX_VOICES + 1)]
    later = make_cue(clip, 500)
    schedule = Schedule(1000)
    schedule.arm([*cues, later])
    schedule.advance(450)
    assert MAX_VOICES == 32
    assert len(schedule.voices) == 32
    assert [event.cue for event in of(schedule, Heard.SKIPPED)] == [cues[-1].id]
    schedule.advance(500)
    assert [voice.cue.id for voice in schedule.voices] == [later.id]


def test_reply_alone_starts_at_once(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """With nothing sounding the reply starts in the frame in which it is there, and disarms the cue sheet."""
    schedule = Schedule(1000)
    schedule.arm([make_cue(make_clip("phrase", 400), 700)])
    schedule.advance(600)
    schedule.write(300)
    schedule.end_reply()
    schedule.advance(5000)
    assert schedule.events == [
        MixerEvent(Heard.REPLY_STARTED, 600, 600, reply=0),
        MixerEvent(Heard.REPLY_ENDED, 900, 600, reply=0),
    ]


def test_preroll_holds_the_reply_back(make_clip: MakeClip) -> None:
    """The handoff waits for the preroll, or for the reply's end if that is shorter."""
    schedule = Schedule(1000, preroll=200)
    schedule.write(150)
    schedule.advance(100)
    assert schedule.reply_waiting
    schedule.write(50)
    schedule.settle()
    assert schedule.events == [MixerEvent(Heard.REPLY_STARTED, 100, 0, reply=0)]
    short = Schedule(1000, preroll=200)
    short.write(150)
    short.advance(30)
    short.end_reply()
    short.settle()
    assert frames(short, Heard.REPLY_STARTED) == [30]


def test_dry_reply_is_reported_once_and_goes_on(make_clip: MakeClip) -> None:
    """A reply that runs dry is starved once per gap, and goes on in the frame in which more arrives."""
    schedule = Schedule(1000)
    schedule.write(100)
    schedule.advance(400)
    schedule.advance(450)
    schedule.write(100)
    schedule.advance(500)
    assert schedule.reply_queued == 50
    schedule.end_reply()
    schedule.advance(1000)
    assert [(event.what, event.frame) for event in schedule.events] == [
        (Heard.REPLY_STARTED, 0),
        (Heard.REPLY_STARVED, 100),
        (Heard.REPLY_ENDED, 550),
    ]


def test_another_reply_ends_the_one_before(make_clip: MakeClip) -> None:
    """A reply whose end nobody told is complete when the next one begins, dry or not, and does not bar its way."""
    schedule = Schedule(1000, preroll=50)
    schedule.write(100, reply=1)
    schedule.advance(300)
    schedule.write(10, reply=2)
    schedule.write(200, reply=3)
    schedule.settle()
    schedule.advance(400)
    schedule.end_reply()
    schedule.advance(1000)
    assert [(event.what, event.reply, event.frame) for event in schedule.events] == [
        (Heard.REPLY_STARTED, 1, 0),
        (Heard.REPLY_STARVED, 1, 100),
        (Heard.REPLY_ENDED, 1, 300),
        (Heard.REPLY_STARTED, 2, 300),
        (Heard.REPLY_ENDED, 2, 310),
        (Heard.REPLY_STARTED, 3, 310),
        (Heard.REPLY_ENDED, 3, 510),
    ]


def test_no_cue_is_armed_against_a_reply(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """While a reply is there and open, cues that are armed are dropped."""
    schedule = Schedule(1000)
    schedule.write(100)
    schedule.arm([make_cue(make_clip("phrase", 400), 50)])
    schedule.advance(100)
    schedule.end_reply()
    schedule.advance(5000)
    assert not of(schedule, Heard.STARTED)


def test_cues_wait_behind_a_reply_that_is_complete(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """Behind a preamble whose end is known cues may be armed; those that fall due before its end are left out."""
    clip = make_clip("phrase", 400)
    schedule = Schedule(1000)
    schedule.write(500)
    schedule.end_reply()
    schedule.arm([make_cue(clip, 300), make_cue(clip, 2000)])
    for frame in (100, 300, 400, 5000):
        schedule.advance(frame)
    assert frames(schedule, Heard.REPLY_ENDED) == [500]
    assert frames(schedule, Heard.SKIPPED) == [500]
    assert frames(schedule, Heard.STARTED) == [2000]


def test_hold_fades_and_shifts_the_cue_sheet(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """While the user speaks nothing starts; on `resume` every cue comes later by the time held, loops' ends too."""
    schedule = Schedule(1000)
    schedule.arm(
        [
            make_cue(make_clip("phrase", 900), 100),
            make_cue(make_clip("phrase", 300), 600),
            make_cue(make_clip("ambience", 100), 700, end=1500),
        ]
    )
    schedule.advance(400)
    schedule.hold()
    schedule.advance(2400)
    assert [(event.what, event.frame, event.cut) for event in schedule.events] == [
        (Heard.STARTED, 100, False),
        (Heard.ENDED, 420, True),
    ]
    schedule.events.clear()
    schedule.resume()
    schedule.advance(10_000)
    assert [(event.what, event.frame) for event in schedule.events] == [
        (Heard.STARTED, 2600),
        (Heard.STARTED, 2700),
        (Heard.ENDED, 2900),
        (Heard.ENDED, 3500),
    ]


def test_hold_and_resume_in_one_frame_change_no_start(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """A hold of no length moves no cue; a second hold or resume changes nothing."""
    schedule = Schedule(1000)
    schedule.arm([make_cue(make_clip("phrase", 100), 500)])
    schedule.advance(300)
    for _ in range(2):
        schedule.hold()
    for _ in range(2):
        schedule.resume()
    schedule.advance(600)
    assert frames(schedule, Heard.STARTED) == [500]


def test_reply_waits_while_held(make_clip: MakeClip) -> None:
    """A held reply consumes nothing, and ends later by the time held."""
    schedule = Schedule(1000)
    schedule.write(1000)
    schedule.end_reply()
    schedule.advance(300)
    schedule.hold()
    schedule.advance(800)
    assert schedule.reply_queued == 700
    schedule.resume()
    schedule.advance(5000)
    assert frames(schedule, Heard.REPLY_ENDED) == [1500]


def test_hold_while_the_handoff_is_pending(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """If the user speaks while a filler finishes before the reply, the reply starts on `resume`, once."""
    schedule = Schedule(1000)
    schedule.arm([make_cue(make_clip("phrase", 1000), 0, gap_ms=100)])
    schedule.advance(700)
    schedule.write(500)
    assert schedule.reply_start == 1100
    schedule.advance(800)
    schedule.hold()
    schedule.advance(3000)
    assert not of(schedule, Heard.REPLY_STARTED)
    schedule.resume()
    schedule.end_reply()
    schedule.advance(9000)
    assert of(schedule, Heard.REPLY_STARTED) == [MixerEvent(Heard.REPLY_STARTED, 3000, 3000, reply=0)]
    assert frames(schedule, Heard.REPLY_ENDED) == [3500]


def test_reply_that_arrives_while_held_waits_for_resume(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """A reply that comes while the user speaks drops the cue sheet and sounds only after `resume`."""
    schedule = Schedule(1000)
    schedule.arm([make_cue(make_clip("phrase", 400), 500)])
    schedule.hold()
    schedule.advance(200)
    schedule.write(100)
    schedule.advance(900)
    schedule.resume()
    schedule.advance(5000)
    assert [(event.what, event.frame) for event in schedule.events] == [
        (Heard.REPLY_STARTED, 900),
        (Heard.REPLY_STARVED, 1000),
    ]


def test_flush_drops_cues_and_reply(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """After `flush` what sounds is gone within 20 ms, nothing old comes back, and a new turn may begin at once."""
    clip = make_clip("phrase", 400)
    schedule = Schedule(1000)
    schedule.arm([make_cue(clip, 100), make_cue(clip, 600)])
    schedule.advance(200)
    schedule.write(5000)
    schedule.flush()
    assert (schedule.pending, schedule.reply_queued, schedule.reply_start) == ([], 0, None)
    new = make_cue(clip, 210)
    schedule.arm([new])
    schedule.advance(5000)
    assert [(event.what, event.frame, event.cut) for event in schedule.events] == [
        (Heard.STARTED, 100, False),
        (Heard.STARTED, 210, False),
        (Heard.ENDED, 220, True),
        (Heard.ENDED, 610, False),
    ]


def test_flush_ends_a_hold(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """A turn cancelled while the user speaks leaves the next one free to sound."""
    schedule = Schedule(1000)
    schedule.hold()
    schedule.flush()
    schedule.arm([make_cue(make_clip("phrase", 100), 50)])
    schedule.advance(100)
    assert frames(schedule, Heard.STARTED) == [50]


@pytest.mark.parametrize(("kind", "cut"), [("ambience", False), ("tone", True), ("phrase", False)])
def test_retired_sound_is_cut_only_where_it_would_have_ended(
    kind: str, cut: bool, make_clip: MakeClip, make_cue: MakeCue
) -> None:
    """Retiring fades a bed, which has no place to end, and a tone, which is cut; speech plays on to its end."""
    schedule = Schedule(1000)
    schedule.arm([make_cue(make_clip(kind, 900), 0, fade_ms=50)])
    schedule.advance(100)
    schedule.retire()
    schedule.advance(2000)
    assert [(event.frame, event.cut) for event in of(schedule, Heard.ENDED)] == [
        (900 if kind == "phrase" else 150, cut)
    ]


# The process is stuck -----------------------------------------------------------------------------------------


def test_after_the_horizon_nothing_starts_and_what_sounds_ends(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """Unattended, speech goes on to its next mark, a bed fades, the rest of the sheet is dropped, and it is told."""
    phrase, bed = make_cue(make_clip("phrase", 900, marks=[500]), 100), make_cue(make_clip("ambience", 100), 200)
    schedule = Schedule(1000)
    schedule.arm([phrase, bed, make_cue(make_clip("phrase", 100), 400)])
    schedule.attend(400)
    schedule.advance(5000)
    assert schedule.events == [
        MixerEvent(Heard.STARTED, 100, 100, phrase.id),
        MixerEvent(Heard.STARTED, 200, 200, bed.id),
        MixerEvent(Heard.UNATTENDED, 400, 400),
        MixerEvent(Heard.ENDED, 400 + bed.rule.fade, 400 + bed.rule.fade, bed.id),
        MixerEvent(Heard.ENDED, 600, 600, phrase.id),
    ]


def test_horizon_is_not_noticed_where_nothing_sounds(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """An idle line passes its horizon without a word; what is armed beyond it does not start."""
    schedule = Schedule(1000)
    schedule.attend(100)
    schedule.advance(300)
    assert schedule.events == []
    schedule.arm([make_cue(make_clip("phrase", 100), 350)])
    schedule.advance(1000)
    assert schedule.events == [MixerEvent(Heard.UNATTENDED, 300, 100)]


@pytest.mark.parametrize("horizon", [10_000, None])
def test_sign_of_life_lets_cues_start_again(horizon: int | None, make_clip: MakeClip, make_cue: MakeCue) -> None:
    """Attended again, what is armed from then on starts; what was dropped stays away."""
    schedule = Schedule(1000)
    schedule.arm([make_cue(make_clip("phrase", 100), 500)])
    schedule.attend(200)
    schedule.advance(400)
    schedule.attend(horizon)
    new = make_cue(make_clip("phrase", 100), 700)
    schedule.arm([new])
    schedule.advance(2000)
    assert [event.what for event in schedule.events] == [Heard.UNATTENDED, Heard.STARTED, Heard.ENDED]
    assert schedule.events[1].cue == new.id


def test_horizon_moved_on_in_time_changes_nothing(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """As long as signs of life come in time, everything plays as if there were no horizon."""
    schedule, free = Schedule(1000), Schedule(1000)
    cues = [make_cue(make_clip("phrase", 300), 100), make_cue(make_clip("ambience", 100), 250, end=900)]
    for each in (schedule, free):
        each.arm(cues)
        for frame in range(0, 1500, 50):
            if each is schedule:
                each.attend(frame + 60)
            each.advance(frame)
    assert schedule.events == free.events


def test_horizon_passed_while_held_counts_on_resume(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """While the user speaks nothing can start anyway; if no sign of life came by then, it is told on `resume`."""
    schedule = Schedule(1000)
    schedule.arm([make_cue(make_clip("phrase", 100), 500)])
    schedule.attend(300)
    schedule.hold()
    schedule.advance(600)
    assert schedule.events == []
    schedule.resume()
    schedule.advance(2000)
    assert schedule.events == [MixerEvent(Heard.UNATTENDED, 600, 300)]


def test_reply_never_stops_for_want_of_attention(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """Beyond the horizon the reply goes on to its end, one that comes later too; only the filler stops."""
    schedule = Schedule(1000)
    schedule.attend(100)
    schedule.write(300, reply=1)
    schedule.end_reply()
    schedule.advance(1000)
    schedule.write(50, reply=2)
    schedule.end_reply()
    schedule.advance(2000)
    assert frames(schedule, Heard.REPLY_STARTED) == [0, 1000]
    assert frames(schedule, Heard.REPLY_ENDED) == [300, 1050]
    assert not of(schedule, Heard.UNATTENDED)


# Limits -------------------------------------------------------------------------------------------------------


def test_cues_beyond_the_limit_are_left_out(make_clip: MakeClip, make_cue: MakeCue) -> None:
    """Of a sheet that is too long the earliest 256 play."""
    clip = make_clip("phrase", 1)
    cues = [make_cue(clip, 10 * number) for number in range(MAX_CUES + 5)]
    schedule = Schedule(1000)
    schedule.arm(reversed(cues))
    schedule.advance(10_000)
    assert MAX_CUES == 256
    assert [event.cue for event in of(schedule, Heard.STARTED)] == [cue.id for cue in cues[:256]]


def test_reply_beyond_the_limit_is_joined_to_the_last() -> None:
    """32 replies wait behind each other; the audio of a further one is heard as part of the last."""
    schedule = Schedule(1000)
    schedule.hold()
    for number in range(MAX_REPLIES + 3):
        schedule.write(10, reply=number)
        schedule.end_reply()
    schedule.resume()
    schedule.advance(2000)
    assert MAX_REPLIES == 32
    assert [event.reply for event in of(schedule, Heard.REPLY_ENDED)] == list(range(32))
    assert frames(schedule, Heard.REPLY_ENDED) == [*range(10, 320, 10), 350]


@pytest.mark.parametrize("call", ["disarm", "release", "retire", "end_reply", "hold", "resume", "flush"])
def test_telling_an_idle_schedule_anything_is_harmless(call: str) -> None:
    """Calls out of order note no event and leave the schedule able to play a reply."""
    schedule = Schedule(1000)
    getattr(schedule, call)()
    schedule.advance(100)
    assert schedule.events == []
    schedule.resume()
    schedule.write(10)
    schedule.settle()
    assert frames(schedule, Heard.REPLY_STARTED) == [100]
