"""Phone calls: what providers say and are told, what they play, and a real call over a real WebSocket."""

import asyncio
import base64
import contextlib
import importlib
import importlib.util
import io
import json
import logging
import random
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np
import pytest
import soundfile
import stopgap
import stopgap.telephony
from hypothesis import given, settings
from hypothesis import strategies as st
from stopgap import ClipBank, FillerManager, UsageError
from stopgap.engine.integrations.telephony._playout import Clear, Mark, Order, Play
from stopgap.engine.turns import SoundRecord
from stopgap.fillers import Samples
from stopgap.telephony import (
    AudioFormat,
    CallerAudio,
    Cleared,
    Connected,
    Dialect,
    Dtmf,
    MarkPlayed,
    Media,
    Playout,
    StreamFailed,
    StreamStarted,
    StreamStopped,
    TelephonyCall,
    parse_message,
)
from virtual_loop import LoopClock, VirtualLoop, run
from websockets.asyncio.client import connect

RATE = 8_000
FRAME = 160
L16 = AudioFormat("l16", RATE)
LADDER: dict[str, Any] = {
    "mode": "ladder",
    "seed": 1,
    "limits": {"per_minute": "unlimited"},
    "ladder": [
        {"after_ms": 100, "kind": "hesitation"},
        {"after_ms": 700, "kind": "phrase"},
    ],
}
BEDS: dict[str, Any] = {**LADDER, "ladder": [*LADDER["ladder"], {"after_ms": 1200, "kind": "ambience"}]}
QUIET: dict[str, Any] = {"mode": "none"}


def example(name: str) -> ModuleType:
    """Return the example *name* as a module."""
    path = Path(__file__).resolve().parent.parent / "examples" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


caller = example("telephony_caller")
server = example("telephony_server")


def ramp(frames: int, first: int = 1) -> Samples:
    """Return samples that tell their own place in 16 bits, none of them silent."""
    return ((np.arange(first, first + frames) + 0.5) / 32767.0).astype(np.float32)


def places(heard: Samples) -> list[int]:
    """Return the places that the samples of a ramp tell, silence left out."""
    pcm = np.rint(heard * 32768.0).astype(int)
    return [int(value) for value in pcm[pcm != 0]]


def start_message(encoding: str = "audio/x-l16", stream: str = "MZ0", rate: int = RATE) -> str:
    media = {"encoding": encoding, "sampleRate": rate, "channels": 1}
    start = {"streamSid": stream, "callSid": "CA0", "customParameters": {"who": "me"}, "mediaFormat": media}
    return json.dumps({"event": "start", "sequenceNumber": "1", "streamSid": stream, "start": start})


# Messages -------------------------------------------------------------------------------------------------------

MULAW_8K = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            {"event": "start", "streamSid": "MZ1", "start": {
                "streamSid": "MZ1", "callSid": "CA1", "customParameters": {"a": "b"}, "mediaFormat": MULAW_8K}},
            StreamStarted("twilio", "MZ1", "CA1", "audio/x-mulaw", 8000, 1, {"a": "b"}),
        ),
        (
            {"event": "start", "sequence_number": "1", "stream_id": "32DE", "start": {
                "call_control_id": "v2:T0", "custom_parameters": {"a": "b"},
                "media_format": {"encoding": "PCMA", "sample_rate": 8000, "channels": 1}}},
            StreamStarted("telnyx", "32DE", "v2:T0", "PCMA", 8000, 1, {"a": "b"}),
        ),
        (
            {"event": "start", "sequenceNumber": 1, "extra_headers": "user=1;x=y z", "start": {
                "callId": "1-2", "streamId": "8-7",
                "mediaFormat": {"encoding": "audio/x-l16;rate=16000", "sampleRate": 16000}}},
            StreamStarted("plivo", "8-7", "1-2", "audio/x-l16;rate=16000", 16000, 1, {"user": "1", "x": "y z"}),
        ),
        (
            {"event": "start", "sequence_number": "1", "stream_sid": "MZ2", "start": {
                "stream_sid": "MZ2", "call_sid": "CA2", "custom_parameters": {},
                "media_format": {"encoding": "audio/x-raw", "sample_rate": "8000", "bit_rate": "16"}}},
            StreamStarted("exotel", "MZ2", "CA2", "audio/x-raw", 8000, 1, {}),
        ),
        ({"event": "connected", "protocol": "Call", "version": "1.0.0"}, Connected()),
        (
            {"event": "media", "sequenceNumber": "3", "streamSid": "MZ1", "media": {
                "track": "inbound", "chunk": "2", "timestamp": "20", "payload": "AAEC"}},
            Media(b"\x00\x01\x02", "inbound", 20, 2, 3),
        ),
        (
            {"event": "media", "sequence_number": "4", "stream_id": "32DE", "media": {
                "track": "outbound", "chunk": "2", "timestamp": "5", "payload": "/w=="}},
            Media(b"\xff", "outbound", 5, 2, 4),
        ),
        ({"event": "mark", "streamSid": "MZ1", "mark": {"name": "end"}}, MarkPlayed("end")),
        ({"event": "playedStream", "streamId": "8-7", "name": "end"}, MarkPlayed("end")),
        ({"event": "clearedAudio", "streamId": "8-7"}, Cleared()),
        ({"event": "dtmf", "dtmf": {"track": "inbound_track", "digit": "5"}}, Dtmf("5")),
        ({"event": "error", "payload": {"code": 100003}}, StreamFailed('{"code": 100003}')),
        ({"event": "stop", "streamSid": "MZ1", "stop": {"callSid": "CA1"}}, StreamStopped()),
    ],
)  # fmt: skip
def test_documented_messages(message: dict[str, Any], expected: object) -> None:
    """Messages as the providers' documentation shows them are understood, as text and as bytes."""
    assert parse_message(json.dumps(message)) == expected
    assert parse_message(json.dumps(message).encode()) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not a JSON object"),
        ('{"event": "sing"}', "'sing' is none of connected, start"),
        ("{}", "None is none of"),
        ('{"event": ["start"]}', "is none of"),
        ('{"event": "media"}', "no object 'media'"),
        ('{"event": "media", "media": {"track": "inbound"}}', "no payload"),
        ('{"event": "media", "media": {"payload": "?"}}', "not base64: '\\?'"),
        ('{"event": "media", "media": {"payload": "AAA"}}', "not base64"),
        ('{"event": "media", "media": {"payload": "ä"}}', "not base64"),
        ('{"event": "mark", "mark": {"name": 5}}', "mark has no name"),
        ('{"event": "start", "start": {}}', "names no stream"),
        ('{"event": "start", "start": {"streamSid": "a"}}', "no mediaFormat"),
        ('{"event": "start", "start": {"streamSid": "a", "mediaFormat": {}}}', "no encoding"),
        ("x" * (1 << 18) + "x", "too long"),
    ],
)
def test_bad_messages(text: str | bytes, says: str) -> None:
    """What is wrong with a message is said in one short sentence."""
    with pytest.raises(UsageError, match=says) as raised:
        parse_message(text)
    assert len(str(raised.value)) < 200


any_text = st.text(max_size=8) | st.text(st.characters(categories=["Cs"]), max_size=3)
"""Halves of characters (surrogates) included, which JSON can carry; seldom both in one, for they are so few."""
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from(
    ["event", "start", "media", "mark", "dtmf", "streamSid", "stream_id", "mediaFormat", "media_format", "encoding",
     "payload", "name", "digit", "sampleRate", "channels", "track", "timestamp", "customParameters", "extra_headers",
     "callSid"]
)  # fmt: skip
events = st.sampled_from(["connected", "start", "media", "mark", "dtmf", "stop", "error", "playedStream"])
nested = st.dictionaries(keys, json_values | st.dictionaries(keys, json_values, max_size=5), max_size=5)


@given(message=st.builds(lambda event, rest: {**rest, "event": event}, events, nested))
def test_any_message_is_understood_or_refused(message: dict[str, Any]) -> None:
    """Whatever is in a message, nothing but `UsageError` comes of it."""
    for text in (json.dumps(message), json.dumps(message)[:-1]):
        try:
            parse_message(text)
        except UsageError:
            continue


starts = st.fixed_dictionaries(
    {
        "event": st.just("start"),
        "start": st.fixed_dictionaries(
            {
                "streamSid": any_text,
                "callSid": any_text,
                "mediaFormat": st.fixed_dictionaries(
                    {"encoding": st.sampled_from(["L16", "PCMU", "PCMA", "OPUS"]) | any_text},
                    optional={"sampleRate": st.sampled_from([8000, 16000]) | json_values, "channels": json_values},
                ),
            },
            optional={"customParameters": json_values},
        ),
    },
    optional={"extra_headers": any_text | json_values},
)
any_messages = starts | st.builds(lambda event, rest: {**rest, "event": event}, events, nested)


