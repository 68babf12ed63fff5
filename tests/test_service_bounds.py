"""What strangers may cost the conversation service: bodies, speech, keys, and the time they take."""

import asyncio
import contextlib
import io
import logging
import socket
import threading
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from fastapi import Request
from service_helpers import NewUrl
from service_rig import ORGANIZATION, SERVICE, Running, a_config, running
from stopgap.engine.service._access import origin
from stopgap.engine.service._body import MOST_JSON
from stopgap.engine.service._guard import Guard
from stopgap.engine.service._speech import LONGEST_S, AudioFormatError, Pcm, decoded
from stopgap.engine.service._workers import OverloadedError, Workers
from stopgap.engine.service.identity import IssuedKey, KeyChecker, Permission

pytest_plugins = ("service_databases",)

CREATE = "/conversation/?response_format=text"
INTERACT = "request_format=text&response_format=text"


@pytest.fixture(scope="module")
def service(new_url: NewUrl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("service")
    with running(a_config(folder, new_url(folder))) as found:
        yield found


@pytest.fixture
def http(service: Running) -> Iterator[httpx.Client]:
    """A client of a user of their own."""
    with signed_in(service, service.another()) as client:
        yield client


@contextlib.contextmanager
def signed_in(service: Running, key: IssuedKey) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{service.url}/v1/{ORGANIZATION}", trust_env=False, timeout=60.0) as client:
        headers = {"x-api-key": key.key, "x-api-key-id": key.id, "x-user-id": key.user}
        token = client.post("/user/signin_with_api_key", headers=headers).raise_for_status().json()["id_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def create(http: httpx.Client) -> str:
    created = http.post(CREATE, json={"service_id": SERVICE}).raise_for_status()
    return created.text.split('"conversation_id":"')[1][:24]


def say(http: httpx.Client, conversation: str, message: bytes, request_format: str = "text") -> httpx.Response:
    query = f"request_format={request_format}&response_format=text"
    form, files = {"initial_message_type": "user-message"}, {"recorded_message": ("message", message)}
    return http.post(f"/conversation/{conversation}/interact?{query}", data=form, files=files)


# JSON --------------------------------------------------------------------------------------------------------------


def test_nothing_is_read_of_a_body_before_it_is_known_whose_it_is(service: Running) -> None:
    """No credentials, no permission, too many requests: each is answered so, whatever the body is."""
    with httpx.Client(base_url=f"{service.url}/v1/{ORGANIZATION}", trust_env=False) as stranger:
        assert stranger.post(CREATE, content=b"[" * 1_000_000).status_code == 401
        assert stranger.post(CREATE, json={"service_id": SERVICE}).status_code == 401
    with signed_in(service, service.another(permissions=frozenset())) as client:
        assert client.post(CREATE, content=b"[" * 1_000_000).status_code == 403


def test_bad_bodies_are_counted(tmp_path: Path) -> None:
    """Whoever sends nonsense has used up a request, too."""
    with running(a_config(tmp_path, rates={"create": 1})) as service, signed_in(service, service.key) as client:
        assert client.post(CREATE, json={"service_id": 1}).status_code == 422
        assert client.post(CREATE, json={"service_id": 1}).status_code == 429


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"tags":{' + b",".join(b'"!%d":1' % n for n in range(100_000)) + b"}}", 422),
        (b'{"tags":{' + b",".join(b'"!%d":1' % n for n in range(20)) + b"}}", 422),
        (b'{"tags":{"!' + b"x" * 1_000_000 + b'":1}}', 422),
        (b"[" * 1_000_000, 422),
        (b"[" + b"[]," * 300_000 + b"[]]", 422),
        (b'{"service_id":"\xff"}', 422),
        (b"", 422),
        (b" " * (MOST_JSON + 1), 413),
        (b" " * 9_000_000, 413),
    ],
)  # fmt: skip
def test_a_bad_body_gets_a_short_answer(http: httpx.Client, body: bytes, status: int) -> None:
    """However much is wrong with it; and the connection goes on."""
    answer = http.post(CREATE, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert answer.json()["message"]
    assert len(answer.json()["errors"]) <= 20
    assert len(answer.content) < 5_000
    assert create(http)


def test_tags_are_counted_before_they_are_looked_at(http: httpx.Client) -> None:
    """Too many are one error, not as many as there are."""
    answer = http.post(CREATE, json={"service_id": SERVICE, "tags": {f"!{n}": 1 for n in range(50_000)}})
    assert answer.json()["message"] == "body.tags: there are more than 20 tags"
    assert len(answer.json()["errors"]) == 1


def test_a_body_says_that_it_is_json(http: httpx.Client) -> None:
    """Something else is not read as if it was."""
    answer = http.post(
        CREATE, content=b'{"service_id":"%s"}' % SERVICE.encode(), headers={"Content-Type": "text/plain"}
    )
    assert answer.status_code == 422
    assert "application/json" in answer.json()["message"]


def test_the_longest_message_fits(http: httpx.Client) -> None:
    """100,000 characters, in the longest way that JSON has to write them."""
    body = b'{"service_id":"%s","initial_message":"%s"}' % (SERVICE.encode(), rb"\ud83d\ude00" * 100_000)
    answer = http.post(CREATE, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 201
    assert "interaction-complete" in answer.text


# Speech ------------------------------------------------------------------------------------------------------------


def a_file(seconds: float = 0.5, rate: int = 16_000, channels: int = 1, format: str = "WAV", **more: Any) -> bytes:
    file = io.BytesIO()
    tone = 0.5 * np.sin(np.arange(round(seconds * rate)) * 2 * np.pi * 440 / rate)
    soundfile.write(file, np.repeat(tone[:, None], channels, axis=1), rate, format=format, **more)
    return file.getvalue()


@pytest.mark.parametrize(
    ("rate", "channels", "format", "more"),
    [
        (4_000, 1, "WAV", {}),
        (16_000, 2, "WAV", {"subtype": "FLOAT"}),
        (48_000, 2, "WAVEX", {"subtype": "PCM_24"}),
        (8_000, 1, "WAV", {"subtype": "ULAW"}),
        (44_100, 2, "MP3", {}),
        (16_000, 1, "MP3", {}),
    ],
)
def test_speech_is_decoded_to_mono(rate: int, channels: int, format: str, more: dict[str, Any]) -> None:
    """What clients record, in one piece whatever it was cut into."""
    speech = decoded(a_file(2.0, rate, channels, format, **more), None)
    assert speech.rate == rate
    assert isinstance(speech.samples, np.ndarray)
    assert speech.samples.dtype == np.float32
    assert len(speech.samples) == pytest.approx(2.0 * rate, abs=3_000)  # MP3 is padded
    assert float(np.sqrt(np.mean(speech.samples**2))) == pytest.approx(0.5 / np.sqrt(2), rel=0.1)


@pytest.mark.parametrize(
    "data",
    [
        a_file(format="FLAC"),
        a_file(format="OGG"),
        a_file(format="AIFF"),
        a_file(format="RF64"),
        a_file(rate=96_000),
        a_file(channels=3),
        a_file(rate=2_000),
        a_file(LONGEST_S + 1.0, 4_000, subtype="PCM_U8"),
        a_file(LONGEST_S + 1.0, 16_000, format="MP3"),
        a_file(subtype="FLOAT")[:-4] + np.float32(np.nan).tobytes(),
        b"ID3" + a_file(format="FLAC"),
        b"ID3\x04\x00\x00\x00\x00\x00\x0a" + bytes(10) + a_file(format="FLAC"),  # a tag as MP3 has them
        b"RIFF\xff\xff\xff\xffWAVE",
        b"\xff\xfb",
        b"",
    ],
)
def test_what_is_no_speech_is_refused(data: bytes) -> None:
    """Other formats, however they are dressed up, and more of everything than speech needs."""
    with pytest.raises(AudioFormatError):
        decoded(data, None)


def test_a_small_file_does_not_become_a_large_one() -> None:
    """Half an hour of silence in eight channels, a few kB as FLAC: nothing of it is decoded."""
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", samplerate=655_350, channels=8, format="FLAC", subtype="PCM_16") as writing:
        for _ in range(20):
            writing.write(np.zeros((65_535, 8), np.int16))
    tracemalloc.start()
    try:
        with pytest.raises(AudioFormatError):
            decoded(file.getvalue(), None)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_raw_samples_are_bounded_too() -> None:
    """They have no header that could lie, but they can be many, or not whole."""
    config = Pcm(type="pcm", frame_rate=4_000, n_channels=1, sample_width=2)
    assert len(decoded(b"\0" * 8_000, config).samples) == 4_000
    for data in (b"\0" * 7_999, b"\0" * round(2 * 4_000 * (LONGEST_S + 1))):
        with pytest.raises(AudioFormatError):
            decoded(data, config)


def test_speech_is_decoded_only_for_who_may_send_it(service: Running, http: httpx.Client) -> None:
    """Where there is no such conversation, or a busy one, it is not even looked at; then it is free again."""
    conversation, no_speech = create(http), a_file(format="FLAC")
    assert say(http, "0" * 24, no_speech, "voice").status_code == 404
    with signed_in(service, service.another()) as neighbour:
        assert say(neighbour, conversation, no_speech, "voice").status_code == 404
    form, files = {"initial_message_type": "user-message"}, {"recorded_message": ("message", b"wait=600")}
    with http.stream("POST", f"/conversation/{conversation}/interact?{INTERACT}", data=form, files=files) as busy:
        lines = busy.iter_lines()  # which, once forgotten, would hang up
        next(lines)
        assert say(http, conversation, no_speech, "voice").status_code == 409
    until = time.monotonic() + 30.0
    while (status := say(http, conversation, no_speech, "voice").status_code) == 409 and time.monotonic() < until:
        time.sleep(0.01)  # until the service has seen that the client is gone
    assert status == 415
    assert "interaction-complete" in say(http, conversation, a_file(), "voice").text


# Keys --------------------------------------------------------------------------------------------------------------


def test_sign_ins_of_one_address_are_counted_together(tmp_path: Path) -> None:
    """Whichever organizations and users they name, there or not."""
    with running(a_config(tmp_path, rates={"sign_in_origin": 3, "sign_in": 1})) as service:
        statuses = []
        with httpx.Client(trust_env=False) as client:
            for number in range(5):
                headers = {"x-api-key": "k", "x-api-key-id": "0" * 24, "x-user-id": f"{number:024x}"}
                url = f"{service.url}/v1/organization-{number}/user/signin_with_api_key"
                statuses.append(client.post(url, headers=headers).status_code)
    assert statuses == [401, 401, 401, 429, 429]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::1", "2001:db8:1:2::"),
        ("testclient", "testclient"),
        (None, "unknown"),
    ],
)
def test_who_has_a_whole_network_is_one_caller(host: str | None, expected: str) -> None:
    """IPv6 addresses are handed out by the network."""
    client = None if host is None else (host, 1)
    assert origin(Request({"type": "http", "client": client})) == expected


def test_keys_that_are_checked_hold_up_nobody_else(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many wait: conversations go on, and what is more than can wait is refused at once."""
    checked = threading.Event()
    with running(a_config(tmp_path, url)) as service, signed_in(service, service.key) as client:
        monkeypatch.setattr(KeyChecker, "check", lambda self, key, stored: checked.wait(60.0))  # a very slow processor
        headers = {"x-api-key": "k", "x-api-key-id": "0" * 24, "x-user-id": "0" * 24}

        def ask() -> httpx.Response:
            sign_in = f"{service.url}/v1/{ORGANIZATION}/user/signin_with_api_key"
            return httpx.post(sign_in, headers=headers, trust_env=False, timeout=60.0)

        with ThreadPoolExecutor(40) as pool:
            answers = as_completed([pool.submit(ask) for _ in range(40)])
            refused = [next(answers).result() for _ in range(8)]
            assert create(client)
            checked.set()
            checks = [answer.result().status_code for answer in answers]
    assert [answer.status_code for answer in refused] == [503] * 8
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
    assert checks == [401] * 32


def test_workers_refuse_what_cannot_wait() -> None:
    """One at work and one waiting is all there is room for; there is again once they are done, failed or not."""

    async def main() -> None:
        workers, go = Workers("test", threads=1, waiting=1), threading.Event()
        waiting = [asyncio.create_task(workers.run(go.wait, 60.0)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError):
            await workers.run(int)
        go.set()
        assert await asyncio.gather(*waiting) == [True, True]
        for _ in range(3):
            with pytest.raises(ValueError, match="invalid literal"):
                await workers.run(int, "x")
        assert await workers.run(int, "1") == 1
        workers.close()

    asyncio.run(main())


# Time --------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def begun(service: Running, path: str, headers: dict[str, str], body: bytes) -> Iterator[socket.socket]:
    """Send the beginning of a request by hand."""
    host, port = service.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60.0) as connection:
        head = "".join(f"{name}: {value}\r\n" for name, value in {"Host": host, **headers}.items())
        connection.sendall(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        yield connection


def everything(connection: socket.socket) -> str:
    """Return what comes until the service closes the connection."""
    return b"".join(iter(lambda: connection.recv(65_536), b"")).decode()


def multipart(http: httpx.Client) -> dict[str, str]:
    return {
        "Authorization": http.headers["Authorization"],
        "Content-Type": "multipart/form-data; boundary=X",
        "Content-Length": "10000",
    }


def test_a_body_has_to_come_in_time(url: str, tmp_path: Path) -> None:
    """408 for a form and for JSON, and the connection is closed; the conversation was never touched."""
    with running(a_config(tmp_path, url, body_s=0.5)) as service, signed_in(service, service.key) as http:
        conversation = create(http)
        path = f"/v1/{ORGANIZATION}/conversation/{conversation}/interact?{INTERACT}"
        with begun(service, path, multipart(http), b"--X\r\n") as connection:
            answer = everything(connection)
        assert answer.startswith("HTTP/1.1 408 ")
        assert "connection: close" in answer.lower()
        assert "the body did not come within 0.5 s" in answer
        json = {**multipart(http), "Content-Type": "application/json"}
        with begun(service, f"/v1/{ORGANIZATION}{CREATE}", json, b"{") as connection:
            assert everything(connection).startswith("HTTP/1.1 408 ")
        assert "interaction-complete" in say(http, conversation, b"hello").text


def test_who_hangs_up_while_sending_is_no_error(
    service: Running, http: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    """One line in the log, no traceback, and the conversation is free."""
    conversation = create(http)
    path = f"/v1/{ORGANIZATION}/conversation/{conversation}/interact"
    caplog.set_level(logging.INFO, "stopgap.service.access")
    logging.getLogger("uvicorn.error").addHandler(caplog.handler)
    try:
        with begun(service, f"{path}?{INTERACT}", multipart(http), b"--X\r\n"):
            pass
        until = time.monotonic() + 30.0
        while not (ends := [r for r in caplog.records if getattr(r, "path", "") == path]) and time.monotonic() < until:
            time.sleep(0.01)
    finally:
        logging.getLogger("uvicorn.error").removeHandler(caplog.handler)
    assert [getattr(record, "status", None) for record in ends] == [499]
    assert not [record for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR]
    assert "interaction-complete" in say(http, conversation, b"hello").text


def test_who_is_refused_may_send_on_for_a_moment(service: Running) -> None:
    """Most clients read no answer before they have sent everything: a body that nobody wants is read and forgotten."""

    def slowly() -> Iterator[bytes]:
        for _ in range(20):
            yield b"x" * 100_000
            time.sleep(0.005)

    with httpx.Client(base_url=f"{service.url}/v1/{ORGANIZATION}", trust_env=False, timeout=60.0) as stranger:
        answers = [stranger.post(CREATE, content=slowly()) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert not any("connection" in answer.headers for answer in answers)  # it may go on with the next request


def test_what_is_not_read_to_its_end_closes_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer before the body has come says that no further request is read, once it is clear that no more comes."""
    monkeypatch.setattr("stopgap.engine.service._guard.DRAIN_S", 0.01)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def headers_after(*pieces: dict[str, Any]) -> list[Any]:
        coming, sent = list(pieces), []

        async def receive() -> Any:
            return coming.pop(0) if coming else await asyncio.Event().wait()

        async def send(message: Any) -> None:
            sent.append(message)

        guard = Guard(app, most_bytes=100, body_s=1.0, in_maintenance=lambda: False)
        await guard({"type": "http", "method": "POST", "path": "/x", "headers": []}, receive, send)
        return list(sent[0]["headers"])

    async def main() -> AsyncIterator[list[Any]]:
        yield await headers_after({"type": "http.request", "body": b"x", "more_body": False})
        yield await headers_after({"type": "http.request", "body": b"x", "more_body": True})
        yield await headers_after(*[{"type": "http.request", "body": b"x" * 500, "more_body": True}] * 10)

    async def collected() -> list[list[Any]]:
        return [found async for found in main()]

    assert asyncio.run(collected()) == [[], [(b"connection", b"close")], [(b"connection", b"close")]]


def test_permissions_come_before_limits(service: Running) -> None:
    """Who may not do something has no allowance that could be used up."""
    with signed_in(service, service.another(permissions=frozenset({Permission.FINISH_CONVERSATION}))) as client:
        answer = client.post(CREATE, json={"service_id": SERVICE})
    assert answer.status_code == 403
    assert "X-RateLimit-Limit" not in answer.headers
