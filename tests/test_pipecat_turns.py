"""From news to turns, without Pipecat: what begins, what goes on, what ends, in whatever order the news comes."""

import time
from collections.abc import Iterator
from typing import Any

import hushed_pipecat  # noqa: F401
import pytest
import stopgap
from hypothesis import given
from hypothesis import strategies as st
from stopgap import ClipBank, FillerManager, SilentOutput, VirtualClock
from stopgap.engine.integrations.pipecat._dialogue import FRESH_S, Dialogue
from stopgap.engine.integrations.pipecat._instant import ended_at
from stopgap.engine.integrations.pipecat._owed import GRACE_S, Owed
from stopgap.engine.integrations.pipecat._turns import TENTATIVE_S, NewestTurn

CONFIG: dict[str, Any] = {"mode": "ladder", "seed": 1, "ladder": [{"after_ms": 500, "kind": "phrase"}]}


class Talk:
    """A dialogue on a virtual clock."""

    def __init__(self, bank: ClipBank) -> None:
        self.clock = VirtualClock(100.0)
        self.manager = FillerManager(stopgap.load_config(CONFIG), clock=self.clock, bank=bank)
        self.session = self.manager.session(SilentOutput(24_000, owns_reply=False))
        self.dialogue = Dialogue(NewestTurn(lambda: self.session, self.clock.now, agent="m"))

    def asks(self, seconds: float = 0.2) -> None:
        """The user says a turn that is confirmed after *seconds*."""
        self.dialogue.speech_began()
        self.dialogue.turn_started()
        self.clock.advance(1.0)
        self.dialogue.speech_ended(self.clock.now() - 0.2)
        self.clock.advance(seconds)
        self.dialogue.turn_stopped()

    def says(self, seconds: float) -> None:
        """The bot speaks for *seconds*."""
        self.dialogue.reply()
        self.dialogue.bot_started()
        self.clock.advance(seconds)
        self.falls_silent()

    def falls_silent(self) -> None:
        self.dialogue.bot_stopped()
        self.clock.advance(0.05)
        self.dialogue.settle()

    @property
    def outcome(self) -> str:
        assert self.dialogue.newest.turn is not None
        return self.dialogue.newest.turn.record.outcome


@pytest.fixture
def talk(bank: ClipBank) -> Iterator[Talk]:
    talk = Talk(bank)
    with talk.manager:
        yield talk


def test_a_turn(talk: Talk) -> None:
    """A question, an answer: waiting from the end of speech until the answer, finished when it was heard."""
    assert not talk.dialogue.waiting
    talk.asks()
    assert talk.dialogue.waiting
    talk.dialogue.response_started("m")
    talk.clock.advance(1.0)
    assert talk.dialogue.newest.turn is not None
    assert talk.dialogue.newest.turn.record.sounds
    talk.dialogue.response_text("m")
    talk.dialogue.reply()
    assert not talk.dialogue.waiting
    talk.dialogue.response_ended("m")
    assert talk.outcome == "replied"
    assert talk.dialogue.newest.turn.record.ended_s is None  # it is being said
    talk.says(1.0)
    assert talk.dialogue.newest.turn.record.ended_s is not None
    assert talk.dialogue.newest.turn.record.waits[0].available_s == pytest.approx(1.4)


def test_silence_between_two_sentences_is_no_end(talk: Talk) -> None:
    """While the model is still at it, silence between sentences neither ends the turn nor opens a further wait."""
    talk.asks()
    talk.dialogue.response_started("m")
    talk.dialogue.response_text("m")
    talk.says(1.0)
    assert talk.dialogue.newest.turn is not None
    assert not talk.dialogue.waiting
    assert talk.dialogue.newest.turn.record.ended_s is None
    talk.says(1.0)
    talk.dialogue.response_ended("m")
    assert talk.dialogue.newest.turn.record.ended_s is not None
    assert len(talk.dialogue.newest.turn.record.waits) == 1


def test_bot_is_not_silent_between_two_utterances_in_a_queue(talk: Talk) -> None:
    """Where the next utterance follows at once, no wait is opened in the instant between them."""
    talk.asks()
    talk.dialogue.response_started("m")
    talk.dialogue.response_text("m")
    talk.dialogue.tools_called(["1"])
    talk.dialogue.tool_started("1", "lookup")
    talk.dialogue.response_ended("m")
    talk.dialogue.reply()
    talk.dialogue.bot_started()
    talk.clock.advance(1.0)
    talk.dialogue.bot_stopped()
    talk.dialogue.bot_started()
    talk.clock.advance(0.05)
    talk.dialogue.settle()
    assert not talk.dialogue.waiting
    talk.falls_silent()
    assert talk.dialogue.waiting


