"""Events of Amigo conversations: documented lines, the SDK's own objects, and streams split anywhere."""

import asyncio
import base64
import io
import itertools
import json
import logging
import subprocess
import sys
import types
import typing
from collections.abc import AsyncIterator, Iterable
from typing import Any

import numpy as np
import pytest
import soundfile
from amigo_sdk.generated import model as sdk
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, RootModel
from stopgap import UsageError
from stopgap.amigo import (
    ActionTooLong,
    BehaviorSelected,
    ConversationCreated,
    DecisionStarted,
    Event,
    EventParser,
    ExitConditionSelected,
    InteractionComplete,
    InteractionFailed,
    MessageFragment,
    NewMessage,
    OtherAction,
    ReflectionGenerated,
    ReflectionStarted,
    StateTransitioned,
    ToolCallEnded,
    ToolCallStarted,
    ToolOutputAvailable,
    ToolParamsGenerated,
    ToolRetrieved,
    UnknownEvent,
    UserMessageAvailable,
    filler_audio,
    parse_event,
    parse_events,
)

TOOL = "0123456789abcdef01234567"
SET = "fedcba9876543210fedcba98"


def action(type: str, **fields: Any) -> dict[str, Any]:
    return {"type": "current-agent-action", "action": {"type": type, **fields}}


DOCUMENTED: list[tuple[dict[str, Any], Event]] = [
    ({"type": "conversation-created", "conversation_id": "c1"}, ConversationCreated("c1")),
    ({"type": "user-message-available", "message_id": "m1", "user_message": "hi"}, UserMessageAvailable("m1", "hi")),
    (
        {"type": "new-message", "message": "He", "transcript_alignment": [[0, "H"], [80, "e"]], "stop": False,
         "sequence_number": 3, "message_id": "m2"},
        NewMessage("He", False, 3, "m2", ((0, "H"), (80, "e"))),
    ),
    (
        {"type": "new-message", "message": "", "transcript_alignment": None, "stop": True, "sequence_number": 4,
         "message_id": "m2"},
        NewMessage("", True, 4, "m2", None),
    ),
    (
        {"type": "interaction-complete", "message_id": "m2", "interaction_id": "i1", "full_message": "Hello",
         "conversation_completed": True},
        InteractionComplete("m2", "i1", "Hello", True),
    ),
    ({"type": "error", "http_error_code": 503, "error_description": "later"}, InteractionFailed(503, "later")),
    ({"type": "error", "message": "an older form"}, InteractionFailed(None, "an older form")),
    (
        action("select-dynamic-behavior-completed", selected_dynamic_behavior_set_version_info=[SET, 3],
               previous_selected_dynamic_behavior_set_version_info=None),
        BehaviorSelected((SET, 3), None),
    ),
    ({"type": "dynamic-behavior-triggered", "dynamic_behavior_set_version_info": [SET, 2]},
     BehaviorSelected((SET, 2), None)),
    (action("dynamic-behavior-triggered", dynamic_behavior_set_version_info=[SET, 2]),
     BehaviorSelected((SET, 2), None)),
    (action("navigate-state-machine-state-transitioned", prev_state="a", next_state="b",
            prev_state_state_machine_version_info=[SET, 1], next_state_state_machine_version_info=[SET, 1]),
     StateTransitioned("a", "b")),
    (action("navigate-state-machine-decision-state-decision-started"), DecisionStarted()),
    (action("navigate-state-machine-exit-condition-selected", exit_condition="done", next_state_name="b",
            next_state_state_machine_version_info=[SET, 1]), ExitConditionSelected("done", "b")),
    (action("navigate-state-machine-reflection-state-prompt-retrieved", prompt="p"), ReflectionStarted("p")),
    (action("navigate-state-machine-reflection-state-reflection-generated", reflection="r"), ReflectionGenerated("r")),
    (action("designated-tool-retrieved", tool_id=TOOL, tool_version="1.0"), ToolRetrieved(TOOL, "1.0")),
    (action("designated-tool-call-params-generated", tool_id=TOOL, tool_version="1.0", tool_call_params={"a": 1}),
     ToolParamsGenerated(TOOL, "1.0", {"a": 1})),
    (action("navigate-state-machine-tool-call-state-tool-output-available", tool_id=TOOL, tool_version="1.0",
            tool_output="o", duration=1.5, input_arguments={"a": 1}),
     ToolOutputAvailable(TOOL, "1.0", "o", 1.5, {"a": 1})),
    (action("tool-call-started", tool_round_index=1, tool_id=TOOL, tool_version="1.0", input_params={"a": 1}),
     ToolCallStarted(TOOL, "1.0", 1, {"a": 1})),
    (action("tool-call-ended", tool_round_index=1, tool_id=TOOL, tool_version="1.0", input_parameters={"a": 1},
            result="r", duration=2), ToolCallEnded(TOOL, "1.0", 1, {"a": 1}, "r", 2.0)),
    (action("engage-user-message-fragment-generated", index=0, fragment="Hel", is_final=False),
     MessageFragment(0, "Hel", False)),
    (action("action-too-long", filler="One moment", previously_started_event={"type": "x"}),
     ActionTooLong("One moment", {"type": "x"})),
    ({"type": "action-too-long", "filler": "One moment", "previously_started_event": None},
     ActionTooLong("One moment", None)),
    (action("navigate-state-machine-annotation-state-annotation-retrieved", annotation="n"),
     OtherAction("navigate-state-machine-annotation-state-annotation-retrieved", {"annotation": "n"})),
    (action("a-new-one", x=1), UnknownEvent("a-new-one", {"x": 1})),
    ({"type": "server.new", "x": 1}, UnknownEvent("server.new", {"x": 1})),
]  # fmt: skip


