"""Recording through a speech endpoint: a real server on loopback that does what servers do."""

import re
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from speech_rig import Answer, FakeClock, SpeechServer, a_spec, files, need, reasons, recorded, speech_server, wav
from stopgap.fillers import UsageError
from stopgap.fillers._decode import decode
from stopgap.fillers.recording import TtsOptions, open_tts


@pytest.fixture
def server() -> Iterator[SpeechServer]:
    """A speech endpoint."""
    with speech_server() as running:
        yield running


def streamed(audio: bytes, riff: int, data: int) -> bytes:
    """Return a WAV file with other lengths in its header."""
    return audio[:4] + struct.pack("<I", riff) + audio[8:40] + struct.pack("<I", data) + audio[44:]


# What is asked for ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("", "/v1/audio/speech"),
        ("/", "/v1/audio/speech"),
        ("/v1", "/v1/audio/speech"),
        ("/api/v1/", "/api/v1/audio/speech"),
        ("/v1/audio/speech", "/v1/audio/speech"),
        ("/v1?version=2", "/v1/audio/speech?version=2"),
    ],
)
def test_path_is_completed(server: SpeechServer, tmp_path: Path, given: str, path: str) -> None:
    """However much of the address is given, the speech endpoint is asked."""
    assert len(recorded(a_spec("Um"), server.origin + given, tmp_path).takes) == 1
    assert server.paths == [path]


