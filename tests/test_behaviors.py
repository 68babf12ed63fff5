"""Behaviours: what triggers them, and what they change in that very turn."""

import gc
import time
from collections.abc import Iterator
from typing import Any

import pytest
import stopgap
from hypothesis import given
from hypothesis import strategies as st
from stopgap import ClipBank, FillerManager, Kind, SilentOutput, UsageError, VirtualClock
from stopgap.engine.prediction import Context, Lesson
from stopgap.fillers import Behavior, Behaviors, ConfigError, FillerOverride, Signals

RATE = 24_000
LADDER: dict[str, Any] = {
    "mode": "ladder",
    "seed": 1,
    "ladder": [{"after_ms": 700, "kind": "hesitation"}, {"after_ms": 2000, "kind": "phrase"}],
}


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(100.0)


@pytest.fixture
def open_session(clock: VirtualClock, bank: ClipBank) -> Iterator[Any]:
    """Opens a session with behaviours."""
    managers = []

    def opened(behaviors: dict[str, Any], **changes: Any) -> stopgap.Session:
        config = stopgap.load_config({**LADDER, **changes, "behaviors": behaviors})
        managers.append(FillerManager(config, clock=clock, bank=bank))
        return managers[-1].session(SilentOutput(RATE))

    yield opened
    for manager in managers:
        manager.close()


def heard(turn: stopgap.Turn) -> list[tuple[Kind, float]]:
    return [(sound.kind, round(sound.start_s, 2)) for sound in turn.record.sounds]


@pytest.mark.parametrize(
    ("trigger", "fires", "does_not"),
    [
        ("passed away", Signals("My mother passed away, you know."), Signals("She passed by, away from home.")),
        ("Passed, away!", Signals("PASSED AWAY"), Signals("surpassed away")),
        ("/refund(ed)?$/", Signals("I want a REFUND"), Signals("refund me")),
        ("tool:lookup", Signals(tools=frozenset({"lookup"})), Signals("lookup", tools=frozenset({"look"}))),
        ("label:sentiment=negative", Signals(labels={"sentiment": "negative"}), Signals(labels={"sentiment": "good"})),
        ("label:vip", Signals(labels={"vip": ""}), Signals(labels={"other": "vip"})),
        ("wait>2.5", Signals(wait_s=2.6), Signals(wait_s=2.5)),
        ("wait > 2.5", Signals(wait_s=2.6), Signals("wait")),
        ("turn>3", Signals(turn=4), Signals(turn=3)),
        ("turn=1", Signals(turn=1), Signals(turn=2)),
        ("wait a moment", Signals("Wait a moment!"), Signals(wait_s=99.0)),
        ("turn it off", Signals("please turn it off"), Signals(turn=99)),
        ("¿dónde está?", Signals("Hola, ¿dónde está mi pedido?"), Signals("donde estamos")),
    ],
)
def test_triggers(trigger: str, fires: Signals, does_not: Signals) -> None:
    """Each form speaks for what it names, and for nothing else."""
    behavior = Behavior(triggers=(trigger,))
    assert behavior.fires(fires)
    assert not behavior.fires(does_not)


