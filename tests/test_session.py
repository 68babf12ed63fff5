"""Sessions and turns as an application sees them, on a virtual clock."""

import asyncio
import gc
import itertools
import logging
import math
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import stopgap
from stopgap import ClipBank, FillerManager, Kind, MemoryOutput, Session, SilentOutput, UsageError, VirtualClock
from stopgap.engine.planning import PlannedCue, Sheet, Situation
from stopgap.engine.prediction import Context, Lesson

RATE = 24_000


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(100.0)


LADDER: dict[str, Any] = {
    "mode": "ladder",
    "seed": 1,
    "limits": {"per_minute": "unlimited"},
    "ladder": [{"after_ms": 700, "kind": "hesitation"}, {"after_ms": 2000, "kind": "phrase"}],
}


@pytest.fixture
def manager(clock: VirtualClock, bank: ClipBank) -> Iterator[FillerManager]:
    with FillerManager(stopgap.load_config(LADDER), clock=clock, bank=bank) as manager:
        yield manager


@pytest.fixture
def session(manager: FillerManager) -> Session:
    return manager.session(MemoryOutput(RATE))


def reply(seconds: float = 0.5) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A quiet tone with no zero samples at its start."""
    return np.asarray(0.2 * np.cos(np.arange(round(seconds * RATE)) * 0.05), np.float32)


def test_ladder_plays_at_its_times(session: Session, clock: VirtualClock) -> None:
    """The ladder's steps sound at their times, and the record says what was heard."""
    turn = session.begin()
    clock.advance(4.0)
    sounds = turn.record.sounds
    assert [s.kind for s in sounds] == [Kind.HESITATION, Kind.PHRASE]
    assert [s.start_s for s in sounds] == pytest.approx([0.7, 2.0])
    assert all(s.end_s is not None and s.text for s in sounds)


def test_reply_in_time_disarms_everything(session: Session, clock: VirtualClock) -> None:
    """A reply before the first step is heard at once and alone, bit for bit."""
    turn = session.begin()
    clock.advance(0.5)
    turn.write(reply())
    turn.finish()
    clock.advance(3.0)
    record = turn.record
    assert not record.sounds
    assert record.reply_heard_s == pytest.approx(0.5)
    assert record.reply_delay_s == 0.0
    output = session.output
    assert isinstance(output, MemoryOutput)
    start = round(0.5 * RATE)
    assert np.array_equal(output.samples[start : start + len(reply())], reply())


def test_speech_end_is_back_dated(session: Session, clock: VirtualClock) -> None:
    """A step counts from the end of speech, not from begin; one that is late already plays at once."""
    turn = session.begin(speech_ended_at=clock.now() - 0.3)
    clock.advance(1.0)
    assert turn.record.sounds[0].start_s == pytest.approx(0.7)
    late = session.begin(speech_ended_at=clock.now() - 1.0)
    clock.advance(0.1)
    assert late.record.sounds[0].start_s == pytest.approx(1.0)


def test_tentative_turn_is_silent_until_committed(session: Session, clock: VirtualClock) -> None:
    """Nothing spoken sounds before the end of speech is confirmed."""
    turn = session.begin(tentative=True)
    clock.advance(1.0)
    assert not turn.record.sounds
    turn.commit()
    clock.advance(0.1)
    assert turn.record.sounds[0].start_s == pytest.approx(1.0)


def test_tentative_kinds_may_sound_before(clock: VirtualClock, bank: ClipBank) -> None:
    """A backchannel may sound before the commit where the configuration says so."""
    config = stopgap.load_config(
        {"mode": "ladder", "tentative_kinds": ["backchannel"], "ladder": [{"after_ms": 200, "kind": "backchannel"}]}
    )
    with FillerManager(config, clock=clock, bank=bank) as manager:
        turn = manager.session(SilentOutput()).begin(tentative=True)
        clock.advance(0.3)
        assert [s.kind for s in turn.record.sounds] == [Kind.BACKCHANNEL]


def test_retracted_turn_fades_and_teaches_nothing(
    session: Session, manager: FillerManager, clock: VirtualClock
) -> None:
    """Taking the end of speech back stops the sound within 20 ms and leaves the tables alone."""
    turn = session.begin(agent="a")
    clock.advance(0.8)
    turn.retract()
    clock.advance(0.5)
    record = turn.record
    assert record.outcome == "retracted"
    assert record.sounds[0].end_s == pytest.approx(0.82)
    assert manager.predictor.waits_seen("speech_ended", stopgap_context("a")) == (0, 0)