def test_all_options_are_sent(server: SpeechServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The body has what was asked for and the spoken form of the text; the key comes from its variable."""
    monkeypatch.setenv("MY_KEY", "sk-secret-1")
    asked = TtsOptions(model="m", voice="v", instructions="softly", speed=1.5, key_env="MY_KEY")
    spec = a_spec(lines=[{"kind": "phrase", "text": "OK", "say": "Okay"}])
    result = recorded(spec, server.url, tmp_path, asked=asked)
    assert server.asked == [
        {"model": "m", "voice": "v", "instructions": "softly", "speed": 1.5, "response_format": "wav", "input": "Okay"}
    ]
    assert server.keys == ["Bearer sk-secret-1"]
    assert result.takes[0].original.parent == tmp_path / "originals"
    assert not any(b"sk-secret-1" in file.read_bytes() for file in (tmp_path / "originals").iterdir())


def test_openai_key_is_for_openai_only(server: SpeechServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No other host gets to see OPENAI_API_KEY unasked."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-2")
    recorded(a_spec("Um"), server.url, tmp_path)
    assert server.keys == [None]


@pytest.mark.parametrize(
    ("tts", "asked", "message"),
    [
        ("http://", TtsOptions(voice="v"), "is no URL of a server"),
        ("http://user:sk-secret@host/v1", TtsOptions(voice="v"), "holds a user or password"),
        ("http://127.0.0.1:1/v1", TtsOptions(), "--tts-voice is missing"),
        ("https://api.openai.com/v1", TtsOptions(voice="v"), "OPENAI_API_KEY is not set"),
        ("http://127.0.0.1:1/v1", TtsOptions(voice="v", key_env="NOT_SET"), "NOT_SET is not set"),
        ("http://127.0.0.1:1/v1", TtsOptions(voice="v", format="pcm"), "needs --tts-rate"),
        ("http://127.0.0.1:1/v1", TtsOptions(voice="v", rate=24_000), "leave it out"),
    ],
)
def test_wrong_usage(tts: str, asked: TtsOptions, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot work is told before anything is sent, without what may be secret."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        open_tts(tts, asked)
    assert "sk-secret" not in str(caught.value)


def test_without_httpx(monkeypatch: pytest.MonkeyPatch) -> None:
    """The missing extra is named."""
    monkeypatch.setitem(__import__("sys").modules, "httpx", None)
    with pytest.raises(UsageError, match=r"pip install 'stopgap\[pack\]'"):
        open_tts("http://127.0.0.1:1/v1", TtsOptions(voice="v"))


# What comes -------------------------------------------------------------------------------------------------------


def test_bytes_are_kept_as_they_came(server: SpeechServer, tmp_path: Path) -> None:
    """A recording is written byte for byte, under a name made of the clip's id and a hash."""
    server.answers["Let me see"] = [Answer(wav(500.0), way="chunked")]
    (take,) = recorded(a_spec("Let me see"), server.url, tmp_path).takes
    assert take.original.read_bytes() == wav(500.0)
    assert re.fullmatch(r"let-me-see-[0-9a-f]{12}\.wav", take.original.name)
    assert (take.rate, take.cached) == (24_000, False)


@pytest.mark.parametrize(
    ("riff", "data"),
    [(0xFFFFFFFF, 0xFFFFFFFF), (0, 0), (36, 0), (0xFFFFFFFF, 0), (0x7FFFF024, 0x7FFFF000), (0, 0xFFFFFFFF)],
)
def test_streamed_wav(server: SpeechServer, tmp_path: Path, riff: int, data: int) -> None:
    """A header that was sent before the length was known is no obstacle, here or for whoever reads the file later."""
    audio = streamed(wav(), riff, data)
    server.answers["Um"] = [Answer(audio, way="chunked")]
    (take,) = recorded(a_spec("Um"), server.url, tmp_path).takes
    assert take.original.read_bytes() == audio
    samples, rate = decode(take.original)
    assert (len(samples), rate) == (12_000, 24_000)
    assert recorded(a_spec("Um"), server.url, tmp_path).takes[0].cached


@pytest.mark.parametrize(("format", "codec"), [("flac", "flac"), ("mp3", "mp3"), ("ogg", "ogg"), ("aac", "adts")])
def test_streamed_formats(server: SpeechServer, tmp_path: Path, format: str, codec: str) -> None:
    """Other formats come out of a pipe too, with lengths that are missing or guessed."""
    need("ffmpeg")
    command = ["ffmpeg", "-loglevel", "error", "-i", "-", "-f", codec, "-"]
    audio = subprocess.run(command, input=wav(), capture_output=True, check=True).stdout
    server.answers["Um"] = [Answer(audio)]
    asked = TtsOptions(voice="me", format=format)  # type: ignore[arg-type]
    (take,) = recorded(a_spec("Um"), server.url, tmp_path, asked=asked).takes
    assert take.original.suffix == f".{format}"
    assert take.original.read_bytes() == audio
    assert 11_000 < len(decode(take.original)[0]) < 15_000


def test_raw_pcm(server: SpeechServer, tmp_path: Path) -> None:
    """Raw samples get a header; half a sample is damage."""
    raw = wav()[44:]
    server.answers |= {"Um": [Answer(raw)], "Er": [Answer(raw[:-1])], "Oh": [Answer(b'{"error": "no"}')]}
    asked = TtsOptions(voice="me", format="pcm", rate=24_000)
    result = recorded(a_spec("Um", "Er", "Oh"), server.url, tmp_path, asked=asked)
    assert soundfile.info(result.takes[0].original).subtype == "PCM_16"
    np.testing.assert_array_equal(soundfile.read(result.takes[0].original, dtype="int16")[0], np.frombuffer(raw, "<i2"))
    assert reasons(result) == [
        "'Er': the endpoint returned 23999 bytes of PCM, half a sample too many: it is truncated",
        "'Oh': the endpoint returned JSON (\"no\"), not audio",
    ]


SILENCE = wav(level=0.0)
PAGE = b"<!DOCTYPE html><html><head><title>Sign in &amp; go</title></head><body>...</body></html>"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(PAGE), 'the endpoint returned HTML ("Sign in & go"), not audio'),
        (Answer(b""), "the endpoint returned nothing"),
        (Answer(b"try again\nlater"), 'the endpoint returned text ("try again later"), not audio'),
        (Answer(b'{"error": {"message": "bad voice"}}'), 'the endpoint returned JSON ("bad voice"), not audio'),
        (Answer(b'{"detail": [{"msg": "no model"}]}', 400), 'the endpoint answered HTTP 400 and said "no model"'),
        (Answer(b"<html>gone</html>", 404), "the endpoint answered HTTP 404"),
        (Answer(SILENCE), "what the endpoint returned is silent"),
        (Answer(wav(seconds=0.01)), "what the endpoint returned lasts 0.010 s, less than any clip"),
        (Answer(wav()[:-9000]), "what the endpoint returned is truncated: 9000 bytes are missing"),
        (Answer(bytes(range(200)) * 50), "what the endpoint returned is not audio"),
        (Answer(wav(rate=8_000, seconds=61.0)), "what the endpoint returned lasts 61 s"),
        (Answer(way="endless"), "the endpoint returned more than 50 MB"),
        (Answer(way="hang"), "the endpoint did not end within 0.5 s"),
    ],
)
def test_bad_answer(server: SpeechServer, tmp_path: Path, answer: Answer, reason: str) -> None:
    """Each is a sentence that names the text; the other line is kept, and nothing else is written."""
    server.answers["Let me see"] = [answer]
    timeout_s = 0.5 if answer.way == "hang" else 60.0
    result = recorded(a_spec("Let me see", "Um"), server.url, tmp_path, timeout_s=timeout_s)
    (found,) = reasons(result)
    assert found.startswith(f"'Let me see': {reason}")
    assert [take.line.text for take in result.takes] == ["Um"]
    assert files(tmp_path) == [result.takes[0].original.name]
    assert server.texts.count("Let me see") == 1