@given(messages=st.lists(any_messages, min_size=1, max_size=8))
@settings(max_examples=100)
def test_nothing_a_provider_says_raises(messages: list[dict[str, Any]], bank: ClipBank) -> None:
    """Whatever comes, in whatever order, `receive` takes it, and a session that opens is one to talk in."""

    async def main() -> None:
        async def send(text: str) -> None:
            text.encode()

        loop = asyncio.get_running_loop()
        with FillerManager(stopgap.load_config(LADDER), clock=LoopClock(loop), bank=bank) as manager:
            async with TelephonyCall(manager, send) as call:
                for message in messages:
                    heard = await call.receive(json.dumps(message))
                    repr(heard).encode()
                    if isinstance(heard, StreamStarted):
                        call.session.begin()
                    await asyncio.sleep(0.15)

    run(main)


def test_half_characters_are_replaced() -> None:
    """Half a character in a name, which JSON can carry and UTF-8 cannot, becomes a question mark."""
    text = start_message(stream="\ud800").replace("CA0", "\\udfff").replace('"me"', '"x\\ud83d"')
    said = parse_message(text)
    assert isinstance(said, StreamStarted)
    assert (said.stream_id, said.call_id, said.parameters) == ("?", "?", {"who": "x?"})


def test_a_session_may_be_called_anything(bank: ClipBank) -> None:
    """With a seed, which goes with the name, half a character in the name that an application gives is no trouble."""

    async def talk(line: Line, call: TelephonyCall) -> None:
        assert call.session.id == "\ud800"

    hold(bank, LADDER, talk, id="\ud800")


@given(payload=st.binary(max_size=400), name=st.text(max_size=20), stream=st.text(min_size=1, max_size=40))
@pytest.mark.parametrize("provider", ["twilio", "telnyx", "plivo", "exotel"])
def test_what_is_said(
    provider: Literal["twilio", "telnyx", "plivo", "exotel"], payload: bytes, name: str, stream: str
) -> None:
    """Sound, marks and clears have the form that each provider documents; marks come back as they were."""
    dialect = Dialect(provider, stream, AudioFormat())
    media, mark, clear = (json.loads(text) for text in (dialect.media(payload), dialect.mark(name), dialect.clear()))
    assert base64.b64decode(media["media"]["payload"]) == payload
    key = {"twilio": "streamSid", "telnyx": None, "plivo": "streamId", "exotel": "stream_sid"}[provider]
    for message in (media, mark, clear):
        assert [name for name in message if name.lower().startswith("stream")] == ([] if key is None else [key])
        assert key is None or message[key] == stream
    if provider == "plivo":
        assert (media["event"], mark["event"], clear["event"]) == ("playAudio", "checkpoint", "clearAudio")
        assert (media["media"]["contentType"], media["media"]["sampleRate"]) == ("audio/x-mulaw", 8000)
        assert parse_message(json.dumps({**mark, "event": "playedStream"})) == MarkPlayed(name)
    else:
        assert (media["event"], mark["event"], clear["event"]) == ("media", "mark", "clear")
        assert parse_message(json.dumps(mark)) == MarkPlayed(name)
        assert parse_message(json.dumps(media)) == Media(payload, "inbound")


# Sound on the line ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("encoding", "subtype"), [("mulaw", "ULAW"), ("alaw", "ALAW")])
def test_companding_against_libsndfile(encoding: Literal["mulaw", "alaw"], subtype: str) -> None:
    """Every code is decoded as libsndfile does it; what is encoded is as near to the sound as libsndfile's."""
    line = AudioFormat(encoding)
    codes = bytes(range(256))
    raw: dict[str, Any] = {"samplerate": RATE, "channels": 1, "format": "RAW", "subtype": subtype}
    decoded, _ = soundfile.read(io.BytesIO(codes), dtype="int16", **raw)
    np.testing.assert_array_equal(np.rint(line.decode(codes) * 32768.0), decoded)
    every = np.arange(-32768, 32768, dtype=np.int16)
    file = io.BytesIO()
    soundfile.write(file, every, RATE, format="RAW", subtype=subtype)
    theirs = line.decode(file.getvalue()) * 32768.0 - every
    samples = ((every + np.sign(every) * 0.5) / 32767.0).astype(np.float32)
    ours = line.decode(line.encode(samples)) * 32768.0 - every
    assert np.abs(ours).max() <= np.abs(theirs).max() + 1
    assert np.sqrt(np.mean(ours**2)) == pytest.approx(np.sqrt(np.mean(theirs**2)), rel=0.01)


@given(seed=st.integers(0, 1000), frames=st.integers(0, 480))
@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000])
@pytest.mark.parametrize("byte_order", ["little", "big"])
def test_linear_frames(rate: int, byte_order: Literal["little", "big"], seed: int, frames: int) -> None:
    """16 bits go over the line as they are, in either byte order; beyond ±1 is clipped."""
    line = AudioFormat("l16", rate, byte_order)
    samples = np.random.default_rng(seed).uniform(-1.2, 1.2, frames).astype(np.float32)
    payload = line.encode(samples)
    np.testing.assert_allclose(line.decode(payload), np.clip(samples, -1.0, 1.0), rtol=0.0, atol=2.1 / 32768)
    pcm = np.frombuffer(payload, "<i2" if byte_order == "little" else ">i2").astype("<i2").tobytes()
    assert CallerAudio(line.decode(payload), rate).pcm16 == pcm


@pytest.mark.parametrize(
    ("name", "rate", "expected"),
    [
        ("audio/x-mulaw", None, AudioFormat("mulaw")),
        ("PCMU", 8000, AudioFormat("mulaw")),
        ("audio/PCMA", None, AudioFormat("alaw")),
        ("audio/x-l16;rate=16000", None, AudioFormat("l16", 16_000)),
        ("L16", 24_000, AudioFormat("l16", 24_000)),
        ("audio/x-raw", 8000, AudioFormat("l16")),
    ],
)
def test_names_of_formats(name: str, rate: int | None, expected: AudioFormat) -> None:
    """Formats are known by the names that providers give them."""
    assert AudioFormat.named(name, rate) == expected


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: AudioFormat.named("G722"), "'G722' is not spoken"),
        (lambda: AudioFormat.named("PCMU", 16_000), "rate=16000 does not go with mulaw"),
        (lambda: AudioFormat("l16", 11_025), "rate=11025"),
        (lambda: AudioFormat("opus"), "encoding='opus'"),  # type: ignore[arg-type]
        (lambda: AudioFormat("l16", byte_order="middle"), "byte_order='middle'"),  # type: ignore[arg-type]
        (lambda: L16.decode(b"\x00\x01\x02"), "3 bytes is no whole number of 16-bit samples"),
        (lambda: Dialect("vonage", "x", L16), "provider='vonage' is none of"),  # type: ignore[arg-type]
    ],
)
def test_what_is_not_spoken(make: Callable[[], object], says: str) -> None:
    """Formats, rates, odd lengths and providers that do not fit are refused with what does."""
    with pytest.raises(UsageError, match=says):
        make()


# What the provider holds, on times that are written down -----------------------------------------------------------


def told(orders: list[Order]) -> list[str | list[int]]:
    """Return orders in short: words, and the places of what is played."""
    short: list[str | list[int]] = []
    for order in orders:
        match order:
            case Play(samples):
                played = places(L16.decode(L16.encode(samples)))
                if short and isinstance(short[-1], list):
                    short[-1] += played
                else:
                    short.append(played)
            case _:
                short.append("clear" if isinstance(order, Clear) else "mark")
    return short


def silence(frames: int) -> Samples:
    return np.zeros(frames, np.float32)


def playout(**options: Any) -> Playout:
    """A queue of at most 1,000 samples at 1 kHz in frames of 20, fed 980 ahead."""
    return Playout(1000, 20, 1000, 980, **options)


def give(line: Playout, now: float) -> list[Order]:
    """Return what to tell the provider; the socket takes it at once."""
    orders = line.orders(now)
    for order in orders:
        if isinstance(order, Play):
            line.taken(order, now)
    return orders


def test_silence_is_not_queued() -> None:
    """Sound in the distance goes out with the silence before it, silence by itself does not, nor twice."""
    line = playout()
    line.take(0, silence(980), 0.0)
    assert give(line, 0.0) == []
    line.take(980, ramp(20), 0.02)
    orders = give(line, 0.02)
    sizes = [len(order.samples) for order in orders if isinstance(order, Play)]
    assert (sum(sizes), max(sizes), told(orders)[-1]) == (980, 20, list(range(1, 21)))
    line.take(1000, silence(20), 0.04)
    assert give(line, 0.04) == []
    assert line.position(0.52) == 20 + 500


