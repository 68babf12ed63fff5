"""Amigo conversations: what is heard when a turn follows an interaction, and the real SDK against a real server."""

import asyncio
import base64
import contextlib
import io
import itertools
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import stopgap
import stopgap.amigo
import uvicorn
from amigo_sdk import AmigoClient, AsyncAmigoClient, RateLimitError
from amigo_sdk.generated.model import (
    ConversationCreateConversationRequest,
    CreateConversationParametersQuery,
    InteractWithConversationParametersQuery,
)
from httpx import RemoteProtocolError
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from stopgap import ClipBank, FillerManager, Kind, MemoryOutput, Session, SilentOutput, TurnRecord, UsageError
from stopgap import VirtualClock as Clock
from stopgap.amigo import NewMessage, parse_event, parse_events, watch_interaction
from stopgap.fillers import Samples
from virtual_loop import LoopClock, run

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "amigo_client.py"
RATE = 24_000
TOOL = "0123456789abcdef01234567"
CONVERSATION = "00112233445566778899aabb"
QUIET: dict[str, Any] = {"mode": "none"}
LADDER: dict[str, Any] = {
    "mode": "ladder",
    "seed": 1,
    "limits": {"per_minute": "unlimited", "per_turn": "unlimited"},
    "ladder": [{"after_ms": 700, "kind": "hesitation"}, {"after_ms": 3000, "kind": "phrase"}],
}
SET_INFO = [TOOL, 1]

Script = list[tuple[float, dict[str, Any]]]


def action(type: str, **fields: Any) -> dict[str, Any]:
    return {"type": "current-agent-action", "action": {"type": type, **fields}}


def started(tool: str = TOOL) -> dict[str, Any]:
    return action("tool-call-started", tool_round_index=0, tool_id=tool, tool_version="1", input_params={})


def ended(tool: str = TOOL, duration: float = 1.0) -> dict[str, Any]:
    return action(
        "tool-call-ended", tool_round_index=0, tool_id=tool, tool_version="1", input_parameters={}, result="r",
        duration=duration,
    )  # fmt: skip


def retrieved(tool: str = TOOL) -> dict[str, Any]:
    return action("designated-tool-retrieved", tool_id=tool, tool_version="1")


def params(tool: str = TOOL) -> dict[str, Any]:
    return action("designated-tool-call-params-generated", tool_id=tool, tool_version="1", tool_call_params={})


def output(tool: str = TOOL) -> dict[str, Any]:
    return action(
        "navigate-state-machine-tool-call-state-tool-output-available", tool_id=tool, tool_version="1",
        tool_output="o", duration=1.0, input_arguments={},
    )  # fmt: skip


def too_long(filler: str, previous: Any = None) -> dict[str, Any]:
    return action("action-too-long", filler=filler, previously_started_event=previous)


def moved(state: str = "b") -> dict[str, Any]:
    return action(
        "navigate-state-machine-state-transitioned", prev_state="a", next_state=state,
        prev_state_state_machine_version_info=SET_INFO, next_state_state_machine_version_info=SET_INFO,
    )  # fmt: skip


def chosen() -> dict[str, Any]:
    return action(
        "navigate-state-machine-exit-condition-selected", exit_condition="c", next_state_name="b",
        next_state_state_machine_version_info=SET_INFO,
    )  # fmt: skip


def message(text: str, number: int = 0, stop: bool = False) -> dict[str, Any]:
    return {
        "type": "new-message", "message": text, "transcript_alignment": None, "stop": stop, "sequence_number": number,
        "message_id": "m2",
    }  # fmt: skip


HEARD = {"type": "user-message-available", "message_id": "m1", "user_message": "where is my order?"}
VECTOR = action("select-dynamic-behavior-vector-generated")
SELECTED = action(
    "select-dynamic-behavior-completed", selected_dynamic_behavior_set_version_info=SET_INFO,
    previous_selected_dynamic_behavior_set_version_info=None,
)  # fmt: skip
DECIDING = action("navigate-state-machine-decision-state-decision-started")
REFLECTING = action("navigate-state-machine-reflection-state-prompt-retrieved", prompt="p")
REFLECTED = action("navigate-state-machine-reflection-state-reflection-generated", reflection="r")
FRAGMENT = action("engage-user-message-fragment-generated", index=0, fragment="It", is_final=False)
FAILED = {"type": "error", "http_error_code": 503, "error_description": "in maintenance"}
COMPLETE = {
    "type": "interaction-complete", "message_id": "m2", "interaction_id": "i1", "full_message": "It is on its way.",
    "conversation_completed": False,
}  # fmt: skip


def voice(seconds: float = 1.0, rate: int = RATE) -> Samples:
    """Return a tone without a silent sample, in whole 16-bit steps."""
    wave = np.rint(6000 * np.cos(np.arange(round(seconds * rate)) * 0.05))
    return np.asarray(np.where(wave == 0, 1, wave) / 32768.0, np.float32)


def pcm(samples: Samples) -> bytes:
    return np.asarray(samples * 32768.0, np.int16).astype("<i2").tobytes()


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def wav(seconds: float = 1.0, rate: int = 16_000, channels: int = 1) -> str:
    file = io.BytesIO()
    soundfile.write(file, np.stack([voice(seconds, rate)] * channels, axis=1), rate, format="WAV")
    return encoded(file.getvalue())


ANSWER = message(encoded(pcm(voice())), stop=True)


@pytest.fixture
def clock() -> Clock:
    return Clock(100.0)


