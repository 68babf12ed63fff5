"""Metrics: what is found in conversations whose figures are known, and what users may define."""

import json
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stopgap.benchmarks import convert_trace
from stopgap.engine import TurnRecord
from stopgap.engine._rowbase import RowBase
from stopgap.engine.metrics import (
    NAMES,
    Boolean,
    Categorical,
    Metric,
    Numerical,
    Targets,
    TurnFacts,
    builtin_metrics,
    facts_of,
    facts_of_wait,
    load_metrics,
    record_of,
)
from stopgap.engine.metrics._expression import MAX_CHARACTERS, Expression, _here
from stopgap.engine.turns import MilestoneRecord, PredictionRecord, SoundRecord, WaitRecord, turn_row
from stopgap.fillers import ConfigError, Kind, Limits, UsageError

Run = Callable[..., Any]


@pytest.fixture
def run(run: Run) -> Run:
    """A runner of ``stopgap metrics``, in an empty folder."""
    return partial(run, "metrics")


def a_sound(start_s: float, end_s: float | None, kind: Kind = Kind.HESITATION, **changes: Any) -> SoundRecord:
    plain = SoundRecord(
        kind=kind, clip="um", text="Um", start_s=start_s, end_s=end_s, requested_s=start_s, start_frame=0,
        end_frame=None, cut=False, reason="planned",
    )  # fmt: skip
    return replace(plain, **changes)


def a_record(number: int = 1, *, ready_s: float = 1.5, held_s: float = 0.0, **changes: Any) -> TurnRecord:
    """Return the record of a turn of the session "call": answered after *ready_s*, held back by *held_s*."""
    plain = TurnRecord(
        id=f"call-{number}", session="call", agent="a", language="en-US", outcome="replied",
        speech_ended_at=20.0 * number, began_s=0.0, ended_s=ready_s + 2.0, cancel_reason=None, policy="predictive",
        prediction=PredictionRecord(1.0, 2.0, 3.0), milestones=(MilestoneRecord("speech_ended", 0.0),),
        waits=(WaitRecord(0.0, ready_s, ready_s + held_s, held_s),),
    )  # fmt: skip
    return replace(plain, **changes)


def a_call() -> list[TurnRecord]:
    """Return five turns: a good one, a slow lookup, one with a needless filler, a cancelled one, one taken back."""
    return [
        a_record(1, ready_s=1.2, sounds=(a_sound(0.5, 0.9),)),  # silent for 0.5 and 0.3 s
        a_record(
            2, ready_s=5.0,
            milestones=(MilestoneRecord("speech_ended", 0.0), MilestoneRecord("tool_started", 0.4, "lookup")),
            sounds=(a_sound(0.8, 1.0), a_sound(1.5, 3.1, Kind.PHRASE, cut=True)),
        ),  # silent for 0.8, 0.5 and 1.9 s
        a_record(3, ready_s=0.8, held_s=0.1, sounds=(a_sound(0.6, 0.9),)),  # 0.2 s before the reply
        a_record(
            4, outcome="cancelled", waits=(WaitRecord(0.0, None, None, None),), cut_off_s=0.9, ended_s=0.9,
            agent="b",
        ),
        a_record(5, outcome="retracted", waits=(WaitRecord(0.0, None, None, None),), ended_s=9.0),
    ]  # fmt: skip


CALL = [facts_of(record) for record in a_call()]
BUILT_IN = builtin_metrics()


def value(name: str, turns: Sequence[TurnFacts] = CALL) -> Any:
    return BUILT_IN[name].evaluate(turns).value


def defined(of: str, aggregate: str = "mean", **more: Any) -> Metric:
    return load_metrics({"metrics": {"mine": {"of": of, "aggregate": aggregate, **more}}})["mine"]


# what a turn says -------------------------------------------------------------------------------------------------