@pytest.mark.parametrize(("line", "event"), DOCUMENTED)
def test_documented_events(line: dict[str, Any], event: Event) -> None:
    """Each event is understood, in the form of the documentation and in that of the SDK, unknown fields left out."""
    assert parse_event(line) == event
    if not isinstance(event, OtherAction | UnknownEvent):
        assert parse_event({**line, "new_field": [1]}) == event
    assert parse_event(event) is event


def leaves(union: Any) -> list[type[BaseModel]]:
    """Return the models behind the nested root models of the SDK."""
    if typing.get_origin(union) in (types.UnionType, typing.Union):
        return [leaf for part in typing.get_args(union) for leaf in leaves(part)]
    if isinstance(union, type) and issubclass(union, RootModel):
        return leaves(union.model_fields["root"].annotation)
    return [union]


ACTIONS = sorted(set(leaves(sdk.ServiceConversationAction)), key=lambda model: model.__name__)
SHORT = st.text('abc é\u2028\n\\"', max_size=6)


def values(annotation: Any) -> st.SearchStrategy[Any]:
    """Return JSON values that a field of the SDK takes."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (types.UnionType, typing.Union):
        return st.one_of(*map(values, arguments))
    if origin is typing.Literal:
        return st.sampled_from(arguments)
    if origin is list:
        return st.lists(values(arguments[0]), max_size=2)
    if origin is tuple:
        return st.tuples(*map(values, arguments)).map(list)
    if origin is dict:
        return st.dictionaries(SHORT, values(arguments[1]), max_size=2)
    if isinstance(annotation, type) and issubclass(annotation, RootModel):
        return values(annotation.model_fields["root"].annotation)
    simple: dict[Any, st.SearchStrategy[Any]] = {
        str: SHORT,
        int: st.integers(0, 99),
        float: st.floats(0, 99),
        bool: st.booleans(),
        Any: st.none() | SHORT | st.dictionaries(SHORT, st.integers(), max_size=2),
        type(None): st.none(),
    }
    return simple[annotation]


def test_the_sdk_has_the_actions_that_are_known() -> None:
    """The SDK's union of actions is the list that was written down: a new one shows here."""
    known = {str(event["action"]["type"]) for event, _ in DOCUMENTED if "action" in event}
    names = {typing.get_args(model.model_fields["type"].annotation)[0] for model in ACTIONS}
    assert len(names) == 24
    assert known - {"dynamic-behavior-triggered", "a-new-one"} <= names


@pytest.mark.parametrize("model", ACTIONS, ids=lambda model: model.__name__)
def test_every_action_of_the_sdk(model: type[BaseModel]) -> None:
    """Whatever an action holds, its line and the SDK's object for it are one event, and not an unknown one."""
    fields = {name: values(field.annotation) for name, field in model.model_fields.items()}

    @given(st.fixed_dictionaries(fields))
    def check(inner: dict[str, Any]) -> None:
        line = {"type": "current-agent-action", "action": inner}
        event = parse_event(line)
        assert not isinstance(event, UnknownEvent)
        for response in (
            sdk.ConversationInteractWithConversationResponse,
            sdk.ConversationCreateConversationResponse,
        ):
            assert parse_event(response.model_validate_json(json.dumps(line))) == event
        assert parse_event(inner) == event

    check()