def test_more_of_a_reply_is_appended() -> None:
    """A reply that had been sent to its end goes on behind it, without a clear, even within a frame."""
    line = playout()
    line.take(0, np.concatenate([ramp(333), silence(647)]), 0.0)
    assert told(give(line, 0.0)) == [list(range(1, 334))]
    line.take(333, np.concatenate([ramp(667, 334)]), 0.02)
    assert told(give(line, 0.02)) == [list(range(334, 1001))]
    assert line.clears == 0


def test_whole_frames() -> None:
    """Where shorter messages are refused, a sound's last piece waits for more, and is filled up before it is due."""
    line = playout(whole_frames=True)
    line.take(0, np.concatenate([ramp(333), silence(647)]), 0.0)
    assert told(give(line, 0.0)) == [list(range(1, 321))]
    line.take(980, silence(20), 0.02)
    assert give(line, 0.02) == []
    line.take(1000, silence(240), 0.26)
    orders = give(line, 0.26)
    assert told(orders) == [list(range(321, 334))]
    assert [len(order.samples) for order in orders if isinstance(order, Play)] == [20]


def test_what_changed_is_taken_back() -> None:
    """Everything from the playing position on is sent again; what was played is not."""
    line = playout()
    line.take(0, ramp(980), 0.0)
    give(line, 0.0)
    line.take(400, np.concatenate([ramp(600, 5001)]), 0.02)
    orders = told(give(line, 0.02))
    assert orders == ["clear", [*range(21, 401), *range(5001, 5601)]]
    assert (line.clears, line.resent) == (1, 960)


def test_inaudible_change_is_left_alone() -> None:
    """A change that would be the same in 16 bits is no reason for a seam."""
    line = playout()
    line.take(0, ramp(980), 0.0)
    give(line, 0.0)
    line.take(100, np.concatenate([ramp(880, 101) + np.float32(1e-7), ramp(20, 981)]), 0.02)
    assert told(give(line, 0.02)) == [list(range(981, 1001))]
    assert line.clears == 0


def test_news_keeps_its_beginning() -> None:
    """News for a place that has just been played is played from its beginning, a little later."""
    line = playout()
    line.take(0, ramp(980), 0.0)
    give(line, 0.0)
    line.take(20, ramp(980, 5001), 0.033)
    assert told(give(line, 0.033)) == ["clear", list(range(5001, 5981))]


@pytest.mark.parametrize("stops", [True, False])
def test_stopping_is_never_late(stops: bool) -> None:
    """A provider that is behind skips what it owes when the sound stops; when it goes on differently, it plays that."""
    line = playout()
    line.take(0, ramp(980), 0.0)
    give(line, 0.0)
    line.lost(0.04)
    line.take(980, ramp(60, 981), 0.06)
    give(line, 0.06)
    then = silence(960) if stops else ramp(960, 7001)
    line.take(80, np.concatenate([ramp(20, 6001), then]), 0.08)
    clear, played = told(give(line, 0.08))
    assert clear == "clear"
    goes_on = [*range(61, 81), *range(6001, 6021), *range(7001, 7961)]
    assert played == ([*range(6001, 6021)] if stops else goes_on)


def test_never_more_than_the_lead() -> None:
    """However often the queue is asked about, it never holds more than the lead, and a lost line's sound waits."""
    line, sent = playout(), 0
    for step in range(200):
        now = 0.02 * step + (0.013 if step % 7 == 3 else 0.0)
        line.take(20 * step + (960 if step else 0), ramp(20 if step else 980, 20 * step + 1), now)
        sent += sum(len(order.samples) for order in give(line, now) if isinstance(order, Play))
        if step == 60:
            line.lost(now)
            sent = line.position(now)
        assert sent - line.position(now) <= 1000


@pytest.mark.parametrize("sound", [silence(20), ramp(20)])
def test_a_long_call_needs_no_more_room(sound: Samples) -> None:
    """However long silence or a reply goes on, a few seconds are kept, from which a lost line is made good."""
    line = playout()
    line.take(0, silence(980), 0.0)
    for step in range(1, 1000):
        line.take(960 + 20 * step, sound, 0.02 * step)
        give(line, 0.02 * step)
    assert len(line._track) <= 5000
    assert line.position(19.98) == pytest.approx(19_980, abs=20)


def test_line_lost_in_the_silence_behind_a_sound() -> None:
    """What was to be played since the last sign of life is sent again, though it should have been over by now."""
    line = playout()
    line.take(0, np.concatenate([ramp(500), silence(480)]), 0.0)
    give(line, 0.0)
    for step in range(1, 50):
        line.take(960 + 20 * step, silence(20), 0.02 * step)
        assert give(line, 0.02 * step) == []
    line.lost(0.2)
    assert told(give(line, 3.0)) == [list(range(201, 501))]


def test_backlog_waits() -> None:
    """After a pause of the line what piled up goes out as the provider plays, not at once."""
    line = playout()
    line.take(0, ramp(980), 0.0)
    give(line, 0.0)
    line.lost(0.0)
    line.take(980, ramp(500, 981), 0.5)
    assert told(give(line, 0.5)) == [list(range(1, 1001))]
    line.take(1480, ramp(20, 1481), 0.52)
    assert told(give(line, 0.52)) == [list(range(1001, 1021))]
    assert line.position(0.52) == 20


def test_marks_tell_of_a_provider_that_is_behind() -> None:
    """A queue that paused gives its marks back late: what it has not played yet is sent again, not skipped."""
    line = playout(mark_every=200)
    line.take(0, ramp(980), 0.0)
    marks = [order.name for order in give(line, 0.0) if isinstance(order, Mark)]
    assert len(marks) == 4
    for place, name in enumerate(marks[:2]):
        line.echoed(name, 0.2 * (place + 1) + 0.06)  # 60 ms there and back
    assert line.position(0.5) == 500
    line.lost(0.5)
    line.take(1480, ramp(500, 1481), 0.5)
    later = [order.name for order in give(line, 0.5) if isinstance(order, Mark)]
    line.echoed(later[0], 0.5 + 0.2 + 0.06 + 0.05)  # 50 ms behind
    assert line.behind_s == pytest.approx(0.05)
    assert line.position(0.9) == 850
    line.take(1980, silence(1000), 2.0)
    give(line, 2.0)
    line.take(2980, ramp(980, 1), 3.0)
    give(line, 3.0)
    assert line.behind_s == 0.0


def marks_of(orders: list[Order]) -> list[str]:
    return [order.name for order in orders if isinstance(order, Mark)]


def test_marks_of_cleared_sound() -> None:
    """Marks that come back because their sound was thrown away, and unknown ones, tell nothing."""
    line = playout(mark_every=200)
    line.take(0, ramp(980), 0.0)
    marks = marks_of(give(line, 0.0))
    line.echoed("nobody's", 0.1)
    line.echoed(marks[0], 0.26)
    line.take(300, ramp(980, 5001), 0.3)
    assert give(line, 0.3)[0] == Clear()
    line.echoed(marks[1], 0.9)
    assert (line.behind_s, line.position(0.4)) == (0.0, 400)


def test_marks_that_come_back_at_once() -> None:
    """A provider that gives marks back as it gets them (jambonz has) is believed nothing."""
    line = playout(mark_every=200)
    line.take(0, ramp(980), 0.0)
    for name in marks_of(give(line, 0.0)):
        line.echoed(name, 0.03)
    assert line.position(0.5) == 500
    line.take(980, silence(1000), 1.0)
    line.take(1980, ramp(980, 1), 2.0)
    line.echoed(marks_of(give(line, 2.0))[0], 2.03)
    assert (line.behind_s, line.position(2.5)) == (0.0, 2480)


@given(delay_ms=st.integers(10, 90), later_ms=st.integers(10, 90))
def test_the_seam_is_as_long_as_the_delay_varies(delay_ms: int, later_ms: int) -> None:
    """What is heard twice, or missing, where queued sound was replaced is what the way's delay has changed by."""
    provider = caller.Provider("MZ0", AudioFormat("l16", RATE))
    dialect = Dialect("twilio", "MZ0", L16)
    line = Playout(RATE, FRAME, 3200, 3040)

    def arrive(now: float, delay: int) -> None:
        texts = [
            dialect.clear() if isinstance(order, Clear) else dialect.media(L16.encode(order.samples))
            for order in give(line, now)
            if not isinstance(order, Mark)
        ]
        provider.advance(round((now + delay / 1000.0) * RATE))
        for text in texts:
            provider.take(text)

    line.take(0, ramp(3040), 0.0)
    arrive(0.0, delay_ms)
    line.take(1600, np.concatenate([ramp(800, 1601), ramp(2240, 9001)]), 0.2)
    arrive(0.2, later_ms)
    provider.advance(RATE)
    heard = np.asarray(places(provider.heard))
    seam = (later_ms - delay_ms) * RATE // 1000
    expected = [*range(1, 1601 + seam), *range(1601, 2401), *range(9001, 11241)]
    np.testing.assert_array_equal(heard, expected)