def test_odd_rate_is_set_aside(server: SpeechServer, tmp_path: Path) -> None:
    """A take at another rate than most is a failure, whose file stays and is not found by the next run."""
    server.answers["Two"] = [Answer(wav(rate=8_000)), Answer(wav(301.0))]
    spec = a_spec("One", "Two", "Three")
    result = recorded(spec, server.url, tmp_path)
    assert reasons(result) == [
        "'Two': this recording came at 8000 Hz and the others at 24000 Hz; run the command again to replace it"
    ]
    assert [take.line.text for take in result.takes] == ["One", "Three"]
    again = recorded(spec, server.url, tmp_path)
    assert [(take.line.text, take.rate, take.cached) for take in again.takes] == [
        ("One", 24_000, True),
        ("Two", 24_000, False),
        ("Three", 24_000, True),
    ]
    assert any(soundfile.info(file).samplerate == 8_000 for file in (tmp_path / "originals").glob("two-*.wav"))
    assert server.texts.count("Two") == 2


# Trying again -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [Answer(b"", 429), Answer(b"", 500), Answer(b"", 503), Answer(way="cut")])
def test_second_try_succeeds(server: SpeechServer, tmp_path: Path, bad: Answer) -> None:
    """Too many requests, trouble at the server, a connection that was cut: tried again after a pause."""
    server.answers["Um"] = [bad, Answer(wav())]
    clock = FakeClock()
    assert len(recorded(a_spec("Um"), server.url, tmp_path, clock=clock).takes) == 1
    assert len(server.texts) == 2
    assert len(clock.waits) == 1
    assert 0.5 <= clock.waits[0] <= 1.0