def test_between_a_tools_end_and_the_models_start_it_waits(talk: Talk) -> None:
    """The preamble ends just when the tool has ended and the model was not asked yet: the wait goes on."""
    talk.asks()
    talk.dialogue.response_started("m")
    talk.dialogue.response_text("m")
    talk.dialogue.tool_started("1", "lookup")
    talk.dialogue.response_ended("m")
    talk.dialogue.reply()
    talk.dialogue.bot_started()
    talk.dialogue.tool_ended("1")
    talk.falls_silent()
    assert talk.dialogue.waiting
    talk.dialogue.response_started("m")
    talk.dialogue.response_text("m")
    talk.dialogue.response_ended("m")
    talk.says(1.0)
    assert not talk.dialogue.waiting
    assert talk.outcome == "replied"


def test_a_tool_whose_result_is_kept_ends_the_turn(talk: Talk) -> None:
    """A tool after which the model is not asked leaves nothing to wait for, a moment later."""
    for text in (True, False):
        talk.asks()
        talk.dialogue.response_started("m")
        if text:
            talk.dialogue.response_text("m")
        talk.dialogue.tool_started("1", "note_down")
        talk.dialogue.response_ended("m")
        if text:
            talk.dialogue.reply()
        talk.dialogue.response_passed()
        if text:
            talk.says(1.0)
        talk.clock.advance(2.0)
        talk.dialogue.look()
        assert talk.dialogue.waiting
        talk.dialogue.tool_ended("1", answered=False)
        talk.dialogue.look()
        talk.clock.advance(GRACE_S - 0.1)
        talk.dialogue.look()
        assert talk.dialogue.waiting
        talk.clock.advance(0.2)
        talk.dialogue.look()
        assert not talk.dialogue.waiting
        assert talk.outcome == "replied"


def test_text_that_is_still_to_be_heard_ends_no_wait(talk: Talk) -> None:
    """What the model said before such a tool is waited for, however long its voice takes."""
    talk.asks()
    talk.dialogue.response_started("m")
    talk.dialogue.response_text("m")
    talk.dialogue.tool_started("1", "note_down")
    talk.dialogue.response_ended("m")
    talk.dialogue.tool_ended("1", answered=False)
    for _ in range(10):
        talk.clock.advance(GRACE_S)
        talk.dialogue.look()
    assert talk.dialogue.waiting
    talk.says(1.0)
    assert talk.outcome == "replied"


def test_interruption_before_the_bot_is_heard(talk: Talk) -> None:
    """A reply that is interrupted on its way leaves no mark: the next answer's end is noticed."""
    talk.asks()
    talk.dialogue.response_started("m")
    talk.dialogue.response_text("m")
    talk.dialogue.reply()
    talk.dialogue.interrupted()
    assert not talk.dialogue.bot_speaks
    talk.asks()
    talk.dialogue.response_started("m")
    talk.dialogue.response_text("m", unspoken=True)
    talk.dialogue.response_ended("m")
    talk.dialogue.settle()
    assert talk.dialogue.newest.turn is not None
    assert talk.dialogue.newest.turn.record.ended_s is not None


def test_a_reply_that_comes_after_all(talk: Talk) -> None:
    """Audio that comes when a turn was given up as unanswered still silences what sounds of its fillers."""
    talk.asks()
    talk.dialogue.response_started("m")
    talk.dialogue.response_text("m")
    talk.clock.advance(0.4)
    talk.dialogue.response_ended("m")
    talk.dialogue.response_passed()
    talk.session.tick()
    assert talk.session.filler_sounding
    talk.dialogue.reply()
    at = talk.clock.now()
    talk.clock.advance(1.0)
    assert talk.dialogue.newest.turn is not None
    record = talk.dialogue.newest.turn.record
    (sound,) = record.sounds
    assert sound.end_s is not None
    assert record.speech_ended_at + sound.end_s <= at + 0.021
    assert talk.outcome == "replied"


def test_end_of_speech_that_nobody_confirms(talk: Talk) -> None:
    """A cough is not waited for for ever."""
    talk.dialogue.speech_began()
    talk.dialogue.speech_ended(talk.clock.now())
    assert talk.dialogue.waiting
    talk.clock.advance(TENTATIVE_S + 0.1)
    talk.dialogue.look()
    assert not talk.dialogue.waiting
    assert talk.outcome == "retracted"