@pytest.fixture
def quiet(clock: Clock, bank: ClipBank) -> Iterator[Session]:
    """A session whose plan is to say nothing."""
    with FillerManager(stopgap.load_config(QUIET), clock=clock, bank=bank) as manager:
        yield manager.session(MemoryOutput(RATE))


@pytest.fixture
def ladder(clock: Clock, bank: ClipBank) -> Iterator[Session]:
    """A session that says "um" after 0.7 s and a phrase after 3 s."""
    with FillerManager(stopgap.load_config(LADDER), clock=clock, bank=bank) as manager:
        yield manager.session(MemoryOutput(RATE))


def scripted(clock: Clock, script: Script) -> Iterator[dict[str, Any]]:
    """Yield events, each so many s after the one before."""
    for seconds, event in script:
        clock.advance(seconds)
        yield event


def follow(session: Session, clock: Clock, script: Script, after_s: float = 3.0, **options: Any) -> TurnRecord:
    """Have a turn follow *script* and return its record, *after_s* later."""
    turn = session.begin()
    for _ in watch_interaction(turn, scripted(clock, script), **{"reply_rate": RATE, **options}):
        pass
    clock.advance(after_s)
    return turn.record


def news(record: TurnRecord) -> list[tuple[str, str | None]]:
    return [(milestone.name, milestone.tool) for milestone in record.milestones]


def sound_of(session: Session) -> Samples:
    assert isinstance(session.output, MemoryOutput)
    return session.output.samples


# News -------------------------------------------------------------------------------------------------------------


def test_events_become_milestones(quiet: Session, clock: Clock) -> None:
    """Each thing that takes time is told with its name, when it begins and when it ends."""
    script = [HEARD, VECTOR, SELECTED, DECIDING, started(), ended(), chosen(), moved(), REFLECTING, REFLECTED, moved(),
              retrieved(), params(), output(), moved(), FRAGMENT, ANSWER, COMPLETE]  # fmt: skip
    record = follow(quiet, clock, [(0.1, event) for event in script], tool_names={TOOL: "orders"})
    assert news(record) == [
        ("speech_ended", None),
        ("transcript_final", None),
        ("llm_started", None),
        ("llm_started", None),
        ("tool_started", "decision"),
        ("tool_started", "orders"),
        ("tool_ended", "orders"),
        ("tool_ended", "decision"),
        ("llm_started", None),
        ("tool_started", "reflection"),
        ("tool_ended", "reflection"),
        ("llm_started", None),
        ("tool_started", "params:orders"),
        ("tool_ended", "params:orders"),
        ("tool_started", "orders"),
        ("tool_ended", "orders"),
        ("llm_started", None),
        ("first_token", None),
    ]
    assert [milestone.at_s for milestone in record.milestones[:3]] == pytest.approx([0.0, 0.1, 0.2])
    assert record.outcome == "replied"
    assert record.notes == ()


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([started(), started(), ended(), ended()], ["+T", "+T", "-T", "-T"]),
        ([ended()], ["-T"]),
        ([output()], ["-T"]),
        ([retrieved(), params(), started(), ended(), output()], ["+params:T", "-params:T", "+T", "-T"]),
        ([retrieved(), params(), started(), output()], ["+params:T", "-params:T", "+T", "-T"]),
        ([retrieved(), params(), ended(), output(), output()], ["+params:T", "-params:T", "+T", "-T", "-T"]),
        ([retrieved(), retrieved(), params()], ["+params:T", "-params:T", "+params:T", "-params:T", "+T"]),
        ([retrieved(""), params("")], ["+params", "-params", "+tool"]),
        ([DECIDING, DECIDING, moved()], ["+decision", "-decision", "+decision", "-decision"]),
        ([chosen(), REFLECTED, moved()], []),
        ([REFLECTING, FRAGMENT], ["+reflection", "-reflection"]),
        ([started(), params("b"), FRAGMENT], ["+T", "+b", "-b"]),
        ([too_long("x", started()["action"]), ended()], ["+T", "-T"]),
        ([too_long("x", started())], ["+T"]),
        ([started(), ended(), too_long("x", started()["action"])], ["+T", "-T"]),
        ([too_long("x", {"type": "?"}), too_long("x", 5)], []),
    ],
)
def test_spans_in_any_order(quiet: Session, clock: Clock, events: list[dict[str, Any]], expected: list[str]) -> None:
    """A call that is told in two ways counts once; ends without a begin, and begins without an end, harm nothing."""
    record = follow(quiet, clock, [(0.1, event) for event in events])
    signs = {"tool_started": "+", "tool_ended": "-"}
    spans = [signs[name] + (tool or "").replace(TOOL, "T") for name, tool in news(record) if name in signs]
    assert spans == expected


def test_tables_of_the_configuration_address_spans(clock: Clock, bank: ClipBank) -> None:
    """``[tools."decision"]``, ``[tools."params:NAME"]`` and a tool's own table hold while that runs."""
    tools = {name: {"silent": True} for name in ("decision", "reflection", "params:orders", "orders", TOOL)}
    config = {**LADDER, "tools": tools}
    with FillerManager(stopgap.load_config(config), clock=clock, bank=bank) as manager:
        session = manager.session(MemoryOutput(RATE))
        for begin, names in (
            (DECIDING, {}), (REFLECTING, {}), (retrieved(), {TOOL: "orders"}), (started(), {TOOL: "orders"}),
            (started(), {}),
        ):  # fmt: skip
            record = follow(session, clock, [(0.1, begin), (5.0, ANSWER), (0.1, COMPLETE)], tool_names=names)
            assert not record.sounds
        record = follow(session, clock, [(0.1, retrieved()), (5.0, ANSWER), (0.1, COMPLETE)])
        assert record.sounds