def test_what_a_record_says() -> None:
    """Times, dead air between sounds, and counts."""
    turn = CALL[1]
    assert (turn.tool, turn.wait_s, turn.first_sound_s, turn.answer_heard_s) == ("lookup", 5.0, 0.8, 5.0)
    assert turn.longest_dead_air_s == pytest.approx(1.9)
    assert turn.dead_air_s == pytest.approx(3.2)
    assert (turn.fillers, turn.spoken, turn.cuts, turn.needless) == (2, 2, 1, False)


def test_each_wait_has_dead_air_of_its_own() -> None:
    """What sounds before a further wait is the preamble, which is no silence; nor is what the user says."""
    waits = (WaitRecord(0.0, 1.0, 1.0, 0.0), WaitRecord(3.0, 7.0, 7.0, 0.0))
    found = facts_of(a_record(waits=waits, sounds=(a_sound(4.5, 5.0, Kind.PROGRESS),)))
    assert found.longest_dead_air_s == pytest.approx(2.0)
    assert found.dead_air_s == pytest.approx(1.0 + 1.5 + 2.0)
    assert (found.reply_heard_s, found.answer_heard_s, found.waits) == (1.0, 7.0, 2)
    assert facts_of(a_record(ready_s=3.0, user_spoke=((1.0, 2.5),))).longest_dead_air_s == pytest.approx(1.0)


def test_a_bed_is_sound() -> None:
    """Dead air is where neither filler nor reply sounds."""
    found = facts_of(a_record(ready_s=4.0, sounds=(a_sound(1.0, 4.0, Kind.AMBIENCE),)))
    assert (found.longest_dead_air_s, found.fillers, found.spoken) == (1.0, 1, 0)


def test_a_turn_as_it_stands() -> None:
    """A wait that goes on has no dead air yet: how long it will be is not known."""
    waits = (WaitRecord(0.0, None, None, None),)
    found = facts_of(a_record(outcome="waiting", ended_s=None, waits=waits, sounds=(a_sound(0.5, None),)))
    assert (found.longest_dead_air_s, found.end_s, found.needless, found.first_sound_s) == (None, None, None, 0.5)


def test_a_record_survives_json() -> None:
    """What `as_dict` gives is read back as it was, and keys of later versions do not matter."""
    for record in a_call():
        assert record_of({**json.loads(json.dumps(record.as_dict())), "later": 1}) == record


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"speech_ended_at": "20"}, r"speech_ended_at: input should be a valid number; write a turn as TurnRecord"),
        ({"waits": [{"began_s": 0.0}]}, r"waits\.0\.available_s: "),
        ({"sounds": [{"kind": "song"}]}, r"sounds\.0\.kind: "),
        ({"ended_s": float("nan")}, r"it holds what no record does, such as a number beyond 1e\+15; write a turn as"),
        ({"ended_s": 1e300}, "it holds what no record does"),
        ({"ended_s": object()}, "it holds what no record does"),
    ],
)
def test_a_bad_record_is_refused(changes: dict[str, Any], said: str) -> None:
    """One sentence names the first field that is wrong."""
    with pytest.raises(UsageError, match=said):
        record_of({**a_record().as_dict(), **changes})


# the built-in ones ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("reply_wait", 1.2),
        ("time_to_first_sound", 0.6),
        ("time_to_answer", 1.2),
        ("longest_dead_air", 1.9),
        ("reply_delay", 0.1 / 3),
        ("needless_fillers", 1 / 3),
        ("fillers_per_minute", 60 * 4 / 60.9),
        ("target_met", False),
        ("experience", "awkward"),
    ],
)
def test_the_figures_of_a_call(name: str, expected: Any) -> None:
    """Each built-in metric finds what was put there; the turn that was taken back does not count."""
    assert value(name) == (pytest.approx(expected) if isinstance(expected, float) else expected)


def test_references_and_justification() -> None:
    """The worst turn comes first, and one sentence says the numbers."""
    found = BUILT_IN["longest_dead_air"].evaluate(CALL)
    assert (found.metric, found.conversation, found.references[0]) == ("longest_dead_air", "call", "call-2")
    assert found.justification == "The highest of the longest dead air over 4 turns is 1.9 s, in turn call-2."
    needless = BUILT_IN["needless_fillers"].evaluate(CALL)
    assert needless.references == ("call-3",)
    assert needless.justification == (
        "1 of 3 turns, 33.3 % (1 more turn does not tell): the first filler began < 0.25 s before the reply was "
        "available, so in turn call-3."
    )