def test_an_old_end_of_speech_is_not_the_turns(talk: Talk) -> None:
    """A confirmation that comes long after the last voice, from typed text, say, begins the turn when it comes."""
    talk.asks()
    talk.says(1.0)
    talk.dialogue.response_started("m")
    talk.dialogue.bot_started()
    talk.dialogue.speech_began()
    talk.dialogue.speech_ended(talk.clock.now())  # "mm-hm"
    talk.clock.advance(FRESH_S + 1.0)
    talk.dialogue.response_ended("m")
    talk.falls_silent()
    talk.dialogue.turn_started()
    talk.dialogue.turn_stopped()
    assert talk.dialogue.newest.turn is not None
    assert talk.dialogue.newest.turn.record.speech_ended_at == talk.clock.now()


def test_without_voice_activity_detection(talk: Talk) -> None:
    """Where only turns are told of, a turn begins when it is confirmed."""
    talk.dialogue.turn_started()
    talk.clock.advance(2.0)
    talk.dialogue.turn_stopped()
    assert talk.dialogue.newest.turn is not None
    assert talk.dialogue.newest.turn.record.speech_ended_at == talk.clock.now()
    talk.clock.advance(0.3)
    talk.dialogue.turn_stopped()  # told twice
    assert talk.dialogue.newest.turn.number == 1


def test_interruption_resets_what_is_owed(talk: Talk) -> None:
    """After an interruption no tool and no response of before counts; the next answer ends the next turn."""
    talk.asks()
    talk.dialogue.response_started("m")
    talk.dialogue.tool_started("1", "lookup")
    talk.dialogue.interrupted()
    talk.dialogue.tool_ended("1", answered=False)
    assert talk.outcome == "cancelled"
    talk.asks()
    talk.dialogue.response_started("m")
    talk.dialogue.response_text("m")
    talk.dialogue.response_ended("m")
    talk.says(1.0)
    assert talk.outcome == "replied"
    assert not talk.dialogue.waiting


def test_interruption_drops_a_question_that_was_put_off(talk: Talk) -> None:
    """A question during the bot's answer is waited for once that is over, unless all of it is interrupted."""
    for interrupted in (False, True):
        talk.asks()
        talk.dialogue.reply()
        talk.dialogue.bot_started()
        talk.clock.advance(1.0)
        talk.asks()
        assert talk.dialogue.waiting
        if interrupted:
            talk.dialogue.interrupted()
        assert talk.dialogue.waiting is not interrupted
        talk.falls_silent()
        assert talk.dialogue.waiting is not interrupted


def test_a_question_that_is_answered_behind_what_the_bot_says(talk: Talk) -> None:
    """Where the answer is queued right behind the bot's speech nothing is left to wait for afterwards."""
    talk.asks()
    talk.dialogue.tts_started()
    talk.dialogue.reply()
    talk.dialogue.bot_started()
    talk.asks()
    assert talk.dialogue.waiting
    talk.dialogue.tts_started()
    talk.dialogue.reply()
    assert not talk.dialogue.waiting
    talk.dialogue.bot_stopped()
    talk.dialogue.bot_started()
    talk.clock.advance(1.0)
    talk.falls_silent()
    assert not talk.dialogue.waiting


def test_user_speaks_while_the_preamble_ends(talk: Talk) -> None:
    """A further wait that opens while the user speaks is silent until it was only an "ok", then it has its fillers."""
    talk.asks()
    talk.dialogue.response_started("m")
    talk.dialogue.response_text("m")
    talk.dialogue.tool_started("1", "lookup")
    talk.dialogue.response_ended("m")
    talk.dialogue.reply()
    talk.dialogue.bot_started()
    talk.clock.advance(1.0)
    talk.dialogue.speech_began()
    talk.falls_silent()
    assert talk.dialogue.waiting
    talk.clock.advance(2.0)
    assert talk.dialogue.newest.turn is not None
    assert not talk.dialogue.newest.turn.record.sounds
    talk.dialogue.speech_ended(talk.clock.now())
    talk.clock.advance(2.0)
    assert talk.dialogue.newest.turn.record.sounds
    assert talk.outcome == "waiting"