# The server's fillers ---------------------------------------------------------------------------------------------


def test_the_servers_filler_is_heard_where_nothing_else_is(quiet: Session, clock: Clock) -> None:
    """Its audio sounds when the event comes, whole and at the line's rate; the answer follows."""
    record = follow(quiet, clock, [(0.1, started()), (2.0, too_long(wav())), (2.0, ANSWER), (0.1, COMPLETE)])
    (sound,) = record.sounds
    assert sound.start_s == pytest.approx(2.1, abs=0.001)
    assert sound.end_s == pytest.approx(3.1, abs=0.002)
    assert record.reply_heard_s == pytest.approx(4.1)
    heard = np.flatnonzero(sound_of(quiet))
    assert heard[0] / RATE == pytest.approx(2.1, abs=0.002)


def test_a_filler_of_ours_that_sounds_wins(ladder: Session, clock: Clock) -> None:
    """While ours sounds the server's is left out, as a candidate and when it is to be played."""
    for fillers in ("candidate", "play"):
        script = [(0.1, started()), (0.65, too_long(wav())), (2.0, ANSWER), (0.1, COMPLETE)]
        record = follow(ladder, clock, script, fillers=fillers)
        assert [sound.reason == "offered" for sound in record.sounds] == [False]
        assert record.notes == ("an offered filler was left out: a filler sounds",)


@pytest.mark.parametrize(("fillers", "offered"), [("candidate", [False, False]), ("play", [False, True, False])])
def test_a_filler_of_ours_that_is_near_wins_as_a_candidate(
    ladder: Session, clock: Clock, fillers: str, offered: list[bool]
) -> None:
    """A candidate gives way to what is planned before its end; played, it takes that place and ours follow later."""
    script = [(0.1, started()), (2.5, too_long(wav())), (4.0, ANSWER), (0.1, COMPLETE)]
    record = follow(ladder, clock, script, fillers=fillers)
    assert [sound.reason == "offered" for sound in record.sounds] == offered


def test_the_servers_fillers_may_be_ignored(quiet: Session, clock: Clock) -> None:
    """Ignored, nothing of them is heard, and nothing is wrong about that."""
    script = [(0.1, started()), (2.0, too_long(wav())), (2.0, ANSWER), (0.1, COMPLETE)]
    record = follow(quiet, clock, script, fillers="ignore")
    assert not record.sounds
    assert record.notes == ()


def test_a_text_filler_is_said_by_a_clip_that_says_it(quiet: Session, clock: Clock, bank: ClipBank) -> None:
    """A text is heard where the packs have it; where they have not the caller may speak it, for it is passed on."""
    clip = next(clip for clip in bank.originals if clip.kind is Kind.PHRASE and clip.text)
    said = too_long(f" {(clip.text or '').lower()}")
    script = [(0.1, started()), (2.0, too_long("Nobody recorded this")), (0.1, said), (0.1, too_long(" ")),
              (4.0, ANSWER), (0.1, COMPLETE)]  # fmt: skip
    record = follow(quiet, clock, script)
    assert [sound.text for sound in record.sounds] == [clip.text]
    assert record.notes == ("an offered filler was left out: no clip says that",)


def test_not_the_same_phrase_twice(quiet: Session, clock: Clock) -> None:
    """A server that sends its filler again and again is heard once in a turn."""
    script = [(0.1, started()), *[(2.0, too_long(wav()))] * 4, (2.0, ANSWER), (0.1, COMPLETE)]
    assert len(follow(quiet, clock, script).sounds) == 1


def test_the_servers_filler_does_not_sound_over_the_answer(quiet: Session, clock: Clock) -> None:
    """One that comes once the answer is there, or after the end, is not heard."""
    script = [(0.1, started()), (1.0, ANSWER), (0.1, too_long(wav())), (0.1, COMPLETE), (0.1, too_long(wav()))]
    record = follow(quiet, clock, script)
    assert not record.sounds
    heard = sound_of(quiet)
    assert np.array_equal(heard[round(1.1 * RATE) :][:RATE], voice())
    assert not heard[round(2.2 * RATE) :].any()


@pytest.mark.parametrize(("fillers", "heard"), [("candidate", 0), ("play", 1)])
def test_a_candidate_does_not_delay_an_answer_on_its_way(
    quiet: Session, clock: Clock, fillers: str, heard: int
) -> None:
    """Once the answer's text is being written, the server's filler is heard only where it is to be played."""
    script = [(0.1, started()), (1.0, ended()), (0.1, FRAGMENT), (0.1, too_long(wav())), (2.0, ANSWER), (0.1, COMPLETE)]
    assert len(follow(quiet, clock, script, fillers=fillers).sounds) == heard


