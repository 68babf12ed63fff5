"""What events mean for turns, whatever their order."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stopgap.engine.integrations.livekit._steps import (
    Begin,
    Cancel,
    Commit,
    Finish,
    Hold,
    Resume,
    Retract,
    Step,
    Tell,
    WaitAgain,
)
from stopgap.engine.integrations.livekit._turns import GIVE_UP_S, TurnWatch

EVENTS = st.lists(
    st.sampled_from(
        [
            ("user_started",), ("user_stopped", "at"), ("transcript_final", "at"), ("user_committed", "at"),
            ("false_alarm",), ("generating", "a"), ("generating", "b"), ("thinking", "at"), ("answering",),
            ("node_news", "first_token", "at"), ("tool_started", "1", "lookup", "at"), ("tool_ended", "1", "at"),
            ("agent_speaks",), ("agent_paused",), ("speech_over", "a", "at"), ("speech_over", "b", "at"), ("cut", "at"),
            ("nobody_answers",), ("refused",), ("unanswered",), ("turn_given",), ("reply_due", "at", "b"),
        ]
    ),
    max_size=40,
)  # fmt: skip


def call(watch: TurnWatch, event: tuple[str, ...], at: float, flag: bool) -> list[Step]:
    """Tell *watch* of *event*, at *at*; *flag* is whatever else there is to say."""
    name, *given_arguments = event
    arguments: list[Any] = [at if argument == "at" else argument for argument in given_arguments]
    options = {
        "generating": {"instead": flag},
        "speech_over": {"interrupted": flag},
        "nobody_answers": {"pending": flag},
        "refused": {"goes_on": flag},
    }.get(name, {})
    steps = getattr(watch, name)(*arguments, **options)
    return steps if isinstance(steps, list) else []


@given(events=EVENTS, flags=st.lists(st.booleans(), min_size=40, max_size=40))
def test_steps_make_sense_whatever_happens(events: list[tuple[str, ...]], flags: list[bool]) -> None:
    """A turn begins, is confirmed at most once, and ends once before another one begins; holds and resumes alternate;
    news is only told of a turn that is on; nothing of an unconfirmed turn's model is told."""
    watch, on, committed, held, replying = TurnWatch(), False, False, False, False
    for number, (event, flag) in enumerate(zip(events, flags, strict=False)):
        steps = call(watch, event, 0.1 * number, flag)
        if event[0] == "agent_speaks" and watch.phase == "replying":
            replying, held = True, False
        for step in steps:
            if isinstance(step, Begin):
                assert not on
                on, committed, held, replying = True, False, False, False
            else:
                assert on
            if isinstance(step, Commit):
                assert not committed
                committed = True
            elif isinstance(step, Hold):
                assert not held
                held = True
            elif isinstance(step, Resume):
                assert held
                held = False
            elif isinstance(step, WaitAgain):
                assert replying
                replying = False
            elif isinstance(step, Tell):
                assert committed or step.name in ("transcript_final", "tool_started", "tool_ended")
            elif isinstance(step, Finish | Cancel | Retract):
                on = False
    assert [type(step) for step in watch.closed()] == ([Cancel] if on else [])


def test_a_discarded_run_is_forgotten() -> None:
    """What an early model said goes with it."""
    watch = TurnWatch()
    watch.user_stopped(1.0)
    watch.generating("early", instead=True)
    watch.node_news("llm_started", 1.1)
    assert watch.user_committed(1.5) == [Commit()]
    watch.generating("late", instead=True)
    assert watch.thinking(1.5) == []
    assert watch.node_news("llm_started", 1.6) == [Tell("llm_started", 1.6)]
    assert watch.speech_over("early", 1.7, interrupted=True) == []


def test_an_adopted_run_is_told_with_its_own_times() -> None:
    """Once the framework has decided for it."""
    watch = TurnWatch()
    watch.user_stopped(1.0)
    watch.generating("early", instead=True)
    watch.node_news("llm_started", 1.1)
    watch.node_news("first_token", 1.3)
    assert watch.user_committed(1.5) == [Commit()]
    assert watch.answering() == [Tell("llm_started", 1.1), Tell("first_token", 1.3)]


@pytest.mark.parametrize(("late_s", "begins"), [(0.5, True), (GIVE_UP_S + 1.0, False)])
def test_what_the_user_said_meanwhile_is_the_next_turn(late_s: float, begins: bool) -> None:
    """If the old one ends soon enough; what was said long ago waits for nothing."""
    watch = TurnWatch()
    watch.user_stopped(1.0)
    watch.generating("a", instead=True)
    watch.user_committed(1.5)
    watch.user_started()
    watch.user_stopped(3.0)
    steps = watch.speech_over("a", 3.0 + late_s, interrupted=True)
    assert steps == [Cancel("interrupted"), *([Begin(3.0)] if begins else [])]


def test_what_the_user_said_into_an_answer_waits_until_it_is_taken_for_a_turn() -> None:
    """An "ok" that the framework drops is none; what it answers counts from the user's last word."""
    watch = TurnWatch()
    watch.user_stopped(1.0)
    watch.generating("a", instead=True)
    watch.user_committed(1.5)
    watch.agent_speaks()
    watch.user_started()
    watch.user_stopped(3.0)
    assert watch.speech_over("a", 3.4, interrupted=False) == [Finish()]
    assert watch.user_committed(3.5) == [Begin(3.0), Commit()]


def test_a_turn_that_nobody_answers_is_given_up_unless_begun_by_hand() -> None:
    """Who begins a wait knows who answers."""
    watch = TurnWatch()
    watch.user_stopped(1.0)
    watch.user_committed(1.5)
    assert watch.nobody_answers(pending=False) == [Retract()]
    watch.begun_by_hand()
    assert watch.nobody_answers(pending=False) == []


def test_a_reply_that_is_lost_is_found_again_or_given_up() -> None:
    """A speech that ends without a word leaves the turn to whatever answers next; only what was heard is a reply."""
    watch = TurnWatch()
    watch.user_stopped(1.0)
    watch.generating("a", instead=True)
    watch.user_committed(1.5)
    assert watch.speech_over("a", 2.0, interrupted=False) == []
    assert watch.lost
    watch.generating("b", instead=True)
    assert not watch.lost
    assert watch.speech_over("b", 3.0, interrupted=False) == []
    assert watch.unanswered() == [Retract()]
    assert not watch.lost
    watch.user_stopped(5.0)
    watch.generating("c", instead=True)
    watch.user_committed(5.5)
    watch.agent_speaks()
    assert watch.agent_paused() == [WaitAgain()]
    assert watch.speech_over("c", 8.0, interrupted=False) == []
    assert watch.unanswered() == [Finish()]


def test_what_a_tool_brings_later_is_a_turn_unless_somebody_has_it() -> None:
    """Not while the user speaks, nor in the midst of another turn."""
    watch = TurnWatch()
    assert watch.reply_due(1.0, "a") == [Begin(1.0), Commit()]
    assert watch.reply_due(2.0, "b") == []
    assert watch.speech == "a"
    watch.agent_speaks()
    assert watch.speech_over("a", 3.0, interrupted=False) == [Finish()]
    watch.user_started()
    assert watch.reply_due(4.0, "c") == []