calls = st.sampled_from(["1", "2"])
models = st.sampled_from(["m", "n"])
news = st.one_of(
    st.sampled_from(
        ["speech_began", "turn_started", "turn_stopped", "passed_by", "interrupted", "asked", "response_passed",
         "tts_started", "reply", "bot_started", "bot_stopped", "settle", "look"]
    ).map(lambda name: (name, (), {})),
    st.floats(0.0, 2.0).map(lambda age: ("speech_ended", (age,), {})),
    st.builds(lambda name, model: (name, (model,), {}),
              st.sampled_from(["response_started", "response_text", "response_ended"]), models),
    calls.map(lambda call: ("tools_called", ([call],), {})),
    st.builds(lambda call, background: ("tool_started", (call, "lookup"), {"background": background}),
              calls, st.booleans()),
    st.builds(lambda call, answered: ("tool_ended", (call,), {"answered": answered}), calls, st.booleans()),
)  # fmt: skip


@given(told=st.lists(st.tuples(news, st.floats(0.0, 3.0)), max_size=30))
def test_any_news_in_any_order(bank: ClipBank, told: list[tuple[tuple[str, Any, dict[str, Any]], float]]) -> None:
    """Whatever is told, and in whatever order, nothing raises; no filler begins while the bot speaks."""
    talk = Talk(bank)
    speaks: list[tuple[float, float]] = []
    since: float | None = None
    turns: dict[str, Any] = {}
    with talk.manager:
        for (name, arguments, keywords), pause in told:
            if name == "speech_ended":
                arguments = (talk.clock.now() - arguments[0],)
            if name == "bot_started" and since is None:
                since = talk.clock.now()
            elif name == "bot_stopped" and since is not None:
                speaks.append((since, talk.clock.now()))
                since = None
            getattr(talk.dialogue, name)(*arguments, **keywords)
            if talk.dialogue.newest.turn is not None:
                turns[talk.dialogue.newest.turn.id] = talk.dialogue.newest.turn
            talk.clock.advance(pause)
            talk.session.tick()
        for turn in turns.values():
            record = turn.record
            starts = [record.speech_ended_at + sound.start_s for sound in record.sounds]
            assert not [s for s in starts for begin, end in speaks if begin + 0.03 < s < end]


def test_ended_at() -> None:
    """A wall clock's time is mapped as long as it can be right; clocks that were set do no harm."""
    now = time.time()
    assert ended_at(50.0, now - 0.3, 0.2) == pytest.approx(49.5, abs=0.05)
    assert ended_at(50.0, now + 3600.0, 0.2) == pytest.approx(49.8, abs=0.05)
    assert ended_at(50.0, now - 3600.0, 0.2) == pytest.approx(49.8, abs=0.05)
    assert ended_at(50.0, now, -1.0) == pytest.approx(50.0, abs=0.05)


def test_owed() -> None:
    """Tools are waited for from the call on, by id; those in the background are only known by name."""
    owed = Owed()
    assert not owed.anything
    owed.said()
    owed.called(["1", "2"])
    assert owed.anew
    assert owed.tool_started("1", "lookup", background=False)
    assert not owed.tool_started("1", "lookup", background=False)
    assert owed.tool_started("3", "report", background=True)
    assert owed.tool_ended("1", answered=False) == "lookup"
    assert owed.anew  # the second one was called
    assert owed.tool_ended("2", answered=False) is None
    assert not owed.anything
    assert owed.tool_ended("3", answered=True) == "report"
    assert not owed.anything  # the conversation went on
    owed.response_started("m")
    assert owed.anew
    assert owed.response_text("m")
    assert not owed.response_text("m")
    assert (owed.anew, owed.anything) == (False, True)
    assert not owed.response_text("n")  # of no response: another processor's
    owed.response_ended("m")
    owed.response_ended("m")
    assert not owed.anything


def test_owed_after_no_word() -> None:
    """A tool in the background is waited for as long as nothing was said since the response that called it began."""
    owed = Owed()
    owed.response_started("m")
    owed.called(["1"])
    assert owed.tool_started("1", "report", background=True)
    owed.response_ended("m")
    assert owed.anew
    assert owed.tool_ended("1", answered=True) == "report"
    assert owed.anew  # the model is asked
    owed.response_started("m")
    assert owed.tool_started("2", "report", background=True)
    owed.response_text("m")
    owed.response_ended("m")
    assert not owed.anything
    assert owed.tool_ended("2", answered=False) == "report"
    assert not owed.unasked