def test_a_bad_filler_becomes_a_warning(quiet: Session, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Broken base64, no frames, too long: a warning each, once; other forms are heard, and so is the answer."""
    bad = [wav()[:-3], wav()[:-3], wav(0.0), wav(61.0, 8_000), "UklGR" + "A" * (1 << 24)]
    script = [(0.1, started()), *[(0.1, too_long(filler)) for filler in bad], (0.1, too_long(wav(0.5, 44_100, 2))),
              (2.0, ANSWER), (0.1, COMPLETE)]  # fmt: skip
    record = follow(quiet, clock, script)
    assert len(record.sounds) == 1
    assert record.outcome == "replied"
    assert len(caplog.records) == 5
    assert all(record.levelname == "WARNING" for record in caplog.records)
    assert "2 channels at 44100 Hz" in caplog.text


# The answer -------------------------------------------------------------------------------------------------------


@given(cuts=st.lists(st.integers(0, 4800), max_size=6), stops=st.booleans())
def test_the_answers_audio_is_heard_bit_for_bit(bank: ClipBank, cuts: list[int], stops: bool) -> None:
    """However a message is split, also within a sample, what is heard is what was sent."""
    clock = Clock()
    audio = pcm(voice(0.1))
    places = [0, *sorted(cuts), len(audio)]
    pieces = [audio[a:b] for a, b in itertools.pairwise(places)]
    script = [(0.01, message(encoded(piece), n, stops and n == len(cuts))) for n, piece in enumerate(pieces)]
    with FillerManager(stopgap.load_config(QUIET), clock=clock, bank=bank) as manager:
        session = manager.session(MemoryOutput(RATE))
        record = follow(session, clock, [*script, (0.0, COMPLETE)])
    heard = sound_of(session)
    assert np.array_equal(heard[heard != 0], voice(0.1))
    assert record.outcome == "replied"


def test_the_answer_may_have_another_rate(quiet: Session, clock: Clock) -> None:
    """An answer at 16 kHz is heard at the line's rate, in its own length."""
    script = [(0.5, message(encoded(pcm(voice(1.0, 16_000))), stop=True)), (0.1, COMPLETE)]
    follow(quiet, clock, script, reply_rate=16_000)
    heard = np.flatnonzero(np.abs(sound_of(quiet)) > 0.01)
    assert (heard[-1] - heard[0]) / RATE == pytest.approx(1.0, abs=0.01)


def test_a_piece_that_is_no_audio_is_left_out(quiet: Session, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Text where audio was to be is not played as noise: it is warned of once, and harms nothing."""
    texts = [(0.1, message(text)) for text in ("It is on its way.", "né", "It is not base64 either.")]
    record = follow(quiet, clock, [*texts, (0.1, ANSWER), (0.1, COMPLETE)])
    assert record.reply_heard_s == pytest.approx(0.4)
    assert len(caplog.records) == 1
    assert "response_format=voice" in caplog.text


def test_a_filler_does_not_delay_the_answer_beyond_the_handoff(ladder: Session, clock: Clock) -> None:
    """An answer that comes while a phrase sounds waits for the end of its handoff, and nothing sounds over it."""
    record = follow(ladder, clock, [(0.1, started()), (3.0, ANSWER), (0.1, COMPLETE)])
    assert record.reply_delay_s is not None
    assert record.reply_delay_s <= 0.61
    assert record.reply_heard_s is not None
    assert all(s.end_s is not None and s.end_s <= record.reply_heard_s + 0.001 for s in record.sounds)


def test_a_preamble_followed_by_a_slow_tool_is_a_second_wait(ladder: Session, clock: Clock) -> None:
    """After "let me look" a tool begins a wait of its own, with fillers of its own; the answer ends it."""
    script = [(0.2, ANSWER), (0.1, started()), (4.5, ended()), (0.1, message(encoded(pcm(voice(0.5))), 1, True)),
              (0.1, COMPLETE)]  # fmt: skip
    record = follow(ladder, clock, script)
    assert len(record.waits) == 2
    assert record.waits[1].began_s == pytest.approx(1.2)
    assert record.waits[1].available_s == pytest.approx(4.9)
    assert record.sounds
    assert all(1.2 < sound.start_s < 4.9 for sound in record.sounds)
    assert record.outcome == "replied"


def test_fragments_between_pieces_are_no_second_wait(quiet: Session, clock: Clock) -> None:
    """Actions that only tell of the answer itself do not end it."""
    script = [(0.2, message(encoded(pcm(voice(0.5))))), (0.1, FRAGMENT), (0.1, ANSWER), (0.1, COMPLETE)]
    assert len(follow(quiet, clock, script).waits) == 1


def test_an_answer_in_text_is_the_callers_to_speak(quiet: Session, clock: Clock) -> None:
    """Text is passed on and announced; the turn stays open until its speaker finishes it."""
    turn = quiet.begin()
    script = [(0.5, message("It is ", 0)), (0.1, message("on its way.", 1, True)), (0.1, COMPLETE)]
    events = [parse_event(event) for event in watch_interaction(turn, scripted(clock, script))]
    assert "".join(event.message for event in events if isinstance(event, NewMessage)) == "It is on its way."
    assert turn.pending
    turn.watch([voice(0.5)])
    clock.advance(1.0)
    assert turn.record.outcome == "replied"
    assert ("first_token", None) in news(turn.record)


def test_an_answer_without_a_word_ends_the_turn(quiet: Session, clock: Clock) -> None:
    """Where there is no text to be spoken nobody would finish the turn: completion does."""
    record = follow(quiet, clock, [(0.5, {**COMPLETE, "full_message": ""})], reply_rate=None)
    assert record.outcome == "replied"
    assert record.reply_heard_s is None


# Ends -------------------------------------------------------------------------------------------------------------


def test_an_error_before_the_end_voids_the_interaction(
    quiet: Session, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """The turn is cancelled, what was heard of the answer fades, and the end of the stream is no further news."""
    record = follow(quiet, clock, [(0.5, ANSWER), (0.2, FAILED)])
    assert (record.outcome, record.cancel_reason) == ("cancelled", "error 503")
    assert not sound_of(quiet)[round(0.73 * RATE) :].any()
    assert len(caplog.records) == 1
    assert "error 503, the interaction is void: in maintenance" in caplog.text


def test_an_error_after_the_end_changes_nothing(quiet: Session, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """The interaction is saved: the answer is heard out, the turn stays finished."""
    record = follow(quiet, clock, [(0.5, ANSWER), (0.1, COMPLETE), (0.1, FAILED)])
    assert record.outcome == "replied"
    heard = sound_of(quiet)
    assert np.array_equal(heard[heard != 0], voice())
    assert "after the interaction was saved" in caplog.text


@pytest.mark.parametrize("script", [[], [(0.5, HEARD)], [(0.5, ANSWER)], [(0.5, too_long(wav()))]])
def test_a_missing_end_is_noticed(
    quiet: Session, clock: Clock, script: Script, caplog: pytest.LogCaptureFixture
) -> None:
    """A stream that ends without completion cancels the turn, with one warning."""
    record = follow(quiet, clock, script)
    assert record.outcome == "cancelled"
    assert record.cancel_reason == "the stream ended without interaction-complete"
    assert [r.getMessage() for r in caplog.records] == ["amigo: the stream ended without interaction-complete"]


def broken(clock: Clock, script: Script, exc: BaseException) -> Iterator[dict[str, Any]]:
    yield from scripted(clock, script)
    raise exc


def test_a_stream_that_raises_cancels_the_turn(quiet: Session, clock: Clock) -> None:
    """The exception goes on to the caller as it is; after completion the turn stays finished."""
    for script, outcome in (([(0.5, ANSWER)], "cancelled"), ([(0.5, ANSWER), (0.1, COMPLETE)], "replied")):
        turn = quiet.begin()
        with pytest.raises(ConnectionError, match="gone"):
            list(watch_interaction(turn, broken(clock, script, ConnectionError("gone")), reply_rate=RATE))
        assert turn.record.outcome == outcome


def test_a_caller_that_leaves_early_cancels_the_turn(quiet: Session, clock: Clock) -> None:
    """Who leaves before the last piece cancels; who leaves after it has the answer; the stream is closed either way."""
    rest = [(0.1, ANSWER), (0.1, COMPLETE)]
    for first, outcome in ((message(encoded(pcm(voice()))), "cancelled"), (ANSWER, "replied")):
        turn = quiet.begin()
        stream = scripted(clock, [(0.1, first), *rest])
        for _ in watch_interaction(turn, stream, reply_rate=RATE):
            break
        assert turn.record.outcome == outcome
        assert next(stream, None) is None


def test_barge_in_leaves_the_stream_alone(quiet: Session, clock: Clock) -> None:
    """A turn that the application cancels stays so; the rest of the stream is passed on and nothing of it is heard."""
    turn = quiet.begin()
    passed = 0
    for event in watch_interaction(
        turn, scripted(clock, [(0.5, HEARD), (0.1, ANSWER), (0.1, COMPLETE)]), reply_rate=RATE
    ):
        passed += 1
        if event is HEARD:
            turn.cancel("barge-in")
    clock.advance(2.0)
    assert passed == 3
    assert (turn.record.outcome, turn.record.cancel_reason) == ("cancelled", "barge-in")
    assert not sound_of(quiet).any()
    assert turn.record.notes == ()


def test_an_ok_during_a_filler_does_not_end_the_turn(quiet: Session, clock: Clock) -> None:
    """The user says "ok" while the server's filler sounds: it stops, and the answer comes all the same."""
    turn = quiet.begin()
    script = [(0.5, too_long(wav())), (0.3, HEARD), (0.5, HEARD), (0.5, ANSWER), (0.1, COMPLETE)]
    for place, _ in enumerate(watch_interaction(turn, scripted(clock, script), reply_rate=RATE)):
        if place == 1:
            quiet.user_speaking()
        elif place == 2:
            quiet.resume()
    clock.advance(2.0)
    assert turn.record.outcome == "replied"
    assert turn.record.sounds[0].end_s == pytest.approx(0.82, abs=0.01)
    assert turn.record.reply_heard_s == pytest.approx(1.8)


def test_a_later_turn_takes_over(quiet: Session, clock: Clock) -> None:
    """Two interactions that overlap: the newer one is heard, the older one is superseded and says nothing more."""
    older = watch_interaction(
        quiet.begin(), scripted(clock, [(0.1, HEARD), (0.1, ANSWER), (0.1, COMPLETE)]), reply_rate=RATE
    )
    next(older)
    first = quiet.turn
    assert first is not None
    newer = watch_interaction(quiet, scripted(clock, [(0.1, HEARD), (0.1, ANSWER), (0.1, COMPLETE)]), reply_rate=RATE)
    next(newer)
    assert len(list(older)) == len(list(newer)) == 2
    clock.advance(2.0)
    assert first.record.cancel_reason == "superseded"
    assert quiet.turn is not None
    assert quiet.turn.record.outcome == "replied"
    heard = sound_of(quiet)
    assert np.array_equal(heard[heard != 0], voice())


def test_a_session_gets_a_turn_when_the_iteration_begins(quiet: Session, clock: Clock) -> None:
    """Given a session, a turn begins with the first step, not before; a closed one says so."""
    watched = watch_interaction(quiet, scripted(clock, [(0.1, ANSWER), (0.1, COMPLETE)]), reply_rate=RATE)
    clock.advance(1.0)
    assert quiet.turn is None
    assert len(list(watched)) == 2
    assert quiet.turn is not None
    assert quiet.turn.record.waits[0].available_s == pytest.approx(0.1)
    quiet.close()
    with pytest.raises(UsageError, match="closed session"):
        next(watch_interaction(quiet, [HEARD]))


def test_a_session_may_be_closed_in_the_midst(quiet: Session, clock: Clock) -> None:
    """A session that is closed while a filler sounds: the rest of the stream is passed on, and nothing raises."""
    turn = quiet.begin()
    script = [(0.1, too_long(wav())), (0.3, too_long(wav(0.5))), (0.1, ANSWER), (0.1, COMPLETE)]
    for place, _ in enumerate(watch_interaction(turn, scripted(clock, script), reply_rate=RATE)):
        if place == 0:
            quiet.close()
    assert turn.record.outcome == "cancelled"


# The stream -------------------------------------------------------------------------------------------------------


def lines(events: Iterable[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def test_whatever_is_watched_is_passed_on_unchanged(quiet: Session) -> None:
    """Lines, chunks, mappings and parsed events come out as they went in, and mean the same."""
    events = [HEARD, started(), ended(), ANSWER, COMPLETE]
    body = lines(events).rstrip()
    chunks = [body[i : i + 777] for i in range(0, len(body), 777)]
    text = [json.dumps(event) + "\n" for event in events]
    told = []
    for stream in (events, text, chunks, [bytearray(body)], list(parse_events(chunks))):
        turn = quiet.begin()
        out: list[Any] = list(watch_interaction(turn, iter(stream), reply_rate=RATE))
        assert len(out) == len(stream)
        assert all(one is other for one, other in zip(out, stream, strict=True))
        assert turn.record.outcome == "replied"
        told.append(news(turn.record))
    assert all(one == told[0] for one in told)


def test_bad_lines_and_unknown_events_are_passed_on(quiet: Session, caplog: pytest.LogCaptureFixture) -> None:
    """What is not understood reaches the caller; the turn follows the rest."""
    caplog.set_level(logging.INFO)
    turn = quiet.begin()
    chunks = [b"{\n", lines([{"type": "?"}]) * 2, lines([ANSWER]), b"x" * 3000 + b"\n", lines([COMPLETE])]
    assert list(watch_interaction(turn, chunks, reply_rate=RATE, max_line_bytes=100_000)) == chunks
    assert turn.record.outcome == "replied"
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"fillers": "sometimes"}, "fillers='sometimes' is none of candidate, play, ignore"),
        ({"reply_rate": 0}, "reply_rate=0"),
        ({"reply_rate": "16000"}, "reply_rate='16000'"),
        ({"max_line_bytes": 0}, "max_line_bytes=0"),
        ({"stream": 5}, "type int cannot be watched"),
        ({"turn": "t"}, "watch_interaction on str"),
    ],
)
def test_wrong_arguments_raise_at_once(quiet: Session, arguments: dict[str, Any], says: str) -> None:
    """An argument that cannot be is refused before anything is read, in one sentence."""
    with pytest.raises(UsageError, match=says):
        watch_interaction(**{"turn": quiet, "stream": [], **arguments})
    assert quiet.turn is None