# Calls, on virtual time -------------------------------------------------------------------------------------------


class Line:
    """A provider at the other end of a network, on the loop's time; it plays on while the loop is blocked.

    Args:
        delay: s that the next message takes there; they never overtake each other.
        back_s: s that marks take back.
    """

    def __init__(self, delay: Callable[[], float] = lambda: 0.03, back_s: float = 0.03) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self.loop, self.began_at = loop, loop.time()
        self.provider = caller.Provider("MZ0", L16)
        self.call: TelephonyCall
        self.broken = False
        self.sent: list[dict[str, Any]] = []
        self._delay, self._back_s = delay, back_s
        self.delay_s = delay()
        self._coming: deque[tuple[float, str]] = deque()
        self._echoes: set[asyncio.Task[object]] = set()

    async def send(self, text: str) -> None:
        if self.broken:
            raise ConnectionError("gone")
        at = self.loop.time() + self._delay()
        if self._coming:
            at = max(at, self._coming[-1][0])
        self.sent.append(json.loads(text))
        self._coming.append((at, text))
        self.loop.call_at(at, self.settle)

    def settle(self) -> None:
        """Have happened what has happened by now."""
        now = self.loop.time()
        while self._coming and self._coming[0][0] <= now:
            at, text = self._coming.popleft()
            self._play_to(at)
            self._come_back(at, self.provider.take(text))
        self._play_to(now)
        mark = self.provider.next_mark
        if mark is not None:
            self.loop.call_at(max(now + 1e-4, self.began_at + mark / RATE), self.settle)

    def _play_to(self, at: float) -> None:
        to = round((at - self.began_at) * RATE)
        while (mark := self.provider.next_mark) is not None and mark <= to:
            self._come_back(self.began_at + mark / RATE, self.provider.advance(mark))
        self.provider.advance(to)

    def _come_back(self, at: float, echoes: list[str]) -> None:
        for echo in echoes:
            self.loop.call_at(max(self.loop.time(), at + self._back_s), self._receive, echo)

    def _receive(self, text: str) -> None:
        task: asyncio.Task[object] = asyncio.ensure_future(self.call.receive(text))
        self._echoes.add(task)
        task.add_done_callback(self._echoes.discard)

    @property
    def heard(self) -> Samples:
        self.settle()
        heard: Samples = self.provider.heard
        return heard


Talk = Callable[[Line, TelephonyCall], Awaitable[None]]


def hold(
    bank: ClipBank,
    config: dict[str, Any],
    talk: Talk,
    delay: Callable[[], float] = lambda: 0.03,
    **options: Any,
) -> Line:
    """Have a call on virtual time, in which *talk* is the agent."""

    async def main() -> Line:
        line = Line(delay)
        clock = LoopClock(line.loop)
        with FillerManager(stopgap.load_config(config), clock=clock, bank=bank) as manager:
            async with TelephonyCall(manager, line.send, **options) as call:
                line.call = call
                await call.receive(start_message())
                await talk(line, call)
            await asyncio.sleep(1.0)
            line.settle()
        return line

    return run(main)


talk_steps = st.lists(
    st.tuples(
        st.sampled_from(["begin", "begin", "write", "write", "finish", "speak", "resume", "cancel", "again"]),
        st.integers(1, 900),
    ),
    min_size=1,
    max_size=14,
)


def act(call: TelephonyCall, what: str, amount: int, seed: int) -> None:
    """Do one thing an agent does."""
    session = call.session
    turn = session.turn
    if what == "begin":
        session.begin()
    elif what == "speak":
        session.user_speaking()
    elif what == "resume":
        session.resume()
    elif turn is not None:
        if what == "write":
            noise = np.random.default_rng(seed).uniform(0.01, 0.5, 8 * amount)
            turn.write(noise.astype(np.float32))
        elif what == "finish":
            turn.finish()
        elif what == "again":
            turn.wait_again()
        else:
            turn.cancel()


@given(plan=talk_steps, marks=st.booleans())
@settings(max_examples=50)
def test_what_is_played_is_what_was_mixed(plan: list[tuple[str, int]], marks: bool, bank: ClipBank) -> None:
    """Whatever an agent does: over a network of constant delay the caller hears, to the bit, what the mixer gave."""
    mixed: list[Samples] = []

    async def talk(line: Line, call: TelephonyCall) -> None:
        call.session.open_tap(60.0)
        await asyncio.sleep(0.003)
        for seed, (what, amount) in enumerate(plan):
            act(call, what, amount, seed)
            await asyncio.sleep(amount / 1000.0)
        await asyncio.sleep(1.0)
        mixed.extend(block.samples for block in call.session.read_tap())

    line = hold(bank, BEDS, talk, marks=marks)
    expected = np.concatenate([silence(round(0.03 * RATE)), *mixed])
    got = line.heard[: len(expected)]
    np.testing.assert_array_equal(got, L16.decode(L16.encode(expected[: len(got)])))
    assert line.provider.held_most <= 3200


@given(seed=st.integers(0, 10_000), lead_ms=st.sampled_from([0, 120, 400, 1000]))
@settings(max_examples=30)
def test_replies_are_complete(seed: int, lead_ms: int, bank: ClipBank) -> None:
    """With jitter and a loop that stands still again and again, nothing of a reply is lost, doubled or out of order.

    Nor does the queue ever hold more than the lead and what the jitter bunches: nothing comes late in a burst.
    """
    chance = random.Random(seed)

    async def talk(line: Line, call: TelephonyCall) -> None:
        for number in range(2):
            turn = call.session.begin()
            await asyncio.sleep(chance.uniform(0.2, 2.0))
            for place in range(0, 8000, 800):
                turn.write(ramp(800, 16_000 * number + place + 1))
                await asyncio.sleep(chance.uniform(0.0, 0.08))
                if chance.random() < 0.3:
                    line.loop.jump(chance.uniform(0.0, 0.5))
            turn.finish()
            await asyncio.sleep(3.0)

    line = hold(bank, LADDER, talk, lambda: chance.uniform(0.01, 0.07), lead_ms=lead_ms)
    heard = line.heard
    assert is_there(heard, ramp(8000))
    assert is_there(heard, ramp(8000, 16_001))
    assert line.provider.held_most <= max(lead_ms, 60) * 8 + round(0.06 * RATE) + 3 * FRAME
    if lead_ms == 0:
        assert not any(message["event"] == "clear" for message in line.sent)


def is_there(heard: Samples, reply: Samples) -> bool:
    """Whether *reply* is in *heard* from end to end, silence apart."""
    sounding = np.rint(heard[heard != 0.0] * 32768.0).astype(int)
    wanted = np.rint(L16.decode(L16.encode(reply)) * 32768.0).astype(int)
    starts = np.flatnonzero(sounding == wanted[0])
    return any(np.array_equal(sounding[start : start + len(wanted)], wanted) for start in starts)


def gaps(heard: Samples, first: int, last: int) -> list[int]:
    """Return the lengths of the silences within a ramp from the sample *first* to *last*."""
    pcm = np.rint(heard * 32768.0).astype(int)
    begin, end = int(np.flatnonzero(pcm == first)[0]), int(np.flatnonzero(pcm == last)[-1])
    sounding = np.flatnonzero(pcm[begin : end + 1])
    jumps = np.diff(sounding) - 1
    return [int(jump) for jump in jumps if jump]


@pytest.mark.parametrize(("lead_ms", "gap"), [(400, []), (0, [1840])])
def test_blocked_loop(lead_ms: int, gap: list[int], bank: ClipBank) -> None:
    """With a lead a block of 250 ms is not heard; without one there is a gap, and the reply goes on behind it."""

    async def talk(line: Line, call: TelephonyCall) -> None:
        turn = call.session.begin()
        await asyncio.sleep(0.5)
        turn.write(ramp(16_000))
        turn.finish()
        await asyncio.sleep(0.71)
        line.loop.jump(0.25)
        await asyncio.sleep(3.0)

    line = hold(bank, QUIET, talk, lead_ms=lead_ms)
    assert is_there(line.heard, ramp(16_000))
    found = gaps(line.heard, 1, 16_000)
    assert len(found) == len(gap)
    assert all(abs(a - b) <= FRAME for a, b in zip(found, gap, strict=True))