@pytest.mark.parametrize(
    ("behavior", "sentence"),
    [
        ({"triggers": []}, "behaviors.x.triggers"),
        ({"triggers": ["..."]}, "'...' triggers nothing"),
        ({"triggers": ["/(/"]}, "/(/ is no regular expression"),
        ({"triggers": [f"/{'(' * 450}a{')' * 450}/"]}, "is nested too deep; write fewer brackets"),
        ({"triggers": [f"/{'a' * 1001}/"]}, "a pattern has 1001 characters; write at most 1000"),
        ({"triggers": ["wait>long"]}, 'write "wait>2.5"'),
        ({"triggers": ["turn<3"]}, 'write "turn=1" or "turn>3"'),
        ({"triggers": ["tool:"]}, "'tool:' triggers nothing"),
        ({"triggers": ["x"], "version": 0}, "behaviors.x.version"),
        ({"triggers": ["x"], "costs": {"silence": 1.0}}, "behaviors.x.costs.silence is no cost"),
        ({"triggers": ["x"], "costs": {"phrase": -1.0}}, "behaviors.x.costs.phrase = -1.0 is no cost"),
        ({"triggers": ["x"], "fillers": {"phrases": ["nobody says that"]}}, "behaviors.x.fillers.phrases[0]"),
        ({"triggers": ["x"], "fillers": {"expected_ms": 100}}, "behaviors.x.fillers.expected_ms"),
        ({"triggers": ["x"], "alternatives": [{"triggers": ["x"], "share": 0.5}]}, "two versions are 1"),
        ({"triggers": ["x"], "alternatives": [{"triggers": ["x"], "version": 2}]}, "alternatives[0].share"),
        (
            {"triggers": ["x"], "alternatives": [{"triggers": ["x"], "version": v, "share": 0.5} for v in (2, 3)]},
            "the alternatives' shares add up to 1; leave some for version 1",
        ),
        (
            {"triggers": ["x"], "alternatives": [{"triggers": ["x"], "version": 2, "share": 0.5, "costs": {"a": 1.0}}]},
            "behaviors.x.alternatives[0].costs.a is no cost",
        ),
        (
            {
                "triggers": ["x"],
                "alternatives": [
                    {"triggers": ["x"], "version": 2, "share": 0.5, "fillers": {"phrases": ["nobody says that"]}}
                ],
            },
            "behaviors.x.alternatives[0].fillers.phrases[0]",
        ),
    ],
)
def test_what_cannot_be_is_told(behavior: dict[str, Any], sentence: str, open_session: Any) -> None:
    """One sentence with the key, before anything plays."""
    with pytest.raises(ConfigError) as caught:
        open_session({"x": behavior})
    assert sentence in str(caught.value)


def test_a_pattern_that_takes_too_long_does_not_match() -> None:
    """The user's words can hold up nobody."""
    assert not Behavior(triggers=("/(a+)+$/",)).fires(Signals("a" * 3000 + "!"))


def test_patterns_share_the_time_that_one_choice_may_take() -> None:
    """Each of hundreds may be a slow one: together they hold up nobody, and what needs no pattern is still found."""
    slow = {f"{n}": Behavior(triggers=tuple(f"/(a+)+b{n}c{m}$/" for m in range(50))) for n in range(4)}
    behaviors = Behaviors({**slow, "shouts": Behavior(triggers=("hello",))})
    began_at = time.perf_counter()
    assert behaviors.triggered(Signals("hello " + "a" * 3000 + "!")) == "shouts"
    assert time.perf_counter() - began_at < 1.0  # each on its own would take 4 s


def test_many_phrases_cost_little() -> None:
    """What the user said is put in order once, not for every phrase that is looked for."""
    behaviors = Behaviors({str(n): Behavior(triggers=(f"phrase {n}",)) for n in range(5000)})
    assert behaviors.triggered(Signals()) is None  # triggers are read when they are first asked
    began_at = time.perf_counter()
    assert behaviors.triggered(Signals("hello there " * 333)) is None
    assert time.perf_counter() - began_at < 0.5  # 1.7 s if each did


def test_words_change_the_turn_in_which_they_are_said(open_session: Any, clock: VirtualClock) -> None:
    """What sounds has begun; what is to come is silence. The next turn is as ever."""
    session = open_session({"grief": {"version": 3, "triggers": ["passed away"], "fillers": {"silent": True}}})
    turn = session.begin()
    clock.advance(1.0)
    turn.user_said("She passed away")
    clock.advance(5.0)
    assert heard(turn) == [(Kind.HESITATION, 0.7)]
    assert turn.record.behavior == ("grief", 3)
    turn.finish()
    second = session.begin()
    clock.advance(2.5)
    assert heard(second) == [(Kind.HESITATION, 0.7), (Kind.PHRASE, 2.0)]
    assert second.record.behavior is None


def test_words_that_are_known_at_the_beginning(open_session: Any, clock: VirtualClock) -> None:
    """Nothing has to be taken back then; the agent is handed what it is to do."""
    rule = {
        "triggers": ["passed away"], "fillers": {"kinds": ["phrase"], "phrases": ["bear-with-me"]},
        "instruction": "Be gentle.", "tool_candidates": [{"tool_name": "condolences"}],
    }  # fmt: skip
    session = open_session({"grief": rule})
    turn = session.begin(user_said="He has passed away.")
    clock.advance(3.0)
    assert [(sound.clip, round(sound.start_s, 1)) for sound in turn.record.sounds] == [("bear-with-me", 2.0)]
    assert turn.behavior.name == "grief"
    assert turn.behavior.rule.instruction == "Be gentle."
    assert turn.behavior.rule.tool_candidates == ({"tool_name": "condolences"},)