EVENTS = [HEARD, VECTOR, SELECTED, DECIDING, chosen(), moved(), REFLECTING, REFLECTED, retrieved(), params(), output(),
          started(), ended(), started("b"), ended("b"), too_long(wav(0.3)), too_long("um", started()), FRAGMENT, ANSWER,
          message(encoded(pcm(voice(0.1))[:-1])), {"type": "?"}, FAILED, COMPLETE]  # fmt: skip


def test_the_face_is_sorted_and_complete() -> None:
    """Every public name resolves, and none is listed twice."""
    assert stopgap.amigo.__all__ == sorted(set(stopgap.amigo.__all__))
    assert all(hasattr(stopgap.amigo, name) for name in stopgap.amigo.__all__)


@given(script=st.lists(st.tuples(st.floats(0.0, 2.0), st.sampled_from(EVENTS)), max_size=14))
def test_any_stream_ends_the_turn(bank: ClipBank, script: Script) -> None:
    """Whatever comes in whatever order, all of it is passed on, the turn is over, no filler sounds over another."""
    clock = Clock()
    with FillerManager(stopgap.load_config(LADDER), clock=clock, bank=bank) as manager:
        turn = manager.session(SilentOutput(RATE)).begin()
        passed = list(watch_interaction(turn, scripted(clock, script), reply_rate=RATE, fillers="play"))
        clock.advance(6.0)
        record = turn.record
    assert passed == [event for _, event in script]
    assert not turn.pending
    ends = [event["type"] for event in passed if event["type"] in ("error", "interaction-complete")]
    assert record.outcome == ("replied" if ends[:1] == ["interaction-complete"] else "cancelled")
    spoken = sorted((s for s in record.sounds if s.kind.spoken), key=lambda s: s.start_s)
    for one, other in itertools.pairwise(spoken):
        assert one.end_s is not None
        assert other.start_s >= one.end_s