def test_barge_in_is_heard_with_the_next_frame(bank: ClipBank) -> None:
    """A frame and a fade of 20 ms after the caller begins to speak, plus the way, nothing sounds any more."""
    at: list[int] = []

    async def talk(line: Line, call: TelephonyCall) -> None:
        turn = call.session.begin()
        turn.write(ramp(16_000))
        await asyncio.sleep(0.707)
        line.settle()
        at.append(line.provider.played)
        call.session.user_speaking()
        await asyncio.sleep(1.0)
        turn.cancel("barge-in")

    line = hold(bank, QUIET, talk)
    assert line.heard[at[0] - 1] != 0.0
    assert not line.heard[at[0] + 240 + 2 * FRAME :].any()
    assert [message["event"] for message in line.sent].count("clear") == 1


def test_hold_and_resume_lose_nothing(bank: ClipBank) -> None:
    """It was only an "ok": what was faded out is faded in again, and the reply goes on from there."""

    async def talk(line: Line, call: TelephonyCall) -> None:
        turn = call.session.begin()
        turn.write(ramp(8000))
        turn.finish()
        await asyncio.sleep(0.5)
        call.session.user_speaking()
        await asyncio.sleep(0.5)
        call.session.resume()
        await asyncio.sleep(2.0)

    line = hold(bank, QUIET, talk)
    heard, fade = places(line.heard), 160
    until = next(place for place, sample in enumerate(heard, 1) if sample != place)
    assert heard[: until - 1] == list(range(1, until))
    assert heard[-(8000 - until - fade) :] == list(range(until + fade + 1, 8001))
    assert len(heard) == pytest.approx(8000 + fade, abs=2)


@pytest.mark.parametrize("lead_ms", [0, 400])
@pytest.mark.parametrize("how", ["start again", "stop", "new socket", "mid-send"])
def test_lost_line(how: str, lead_ms: int, bank: ClipBank, caplog: pytest.LogCaptureFixture) -> None:
    """After a stop, another start, or a socket that is gone, the reply goes on where it stopped; nothing raises."""

    async def talk(line: Line, call: TelephonyCall) -> None:
        turn = call.session.begin()
        turn.write(ramp(8000))
        turn.finish()
        await asyncio.sleep(0.507)
        await call.receive('{"event": "connected"}')  # a sign of life
        line.settle()
        line.provider.take(Dialect("twilio", "MZ0", L16).clear())  # a stream's queue ends with it
        if how == "stop":
            await call.receive('{"event": "stop"}')
        elif how == "new socket":
            call.attach(line.send)
        elif how == "mid-send":
            line.broken = True
            await asyncio.sleep(0.1)
        if how != "start again":
            assert not call.connected
            sent = len(line.sent)
            call.session.tick()
            await asyncio.sleep(5.0)
            assert len(line.sent) == sent
        line.broken = False
        await call.receive(start_message())
        assert call.connected
        await asyncio.sleep(2.0)
        assert call.statistics()["lines_lost"] == 1

    with caplog.at_level(logging.WARNING, "stopgap"):
        line = hold(bank, QUIET, talk, lambda: 0.0, lead_ms=lead_ms)
    heard = places(line.heard)
    assert heard == list(range(1, 8001))
    assert len(caplog.records) == (1 if how == "mid-send" else 0)


def test_start_between_two_messages(bank: ClipBank) -> None:
    """Another start while sound is being sent: what was meant for the old stream does not get onto the new one."""

    async def talk(line: Line, call: TelephonyCall) -> None:
        async def slowly(text: str) -> None:
            await asyncio.sleep(0.001)
            await line.send(text)

        call.attach(slowly)
        await call.receive(start_message())
        turn = call.session.begin()
        turn.write(ramp(8000))
        turn.finish()
        await asyncio.sleep(0.0105)
        line.settle()
        line.provider.take(Dialect("twilio", "MZ0", L16).clear())
        await call.receive(start_message())
        await asyncio.sleep(2.0)

    line = hold(bank, QUIET, talk, lambda: 0.0)
    assert places(line.heard) == list(range(1, 8001))


def test_news_after_a_block_without_a_lead(bank: ClipBank) -> None:
    """Frames that were due while the loop was blocked do not pile up: a barge-in later is heard as soon as ever."""
    at: list[int] = []

    async def talk(line: Line, call: TelephonyCall) -> None:
        call.session.begin().write(ramp(16_000))
        await asyncio.sleep(0.503)
        line.loop.jump(0.25)
        await asyncio.sleep(0.3)
        line.settle()
        at.append(line.provider.played)
        call.session.user_speaking()
        await asyncio.sleep(1.0)

    line = hold(bank, QUIET, talk, lead_ms=0)
    assert line.heard[at[0] - 1] != 0.0
    assert not line.heard[at[0] + 240 + 3 * FRAME :].any()


def test_listener_is_told_at_once(bank: ClipBank) -> None:
    """Who listens learns of a filler when it starts, though nobody asks the session."""
    told_at: list[float] = []

    class Ear:
        def on_filler(self, turn_id: str, sound: SoundRecord) -> None:
            told_at.append(asyncio.get_running_loop().time())

        def on_turn(self, record: stopgap.TurnRecord) -> None:
            pass

    began_at: list[float] = []

    async def talk(line: Line, call: TelephonyCall) -> None:
        call.session.begin()
        began_at.append(line.loop.time())
        await asyncio.sleep(0.5)
        assert told_at

    hold(bank, LADDER, talk, listener=Ear())
    assert told_at[0] - began_at[0] == pytest.approx(0.1, abs=0.021)


def test_stop_in_the_middle_of_a_filler(bank: ClipBank) -> None:
    """The caller hangs up while a filler sounds: the agent's calls go on working, and closing ends the turn."""

    async def talk(line: Line, call: TelephonyCall) -> None:
        turn = call.session.begin()
        await asyncio.sleep(0.3)
        assert isinstance(await call.receive('{"event": "stop"}'), StreamStopped)
        line.broken = True
        await asyncio.sleep(1.0)
        assert turn.write(ramp(800)) >= 0
        await call.close()
        await call.close()
        assert call.session.closed
        assert turn.record.outcome == "cancelled"
        assert turn.write(ramp(800)) == 0
        assert await call.receive(start_message()) is not None
        assert not call.connected

    hold(bank, LADDER, talk)


def test_hanging_up_without_a_word(bank: ClipBank, caplog: pytest.LogCaptureFixture) -> None:
    """A socket that is gone when the call is closed is an everyday thing: no warning, no waiting, no task left."""

    async def talk(line: Line, call: TelephonyCall) -> None:
        call.session.begin().write(ramp(16_000))
        await asyncio.sleep(0.503)
        line.broken = True
        at = line.loop.time()
        await call.close()
        assert line.loop.time() - at < 0.03
        assert [task.get_name() for task in asyncio.all_tasks() if task.get_name() == "stopgap-telephony"] == []

    with caplog.at_level(logging.WARNING, "stopgap"):
        hold(bank, QUIET, talk)
    assert not caplog.records


def test_closing_ends_what_sounds(bank: ClipBank) -> None:
    """After `close` the line is silent within a frame and a fade, and no task is left."""
    at: list[int] = []

    async def talk(line: Line, call: TelephonyCall) -> None:
        call.session.begin().write(ramp(16_000))
        await asyncio.sleep(0.5)
        line.settle()
        at.append(line.provider.played)
        await call.close()
        assert [task.get_name() for task in asyncio.all_tasks() if task.get_name() == "stopgap-telephony"] == []

    line = hold(bank, QUIET, talk)
    assert line.heard[at[0] - 1] != 0.0
    assert not line.heard[at[0] + 240 + 2 * FRAME :].any()


def leave(bank: ClipBank, how: Talk, config: dict[str, Any] = QUIET, **options: Any) -> tuple[Line, float]:
    """Have a call whose block is left by *how*, after two seconds of reply were queued; return the s that took."""
    left_at: list[float] = []

    async def talk(line: Line, call: TelephonyCall) -> None:
        turn = call.session.begin()
        turn.write(ramp(16_000))
        turn.finish()
        await asyncio.sleep(0.303)
        left_at.append(line.loop.time())
        await how(line, call)

    async def main() -> tuple[Line, float]:
        line = Line()
        with FillerManager(stopgap.load_config(config), clock=LoopClock(line.loop), bank=bank) as manager:
            with contextlib.suppress(KeyError):
                async with TelephonyCall(manager, line.send, **options) as call:
                    line.call = call
                    await call.receive(start_message())
                    await talk(line, call)
            took_s = line.loop.time() - left_at[0]
            await asyncio.sleep(line.delay_s)  # whatever closes the line takes its time to arrive, too
            line.settle()
            assert call.session.closed
            assert not call.connected
        return line, took_s

    return run(main)