def test_a_short_call_counts_as_a_minute() -> None:
    """One filler in a call of 2 s is one a minute, not thirty."""
    found = BUILT_IN["fillers_per_minute"].evaluate(CALL[:1])
    assert found.value == 1.0
    assert found.justification == "1 spoken filler in 1.2 s, which counts as 60 s; most, 1, in turn call-1."


@pytest.mark.parametrize(
    ("silent_s", "expected"),
    [(0.7, "smooth"), (0.71, "noticeable"), (1.0, "noticeable"), (1.01, "awkward"), (2.0, "awkward"), (2.1, "broken")],
)
def test_classes_of_experience(silent_s: float, expected: str) -> None:
    """The longest dead air decides; the limits belong to the better class."""
    assert value("experience", [facts_of(a_record(ready_s=silent_s))]) == expected


def test_targets() -> None:
    """Dead air over 1 s in at most 2 % of the turns, replies held back by 10 ms on average or what is configured."""
    good = [facts_of(a_record(number, ready_s=0.9)) for number in range(1, 51)]
    assert value("target_met", good) is True
    one_slow = [facts_of(a_record(1, ready_s=3.0)), *good[1:]]
    assert value("target_met", one_slow) is True
    assert value("target_met", one_slow[:49]) is False
    held = [facts_of(a_record(1, ready_s=0.5, held_s=0.4)), *good[1:]]
    assert value("target_met", held) is True  # 8 ms
    strict = builtin_metrics(Targets.of(Limits()))["target_met"].evaluate(held)
    assert (strict.value, strict.references) == (False, ("call-1",))
    free = builtin_metrics(Targets.of(Limits(reply_delay_ms="unlimited")))["target_met"]
    assert free.evaluate([facts_of(a_record(ready_s=0.1, held_s=0.8))]).value is True


def test_a_log_does_not_tell_what_was_heard() -> None:
    """Of a log's rows only waits are known; everything else is not applicable, and says why."""
    rows = [turn_row(r, turn_id=r.id, conversation_id="c", started_at=1.0) for r in a_call()[:2]]
    turns = [
        facts_of_wait(
            id=str(row["turn_id"]), conversation="c", started_at=1.0, agent="a", tool=None,
            reply_ready_s=float(row["reply_ready_ms"] or 0) / 1000.0, cancelled_s=None,
        )
        for row in rows if row is not None
    ]  # fmt: skip
    assert value("reply_wait", turns) == pytest.approx(3.1)
    for name in BUILT_IN.keys() - {"reply_wait"}:
        found = BUILT_IN[name].evaluate(turns)
        assert (found.value, found.references) == (None, ())
        assert found.justification == (
            "Not applicable: a log holds the waits of 2 turns, not what was heard; give records of the turns."
        )


def test_no_turns() -> None:
    """A conversation without turns has no metrics."""
    for metric in BUILT_IN.values():
        found = metric.evaluate([])
        assert (found.value, found.conversation) == (None, None)
        assert found.justification == "Not applicable: the conversation has no turns."


def test_up_to_an_unknown_turn() -> None:
    """Which turn is meant must be clear."""
    with pytest.raises(UsageError, match="turn 'x' is none of the conversation's 5; give the id of one of them"):
        BUILT_IN["reply_wait"].evaluate(CALL, up_to="x")


# whatever there is ------------------------------------------------------------------------------------------------

TIMES = st.floats(0.0, 5000.0)


