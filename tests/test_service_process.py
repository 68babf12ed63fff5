"""The conversation service as a process of its own: served, killed, stopped, fuzzed."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from service_rig import a_config, running
from service_serving import add_user, create, interact, served, serving, set_up, signed_in
from stopgap.engine.service._settings import ServiceSettings, load_service_config, service_id
from stopgap.engine.service.storage import Database, History
from stopgap.fillers import ConfigError


def test_a_killed_service_has_kept_what_was_complete(tmp_path: Path) -> None:
    """Kill -9 while interactions run: each one that a client saw complete is stored, and no half one is."""
    keys = [set_up(tmp_path), *(add_user(tmp_path) for _ in range(3))]
    completed: dict[str, list[str]] = {}
    enough = threading.Event()

    def talk(url: str, key: dict[str, str]) -> None:
        try:
            with signed_in(url, key) as http:
                conversation = create(http)
                seen = completed.setdefault(conversation, [])
                while True:
                    seen.append(interact(http, conversation, "wait=0.01")[-1]["interaction_id"])
                    if sum(map(len, completed.values())) >= 60:
                        enough.set()
        except httpx.HTTPError:
            return

    with serving(tmp_path) as (url, process), ThreadPoolExecutor(len(keys)) as pool:
        talks = [pool.submit(talk, url, key) for key in keys]
        assert enough.wait(60.0)
        process.send_signal(signal.SIGKILL)
        for talking in talks:
            talking.result(60.0)

    database = Database.open(f"sqlite:///{tmp_path / 'service.db'}")
    for conversation, seen in completed.items():
        found = History(database).read("acme", conversation, user=None)
        ids = [interaction.id for interaction in found.interactions][1:]  # the first is the agent's opening
        assert ids[: len(seen)] == seen
        assert len(ids) <= len(seen) + 1  # one may have been stored whose completion its client did not live to see
        assert [i.number for i in found.interactions] == list(range(1, len(ids) + 2))
        assert all(i.agent_message and i.record for i in found.interactions)
    database.close()
    with serving(tmp_path) as (url, _), signed_in(url, add_user(tmp_path)) as http:
        assert interact(http, create(http), "hello")[-1]["type"] == "interaction-complete"


def test_a_service_that_is_stopped_ends_what_runs(tmp_path: Path) -> None:
    """SIGTERM while an answer is under way: the stream goes on to its end, then the process ends by itself."""
    key = set_up(tmp_path)
    with serving(tmp_path) as (url, process), signed_in(url, key) as http:
        conversation = create(http)
        query = "request_format=text&response_format=text"
        files = {"recorded_message": ("m.txt", b"wait=1.0", "text/plain")}
        form = {"initial_message_type": "user-message"}
        with http.stream("POST", f"/conversation/{conversation}/interact?{query}", data=form, files=files) as answer:
            lines = answer.iter_lines()
            assert "user-message-available" in next(lines)
            process.send_signal(signal.SIGTERM)
            assert json.loads(list(lines)[-1])["type"] == "interaction-complete"
        assert process.wait(20.0) in (0, -signal.SIGTERM)


@pytest.mark.parametrize("drain_s", [0.0, 0.6])
def test_answers_that_outlast_the_drain_end_with_an_error(tmp_path: Path, drain_s: float) -> None:
    """They are not cut: their clients learn that nothing was stored, and go on with the next process."""
    key = set_up(tmp_path)
    query = "request_format=text&response_format=text"
    files = {"recorded_message": ("m.txt", b"wait=600", "text/plain")}
    form = {"initial_message_type": "user-message"}
    with serving(tmp_path, drain_s=drain_s) as (url, process), signed_in(url, key) as http:
        conversation = create(http)
        with http.stream("POST", f"/conversation/{conversation}/interact?{query}", data=form, files=files) as answer:
            lines = answer.iter_lines()
            assert "user-message-available" in next(lines)
            process.send_signal(signal.SIGTERM)
            last = json.loads(list(lines)[-1])
        assert (last["type"], last["http_error_code"]) == ("error", 503)
        assert process.wait(20.0) in (0, -signal.SIGTERM)
    with serving(tmp_path) as (url, _), signed_in(url, key) as http:
        assert interact(http, conversation, "hello")[-1]["full_message"] == "You have said 0 things before."


class ChatEndpoint(BaseHTTPRequestHandler):
    """As much of an OpenAI-compatible API as a streamed chat needs."""

    asked: list[dict[str, Any]] = []

    def do_POST(self) -> None:
        self.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        if not self.asked[-1]["messages"]:  # as such APIs do
            self.send_error(400)
            return
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for place, text in enumerate(("", "Good ", "day.")):
            time.sleep(0.05)  # a model's own pace; nothing depends on it
            choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
            chunk = {"id": "x", "object": "chat.completion.chunk", "created": place, "model": "m", "choices": [choice]}
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def chat_url() -> Iterator[str]:
    """The base URL of a chat endpoint."""
    endpoint = ThreadingHTTPServer(("127.0.0.1", 0), ChatEndpoint)
    threading.Thread(target=endpoint.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{endpoint.server_port}/v1"
    endpoint.shutdown()
    endpoint.server_close()


def test_any_chat_endpoint_can_be_the_agent(tmp_path: Path, chat_url: str) -> None:
    """Instructions and what was said go to the endpoint, its tokens come as they are; it does not hear."""
    agent = f'agent_url = "{chat_url}"\nmodel = "m"\ninstructions = "Be brief."\n'
    key = set_up(tmp_path)
    with serving(tmp_path, agent) as (url, _), signed_in(url, key) as http:
        conversation = create(http)
        events = interact(http, conversation, "Hello?")
        spoken = http.post(
            f"/conversation/{conversation}/interact?request_format=voice&response_format=text",
            data={"initial_message_type": "user-message"}, files={"recorded_message": ("m.mp3", b"\xff\xfb")},
        )  # fmt: skip
    assert [event["message"] for event in events if event["type"] == "new-message"] == ["Good ", "day.", ""]
    assert ChatEndpoint.asked[-1]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "assistant", "content": "Good day."},
        {"role": "user", "content": "Hello?"},
    ]
    assert spoken.status_code == 400
    assert "does not hear" in spoken.json()["message"]


@pytest.mark.parametrize("options", [(), ("--instructions", "Be brief.")])
def test_a_chat_endpoint_needs_no_file_and_no_instructions(
    tmp_path: Path, chat_url: str, options: tuple[str, ...]
) -> None:
    """Its conversations can be opened without a word: the endpoint, which refuses to be asked nothing, is asked to."""
    key = set_up(tmp_path)
    given = ("--agent-url", chat_url, "--database", f"sqlite:///{tmp_path / 'service.db'}", *options)
    settings = ServiceSettings(agent_url=chat_url)
    with served(*given) as (url, _), signed_in(url, key) as http:
        create(http, service_id("default", settings))
    (opening,) = ChatEndpoint.asked[-1]["messages"]
    assert opening["role"] == "system"
    assert opening["content"] == "Be brief." if options else "greet" in opening["content"]


def test_a_chat_endpoint_does_not_speak(chat_url: str) -> None:
    """Whoever writes that it does learns of it at the start, not from each answer."""
    with pytest.raises(ConfigError, match="does not speak; leave voice out"):
        load_service_config(None, services={"desk": {"agent_url": chat_url, "voice": True}})


def test_the_service_is_what_its_description_says(tmp_path: Path) -> None:
    """Requests made up from the OpenAPI description meet no 5xx, and no answer that it does not tell of."""
    with running(a_config(tmp_path)) as service:
        key = {"key": service.key.key, "key_id": service.key.id, "user": service.user}
        with signed_in(service.url, key) as http:
            authorization = http.headers["Authorization"]
        command = [
            sys.executable, "-m", "schemathesis.cli", "run", f"{service.url}/openapi.json", "--checks", "all",
            "-H", f"Authorization: {authorization}", "--max-examples", "15", "--seed", "1", "--no-color",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-5000:]
    assert "6 passed" in done.stdout