def test_tools_labels_and_turns(open_session: Any, clock: VirtualClock) -> None:
    """The others trigger as well; limits are those of the behaviour."""
    session = open_session(
        {
            "payment": {"triggers": ["tool:pay"], "fillers": {"silent": True}},
            "angry": {"triggers": ["label:sentiment=negative"], "limits": {"per_turn": 1}},
            "late": {"triggers": ["turn>1"], "fillers": {"kinds": ["phrase"]}},
        }
    )
    first = session.begin()
    first.label({"sentiment": "negative"})
    clock.advance(3.0)
    first.finish()
    second = session.begin()
    clock.advance(0.5)
    assert second.behavior.name == "late"
    second.milestone("tool_started", tool="pay")
    clock.advance(3.0)
    second.finish()
    third = session.begin()
    clock.advance(3.0)
    assert (heard(first), first.record.behavior) == ([(Kind.HESITATION, 0.7)], ("angry", 1))
    assert (heard(second), second.record.behavior) == ([], ("payment", 1))
    assert (heard(third), third.record.behavior) == ([(Kind.PHRASE, 2.0)], ("late", 1))


def test_the_predicted_wait_triggers(open_session: Any, clock: VirtualClock) -> None:
    """A turn of which a long wait is expected is another one than one of an agent that is quick."""
    session = open_session({"long": {"triggers": ["wait>3"], "fillers": {"silent": True}}})
    predictor = session._engine.predictor
    for agent, wait_s in (("slow", 5.0), ("quick", 1.0)):
        predictor.learn([Lesson("speech_ended", Context(agent=agent), wait_s, ended=True)] * 100)
    slow = session.begin(agent="slow")
    assert slow.behavior.name == "long"
    assert session.begin(agent="quick").behavior is None


def test_costs_change_the_plan(bank: ClipBank, clock: VirtualClock) -> None:
    """Where fillers are dear under a behaviour the planner plays none, in the very turn; beside it nothing changes."""
    config = stopgap.load_config(
        {"seed": 1, "behaviors": {"brief": {"triggers": ["quick"], "costs": {
            "hesitation": 50.0, "phrase": 50.0, "progress": 50.0, "backchannel": 50.0, "bed": 50.0}}}}
    )  # fmt: skip
    heard_of: dict[str, list[Any]] = {}
    for words in ("be quick", "take your time", "be quick"):
        with FillerManager(config, clock=clock, bank=bank) as manager:
            turn = manager.session(SilentOutput(RATE)).begin(user_said=words)
            clock.advance(5.0)
            if turn.record.policy != "ladder":  # which knows no costs
                heard_of.setdefault(words, []).append(heard(turn))
    assert all(not sounds for sounds in heard_of["be quick"])
    assert all(heard_of["take your time"])


def test_an_earlier_one_takes_its_place_and_a_later_one_does_not(open_session: Any) -> None:
    """The configuration's order decides, whichever is triggered first."""
    session = open_session({"first": {"triggers": ["label:a"]}, "second": {"triggers": ["label:b"]}})
    turn = session.begin()
    seen = []
    for label in ("b", "a", "b"):
        turn.label({label: "x"})
        seen.append(turn.behavior.name)
    assert seen == ["second", "first", "first"]