# Asynchronously -----------------------------------------------------------------------------------------------------


async def paced(script: Script) -> AsyncIterator[dict[str, Any]]:
    for seconds, event in script:
        await asyncio.sleep(seconds)
        yield event


def test_the_asynchronous_twin_hears_the_same(bank: ClipBank) -> None:
    """On an event loop the same events at the same times give the same record."""
    script = [(0.1, HEARD), (0.1, started()), (2.0, too_long(wav())), (2.5, ended()), (0.1, ANSWER), (0.1, COMPLETE)]

    async def main() -> tuple[TurnRecord, Samples]:
        clock = LoopClock(asyncio.get_running_loop())
        with FillerManager(stopgap.load_config(LADDER), clock=clock, bank=bank) as manager:
            session = manager.session(MemoryOutput(RATE))
            turn = session.begin()
            out = [event async for event in watch_interaction(turn, paced(script), reply_rate=RATE)]
            assert out == [event for _, event in script]
            await asyncio.sleep(3.0)
            return turn.record, sound_of(session)

    record, heard = run(main)
    clock = Clock()
    with FillerManager(stopgap.load_config(LADDER), clock=clock, bank=bank) as manager:
        session = manager.session(MemoryOutput(RATE))
        twin = follow(session, clock, script)
    assert news(record) == news(twin)
    assert [(s.clip, round(s.start_s, 6)) for s in record.sounds] == [
        (s.clip, round(s.start_s, 6)) for s in twin.sounds
    ]
    assert np.array_equal(heard[: len(sound_of(session))], sound_of(session)[: len(heard)])