@pytest.mark.parametrize(("line", "event"), [pair for pair in DOCUMENTED if "action" not in pair[0]][:6])
def test_other_events_of_the_sdk(line: dict[str, Any], event: Event) -> None:
    """Objects of the SDK that are no action are the same events as their lines."""
    if isinstance(event, ConversationCreated):
        response: Any = sdk.ConversationCreateConversationResponse.model_validate_json(json.dumps(line))
    else:
        response = sdk.ConversationInteractWithConversationResponse.model_validate_json(json.dumps(line))
    assert parse_event(response) == parse_event(response.root) == event


# Streams ----------------------------------------------------------------------------------------------------------

BODY = "\n\n".join(json.dumps(line, ensure_ascii=False) for line, _ in DOCUMENTED).replace("Hello", "Hé€😀\u2028o")
EXPECTED = list(parse_events([BODY]))


def split(data: Any, at: Iterable[int]) -> list[Any]:
    places = [0, *sorted(at), len(data)]
    return [data[one:other] for one, other in itertools.pairwise(places)]


async def drained(chunks: list[Any]) -> list[Event]:
    async def body() -> AsyncIterator[Any]:
        for chunk in chunks:
            yield chunk

    return [event async for event in parse_events(body())]


@given(
    at=st.lists(st.integers(0, len(BODY)), max_size=12), as_text=st.booleans(), crlf=st.booleans(), ended=st.booleans()
)
def test_chunks_may_be_split_anywhere(at: list[int], as_text: bool, crlf: bool, ended: bool) -> None:
    """Bytes or text, split within a character or a line end, with or without a last end: the same events."""
    text = (BODY + ("\n" if ended else "")).replace("\n", "\r\n" if crlf else "\n")
    chunks = split(text if as_text else text.encode(), at)
    assert list(parse_events(chunks)) == EXPECTED
    assert asyncio.run(drained(chunks)) == EXPECTED


def test_single_bytes_and_views() -> None:
    """A body that comes byte by byte, in whatever kind of buffer, is understood."""
    data = BODY.encode()
    for kind in (bytes, bytearray, memoryview):
        assert list(parse_events(kind(data[i : i + 1]) for i in range(len(data)))) == EXPECTED


def test_lines_that_are_no_json_are_passed_by(caplog: pytest.LogCaptureFixture) -> None:
    """They are counted, warned of once, and the events around them are there."""
    parser = EventParser()
    bad = ["{", "5", "[]", "null", '"x"', "[" * 100_000, "\\", '{"type": "error"}}']
    good = json.dumps(DOCUMENTED[0][0])
    events = list(parse_events(["\n".join([good, *bad, good])], parser=parser))
    events += list(parse_events([b"\xff\xfe{\x00\n"], parser=parser))
    assert events == [ConversationCreated("c1")] * 2
    assert parser.bad_lines == len(bad) + 1
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_line_may_be_too_long(size: int) -> None:
    """A line beyond the bound is dropped whole, however it comes, without being kept; the next one is understood."""
    parser = EventParser(max_line_bytes=100)
    good = json.dumps(DOCUMENTED[0][0])
    text = "\n".join([good, "x" * 500, good, "y" * 101, good, "z" * 100, good])
    events = list(parse_events(split(text, range(size, len(text), size)), parser=parser))
    assert events == [ConversationCreated("c1")] * 4
    assert parser.bad_lines == 3
    with pytest.raises(UsageError, match="max_line_bytes=0"):
        EventParser(0)


def test_unknown_types_are_logged_once_each(caplog: pytest.LogCaptureFixture) -> None:
    """A type that is not known is logged the first time, a missing one too, and never as a problem."""
    caplog.set_level(logging.INFO)
    parser = EventParser()
    lines = [{"type": "a"}, {"type": "b"}, {"type": "a"}, {}, {"type": 5}, action("c"), action("c")]
    assert len(parser.feed("".join(json.dumps(line) + "\n" for line in lines))) == 7
    assert parser.unknown_types == {"a", "b", "c", ""}
    assert [record.levelname for record in caplog.records] == ["INFO"] * 4


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
names = {name for line, _ in DOCUMENTED for part in (line, line.get("action", {})) for name in part}
fields = st.dictionaries(st.sampled_from(sorted(names)), json_values)
event_types = st.sampled_from([line["type"] for line, _ in DOCUMENTED])
action_types = st.sampled_from([line["action"]["type"] for line, _ in DOCUMENTED if "action" in line])


@given(st.builds(lambda type, kind, outer, inner: {**outer, "type": type, "action": {**inner, "type": kind}},
                 event_types, action_types, fields, fields) | json_values)  # fmt: skip