@st.composite
def conversations(draw: st.DrawFn) -> list[TurnFacts]:
    """Turns of one conversation, each after the other, answered or not, with fillers or without."""
    turns, at = [], 0.0
    for number in range(draw(st.integers(1, 8))):
        at += draw(st.floats(0.0, 1000.0))
        starts = draw(st.lists(TIMES, max_size=3))
        kinds, lengths = st.sampled_from(Kind), st.floats(0.0, 5.0)
        sounds = tuple(a_sound(start, start + draw(lengths), draw(kinds)) for start in starts)
        record = a_record(number, ready_s=draw(TIMES), held_s=draw(st.floats(0.0, 2.0)), sounds=sounds)
        if draw(st.booleans()):
            ended_s = draw(st.none() | TIMES)
            outcome: Any = draw(st.sampled_from(["cancelled", "retracted", "waiting"]))
            waits = (WaitRecord(0.0, None, None, None),)
            record = replace(record, outcome=outcome, waits=waits, ended_s=ended_s, cut_off_s=ended_s)
        turns.append(facts_of(replace(record, speech_ended_at=at)))
    return turns


ALL = (
    *BUILT_IN.values(),
    defined("max(first_sound_s, 1) * 2 / spoken", "p95", where="outcome != 'waiting' or fillers > 0", unit="s"),
    defined("longest_dead_air_s <= 1", "all"),
    defined("dead_air_s", "sum", upper_bound=5.0, better="high"),
)


@given(conversations(), st.randoms(use_true_random=False), st.data())
def test_laws_of_metrics(turns: list[TurnFacts], random: Any, data: st.DataObject) -> None:
    """Up to a turn is the same as without the later ones, the order does not matter, and values keep their type."""
    last = data.draw(st.integers(0, len(turns) - 1))
    shuffled = list(turns)
    random.shuffle(shuffled)
    ids = {turn.id for turn in turns}
    for metric in ALL:
        assert metric.evaluate(shuffled, up_to=turns[last].id) == metric.evaluate(turns[: last + 1])
        found = metric.evaluate(shuffled)
        assert found == metric.evaluate(turns)
        assert ids.issuperset(found.references)
        assert found.justification.endswith(".")
        assert "\n" not in found.justification
        match metric.value_type:
            case _ if found.value is None:
                assert found.justification.startswith("Not applicable: ")
            case Boolean():
                assert isinstance(found.value, bool)
            case Categorical(categories=names):
                assert found.value in names
            case Numerical(lower_bound=low, upper_bound=high):
                assert not isinstance(found.value, bool | str)
                assert low <= found.value <= high


def test_beyond_a_bound() -> None:
    """A value beyond counts as the bound, and the sentence says so."""
    found = defined("wait_s", "max", upper_bound=2.0).evaluate(CALL)
    assert found.value == 2.0
    assert found.justification.endswith("is 5, in turn call-2; counted as the bound, 2.")


# metrics of users -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("of", "aggregate", "where", "expected"),
    [
        ("first_sound_s", "p95", "tool == 'lookup' and fillers > 0", 0.8),
        ("first_sound_s", "median", None, 0.6),
        ("first_sound_s", "mean", "agent in 'a'", 1.9 / 3),
        ("max(wait_s, 2) - 1", "min", None, 1.0),
        ("dead_air_s / spoken", "max", None, 1.6),
        ("-wait_s if tool == 'lookup' else 0", "sum", None, -5.0),
        ("longest_dead_air_s > 0.8", "count", None, 2.0),
        ("longest_dead_air_s > 0.8", "share", "replied", 1 / 3),
        ("0 < wait_s <= 5", "all", None, True),
        ("cancelled", "any", "replied", False),
        ("needless and not cancelled", "any", None, True),
    ],
)
def test_what_users_may_define(of: str, aggregate: str, where: str | None, expected: Any) -> None:
    """An expression for each turn, an aggregate, and which turns count."""
    found = defined(of, aggregate, **({} if where is None else {"where": where})).evaluate(CALL)
    assert found.value == (pytest.approx(expected) if isinstance(expected, float) else expected)
    assert type(found.value) is type(expected)