@pytest.mark.parametrize("marks", [True, False])
@pytest.mark.parametrize("lead_ms", [0, 400])
def test_leaving_lets_the_reply_be_heard_out(lead_ms: int, marks: bool, bank: ClipBank) -> None:
    """Who leaves the block without a word cuts nothing off, and does not stay longer than the reply."""

    async def how(line: Line, call: TelephonyCall) -> None:
        pass

    line, took_s = leave(bank, how, lead_ms=lead_ms, marks=marks)
    assert places(line.heard) == list(range(1, 16_001))
    assert took_s == pytest.approx(1.7, abs=0.25)


@pytest.mark.parametrize("lead_ms", [0, 400])
def test_leaving_over_a_slow_socket(lead_ms: int, bank: ClipBank) -> None:
    """A provider that got the reply late is given the time to play it."""

    async def how(line: Line, call: TelephonyCall) -> None:
        slow = Slow(line, before=True)
        call.attach(slow.send)
        await call.receive(start_message())
        line.provider.take(Dialect("twilio", "MZ0", L16).clear())
        await asyncio.sleep(0.25)
        slow.takes_s = 0.8
        await asyncio.sleep(0.05)

    line, took_s = leave(bank, how, lead_ms=lead_ms)
    assert places(line.heard)[-10_000:] == list(range(6_001, 16_001))
    assert took_s < 3.2


@pytest.mark.parametrize("why", ["exception", "close", "stop", "gone", "cancelled", "user speaks"])
def test_leaving_at_once(why: str, bank: ClipBank, caplog: pytest.LogCaptureFixture) -> None:
    """Where nobody would hear the rest, or ought to, the block is left at once, without a warning."""

    async def how(line: Line, call: TelephonyCall) -> None:
        match why:
            case "exception":
                raise KeyError
            case "close":
                await call.close()
            case "stop":
                await call.receive('{"event": "stop"}')
            case "gone":
                line.broken = True
            case "cancelled":
                assert call.session.turn is not None
                call.session.turn.cancel()
            case _:
                call.session.user_speaking()

    with caplog.at_level(logging.WARNING, "stopgap"):
        _, took_s = leave(bank, how)
    assert took_s < 0.25
    assert not caplog.records


def test_leaving_while_a_filler_sounds(bank: ClipBank) -> None:
    """Fillers are no reason to stay: there is no reply behind them any more."""

    async def main() -> float:
        line = Line()
        with FillerManager(stopgap.load_config(BEDS), clock=LoopClock(line.loop), bank=bank) as manager:
            async with TelephonyCall(manager, line.send) as call:
                line.call = call
                await call.receive(start_message())
                call.session.begin()
                await asyncio.sleep(1.6)
                assert call.session.filler_sounding
                left_at = line.loop.time()
            return line.loop.time() - left_at

    assert run(main) < 0.05


class Slow:
    """A socket that can be made slow.

    Args:
        line: Where it leads.
        before: Whether a slow message arrives late; else it arrives, but the sender learns so late.
    """

    def __init__(self, line: Line, before: bool) -> None:
        self.takes_s = 0.0
        self._line, self._before = line, before

    async def send(self, text: str) -> None:
        takes_s, self.takes_s = self.takes_s, 0.0
        if self._before:
            await asyncio.sleep(takes_s)
        await self._line.send(text)
        if not self._before:
            await asyncio.sleep(takes_s)


@pytest.mark.parametrize("marks", [True, False])
@pytest.mark.parametrize("lead_ms", [0, 400, 2000])
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("takes_s", [0.3, 2.5, 30.0])
def test_a_slow_send_mutes_nothing(
    takes_s: float, before: bool, lead_ms: int, marks: bool, bank: ClipBank, caplog: pytest.LogCaptureFixture
) -> None:
    """However long the socket takes for a message: the reply goes on behind it, whole, and so do later ones."""

    async def talk(line: Line, call: TelephonyCall) -> None:
        slow = Slow(line, before)
        call.attach(slow.send)
        await call.receive(start_message())
        lost = call.statistics()["lines_lost"]
        for first in (1, 12_001):
            turn = call.session.begin()
            turn.write(ramp(12_000, first))
            turn.finish()
            if first == 1:
                await asyncio.sleep(0.507 if lead_ms < 2000 else 0.0)
                slow.takes_s = takes_s
            await asyncio.sleep(takes_s + 3.0)
            assert call.connected
        assert call.statistics()["lines_lost"] == lost
        assert call.statistics()["slow_sends"] == (takes_s > 2.0)

    with caplog.at_level(logging.WARNING, "stopgap"):
        line = hold(bank, QUIET, talk, lead_ms=lead_ms, marks=marks)
    assert places(line.heard) == list(range(1, 24_001))
    assert len(caplog.records) == (takes_s > 2.0)


def test_a_loop_that_is_blocked_while_it_sends(bank: ClipBank) -> None:
    """A loop that stands still while the socket takes a message is no lost line either."""

    async def talk(line: Line, call: TelephonyCall) -> None:
        slow = Slow(line, before=False)
        call.attach(slow.send)
        await call.receive(start_message())
        turn = call.session.begin()
        turn.write(ramp(16_000))
        turn.finish()
        slow.takes_s = 0.001
        await asyncio.sleep(0.0005)
        assert slow.takes_s == 0.0
        line.loop.jump(2.2)
        await asyncio.sleep(4.0)
        assert call.connected

    line = hold(bank, QUIET, talk, lead_ms=2000)
    assert is_there(line.heard, ramp(16_000))


@given(seed=st.integers(0, 10_000), lead_ms=st.sampled_from([0, 120, 400, 1000]), marks=st.booleans())
@settings(max_examples=25)
def test_replies_are_complete_over_a_slow_socket(seed: int, lead_ms: int, marks: bool, bank: ClipBank) -> None:
    """With sends that stall again and again nothing of a reply is lost; the queue never holds more than the lead."""
    chance = random.Random(seed)

    async def talk(line: Line, call: TelephonyCall) -> None:
        async def send(text: str) -> None:
            if chance.random() < 0.05:
                await asyncio.sleep(chance.choice([0.03, 0.3, 1.0, 3.0]))
            await line.send(text)

        call.attach(send)
        await call.receive(start_message())
        for first in (1, 8_001):
            turn = call.session.begin()
            await asyncio.sleep(chance.uniform(0.2, 2.0))
            for place in range(0, 8000, 800):
                turn.write(ramp(800, first + place))
                await asyncio.sleep(chance.uniform(0.0, 0.15))
            turn.finish()
            await asyncio.sleep(25.0)

    line = hold(bank, LADDER, talk, lead_ms=lead_ms, marks=marks)
    assert is_there(line.heard, ramp(8000))
    assert is_there(line.heard, ramp(8000, 8_001))
    assert line.provider.held_most <= max(lead_ms, 60) * 8 + FRAME


def test_a_line_that_is_lost_while_its_socket_is_slow(bank: ClipBank) -> None:
    """What the old socket never took is sent over the new one, though the caller was heard all the while."""

    async def talk(line: Line, call: TelephonyCall) -> None:
        slow = Slow(line, before=True)
        call.attach(slow.send)
        await call.receive(start_message())
        turn = call.session.begin()
        turn.write(ramp(8000))
        turn.finish()
        await asyncio.sleep(0.507)
        slow.takes_s = 1e6
        for _ in range(100):
            await asyncio.sleep(0.02)
            await call.receive('{"event": "connected"}')  # a sign of life
        await call.receive('{"event": "stop"}')
        call.attach(line.send)
        await call.receive(start_message())
        await asyncio.sleep(2.0)

    assert places(hold(bank, QUIET, talk).heard) == list(range(1, 8001))


def test_another_start_while_the_socket_is_slow(bank: ClipBank) -> None:
    """The message under way is left to finish, for it is the same socket; then the new stream's follow."""

    async def talk(line: Line, call: TelephonyCall) -> None:
        slow = Slow(line, before=False)
        call.attach(slow.send)
        await call.receive(start_message())
        turn = call.session.begin()
        turn.write(ramp(8000))
        turn.finish()
        await asyncio.sleep(0.507)
        slow.takes_s = 1.0
        await asyncio.sleep(0.1)
        line.settle()
        line.provider.take(Dialect("twilio", "MZ0", L16).clear())
        await call.receive(start_message())
        sent = len(line.sent)
        await asyncio.sleep(0.5)
        assert len(line.sent) == sent
        await asyncio.sleep(2.0)

    heard = places(hold(bank, QUIET, talk, lambda: 0.0).heard)
    assert sorted(set(heard)) == list(range(1, 8001))