def test_cancelled_turn_is_learned_as_cut_off(session: Session, manager: FillerManager, clock: VirtualClock) -> None:
    """A cancelled wait counts as cut off at that time: the distribution moves up, not down."""
    before = manager.predictor.predict("speech_ended", stopgap_context("a")).quantile(0.5)
    for _ in range(30):
        turn = session.begin(agent="a")
        clock.advance(3.0)
        turn.cancel("barge-in")
        clock.advance(1.0)
    assert manager.predictor.predict("speech_ended", stopgap_context("a")).quantile(0.5) > before


def test_learning_is_from_availability(session: Session, manager: FillerManager, clock: VirtualClock) -> None:
    """A reply held back by a filler is learned at the time it was available."""
    for _ in range(200):
        turn = session.begin(agent="a")
        clock.advance(0.75)
        turn.write(reply(0.1))
        turn.finish()
        clock.advance(2.0)
        assert turn.record.reply_delay_s is not None
        assert turn.record.reply_delay_s > 0.1
    learned = manager.predictor.predict("speech_ended", stopgap_context("a")).quantile(0.5)
    assert learned == pytest.approx(0.75, rel=0.06)


def test_user_speaking_holds_and_resume_goes_on(session: Session, clock: VirtualClock) -> None:
    """The reply pauses within 20 ms when the user speaks and loses nothing."""
    turn = session.begin()
    clock.advance(0.2)
    turn.write(reply(1.0))
    turn.finish()
    clock.advance(0.3)
    session.user_speaking()
    clock.advance(1.0)
    session.resume()
    clock.advance(2.0)
    session.tick()
    output = session.output
    assert isinstance(output, MemoryOutput)
    paused, resumed = round(0.5 * RATE), round(1.5 * RATE)
    fade = round(0.02 * RATE)
    assert np.array_equal(output.samples[paused + fade : resumed], np.zeros(resumed - paused - fade, np.float32))
    rest = reply(1.0)[round(0.3 * RATE) :]
    assert np.array_equal(output.samples[resumed + fade : resumed + len(rest)], rest[fade:])


def test_held_cue_sheet_shifts(session: Session, clock: VirtualClock) -> None:
    """Nothing starts while the user speaks."""
    turn = session.begin()
    clock.advance(0.5)
    session.user_speaking()
    clock.advance(1.0)
    assert not turn.record.sounds
    session.resume()
    clock.advance(3.0)
    assert turn.record.sounds
    assert all(sound.start_s >= 1.5 for sound in turn.record.sounds)


def test_barge_in_drops_the_reply(session: Session, clock: VirtualClock) -> None:
    """Cancelling silences fillers and reply within 20 ms, and later audio of the turn is refused."""
    turn = session.begin()
    turn.write(reply(1.0))
    clock.advance(0.3)
    turn.cancel("barge-in")
    assert turn.write(reply()) == 0
    clock.advance(1.0)
    session.tick()
    output = session.output
    assert isinstance(output, MemoryOutput)
    assert not output.samples[round(0.32 * RATE) :].any()
    assert "refused" in " ".join(turn.record.notes)
    assert turn.record.cancel_reason == "barge-in"


def test_cancel_tells_what_was_heard(session: Session, clock: VirtualClock) -> None:
    """Cancelling returns the fillers' words up to where they were cut."""
    turn = session.begin()
    clock.advance(1.5)
    text = turn.cancel()
    assert text == turn.record.sounds[0].text


def test_a_further_wait_after_a_preamble(session: Session, clock: VirtualClock) -> None:
    """After a spoken preamble a new wait begins when it has been heard, with fillers of its own."""
    turn = session.begin()
    clock.advance(0.4)
    turn.write(reply(1.0))
    turn.milestone("tool_started", tool="lookup")
    turn.wait_again()
    clock.advance(2.5)
    record = turn.record
    assert [wait.began_s for wait in record.waits] == pytest.approx([0.0, 1.4])
    assert record.sounds[0].start_s == pytest.approx(2.1)
    turn.write(reply())
    turn.finish()
    clock.advance(2.0)
    waits = turn.record.waits
    assert waits[1].available_s == pytest.approx(2.9)
    assert waits[1].heard_s is not None