def test_a_file_of_metrics(tmp_path: Path) -> None:
    """Names, titles, units and bounds come from the file."""
    path = tmp_path / "metrics.toml"
    path.write_text(
        "[metrics.slow_lookups]\nof = 'first_sound_s'\naggregate = 'p95'\nwhere = \"tool == 'lookup'\"\nunit = 's'\n"
        "title = 'first sound of lookups'\nlower_bound = 0\nupper_bound = 60\n[metrics.calm]\n"
        "of = 'longest_dead_air_s <= 2'\naggregate = 'share'\nbetter = 'high'\n",
        encoding="utf-8",
    )
    slow, calm = load_metrics(path).values()
    assert (slow.name, slow.title, slow.unit, slow.value_type) == (
        "slow_lookups", "first sound of lookups", "s", Numerical(0.0, 60.0),
    )  # fmt: skip
    assert (calm.value_type, calm.badness(0.2) > calm.badness(0.9)) == (Numerical(0.0, 1.0), True)
    assert calm.title == "share of longest_dead_air_s <= 2"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"aggregate": "mode"}, r"metrics.mine.aggregate = 'mode' is not possible; write 'mean', "),
        ({"off": "wait_s"}, r"metrics.mine.off is not a known key; did you mean of\?"),
        ({"lower_bound": 2, "upper_bound": 1}, "lower_bound 2 is not below upper_bound 1; write the lower one first"),
        ({"aggregate": "all", "upper_bound": 1}, "all gives true or false; leave the bounds out"),
        ({"of": " "}, "metric 'mine': of is empty; write an expression, such as first_sound_s"),
    ],
)
def test_a_bad_definition_is_refused(changes: dict[str, Any], said: str) -> None:
    """One sentence that names the metric and what to write instead."""
    with pytest.raises(ConfigError, match=said):
        load_metrics({"metrics": {"mine": {"of": "wait_s", "aggregate": "mean", **changes}}})


def test_a_built_in_name_is_taken() -> None:
    """A metric of one's own cannot be mistaken for one that is built in."""
    with pytest.raises(ConfigError, match="metric 'reply_wait' is built in; give yours another name"):
        load_metrics({"metrics": {"reply_wait": {"of": "wait_s", "aggregate": "mean"}}})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("9**9**9**9", r"uses a power \(\*\*\)"),
        ("'%0999999999d' % 1", r"uses a remainder \(%\)"),
        ("1e999", r"uses a number beyond 1e\+15; write a smaller one"),
        ("9" * 400, "uses a number beyond"),
        ("first_sound_s.__class__", r"uses an attribute \(a dot after a name\)"),
        ("().__class__.__bases__[0].__subclasses__()", "calls|uses"),
        ("__import__('os').system('true')", "uses an attribute|calls|may be called"),
        ("tool[0]", r"uses a subscript \(\[...\]\)"),
        ("f'{tool:>999999999}'", "uses a formatted text"),
        ("[x for x in tool]", "uses "),
        ("(lambda: 1)()", "uses Call|uses a function of its own|may be called"),
        ("open('x')", r"calls open\(...\); only abs, min and max of plain values may be called"),
        ("max(*tool)", "uses Starred|may be called|gives max"),
        ("max(wait_s)", r"gives max 1 values; write abs\(a\), min\(a, b\) or max\(a, b\)"),
        ("abs(wait_s, key=1)", "may be called"),
        ("tool in ('a', 'b')", r"uses a list of values \(compare with each by == and or\)"),
        ("frist_sound_s", "uses 'frist_sound_s'; a turn has agent, tool, outcome, wait_s"),
        ("wait_s; wait_s", "is no single expression"),
        ("x = 1", "is no single expression"),
        ("wait_s +", r"cannot be read \(invalid syntax\)"),
        ("wait_s\0", "cannot be read"),
        ("'\ud800'", "cannot be read"),
        ("(" * 400, "cannot be read"),
        ("(" * 150 + "1" + ")" * 150 + " + x", "uses 'x'|too large or too deep"),
        ("-" * 450 + "1", "is too large or too deep|cannot be read"),
        ("not " * 100 + "1", "is too large or too deep"),
        (" + ".join(["1"] * 120), "is too large or too deep"),
        ("1,2,3" * 1000, f"has 5000 characters; write at most {MAX_CHARACTERS}"),
        ("b'x'", "uses b'x'"),
        ("1j", "uses 1j"),
        ("None", "uses None"),
        ("wait_s is 1", r"uses is \(write == instead\)"),
        ("(wait_s := 1)", "uses NamedExpr"),
    ],
)
def test_hostile_expressions_are_refused(text: str, said: str) -> None:
    """Each ends in one sentence, before any turn is looked at."""
    with pytest.raises(ConfigError, match=said) as refused:
        Expression(text, "metric 'mine': of")
    assert str(refused.value).startswith("metric 'mine': of ")
    assert len(str(refused.value)) < 600
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tool * 1000000", "mixes texts and numbers in turn call-1"),
        ("tool + tool", "mixes texts and numbers"),
        ("tool < 3", "mixes texts and numbers"),
        ("wait_s in wait_s", "mixes texts and numbers"),
        ("tool", "gives a text; write an expression that gives a number"),
        ("max", "gives|uses"),
    ],
)
def test_texts_are_no_numbers(text: str, said: str) -> None:
    """What only a turn shows is one sentence, too."""
    with pytest.raises(ConfigError, match=said):
        defined(text).evaluate(CALL)