def test_conversations_are_dealt_versions(clock: VirtualClock, bank: ClipBank) -> None:
    """Each keeps its version, plays by it, and says so whether or not it was triggered; the shares are kept."""
    grief = {
        "version": 2, "triggers": ["passed away"], "fillers": {"silent": True},
        "alternatives": [{"version": 1, "share": 0.25, "triggers": ["passed away"]}],
    }  # fmt: skip
    config = stopgap.load_config({**LADDER, "behaviors": {"grief": grief, "other": {"triggers": ["hello"]}}})
    dealt: dict[str, list[int]] = {}
    for _ in range(2):
        with FillerManager(config, clock=clock, bank=bank) as manager:
            for number in range(40):
                session = manager.session(SilentOutput(RATE), id=f"call {number}")
                turn = session.begin(user_said="She passed away." if number % 2 else "")
                ((name, version),) = turn.record.assigned
                assert name == "grief"
                assert turn.record.behavior == (("grief", version) if number % 2 else None)
                clock.advance(1.0)
                assert len(heard(turn)) == (0 if number % 2 and version == 2 else 1)
                dealt.setdefault(session.id, []).append(version)
                session.close()
    assert all(first == second for first, second in dealt.values())
    assert 4 <= sum(versions[0] == 1 for versions in dealt.values()) <= 16


def test_behaviours_that_come_with_a_turn(open_session: Any, clock: VirtualClock) -> None:
    """They hold in that turn, behind those of the configuration; what cannot be is refused before anything changes."""
    session = open_session({"own": {"triggers": ["hello"], "fillers": {"kinds": ["phrase"]}}})
    silent = Behavior(version=7, triggers=("hello", "bye"), fillers=FillerOverride(silent=True))
    further = Behaviors({"stored": silent, "own": silent}, assigned=(("stored", 7), ("own", 7)))
    turns = []
    for words in ("hello", "bye"):
        turns.append(session.begin(user_said=words, behaviors=further))
        clock.advance(3.0)
        turns[-1].finish()
    assert [turn.record.behavior for turn in turns] == [("own", 1), ("stored", 7)]
    assert [turn.record.assigned for turn in turns] == [(("stored", 7),)] * 2
    assert [heard(turn) for turn in turns] == [[(Kind.PHRASE, 2.0)], []]
    turn = session.begin(user_said="bye")
    assert turn.behavior is None
    with pytest.raises(UsageError, match=r"behavior wrong: costs\.silence is no cost"):
        session.begin(behaviors=Behaviors({"wrong": Behavior(triggers=("x",), costs={"silence": 1.0})}))
    assert turn.waiting


def test_after_the_reply_nothing_is_disturbed(open_session: Any, clock: VirtualClock) -> None:
    """A transcript that comes late is in the record, and makes no sound."""
    session = open_session({"grief": {"triggers": ["passed away"]}})
    turn = session.begin()
    turn.finish()
    turn.user_said("passed away")
    clock.advance(5.0)
    assert heard(turn) == []


def test_a_transcript_is_text(open_session: Any) -> None:
    """Anything else is refused in a sentence, and the turn before it goes on."""
    session = open_session({"x": {"triggers": ["hello"]}})
    turn = session.begin()
    words: Any = b"hello"
    with pytest.raises(UsageError, match="give the transcript"):
        session.begin(user_said=words)
    with pytest.raises(UsageError, match="takes the transcript"):
        turn.user_said(words)
    assert turn.waiting


@pytest.mark.parametrize("labels", [{"a": 1}, "a", [("a", "b")]])
def test_labels_are_texts(labels: Any, open_session: Any) -> None:
    """Anything else is refused in a sentence."""
    turn = open_session({}).begin()
    with pytest.raises(UsageError, match="texts by name"):
        turn.label(labels)


@given(words=st.lists(st.sampled_from(["alpha", "beta", "gamma"]), max_size=6))
def test_the_first_that_is_triggered(words: list[str]) -> None:
    """Whatever is said, the first behaviour in the configuration with a word of it is chosen."""
    names = ["gamma", "alpha", "beta"]
    config = stopgap.load_config({"behaviors": {name: {"triggers": [name]} for name in names}})
    expected = next((name for name in names if name in words), None)
    assert Behaviors.dealt(config.behaviors, "call").triggered(Signals(" ".join(words))) == expected


def test_turns_with_behaviours_are_gone_at_once(open_session: Any, clock: VirtualClock) -> None:
    """They leave no cycles to the garbage collector."""
    session = open_session({"x": {"triggers": ["wait>0"], "fillers": {"silent": True}}})
    session.begin().finish()
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            turn = session.begin(user_said="hello")
            turn.user_said("hello you")
            turn.finish()
            clock.advance(1.0)
        del turn
        session.close()
        assert gc.collect() == 0
    finally:
        gc.enable()