def test_socket_that_takes_nothing(bank: ClipBank) -> None:
    """A socket that hangs for ever is waited for until there is another one, which gets all."""

    async def talk(line: Line, call: TelephonyCall) -> None:
        async def hang(_: str) -> None:
            await asyncio.sleep(1e6)

        turn = call.session.begin()
        turn.write(ramp(8000))
        turn.finish()
        call.attach(hang)
        await call.receive(start_message())
        await asyncio.sleep(5.0)
        assert call.connected
        call.attach(line.send)
        assert not call.connected
        await call.receive(start_message())
        await asyncio.sleep(3.0)

    line = hold(bank, QUIET, talk)
    assert places(line.heard)[-8000:] == list(range(1, 8001))


def test_what_the_caller_says(bank: ClipBank, caplog: pytest.LogCaptureFixture) -> None:
    """The agent gets the caller's sound and keys, not its own sound, our marks or rubbish, and no exception."""

    async def talk(line: Line, call: TelephonyCall) -> None:
        def media(payload: bytes, track: str = "inbound") -> str:
            sound = base64.b64encode(payload).decode()
            return json.dumps({"event": "media", "media": {"payload": sound, "track": track, "timestamp": "40"}})

        heard = await call.receive(media(L16.encode(ramp(160))))
        assert isinstance(heard, CallerAudio)
        assert (places(heard.samples), heard.rate, heard.timestamp_ms) == (list(range(1, 161)), RATE, 40)
        assert heard.pcm16 == L16.encode(ramp(160))
        assert await call.receive(media(b"\x00\x00", "outbound")) is None
        assert await call.receive('{"event": "dtmf", "dtmf": {"digit": "#"}}') == Dtmf("#")
        assert await call.receive('{"event": "mark", "mark": {"name": "mine"}}') == MarkPlayed("mine")
        assert await call.receive('{"event": "mark", "mark": {"name": "stopgap-99"}}') is None
        assert not caplog.records
        for rubbish in ("{", media(b"\x00"), '{"event": "sing"}', b"\xff"):
            assert await call.receive(rubbish) is None
        assert call.statistics()["messages_ignored"] == 4
        assert call.start is not None
        assert call.start.parameters == {"who": "me"}

    with caplog.at_level(logging.WARNING, "stopgap"):
        hold(bank, QUIET, talk)
    assert len(caplog.records) == 1
    assert "not JSON" in caplog.text


def test_unknown_sound_and_another_rate(bank: ClipBank, caplog: pytest.LogCaptureFixture) -> None:
    """Sound that is not spoken here is not heard, with a warning; another rate opens another session."""

    async def talk(line: Line, call: TelephonyCall) -> None:
        first = call.session
        await call.receive(start_message("OPUS", rate=48_000))
        assert call.session is first
        assert await call.receive('{"event": "media", "media": {"payload": "AAAA"}}') is None
        await call.receive(start_message(rate=16_000))
        assert first.closed
        assert call.session.rate == 16_000
        line.provider.format = AudioFormat("l16", 16_000)

    with caplog.at_level(logging.WARNING, "stopgap"):
        hold(bank, QUIET, talk)
    assert "'OPUS' is not spoken here" in caplog.text


def test_nothing_of_the_old_stream_after_another_rate(bank: ClipBank) -> None:
    """Another start at another rate: what is sent from then on names the new stream and is in its format."""
    reply = ramp(16_000)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        sent: list[dict[str, Any]] = []

        async def send(text: str) -> None:
            sent.append(json.loads(text))

        with FillerManager(stopgap.load_config(QUIET), clock=LoopClock(loop), bank=bank) as manager:
            async with TelephonyCall(manager, send) as call:
                await call.receive(start_message())
                old = call.session.begin()
                old.write(reply)
                await asyncio.sleep(0.507)
                assert sent
                assert {message["streamSid"] for message in sent} == {"MZ0"}
                sent.clear()
                await call.receive(start_message(stream="MZ1", rate=16_000))
                assert sent == []
                assert old.record.outcome == "cancelled"
                turn = call.session.begin()
                turn.write(reply)
                turn.finish()
                await asyncio.sleep(2.0)
                assert call.statistics()["lines_lost"] == 1
                await call.receive('{"event": "stop"}')
                assert call.statistics()["lines_lost"] == 2
        assert {message["streamSid"] for message in sent} == {"MZ1"}
        payloads = [base64.b64decode(message["media"]["payload"]) for message in sent if message["event"] == "media"]
        assert places(np.concatenate([L16.decode(payload) for payload in payloads])) == list(range(1, 16_001))
        assert {len(payload) for payload in payloads} == {640}

    run(main)


def test_stereo_is_not_taken_for_mono(bank: ClipBank, caplog: pytest.LogCaptureFixture) -> None:
    """What is no mono is not heard, with a warning, whatever was warned of before; what is sent is heard as ever."""

    async def talk(line: Line, call: TelephonyCall) -> None:
        await call.receive("{")
        stereo = start_message().replace('"channels": 1', '"channels": 2')
        for _ in range(2):
            await call.receive(stereo)
        assert await call.receive('{"event": "media", "media": {"payload": "AAAA"}}') is None
        turn = call.session.begin()
        turn.write(ramp(800))
        turn.finish()
        await asyncio.sleep(0.5)

    with caplog.at_level(logging.WARNING, "stopgap"):
        line = hold(bank, QUIET, talk)
    assert places(line.heard) == list(range(1, 801))
    assert ["not JSON" in record.message for record in caplog.records] == [True, False]
    assert "channels=2 are not understood here; have the provider send mono; what the caller says" in caplog.text


def test_complaints_are_logged_once(bank: ClipBank, caplog: pytest.LogCaptureFixture) -> None:
    """A provider that complains of each message is heard, counted, and logged once a call."""

    async def talk(line: Line, call: TelephonyCall) -> None:
        for _ in range(100):
            heard = await call.receive('{"event": "error", "payload": {"code": 100003}}')
            assert isinstance(heard, StreamFailed)
        assert call.statistics()["complaints"] == 100
        assert call.statistics()["messages_ignored"] == 0

    with caplog.at_level(logging.WARNING, "stopgap"):
        hold(bank, QUIET, talk)
    assert len(caplog.records) == 1
    assert "100003" in caplog.text


def test_byte_order_of_rtp(bank: ClipBank) -> None:
    """Telnyx's L16 is what RTP carries: the high byte first. What is sent is PCMU there, unless told otherwise."""
    start: Any = json.loads(json.dumps(STARTS["telnyx"]))
    start["start"]["media_format"] = {"encoding": "L16", "sample_rate": 16000, "channels": 1}

    async def main() -> None:
        line = Line()
        with FillerManager(clock=LoopClock(line.loop), bank=bank) as manager:
            async with TelephonyCall(manager, line.send) as call:
                await call.receive(json.dumps(start))
                media = {"track": "inbound", "payload": base64.b64encode(b"\x01\x00").decode()}
                heard = await call.receive(json.dumps({"event": "media", "stream_id": "32DE", "media": media}))
                assert isinstance(heard, CallerAudio)
                assert (places(heard.samples), heard.rate, call.session.rate) == ([256], 16_000, 8_000)

    run(main)


STARTS = {
    "telnyx": {"event": "start", "stream_id": "32DE", "start": {
        "call_control_id": "v2:T0", "media_format": {"encoding": "PCMA", "sample_rate": 8000, "channels": 1}}},
    "plivo": {"event": "start", "start": {
        "callId": "1-2", "streamId": "8-7", "mediaFormat": {"encoding": "audio/x-l16", "sampleRate": 16000}}},
    "exotel": {"event": "start", "stream_sid": "MZ2", "start": {
        "stream_sid": "MZ2", "call_sid": "CA2", "media_format": {"encoding": "audio/x-raw", "sample_rate": "8000"}}},
}  # fmt: skip


@pytest.mark.parametrize("lead_ms", [0, 400])
@pytest.mark.parametrize(
    ("provider", "sent_as", "media"),
    [
        ("telnyx", AudioFormat("mulaw"), "media"),
        ("plivo", AudioFormat("l16", 16_000), "playAudio"),
        ("exotel", AudioFormat("l16"), "media"),
    ],
)
def test_other_providers(provider: str, sent_as: AudioFormat, media: str, lead_ms: int, bank: ClipBank) -> None:
    """The whole reply goes out in messages of the form and the sizes that each provider takes."""
    reply = np.random.default_rng(1).uniform(0.1, 0.9, 12_345).astype(np.float32)

    async def main() -> list[dict[str, Any]]:
        line = Line()
        sent: list[dict[str, Any]] = []

        async def send(text: str) -> None:
            sent.append(json.loads(text))

        with FillerManager(stopgap.load_config(QUIET), clock=LoopClock(line.loop), bank=bank) as manager:
            async with TelephonyCall(manager, send, lead_ms=lead_ms) as call:
                assert isinstance(await call.receive(json.dumps(STARTS[provider])), StreamStarted)
                turn = call.session.begin()
                await asyncio.sleep(0.5)
                turn.write(reply)
                turn.finish()
                await asyncio.sleep(3.0)
        return sent

    payloads = [base64.b64decode(message["media"]["payload"]) for message in run(main) if message["event"] == media]
    heard = np.concatenate([sent_as.decode(payload) for payload in payloads])
    expected = sent_as.decode(sent_as.encode(reply))
    np.testing.assert_array_equal(heard[heard != 0.0], expected)
    match provider:
        case "telnyx":
            assert {len(payload) for payload in payloads} == {160}
        case "exotel":
            assert {len(payload) for payload in payloads} == {3200}