def test_a_number_is_no_condition() -> None:
    """Counting needs what is true or false."""
    with pytest.raises(ConfigError, match="metric 'mine': where gives a number; write a condition, such as"):
        defined("wait_s", where="wait_s").evaluate(CALL)


@pytest.mark.parametrize("text", ["wait_s / 0", "1e15 * " * 20 + "1e15", "wait_s / (spoken - spoken)"])
def test_no_number_is_not_told(text: str) -> None:
    """Division by 0 and what is beyond all numbers is as if the turns did not tell."""
    found = defined(text).evaluate(CALL)
    assert (found.value, found.justification[:26]) == (None, "Not applicable: none of 4 ")


SNIPPETS = st.lists(
    st.sampled_from([*NAMES, *"+-*/().,[]{}<>='\"\\:!%&|~^@", "**", " and ", " or ", " not ", " if ", " else ", "max(",
                     "abs(", "9", "1e9", "__class__", "lambda ", " in ", "_", "\n", "é"]),
    max_size=60,
).map("".join)  # fmt: skip


@given(SNIPPETS | st.text(max_size=80))
def test_any_text_is_a_metric_or_one_sentence(text: str) -> None:
    """Whatever is written gives a number, or none, or one sentence."""
    with suppress(ConfigError):
        found = defined(text or " ").evaluate(CALL)
        assert found.value is None or isinstance(found.value, float)