def test_pauses_double_and_end(server: SpeechServer, tmp_path: Path) -> None:
    """After the last try the server's own words are told."""
    server.answers["Um"] = [Answer(b'{"error": {"message": "overloaded"}}', 500)]
    clock = FakeClock()
    result = recorded(a_spec("Um"), server.url, tmp_path, clock=clock, retries=3)
    assert reasons(result) == ["'Um': the endpoint answered HTTP 500 and said \"overloaded\" (4 tries)"]
    assert len(server.texts) == 4
    assert all(2.0**n / 2 <= wait <= 2.0**n for n, wait in enumerate(clock.waits))


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "7"},
        # by the server's own clock
        {"Retry-After": "Wed, 21 Oct 2026 07:28:07 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"},
    ],
)
def test_server_says_how_long_to_wait(server: SpeechServer, tmp_path: Path, headers: dict[str, str]) -> None:
    """Seconds or a date: no text is sent before."""
    server.answers["Um"] = [Answer(b"", 429, headers), Answer(wav())]
    clock = FakeClock()
    assert len(recorded(a_spec("Um"), server.url, tmp_path, clock=clock).takes) == 1
    assert sum(clock.waits) >= 7.0


def test_wait_of_an_hour_is_a_failure(server: SpeechServer, tmp_path: Path) -> None:
    """Nobody waits that long."""
    server.answers["Um"] = [Answer(b"", 429, {"Retry-After": "3600"})]
    (found,) = reasons(recorded(a_spec("Um"), server.url, tmp_path))
    assert found.endswith("it asks to wait for 3600 s: try again then")


def test_so_many_a_minute(server: SpeechServer, tmp_path: Path) -> None:
    """Texts are sent evenly."""
    clock = FakeClock()
    recorded(a_spec("One", "Two", "Three"), server.url, tmp_path, clock=clock, per_minute=30, parallel=1)
    assert clock.waits == [2.0, 2.0]


def test_default_pace() -> None:
    """A server on this machine is asked as fast as it answers, another one sixty times a minute."""
    asked = TtsOptions(voice="v")
    assert open_tts("http://localhost:8880", asked).per_minute is None
    assert open_tts("http://[::1]:8880", asked).per_minute is None
    assert open_tts("https://tts.example/v1", asked).per_minute == 60.0


# What ends the run ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403])
def test_refused_key_ends_the_run(
    server: SpeechServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """One sentence, once, without the key even where the server repeats it; the other lines are not tried."""
    monkeypatch.setenv("MY_KEY", "sk-secret-3")
    refusal = Answer(b'{"error": {"message": "Incorrect key sk-secret-3"}}', status)
    server.answers |= {text: [refusal] for text in ("Two", "Three")}
    spec, asked = a_spec("One", "Two", "Three"), TtsOptions(voice="v", key_env="MY_KEY")
    result = recorded(spec, server.url, tmp_path, asked=asked, parallel=1)
    assert reasons(result) == [
        f"'Two': the endpoint refused access (HTTP {status}) and said \"Incorrect key (key)\"; check the key"
    ]
    assert [take.line.text for take in result.takes] == ["One"]
    assert [untried.line.text for untried in result.untried] == ["Three"]
    assert server.texts == ["One", "Two"]


def test_redirect_is_not_followed(server: SpeechServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key goes nowhere else; where it was sent to is told."""
    monkeypatch.setenv("MY_KEY", "sk-secret-4")
    with speech_server() as other:
        server.answers["Um"] = [Answer(b"", 307, {"Location": f"{other.url}/audio/speech?token=sk-secret-4"})]
        asked = TtsOptions(voice="v", key_env="MY_KEY")
        (found,) = reasons(recorded(a_spec("Um"), server.url, tmp_path, asked=asked))
        assert found == (
            f"'Um': the endpoint redirects to {other.url}/audio/speech, which is not followed; give that address"
        )
        assert other.asked == []


def test_server_that_is_not_there(tmp_path: Path) -> None:
    """It is tried for a while, then the run ends."""
    with speech_server() as gone:
        url = gone.url
    clock = FakeClock()
    result = recorded(a_spec("One", "Two"), url, tmp_path, clock=clock, parallel=1)
    (found,) = reasons(result)
    assert found.startswith(f"'One': {url}/audio/speech cannot be reached (")
    assert [untried.line.text for untried in result.untried] == ["Two"]
    assert len(clock.waits) == 4