def test_nothing_in_an_event_raises(value: Any) -> None:
    """Whatever types the fields have, an event comes of it."""
    assert isinstance(parse_event(value), Event)


def test_numbers_beyond_reason() -> None:
    """A duration that is no time, or a number of a thousand digits, is left out."""
    for duration in (-1.0, float("nan"), float("inf"), True, "2", 10**1000):
        event = parse_event({"type": "tool-call-ended", "duration": duration, "tool_round_index": True})
        assert isinstance(event, ToolCallEnded)
        assert event.duration_s is None
        assert event.tool_round_index is None


def test_alignment_in_the_documented_order() -> None:
    """Pairs of character and ms, as the documentation describes them, are turned round."""
    event = parse_event({"type": "new-message", "transcript_alignment": [["H", 0], [80, "e"], "?", [1]]})
    assert isinstance(event, NewMessage)
    assert event.transcript_alignment == ((0, "H"), (80, "e"))


def test_the_sdk_is_not_needed() -> None:
    """Where the SDK is not installed the face is there, and lines are understood."""
    code = """
import sys
sys.modules["amigo_sdk"] = None
from stopgap.amigo import parse_events, watch_interaction
print(list(parse_events(['{"type": "conversation-created", "conversation_id": "c"}'])))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "[ConversationCreated(conversation_id='c')]", done.stderr


# Fillers ----------------------------------------------------------------------------------------------------------


def wav(samples: Any, rate: int = 16_000, subtype: str = "PCM_16") -> str:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, subtype=subtype, format="WAV")
    return base64.b64encode(file.getvalue()).decode()


def tone(seconds: float = 0.2, rate: int = 16_000) -> Any:
    return np.asarray(0.25 * np.sin(np.arange(round(seconds * rate)) * 0.1), np.float32)


def test_a_filler_is_sound_or_text() -> None:
    """A WAV in base64 is sound, with line breaks or without; anything else is text."""
    encoded = wav(tone())
    for form in (encoded, f"  {encoded}\n", base64.encodebytes(base64.b64decode(encoded)).decode()):
        audio = filler_audio(form)
        assert audio is not None
        assert (audio.rate, audio.remark) == (16_000, None)
        assert np.abs(audio.samples - tone()).max() < 1e-4
    for text in ("One moment", "", "RIFF", "UklG", base64.b64encode(b"no sound at all").decode()):
        assert filler_audio(text) is None


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (48_000, 1), (16_000, 2), (44_100, 3)])
def test_a_filler_of_another_form_is_put_right(rate: int, channels: int) -> None:
    """Another rate is kept, channels are mixed down, and a remark says so."""
    audio = filler_audio(wav(np.stack([tone(rate=rate)] * channels, axis=1), rate))
    assert audio is not None
    assert audio.rate == rate
    assert np.abs(audio.samples - tone(rate=rate)).max() < 1e-4
    assert audio.remark == f"it has {channels} channels at {rate} Hz, not one at 16000"


GOOD = wav(tone())
FLOATS = wav(np.array([0.1, np.nan, 0.2]), subtype="FLOAT")


@pytest.mark.parametrize(
    ("filler", "says"),
    [
        (GOOD[:-1], "base64 is broken"),
        (GOOD[:20] + "*" + GOOD[20:], "base64 is broken"),
        (GOOD + "é", "base64 is broken"),
        ("UklGR", "base64 is broken"),
        (base64.b64encode(b"RIFF" + bytes(40)).decode(), "no WAV"),
        (base64.b64encode(base64.b64decode(GOOD)[:44]).decode(), "holds no audio"),
        (wav(np.zeros(0)), "holds no audio"),
        (FLOATS, "NaN"),
        (wav(np.zeros(61 * 8_000), 8_000), "lasts 61 s"),
        ("UklGR" + "A" * (1 << 24), "too many"),
    ],
)
def test_a_filler_that_cannot_be_played(filler: str, says: str) -> None:
    """What is wrong with a filler is said in one sentence."""
    with pytest.raises(UsageError, match=says) as raised:
        filler_audio(filler)
    assert len(str(raised.value)) < 200


@given(cut=st.integers(0, len(GOOD)), junk=st.binary(max_size=60))
def test_any_filler_is_played_text_or_refused(cut: int, junk: bytes) -> None:
    """Whatever a WAV was cut to, or overwritten with, nothing but `UsageError` comes of it."""
    data = base64.b64decode(GOOD)
    for broken in (data[: cut // 2], data[: cut // 4] + junk + data[cut // 4 + len(junk) :], b"RIFF" + junk):
        try:
            filler_audio(base64.b64encode(broken).decode())
        except UsageError:
            continue