def test_threads_do_not_mix_turns() -> None:
    """Several threads evaluate one metric, each for its own conversation."""
    metric = defined("wait_s + fillers", "max")
    calls = [[facts_of(a_record(n, ready_s=number + n / 100)) for n in range(50)] for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = [result.value for result in pool.map(metric.evaluate, calls * 4)]
    assert found == [number + 0.49 for number in range(8)] * 4


def test_without_simpleeval(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only metrics of one's own need it, and the error says how to install it."""
    monkeypatch.setitem(sys.modules, "simpleeval", None)
    monkeypatch.delattr(_here, "evaluator", raising=False)
    assert value("reply_wait") == 1.2
    with pytest.raises(UsageError, match=r"metrics of your own need simpleeval: pip install 'stopgap\[metrics\]'"):
        defined("wait_s")


# the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """Two conversations as turn records, not in order."""
    other = a_record(9, ready_s=0.6, id="other-1", session="other")
    path = tmp_path / "turns.jsonl"
    path.write_text("".join(json.dumps(r.as_dict()) + "\n" for r in [*reversed(a_call()), other]), encoding="utf-8")
    return path


def test_a_table_of_metrics(run: Run, records: Path) -> None:
    """One row a metric: the value over all conversations, how many, and the worst one."""
    shown = run(records)
    assert (shown.code, shown.err) == (0, "")
    rows = {line.split()[0]: line for line in shown.out.splitlines() if line.split()}
    assert rows.keys() >= BUILT_IN.keys()
    assert rows["longest_dead_air"].split()[-6:] == ["1.25", "/", "1.83", "s", "2", "call"]
    assert rows["target_met"].split()[-4:] == ["50.0%", "yes", "2", "call"]
    assert "smooth 50.0%, awkward 50.0%" in rows["experience"]


def test_metrics_as_json(run: Run, records: Path) -> None:
    """One result for each conversation and metric, with references and justification."""
    shown = run(records, "--json", "--metric", "longest_dead_air", "--metric", "experience")
    told = json.loads(shown.out)
    assert [metric["name"] for metric in told["metrics"]] == ["longest_dead_air", "experience"]
    assert told["metrics"][0]["value_type"] == {"type": "numerical", "lower_bound": 0.0, "upper_bound": 3600.0}
    assert told["metrics"][1]["shares"] == {"smooth": 0.5, "noticeable": 0.0, "awkward": 0.5, "broken": 0.0}
    assert len(told["results"]) == 4
    assert told["results"][0] == {
        "metric": "longest_dead_air", "conversation": "call", "value": 1.9,
        "references": ["call-2", "call-4", "call-3"],
        "justification": "The highest of the longest dead air over 4 turns is 1.9 s, in turn call-2.",
    }  # fmt: skip


def test_by_agent_and_by_conversation(run: Run, records: Path) -> None:
    """Rows for each agent, or for each conversation with the turn and the reason."""
    told = json.loads(run(records, "--by", "agent", "--metric", "longest_dead_air", "--json").out)
    assert [(m["agent"], m["n"], m["worst"]) for m in told["metrics"]] == [("a", 2, "call"), ("b", 1, "call")]
    shown = run(records, "--by", "agent", "-m", "reply_wait")
    assert [line.split()[0] for line in shown.out.splitlines() if "reply_wait" in line] == ["a", "b", "-:"]
    assert shown.out.endswith("-: reply_wait of b: Not applicable: none of 1 turn tells the wait for the reply.\n")
    shown = run(records, "--by", "conversation", "-m", "longest_dead_air")
    lines = [" ".join(line.split()) for line in shown.out.splitlines()]
    assert any(line.startswith("call longest_dead_air 1.9 s call-2 The highest of") for line in lines)


def test_one_conversation(run: Run, records: Path) -> None:
    """An unknown one is told with those that there are."""
    told = json.loads(run(records, "--conversation", "other", "--json").out)
    assert {result["conversation"] for result in told["results"]} == {"other"}
    wrong = run(records, "--conversation", "x")
    assert wrong == (2, "", f"stopgap: {records} has no conversation 'x'; it holds call, other\n")


def test_metrics_of_a_log(run: Run) -> None:
    """A trace tells waits; what it does not tell is said once."""
    shown = run("voice_mixed_dev")
    assert (shown.code, shown.err) == (0, "")
    (reason,) = [line for line in shown.out.splitlines() if line.startswith("-: ")]
    assert reason.startswith("-: time_to_first_sound, time_to_answer, longest_dead_air, reply_delay, ")
    assert reason.endswith(": Not applicable: a log holds the waits, not what was heard; give records of the turns.")


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet", ".sqlite"])
def test_every_format_of_a_log(run: Run, tmp_path: Path, ending: str) -> None:
    """CSV, JSON lines, Parquet and SQLite give the same."""
    log = RowBase(tmp_path / "log.sqlite", 10**9)
    for place, record in enumerate(a_call()[:4]):
        row = turn_row(record, turn_id=f"t{place}", conversation_id="c", started_at=float(place))
        assert row is not None
        log.append(row)
    log.close()
    convert_trace([tmp_path / "log.sqlite"], tmp_path / f"other{ending}")
    (tmp_path / "m.toml").write_text("[metrics.lookups]\nof = 'tool == \"lookup\"'\naggregate = 'share'\n", "utf-8")
    told = json.loads(run(tmp_path / f"other{ending}", "--metrics", tmp_path / "m.toml", "--json").out)
    values = {result["metric"]: result["value"] for result in told["results"]}
    assert (values["reply_wait"], values["lookups"], values["longest_dead_air"]) == (1.2, 0.25, None)
    assert {result["conversation"] for result in told["results"]} == {"c"}


def test_a_torn_last_record_counts_as_nothing(run: Run, records: Path) -> None:
    """A crash may have left it."""
    whole = json.loads(run(records, "--json").out)
    with records.open("a", encoding="utf-8") as file:
        file.write('{"id": "torn", "wai')
    assert json.loads(run(records, "--json").out) == whole


def test_the_worst_of_equals_is_none(run: Run, records: Path) -> None:
    """Where all conversations have the same value, none is the worst."""
    told = json.loads(run(records, "--metric", "needless_fillers", "--conversation", "other", "--json").out)
    assert told["metrics"][0]["worst"] == "other"
    records.write_text(
        "".join(json.dumps(a_record(n, id=f"s{n}-1", session=f"s{n}").as_dict()) + "\n" for n in range(3)), "utf-8"
    )
    told = json.loads(run(records, "--metric", "reply_wait", "--json").out)
    assert (told["metrics"][0]["n"], told["metrics"][0]["worst"]) == (3, None)


def test_metrics_of_ones_own(run: Run, records: Path, tmp_path: Path) -> None:
    """Their file may be given beside; a bad one ends with 2 and one sentence."""
    file = tmp_path / "m.toml"
    file.write_text("[metrics.cut]\nof = 'cuts > 0'\naggregate = 'count'\n", encoding="utf-8")
    told = json.loads(run(records, "--metrics", file, "--metric", "cut", "--json").out)
    assert [(r["conversation"], r["value"]) for r in told["results"]] == [("call", 1.0), ("other", 0.0)]
    file.write_text("[metrics.cut]\nof = 'cuts ** 9'\naggregate = 'count'\n", encoding="utf-8")
    wrong = run(records, "--metrics", file)
    assert (wrong.code, wrong.out) == (2, "")
    assert wrong.err.startswith(f"stopgap: {file}: metric 'cut': of uses a power (**); write numbers, texts, ")
    assert wrong.err.count("\n") == 1


def test_wrong_files_and_names(run: Run, records: Path, tmp_path: Path) -> None:
    """Each ends with 2 and one sentence that says where and what to write."""
    lines = records.read_text(encoding="utf-8")
    bad = tmp_path / "bad.jsonl"
    bad.write_text(lines + lines.splitlines()[0] + "\n", encoding="utf-8")
    twice = "turn 'call-5' occurs twice; write each turn once, when it is over"
    assert run(bad).err == f"stopgap: {bad}, line 7: {twice}\n"
    bad.write_text(lines + '{"sounds": [], "waits": []}\n', encoding="utf-8")
    assert run(bad).err.startswith(f"stopgap: {bad}, line 7: id: ")
    bad.write_text("", encoding="utf-8")
    none = "holds no turns; give a log of turns, a trace, or a turn record a line"
    assert run(bad) == (2, "", f"stopgap: {bad} {none}\n")
    wrong = run(records, "--metric", "latency")
    assert (wrong.code, wrong.out) == (2, "")
    assert wrong.err.startswith("stopgap: metric 'latency' is unknown; choose reply_wait, time_to_first_sound, ")


def test_the_configuration_sets_the_target(run: Run, records: Path, tmp_path: Path) -> None:
    """How long replies may be held back is what the configuration says."""
    config = tmp_path / "c.toml"
    config.write_text("[limits]\nreply_delay_ms = 50\n", encoding="utf-8")
    told = json.loads(run(records, "-m", "target_met", "--config", config, "--json").out)
    assert "(at most 50 ms)" in told["results"][0]["justification"]