def test_before_the_start(bank: ClipBank) -> None:
    """Without a stream there is no session, and closing is no trouble."""

    async def main() -> None:
        line = Line()
        with FillerManager(clock=LoopClock(line.loop), bank=bank) as manager:
            call = TelephonyCall(manager, line.send)
            assert isinstance(await call.receive('{"event": "connected"}'), Connected)
            with pytest.raises(UsageError, match="no session yet"):
                _ = call.session
            await call.close()
            for lead_ms in (-1.0, 59.0, 2001.0, float("nan")):
                with pytest.raises(UsageError, match=r"lead_ms=.* three frames \(60\) and 2000"):
                    TelephonyCall(manager, line.send, lead_ms=lead_ms)

    run(main)


# A real call ------------------------------------------------------------------------------------------------------

LEAD_MS = 800
CONFIG = """
mode = "ladder"
seed = 1
ladder = [{ after_ms = 400, kind = "hesitation" }, { after_ms = 850, kind = "ambience" }]
limits = { per_minute = "unlimited" }
handoff.ambience = { fade_ms = 20, gap_ms = 0 }
"""
QUESTION_S = (0.3, 5.4, 11.4)
BARGE_IN_S = 14.5


class RealCall:
    """What a caller heard of a real server: three questions, and a barge-in over the third answer."""

    def __init__(self, lead_ms: int, config: Path) -> None:
        question = caller.clip("user/dog")[: round(0.8 * RATE)]
        script = [(at_s, question) for at_s in (*QUESTION_S, BARGE_IN_S)]
        self.caller = caller.Caller(script, lasts_s=BARGE_IN_S + 0.8)
        self._arguments = ("--lead-ms", str(lead_ms), "--think-s", "1.0", "--config", str(config))

    async def hold(self) -> None:
        with caller.Server(*self._arguments) as url:
            await self.caller.call(url)

    @property
    def heard(self) -> Samples:
        heard: Samples = self.caller.provider.heard
        return heard

    def answer(self, number: int) -> tuple[int, int]:
        """Return from and to which sample the answer *number* sounded; all of it must be there, and nothing over it."""
        line = AudioFormat()
        wanted = line.decode(line.encode(server.reply_audio(number)))
        sounding = np.flatnonzero(self.heard)
        all_heard, all_wanted = (np.rint(32768.0 * s[s != 0.0]).astype("<i2") for s in (self.heard, wanted))
        at = all_heard.tobytes().find(all_wanted.tobytes()) // 2
        assert at >= 0, f"answer {number} is not there from end to end"
        return int(sounding[at]), int(sounding[at + len(all_wanted) - 1]) + 1

    def stretched(self, number: int) -> int:
        """Return by how many samples the answer *number* lasted longer than what the agent wrote."""
        line = AudioFormat()
        written = np.flatnonzero(line.decode(line.encode(server.reply_audio(number))))
        start, end = self.answer(number)
        return end - start - int(written[-1] - written[0] + 1)

    def clears(self) -> list[Any]:
        return [happening for happening in self.caller.provider.happenings if happening.what == "clear"]


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> dict[int, RealCall]:
    """Calls to two servers at the same time, one with a lead and one without."""
    config = tmp_path_factory.mktemp("telephony") / "stopgap.toml"
    config.write_text(CONFIG)
    held = {lead_ms: RealCall(lead_ms, config) for lead_ms in (LEAD_MS, 0)}

    async def main() -> None:
        await asyncio.gather(*(call.hold() for call in held.values()))

    asyncio.run(main())
    return held


@pytest.mark.parametrize("lead_ms", [LEAD_MS, 0])
@pytest.mark.parametrize("number", [0, 1])
def test_real_wait_is_filled(number: int, lead_ms: int, calls: dict[int, RealCall]) -> None:
    """Between the caller's last word and the answer something sounds, and it ends before the answer begins."""
    call = calls[lead_ms]
    asked = round((QUESTION_S[number] + 0.8) * RATE)
    answered = call.answer(number)[0]
    wait = call.heard[asked:answered]
    assert np.count_nonzero(wait) > 0.15 * RATE
    silences = np.diff(np.flatnonzero(np.concatenate([[1.0], wait, [1.0]])))
    assert silences.max() < 0.8 * len(wait)


@pytest.mark.parametrize("number", [0, 1])
def test_real_filler_is_taken_back(number: int, calls: dict[int, RealCall]) -> None:
    """When the answer comes, what was queued is cleared; the queue never held more than the lead."""
    call = calls[LEAD_MS]
    answered = call.answer(number)[0]
    assert [clear for clear in call.clears() if answered - RATE // 2 < clear.at <= answered and clear.samples > 0]
    assert call.caller.provider.held_most <= (LEAD_MS + 200) * RATE // 1000
    assert not calls[0].clears()


def test_real_block_is_not_heard(calls: dict[int, RealCall]) -> None:
    """While the server's event loop stands still for 250 ms the answer sounds on with a lead, and pauses without."""
    assert calls[LEAD_MS].stretched(1) == 0
    assert calls[0].stretched(1) > 0.15 * RATE


@pytest.mark.parametrize("lead_ms", [LEAD_MS, 0])
def test_real_waits_are_told(lead_ms: int, calls: dict[int, RealCall]) -> None:
    """The example's caller tells the first sound from the answer, whose place it finds by ear."""
    call = calls[lead_ms]
    waits = call.caller.waits([server.reply_audio(0), server.reply_audio(1)])
    for number, wait in enumerate(waits):
        assert wait.asked <= round((QUESTION_S[number] + 0.8) * RATE)
        assert wait.asked < wait.sounded < wait.answered
        assert wait.answered == pytest.approx(call.answer(number)[0], abs=0.1 * RATE)
        assert f"answer after {(wait.answered - wait.asked) / RATE:.2f} s" in str(wait)
    other = call.caller.waits([server.reply_audio(2)[::-1]])
    assert other[0].answered is None
    assert str(other[0]).endswith("answer none")


def test_nothing_was_heard() -> None:
    """A caller who heard nothing says so."""
    deaf = caller.Caller([(0.5, caller.clip("user/dog"))], lasts_s=5.0)
    assert str(deaf.waits([server.reply_audio(0)])[0]).endswith("first sound none, answer none")


def test_real_server_takes_strange_frames(tmp_path: Path) -> None:
    """A binary frame is a message like any other; one that is too long ends the socket, and not the server."""

    async def main(url: str) -> int:
        async with connect(url) as socket:
            await socket.send(b"\x00\xff")
            await socket.send(json.dumps(json.loads(start_message("audio/x-mulaw"))).encode())
            await socket.send("x" * (stopgap.telephony.MESSAGE_LONGEST + 1))
            await asyncio.wait_for(socket.wait_closed(), 20.0)
            assert socket.close_code is not None
            return socket.close_code

    with caller.Server() as url:
        assert asyncio.run(main(url)) == 1009
        assert asyncio.run(main(url)) == 1009


def test_real_barge_in(calls: dict[int, RealCall]) -> None:
    """The caller speaks over the answer: a clear comes, and after a frame and a fade nothing sounds any more."""
    call = calls[LEAD_MS]
    spoke = round(BARGE_IN_S * RATE)
    clears = [clear for clear in call.clears() if clear.at > spoke]
    assert clears
    assert np.count_nonzero(call.heard[spoke : clears[0].at])
    assert not call.heard[clears[0].at + 2 * FRAME :].any()


def test_face() -> None:
    """`stopgap.telephony` offers the package's names, sorted: constants, classes, then functions."""
    inner = importlib.import_module("stopgap.engine.integrations.telephony")
    assert stopgap.telephony.__all__ == inner.__all__
    assert inner.__all__ == sorted(set(inner.__all__), key=lambda name: (not name.isupper(), name.islower(), name))
    assert all(getattr(stopgap.telephony, name) is getattr(inner, name) for name in inner.__all__)