def test_calls_out_of_order_are_noted(session: Session, clock: VirtualClock) -> None:
    """A second finish, a late milestone and audio after finish never raise; the audio is played."""
    turn = session.begin()
    turn.write(reply(0.1))
    turn.milestone("first_token")
    turn.finish()
    turn.finish()
    turn.write(reply(0.1))
    turn.commit()
    clock.advance(1.0)
    notes = " | ".join(turn.record.notes)
    for word in ("first_token after the reply", "second finish", "after finish: played", "not tentative"):
        assert word in notes
    output = session.output
    assert isinstance(output, MemoryOutput)
    assert np.array_equal(output.samples[: round(0.2 * RATE)], np.concatenate([reply(0.1), reply(0.1)]))


def test_a_newer_turn_supersedes(session: Session, clock: VirtualClock) -> None:
    """Beginning while a turn is open cancels that one."""
    first = session.begin()
    clock.advance(0.3)
    session.begin()
    assert first.record.outcome == "cancelled"
    assert first.record.cancel_reason == "superseded"


@pytest.mark.parametrize(
    ("audio", "word"),
    [
        (np.zeros(10, np.float64), "float64"),
        (np.zeros((10, 2), np.float32), "mono"),
        (np.array([np.nan], np.float32), "NaN"),
        ([0.0, 0.1], "list"),
    ],
)
def test_wrong_reply_audio_raises(session: Session, audio: Any, word: str) -> None:
    """Reply audio of a wrong type, shape or value raises one clear sentence, and nothing plays."""
    turn = session.begin()
    with pytest.raises(UsageError, match=word):
        turn.write(audio)
    assert turn.record.reply_heard_s is None