def test_a_task_that_is_cancelled_cancels_the_turn(bank: ClipBank) -> None:
    """Cancelling the task that reads an endless stream cancels the turn and closes the stream; so does leaving it."""
    closed = []

    async def endless() -> AsyncIterator[dict[str, Any]]:
        try:
            yield HEARD
            await asyncio.sleep(3600.0)
            yield COMPLETE
        finally:
            closed.append(True)

    async def main() -> list[str | None]:
        clock = LoopClock(asyncio.get_running_loop())
        reasons = []
        with FillerManager(stopgap.load_config(QUIET), clock=clock, bank=bank) as manager:
            session = manager.session(MemoryOutput(RATE))

            async def read(turn: stopgap.Turn) -> None:
                async for _ in watch_interaction(turn, endless(), reply_rate=RATE):
                    pass

            turn = session.begin()
            task = asyncio.create_task(read(turn))
            await asyncio.sleep(1.0)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            reasons.append(turn.record.cancel_reason)
            turn = session.begin()
            watched = watch_interaction(turn, endless(), reply_rate=RATE)
            async with contextlib.aclosing(watched):  # type: ignore[type-var]
                await anext(watched)
            reasons.append(turn.record.cancel_reason)
        return reasons

    assert run(main) == ["the stream was left", "the stream was left"]
    assert closed == [True, True]


# The real SDK -------------------------------------------------------------------------------------------------------


class Server:
    """Amigo's API on loopback, as far as a conversation needs it: sign-in, create, interact, from a script."""

    def __init__(self) -> None:
        self.script: list[Any] = []
        """Events; None cuts the connection."""
        self.status = 200
        routes = [
            Route("/v1/org/user/signin_with_api_key", self.sign_in, methods=["POST"]),
            Route("/v1/org/conversation/", self.create, methods=["POST"]),
            Route("/v1/org/conversation/{id}/interact", self.interact, methods=["POST"]),
        ]
        config = uvicorn.Config(Starlette(routes=routes), port=0, log_level="critical", lifespan="off")
        self.uvicorn = uvicorn.Server(config)

    @property
    def url(self) -> str:
        host, port = self.uvicorn.servers[0].sockets[0].getsockname()[:2]
        return f"http://{host}:{port}"

    async def sign_in(self, request: Request) -> Response:
        later = datetime.now(UTC) + timedelta(hours=1)
        return JSONResponse({"id_token": "token", "expires_at": later.isoformat()})

    async def create(self, request: Request) -> Response:
        assert (await request.json())["service_id"] == TOOL
        return StreamingResponse(self.body(), 201, media_type="application/x-ndjson")

    async def interact(self, request: Request) -> Response:
        form = await request.body()
        assert b'name="initial_message_type"\r\n\r\nuser-message' in form
        if self.status != 200:
            return JSONResponse({"detail": "too many"}, self.status)
        return StreamingResponse(self.body(), media_type="application/x-ndjson")

    async def body(self) -> AsyncIterator[bytes]:
        for event in self.script:
            if event is None:
                raise ConnectionError("cut by the test")
            yield lines([event])
            await asyncio.sleep(0)


@pytest.fixture(scope="module")
def api() -> Iterator[Server]:
    """A running server."""
    server = Server()
    thread = threading.Thread(target=server.uvicorn.run, daemon=True)
    up = threading.Event()
    startup = server.uvicorn.startup

    async def announced(sockets: Any = None) -> None:
        await startup(sockets)
        up.set()

    server.uvicorn.startup = announced  # type: ignore[method-assign]
    thread.start()
    assert up.wait(20.0)
    yield server
    server.uvicorn.should_exit = True
    thread.join(20.0)


@pytest.fixture
def server(api: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The server with an empty script; proxies of the environment do not stand between."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    api.script, api.status = [], 200
    return api


TEXT_TO_VOICE = InteractWithConversationParametersQuery.model_validate(
    {"request_format": "text", "response_format": "voice"}
)
WHOLE = [HEARD, VECTOR, SELECTED, DECIDING, chosen(), moved(), retrieved(), params(), started(), too_long(wav()),
         ended(), output(), FRAGMENT, ANSWER, COMPLETE]  # fmt: skip


def credentials(server: Server) -> dict[str, Any]:
    return {"api_key": "k", "api_key_id": "i", "user_id": "u", "organization_id": "org", "base_url": server.url}


def interact(server: Server, session: Session, kind: str) -> list[Any]:
    """Have the real client interact, watched by *session*; return the events that the caller saw."""
    if kind == "sync":
        with AmigoClient(**credentials(server)) as client:
            stream = client.conversations.interact_with_conversation(CONVERSATION, TEXT_TO_VOICE, text_message="hi")
            return list(watch_interaction(session, stream, reply_rate=RATE))

    async def main() -> list[Any]:
        async with AsyncAmigoClient(**credentials(server)) as client:
            stream = await client.conversations.interact_with_conversation(
                CONVERSATION, TEXT_TO_VOICE, text_message="hi"
            )
            return [event async for event in watch_interaction(session, stream, reply_rate=RATE)]

    return asyncio.run(main())


def record_of(session: Session, clock: Clock) -> TurnRecord:
    clock.advance(3.0)
    assert session.turn is not None
    return session.turn.record


both = pytest.mark.parametrize("kind", ["sync", "async"])


@both
def test_the_real_client_drives_a_turn(server: Server, quiet: Session, clock: Clock, kind: str) -> None:
    """The SDK's own objects are passed on, and mean the same as their lines; filler and answer are heard."""
    server.script = WHOLE
    seen = interact(server, quiet, kind)
    assert [parse_event(event) for event in seen] == [parse_event(event) for event in WHOLE]
    assert all(type(event).__name__ == "ConversationInteractWithConversationResponse" for event in seen)
    record = record_of(quiet, clock)
    assert record.outcome == "replied"
    session = quiet.begin()
    list(watch_interaction(session, WHOLE, reply_rate=RATE))
    assert news(record) == news(session.record)
    heard = sound_of(quiet)
    assert np.isin(voice()[:100], heard).all()


@both
def test_the_real_client_is_cut_off(server: Server, quiet: Session, clock: Clock, kind: str) -> None:
    """A connection that is cut raises in the client and cancels the turn; after completion it stays finished."""
    server.script = [HEARD, started(), None]
    with pytest.raises(RemoteProtocolError):
        interact(server, quiet, kind)
    assert record_of(quiet, clock).cancel_reason == "the stream broke: RemoteProtocolError"
    server.script = [*WHOLE, None]
    with pytest.raises(RemoteProtocolError):
        interact(server, quiet, kind)
    assert record_of(quiet, clock).outcome == "replied"


@both
def test_the_real_client_says_nothing_of_a_missing_end(
    server: Server, quiet: Session, clock: Clock, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A stream that ends too soon is silent in the client; the turn is cancelled and a warning says so."""
    server.script = WHOLE[:-1]
    assert len(interact(server, quiet, kind)) == len(WHOLE) - 1
    assert record_of(quiet, clock).outcome == "cancelled"
    assert [r.getMessage() for r in caplog.records if r.name == "stopgap"] == [
        "amigo: the stream ended without interaction-complete"
    ]


@both
def test_errors_of_the_real_server(server: Server, quiet: Session, clock: Clock, kind: str) -> None:
    """An error in the stream is passed on and cancels the turn; one of the request raises, and cancels it as well."""
    server.script = [HEARD, FAILED]
    assert len(interact(server, quiet, kind)) == 2
    assert record_of(quiet, clock).cancel_reason == "error 503"
    server.script = [*WHOLE, FAILED]
    interact(server, quiet, kind)
    assert record_of(quiet, clock).outcome == "replied"
    server.status = 429
    with pytest.raises(RateLimitError):
        interact(server, quiet, kind)
    assert record_of(quiet, clock).cancel_reason == "the stream broke: RateLimitError"


def test_the_real_client_creates_a_conversation(server: Server, quiet: Session, clock: Clock) -> None:
    """The agent opens: the stream of a new conversation drives a turn, in text."""
    server.script = [{"type": "conversation-created", "conversation_id": CONVERSATION}, VECTOR, moved(),
                     message("Hello.", stop=True), COMPLETE]  # fmt: skip
    with AmigoClient(**credentials(server)) as client:
        stream = client.conversations.create_conversation(
            ConversationCreateConversationRequest.model_validate({"service_id": TOOL}),
            CreateConversationParametersQuery.model_validate({"response_format": "text"}),
        )
        assert len(list(watch_interaction(quiet, stream))) == 5
    assert quiet.turn is not None
    assert quiet.turn.pending
    assert news(quiet.turn.record) == [
        ("speech_ended", None), ("llm_started", None), ("llm_started", None), ("first_token", None),
    ]  # fmt: skip


def test_forms_that_the_client_refuses_are_understood_from_the_body(
    server: Server, quiet: Session, clock: Clock
) -> None:
    """A top-level action-too-long makes the SDK raise, and the turn is cancelled; read without it, all is well."""
    server.script = [
        HEARD,
        {"type": "action-too-long", "filler": wav(), "previously_started_event": None},
        ANSWER,
        COMPLETE,
    ]
    with pytest.raises(ValueError, match="validation error"):
        interact(server, quiet, "sync")
    assert record_of(quiet, clock).cancel_reason == "the stream broke: ValidationError"
    turn = quiet.begin()
    list(watch_interaction(turn, parse_events([lines(server.script)]), reply_rate=RATE))
    assert turn.record.outcome == "replied"


# The example --------------------------------------------------------------------------------------------------------


def test_the_example_runs_without_keys(tmp_path: Path) -> None:
    """The selftest opens a conversation and asks a question; the server's filler and both answers are heard."""
    out = tmp_path / "heard.wav"
    command = [sys.executable, str(EXAMPLE), "--selftest", "--fillers", "play", "--out", str(out)]
    clean = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False,
        env={**clean, "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("  the answer\n") == 2
    assert done.stdout.count("(the server's)") == 1
    assert "the agent: It is on its way." in done.stdout
    assert done.stderr == ""
    samples, rate = soundfile.read(out)
    blocks = samples[: len(samples) // (rate // 10) * (rate // 10)].reshape(-1, rate // 10)
    assert (np.sqrt((blocks**2).mean(axis=1)) > 0.02).sum() > 20  # two answers of 1.2 s and a filler of 1 s