def test_reply_is_resampled(session: Session, clock: VirtualClock) -> None:
    """A reply at another rate keeps its length and pitch, however it is chunked."""
    turn = session.begin()
    tone = (0.3 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)).astype(np.float32)
    for chunk in np.split(tone, 10):
        turn.write(chunk, rate=16_000)
    turn.finish()
    clock.advance(2.0)
    session.tick()
    output = session.output
    assert isinstance(output, MemoryOutput)
    heard = np.trim_zeros(output.samples)
    assert abs(len(heard) - RATE) < 0.01 * RATE
    middle = heard[RATE // 4 : 3 * RATE // 4]
    assert np.argmax(np.abs(np.fft.rfft(middle))) * RATE / len(middle) == pytest.approx(440, abs=3)


def test_unknown_milestone_and_future_speech_raise(session: Session, clock: VirtualClock) -> None:
    """Arguments that cannot be right raise and name what would be."""
    with pytest.raises(UsageError, match="tool_started"):
        session.begin().milestone("tool_stared")
    with pytest.raises(UsageError, match="not in the past"):
        session.begin(speech_ended_at=clock.now() + 5.0)
    for tokens in (0, -5, 12.5):
        with pytest.raises(UsageError, match="prompt_tokens"):
            session.begin(prompt_tokens=tokens)  # type: ignore[arg-type]


def test_work_is_claimed_only_while_a_tool_runs(clock: VirtualClock, bank: ClipBank) -> None:
    """Lines that claim work are heard in tool waits and never in others."""
    claims = {clip.id for clip in bank.originals if clip.claims_work}
    config = stopgap.load_config({"mode": "ladder", "seed": 3, "ladder": [{"after_ms": 900, "kind": "phrase"}]})
    heard: dict[bool, set[str]] = {False: set(), True: set()}
    with FillerManager(config, clock=clock, bank=bank) as manager:
        for tool in (False, True):
            session = manager.session(SilentOutput())
            for _ in range(30):
                turn = session.begin()
                if tool:
                    turn.milestone("tool_started", tool="lookup")
                clock.advance(30.0)
                heard[tool] |= {sound.clip for sound in turn.record.sounds}
                turn.finish()
    assert not heard[False] & claims
    assert heard[True] & claims


def test_per_minute_and_conversation_limits_hold(clock: VirtualClock, bank: ClipBank) -> None:
    """Spoken fillers stay within the limits per minute and per conversation, across turns."""
    config = stopgap.load_config({**LADDER, "limits": {"per_minute": 3, "per_conversation": 5}})
    starts = []
    with FillerManager(config, clock=clock, bank=bank) as manager:
        session = manager.session(SilentOutput())
        for _ in range(30):
            turn = session.begin()
            clock.advance(4.0)
            starts += [clock.now() - 4.0 + sound.start_s for sound in turn.record.sounds]
            turn.finish()
            clock.advance(2.0)
    assert len(starts) == 5
    assert all(sum(start - 60.0 < other <= start for other in starts) <= 3 for start in starts)


def test_nothing_new_after_max_wait(clock: VirtualClock, bank: ClipBank) -> None:
    """A stuck agent does not hum for ever: beds end at max_wait_s, and nothing starts after it."""
    config = stopgap.load_config(
        {
            "mode": "ladder",
            "limits": {"max_wait_s": 5.0},
            "ladder": [{"after_ms": 1000, "kind": "ambience"}, {"after_ms": 2000, "kind": "phrase", "repeat_ms": 2000}],
        }
    )
    with FillerManager(config, clock=clock, bank=bank) as manager:
        turn = manager.session(SilentOutput()).begin()
        clock.advance(60.0)
        sounds = turn.record.sounds
    assert [s.end_s for s in sounds if s.kind is Kind.AMBIENCE] == pytest.approx([5.0])
    assert max(s.start_s for s in sounds) <= 5.0


def test_spoken_fillers_never_overlap(clock: VirtualClock, bank: ClipBank) -> None:
    """Steps that would overlap are put off until min_gap_ms after the one before."""
    config = stopgap.load_config(
        {"mode": "ladder", "ladder": [{"after_ms": ms, "kind": "phrase"} for ms in (500, 600, 700)]}
    )
    with FillerManager(config, clock=clock, bank=bank) as manager:
        turn = manager.session(SilentOutput()).begin()
        clock.advance(20.0)
        sounds = turn.record.sounds
    assert len(sounds) == 3
    for before, after in itertools.pairwise(sounds):
        assert before.end_s is not None
        assert after.start_s - before.end_s >= 0.299


class HandClock:
    """Moves by hand, but with a service thread behind the session, unlike a `VirtualClock`."""

    def __init__(self) -> None:
        self.at = 100.0

    def now(self) -> float:
        return self.at


@pytest.mark.parametrize("late_s", [0.0, 2.5])
def test_a_whole_sheet_is_armed_soon(bank: ClipBank, late_s: float) -> None:
    """A process that gets stuck a moment after `begin` still plays the whole sheet, an overdue step at once."""
    clock, idle = HandClock(), threading.Event()
    with FillerManager(stopgap.load_config(LADDER), clock=clock, bank=bank) as manager:
        session = manager.session(SilentOutput(RATE))
        turn = session.begin(speech_ended_at=clock.now() - late_s)
        manager._engine.work.submit(idle.set)
        assert idle.wait(10.0)
        clock.at += 20.0
        sounds = turn.record.sounds
    assert [s.kind for s in sounds] == ([Kind.PHRASE] if late_s else [Kind.HESITATION, Kind.PHRASE])
    assert [s.start_s for s in sounds] == pytest.approx([late_s] if late_s else [0.7, 2.0], abs=1e-3)


def test_a_sheet_is_not_armed_again_over_what_has_started(bank: ClipBank) -> None:
    """A step that starts before the rest of its sheet is armed is heard once, and the rest follows."""
    clock, hold, idle = HandClock(), threading.Event(), threading.Event()
    with FillerManager(stopgap.load_config(LADDER), clock=clock, bank=bank) as manager:
        session = manager.session(SilentOutput(RATE))
        manager._engine.work.submit(hold.wait)
        turn = session.begin()
        clock.at += 0.75
        session.tick()
        hold.set()
        manager._engine.work.submit(idle.set)
        assert idle.wait(10.0)
        clock.at += 20.0
        sounds = turn.record.sounds
    assert [s.kind for s in sounds] == [Kind.HESITATION, Kind.PHRASE]
    assert [s.start_s for s in sounds] == pytest.approx([0.7, 2.0], abs=1e-3)


@pytest.mark.parametrize("at_s", [0.7, 2.0])
def test_news_at_a_steps_own_time_plays_it_once(
    session: Session, manager: FillerManager, clock: VirtualClock, at_s: float
) -> None:
    """A milestone at exactly the time of a ladder's step neither repeats nor loses it."""
    turn = session.begin()
    clock.advance(at_s)
    turn.milestone("tool_started", tool="lookup")
    clock.advance(6.0)
    assert [s.kind for s in turn.record.sounds] == [Kind.HESITATION, Kind.PHRASE]


class LateEars(MemoryOutput):
    """Is heard 100 ms after it renders, like a device with that much latency."""

    LATENCY_S = 0.1

    def frame_at(self, at: float) -> int:
        return super().frame_at(at - self.LATENCY_S)

    def time_of(self, frame: int) -> float:
        return super().time_of(frame) + self.LATENCY_S

    def catch_up(self, now: float) -> None:
        super().catch_up(now + self.LATENCY_S)


@pytest.mark.parametrize("before_s", [0.0, 0.05, 0.09])
def test_news_just_before_a_step_is_heard_plays_it_once(
    manager: FillerManager, clock: VirtualClock, before_s: float
) -> None:
    """What is on its way to the ear already is not planned again."""
    turn = manager.session(LateEars(RATE)).begin()
    clock.advance(0.7 - before_s)
    turn.milestone("tool_started", tool="lookup")
    clock.advance(6.0)
    assert [s.kind for s in turn.record.sounds] == [Kind.HESITATION, Kind.PHRASE]


def test_what_was_held_in_one_wait_does_not_count_in_the_next(
    session: Session, manager: FillerManager, clock: VirtualClock
) -> None:
    """A hold of 5 s in the first wait leaves the ladder of the second one at its own times, each step once."""
    turn = session.begin()
    clock.advance(0.2)
    session.user_speaking()
    clock.advance(5.0)
    session.resume()
    clock.advance(0.1)
    turn.write(reply(0.5))
    turn.wait_again()
    clock.advance(0.5)
    began = turn.record.waits[1].began_s
    for pause in (1.9, 1.5):
        clock.advance(pause)
        turn.milestone("llm_started")
    clock.advance(3.0)
    starts = [s.start_s - began for s in turn.record.sounds if s.start_s > began]
    assert starts == pytest.approx([0.7, 2.0], abs=0.01)


def test_a_further_wait_is_learned_from_when_it_really_began(
    session: Session, manager: FillerManager, clock: VirtualClock
) -> None:
    """A hold during the spoken preamble puts off the beginning of the next wait; that is no waiting."""
    turn = session.begin(agent="a")
    clock.advance(0.2)
    turn.write(reply(1.0))
    turn.wait_again()
    clock.advance(0.3)
    session.user_speaking()
    clock.advance(3.0)
    session.resume()
    clock.advance(1.0)
    began = turn.record.waits[1].began_s
    clock.advance(0.1)
    turn.milestone("llm_started")
    clock.advance(2.4)
    turn.write(reply(0.2))
    turn.finish()
    waited = turn.record.waits[1].available_s
    assert waited is not None
    assert [sound.start_s - began for sound in turn.record.sounds] == pytest.approx([0.7, 2.0], abs=0.01)
    assert turn._state.lessons(None)[1].wait_s == pytest.approx(waited - began)


def test_a_wait_whose_plan_was_not_ready_is_planned_again(bank: ClipBank) -> None:
    """Where a policy has no plan at hand when the sheet ends, it is asked again rather than never."""

    class Shy:
        """Has nothing ready the first three times."""

        name = "shy"
        asked = 0

        def plan(self, situation: Situation) -> Sheet:
            return Sheet((PlannedCue(0.1, Kind.HESITATION),), again_s=math.inf)

        def ready(self, situation: Situation) -> Sheet | None:
            self.asked += 1
            return None if self.asked <= 3 else self.plan(situation)

    clock, policy = HandClock(), Shy()
    with FillerManager(
        stopgap.load_config(LADDER), clock=clock, bank=bank, make_policy=lambda config, predictor: policy
    ) as manager:
        session = manager.session(SilentOutput(RATE))
        turn = session.begin()
        for _ in range(40):
            idle = threading.Event()
            manager._engine.work.submit(idle.set)
            assert idle.wait(10.0)
            clock.at += 0.1
            session.tick()
        assert turn.record.sounds
        assert policy.asked > 3


def test_announced_reply_ends_a_phrase_at_a_mark(clock: VirtualClock, bank: ClipBank) -> None:
    """When the reply is announced and likely soon, a phrase ends at its next cut mark, uncut."""
    config = stopgap.load_config({**LADDER, "ladder": [{"after_ms": 100, "kind": "phrase", "phrases": ["check-that"]}]})
    with FillerManager(config, clock=clock, bank=bank) as manager:
        session = manager.session(SilentOutput())
        for number in range(40):
            turn = session.begin()
            turn.milestone("tool_started", tool="x")
            clock.advance(0.4)
            turn.milestone("first_token")
            clock.advance(0.1 if number < 39 else 5.0)
            turn.write(reply(0.1))
            turn.finish()
            clock.advance(3.0)
        sound = turn.record.sounds[0]
    assert sound.end_s is not None
    assert sound.end_s < 1.4
    assert not sound.cut
    assert sound.text
    assert sound.text != "Let me check that for you."


def test_no_device_means_silence_and_one_warning(
    bank: ClipBank, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without any device sessions are silent, with one warning and a counter; turns go on."""
    monkeypatch.setenv("PULSE_SERVER", "unix:/nonexistent")
    monkeypatch.setattr("stopgap.engine._manager.DeviceOutput", _no_device)
    with caplog.at_level(logging.WARNING), FillerManager(clock=clock, bank=bank) as manager:
        for _ in range(2):
            turn = manager.session().begin()
            clock.advance(2.0)
            turn.write(reply())
            turn.finish()
            clock.advance(2.0)
            assert turn.record.reply_heard_s is not None
        assert manager.statistics()["silent_sessions"] == 2
    assert len([r for r in caplog.records if "no sound" in r.message]) == 1


def _no_device(*_: object, **__: object) -> SilentOutput:
    raise stopgap.OutputError("there is no audio output device")


def test_many_threads_use_their_sessions(bank: ClipBank) -> None:
    """With the real clock and the service thread, sessions in many threads complete their turns."""
    records = []
    with FillerManager(bank=bank) as manager:

        def converse(number: int) -> None:
            session = manager.session(MemoryOutput(RATE))
            for _ in range(5):
                turn = session.begin(agent=f"agent-{number}")
                turn.milestone("llm_started")
                turn.milestone("first_token")
                turn.write(reply(0.01))
                turn.finish()
                records.append(turn.record)

        threads = [threading.Thread(target=converse, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30.0)
    assert len(records) == 40
    assert all(record.outcome == "replied" for record in records)
    assert manager.predictor.waits_seen("speech_ended", stopgap_context("agent-0"))[0] == 5


def test_an_empty_chunk_is_no_reply(session: Session, clock: VirtualClock) -> None:
    """An empty chunk neither disarms nor counts as available; a chunk too short to resample does."""
    turn = session.begin()
    turn.write(b"")
    clock.advance(1.5)
    assert turn.record.sounds
    assert turn.record.waits[0].available_s is None
    short = session.begin()
    clock.advance(0.3)
    short.write(np.zeros(40, np.int16), rate=16_000)
    clock.advance(3.0)
    assert not short.record.sounds


def test_finish_without_a_reply_ends_the_bed(clock: VirtualClock, bank: ClipBank) -> None:
    """A turn that ends without an answer leaves nothing playing."""
    config = stopgap.load_config({"mode": "ladder", "ladder": [{"after_ms": 500, "kind": "ambience"}]})
    with FillerManager(config, clock=clock, bank=bank) as manager:
        turn = manager.session(SilentOutput()).begin()
        clock.advance(2.0)
        turn.finish()
        clock.advance(5.0)
        assert [sound.end_s for sound in turn.record.sounds] == pytest.approx([2.02], abs=1e-4)


def test_retract_after_finish_takes_a_tentative_turn_back(
    session: Session, manager: FillerManager, clock: VirtualClock
) -> None:
    """A reply prepared ahead of the confirmation is silenced and not learned when the user goes on."""
    turn = session.begin(agent="a", tentative=True)
    turn.write(reply(2.0))
    turn.finish()
    clock.advance(0.3)
    turn.retract()
    clock.advance(1.0)
    output = session.output
    assert isinstance(output, MemoryOutput)
    session.tick()
    assert not output.samples[round(0.32 * RATE) :].any()
    assert turn.record.outcome == "retracted"
    assert manager.predictor.waits_seen("speech_ended", stopgap_context("a")) == (0, 0)


def test_commit_after_finish_teaches(session: Session, manager: FillerManager) -> None:
    """A tentative turn that was answered before its confirmation is learned with it."""
    turn = session.begin(agent="a", tentative=True)
    turn.write(reply(0.1))
    turn.finish()
    assert manager.predictor.waits_seen("speech_ended", stopgap_context("a")) == (0, 0)
    turn.commit()
    assert manager.predictor.waits_seen("speech_ended", stopgap_context("a")) == (1, 1)


def test_replies_are_credited_to_their_turns(session: Session, clock: VirtualClock) -> None:
    """A turn that answers while the turn before still sounds is heard behind it, and each record has its own times."""
    first = session.begin()
    first.write(reply(1.0))
    first.finish()
    clock.advance(0.2)
    second = session.begin()
    clock.advance(0.3)
    second.write(reply(0.5))
    second.finish()
    clock.advance(3.0)
    assert first.record.reply_heard_s == pytest.approx(0.0)
    assert second.record.reply_heard_s == pytest.approx(0.8)
    assert second.record.reply_delay_s == 0.0


def test_a_sheet_made_in_ignorance_of_a_start_is_refused(bank: ClipBank) -> None:
    """If a filler starts between a plan and its arming, the old sheet goes on and nothing speaks over it."""
    clock = VirtualClock()
    output = stopgap.FrameOutput(RATE, 20)
    with FillerManager(stopgap.load_config(LADDER), clock=clock, bank=bank) as manager:
        session = manager.session(output)
        turn = session.begin()

        def pull(seconds: float) -> None:
            for _ in range(round(seconds / 0.02)):
                clock.advance(0.02)
                output.read()

        pull(0.68)
        real_plan = manager._engine.mixture.policies[0].plan

        def slow_plan(situation: Any) -> Any:
            pull(0.06)  # the output goes on while the plan is made
            return real_plan(situation)

        manager._engine.mixture.policies[0].plan = slow_plan  # type: ignore[method-assign]
        turn.milestone("llm_started")
        manager._engine.mixture.policies[0].plan = real_plan  # type: ignore[method-assign]
        pull(4.0)
        sounds = turn.record.sounds
    assert [sound.kind for sound in sounds] == [Kind.HESITATION, Kind.PHRASE]


def test_a_paused_transport_does_not_shift_what_comes_after(bank: ClipBank) -> None:
    """A turn that begins after a pause of the transport counts from its own time 0."""
    clock = VirtualClock()
    output = stopgap.FrameOutput(RATE, 20)
    with FillerManager(stopgap.load_config(LADDER), clock=clock, bank=bank) as manager:
        session = manager.session(output)
        clock.advance(10.0)
        turn = session.begin()
        for _ in range(60):
            clock.advance(0.02)
            output.read()
        assert turn.record.sounds[0].start_s == pytest.approx(0.7, abs=0.03)


def test_closing_ends_the_record(session: Session, clock: VirtualClock) -> None:
    """After close nothing is heard any more: the record's sounds have ended and their text stays as it was."""
    turn = session.begin()
    clock.advance(0.75)
    session.close()
    clock.advance(10.0)
    sound = turn.record.sounds[0]
    assert sound.end_s is not None
    assert sound.text == ""


def test_a_hold_is_neither_silence_nor_reply_delay(session: Session, clock: VirtualClock) -> None:
    """A ladder step keeps its distance across a hold, and a reply that came during one was not held back by fillers."""
    turn = session.begin()
    clock.advance(0.6)
    session.user_speaking()
    clock.advance(0.3)
    session.resume()
    clock.advance(0.2)
    assert turn.record.sounds[0].start_s == pytest.approx(1.0, abs=1e-3)
    held = session.begin()
    session.user_speaking()
    held.write(reply())
    held.finish()
    clock.advance(2.0)
    session.resume()
    clock.advance(1.0)
    assert held.record.reply_delay_s == 0.0


async def converse(session: Session) -> None:
    async with session:
        turn = session.begin()
        await turn.write_async(reply(0.3))
        turn.finish()


def test_leaving_the_block_lets_the_reply_be_heard_out(bank: ClipBank) -> None:
    """A session that is left right after the last write plays the whole reply first, sync and async."""
    outputs = [MemoryOutput(RATE), MemoryOutput(RATE)]
    with FillerManager(bank=bank) as manager:
        asyncio.run(converse(manager.session(outputs[0])))
        with manager.session(outputs[1]) as session:
            turn = session.begin()
            turn.write(reply(0.3))
            turn.finish()
    for output in outputs:
        start = int(np.flatnonzero(output.samples)[0])
        assert np.array_equal(output.samples[start : start + len(reply(0.3))], reply(0.3))


def test_leaving_the_block_by_an_exception_is_immediate(bank: ClipBank) -> None:
    """An error in the block does not wait for a reply that nobody pulls."""
    with FillerManager(bank=bank) as manager:
        session = manager.session(stopgap.FrameOutput(RATE, 20))
        session.begin().write(reply(600.0))
        with pytest.raises(ZeroDivisionError), session:
            raise ZeroDivisionError
        assert session.closed


def test_each_wait_has_its_own_reply(bank: ClipBank) -> None:
    """A wait that is answered while the preamble sounds is heard behind it, also where news of both comes late."""
    clock = VirtualClock()
    output = stopgap.FrameOutput(RATE, 20)
    with FillerManager(stopgap.load_config(LADDER), clock=clock, bank=bank) as manager:
        turn = manager.session(output).begin()
        turn.write(reply(0.5))
        turn.wait_again()
        turn.write(reply(0.5))
        turn.finish()
        for _ in range(60):
            output.read()
            clock.advance(0.02)
        first, second = turn.record.waits
    assert first.heard_s is not None
    assert second.heard_s == pytest.approx(first.heard_s + 0.5, abs=0.021)


def stopgap_context(agent: str) -> Any:
    from stopgap.engine.prediction import Context

    return Context(agent=agent)


def test_a_wait_that_outlasts_the_sheet_is_planned_on(bank: ClipBank) -> None:
    """Whoever waits far longer than anyone before is still spoken to, however seldom the application looks."""
    config = stopgap.load_config({"seed": 1, "limits": {"per_turn": "unlimited", "per_minute": "unlimited"}})
    heard = []
    for step in (0.01, 0.5, 45.0):
        clock = VirtualClock()
        with FillerManager(config, clock=clock, bank=bank) as manager:
            manager.predictor.learn([Lesson("speech_ended", Context("a"), 1.2, True)] * 60)
            turn = manager.session(SilentOutput()).begin(agent="a")
            while clock.now() < 45.0 - 1e-6:
                clock.advance(step)
                sounds = turn.record.sounds
        heard.append([(sound.clip, round(sound.start_s, 3)) for sound in sounds])
    starts = [start for clip, start in heard[0] if clip != "typing"]
    assert sum(start > 31.0 for start in starts) >= 2
    assert heard[0] == heard[1] == heard[2]


def test_what_was_heard_elsewhere_is_not_repeated(manager: FillerManager, clock: VirtualClock) -> None:
    """A conversation that is taken over goes on with its fillers where it was; ids that are gone do no harm."""
    hesitations = [clip for clip in manager.bank.clips(RATE) if clip.kind is Kind.HESITATION]
    session = manager.session(SilentOutput(RATE))
    session.remember([("gone", 9.0), *((clip.id, 5.0) for clip in hesitations[:-1])])
    turn = session.begin()
    clock.advance(1.0)
    assert [sound.clip for sound in turn.record.sounds] == [hesitations[-1].id]


def test_what_was_heard_elsewhere_counts_in_the_limits(bank: ClipBank, clock: VirtualClock) -> None:
    """What was heard less than a minute ago uses up the minute's fillers, until the minute is over."""
    config = stopgap.load_config({**LADDER, "limits": {"per_minute": 1}})
    with FillerManager(config, clock=clock, bank=bank) as manager:
        session = manager.session(SilentOutput(RATE))
        session.remember([("um", 50.0)])
        first = session.begin()
        clock.advance(5.0)
        first.cancel("over")
        clock.advance(6.0)
        second = session.begin()
        clock.advance(1.0)
    assert ([sound.kind for sound in first.record.sounds], [sound.kind for sound in second.record.sounds]) == (
        [], [Kind.HESITATION]
    )  # fmt: skip


@pytest.mark.parametrize("owns_reply", [True, False])
def test_what_is_over_is_gone_at_once(owns_reply: bool, bank: ClipBank, clock: VirtualClock) -> None:
    """Turns and sessions leave no cycles: the garbage collector would stop an agent for them, now and then."""

    def converse(manager: FillerManager) -> None:
        session = manager.session(SilentOutput(RATE, owns_reply=owns_reply))
        for _ in range(3):
            turn = session.begin()
            turn.milestone("tool_started", tool="lookup")
            clock.advance(1.5)
            if owns_reply:
                turn.write(reply(0.1))
            else:
                turn.reply_started()
            turn.finish()
            clock.advance(1.0)
            assert turn.record.outcome == "replied"
        session.close()

    with FillerManager(stopgap.load_config({"seed": 1}), clock=clock, bank=bank) as manager:
        converse(manager)  # some is kept for the next time
        gc.collect()
        gc.disable()
        try:
            converse(manager)
            assert gc.collect() == 0
        finally:
            gc.enable()
