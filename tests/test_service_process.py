"""The conversation service as a process of its own: served, killed, stopped, two of them at once."""

import json
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import Run
from service_rig import SERVICE
from service_serving import add_user, create, interact, served, serving, set_up, signed_in
from stopgap.engine.service._settings import ServiceSettings, load_service_config, service_id
from stopgap.engine.service.storage import Database, History
from stopgap.fillers import ConfigError

pytest_plugins = ("service_databases",)


def test_a_killed_service_has_kept_what_was_complete(run: Run, url: str, tmp_path: Path) -> None:
    """Kill -9 while interactions run: each one that a client saw complete is stored, and no half one is."""
    keys = [set_up(run, url), *(add_user(run, url) for _ in range(3))]
    completed: dict[str, list[str]] = {}
    enough = threading.Event()

    def talk(address: str, key: dict[str, str]) -> None:
        try:
            with signed_in(address, key) as http:
                conversation = create(http)
                seen = completed.setdefault(conversation, [])
                while True:
                    seen.append(interact(http, conversation, "wait=0.01")[-1]["interaction_id"])
                    if sum(map(len, completed.values())) >= 60:
                        enough.set()
        except httpx.HTTPError:
            return

    with serving(tmp_path, url) as (address, process), ThreadPoolExecutor(len(keys)) as pool:
        talks = [pool.submit(talk, address, key) for key in keys]
        assert enough.wait(60.0)
        process.send_signal(signal.SIGKILL)
        for talking in talks:
            talking.result(60.0)

    database = Database.open(url)
    for conversation, seen in completed.items():
        found = History(database).read("acme", conversation, user=None)
        ids = [interaction.id for interaction in found.interactions][1:]  # the first is the agent's opening
        assert ids[: len(seen)] == seen
        assert len(ids) <= len(seen) + 1  # one may have been stored whose completion its client did not live to see
        assert [i.number for i in found.interactions] == list(range(1, len(ids) + 2))
        assert all(i.agent_message and i.record for i in found.interactions)
    database.close()
    with serving(tmp_path, url) as (address, _), signed_in(address, add_user(run, url)) as http:
        assert interact(http, create(http), "hello")[-1]["type"] == "interaction-complete"


def test_a_service_that_is_stopped_ends_what_runs(run: Run, url: str, tmp_path: Path) -> None:
    """SIGTERM while an answer is under way: the stream goes on to its end, then the process ends by itself."""
    key = set_up(run, url)
    with serving(tmp_path, url) as (address, process), signed_in(address, key) as http:
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


@pytest.mark.parametrize(
    ("new_url", "drain_s"), [("sqlite", 0.0), ("sqlite", 0.6), ("postgresql", 0.6)], indirect=["new_url"]
)
def test_answers_that_outlast_the_drain_end_with_an_error(run: Run, url: str, tmp_path: Path, drain_s: float) -> None:
    """They are not cut: their clients learn that nothing was stored, and go on with the next process."""
    key = set_up(run, url)
    query = "request_format=text&response_format=text"
    files = {"recorded_message": ("m.txt", b"wait=600", "text/plain")}
    form = {"initial_message_type": "user-message"}
    with serving(tmp_path, url, drain_s=drain_s) as (address, process), signed_in(address, key) as http:
        conversation = create(http)
        with http.stream("POST", f"/conversation/{conversation}/interact?{query}", data=form, files=files) as answer:
            lines = answer.iter_lines()
            assert "user-message-available" in next(lines)
            process.send_signal(signal.SIGTERM)
            last = json.loads(list(lines)[-1])
        assert (last["type"], last["http_error_code"]) == ("error", 503)
        assert process.wait(20.0) in (0, -signal.SIGTERM)
    with serving(tmp_path, url) as (address, _), signed_in(address, key) as http:
        assert interact(http, conversation, "hello")[-1]["full_message"] == "You have said 0 things before."


def test_processes_share_conversations(run: Run, url: str, tmp_path: Path) -> None:
    """Two serve one database: a token, a conversation, and who is at it are the same at both, whoever began."""
    key = set_up(run, url)
    query = "request_format=text&response_format=text"
    form = {"initial_message_type": "user-message"}
    files = {"recorded_message": ("m.txt", b"wait=600", "text/plain")}
    with (
        serving(tmp_path, url) as (first, _), serving(tmp_path, url) as (second, _), signed_in(first, key) as here,
        httpx.Client(base_url=f"{second}/v1/acme", headers=here.headers, trust_env=False, timeout=60.0) as there,
    ):  # fmt: skip
        conversation = create(here)
        path = f"/conversation/{conversation}"
        assert interact(there, conversation, "hello")[-1]["full_message"] == "You have said 0 things before."
        assert interact(here, conversation, "hello")[-1]["full_message"] == "You have said 1 things before."
        again = there.post("/conversation/?response_format=text", json={"service_id": SERVICE})
        assert again.status_code == 400  # one conversation at a time
        with here.stream("POST", f"{path}/interact?{query}", data=form, files=files) as answer:
            lines = answer.iter_lines()  # which, once forgotten, would hang up
            next(lines)
            assert there.post(f"{path}/interact?{query}", data=form, files=files).status_code == 409
            assert there.post(f"{path}/finish/").status_code == 409
        until = time.monotonic() + 30.0
        while (status := there.post(f"{path}/finish/").status_code) == 409 and time.monotonic() < until:
            time.sleep(0.01)  # until the first has seen that its client is gone
        assert status == 204
        assert here.post(f"{path}/interact?{query}", data=form, files=files).status_code == 409
        assert interact(here, create(there), "hello")[-1]["type"] == "interaction-complete"


def test_a_filler_is_not_repeated_in_another_process(run: Run, sqlite_url: str, tmp_path: Path) -> None:
    """A conversation that is answered here and there hears six different phrases; there are more."""
    key = set_up(run, sqlite_url)
    (tmp_path / "stopgap.toml").write_text('mode = "ladder"\n[limits]\nper_minute = "unlimited"\n[[ladder]]\n'
                                           'after_ms = 50\nkind = "phrase"\n', encoding="utf-8")  # fmt: skip
    fillers = 'fillers = "stopgap.toml"'
    with (
        serving(tmp_path, sqlite_url, head=fillers) as (first, _),
        serving(tmp_path, sqlite_url, head=fillers) as (second, _), signed_in(first, key) as here,
        httpx.Client(base_url=f"{second}/v1/acme", headers=here.headers, trust_env=False, timeout=60.0) as there,
    ):  # fmt: skip
        conversation = create(here)
        for http in (here, there, there, here, there, here):
            assert interact(http, conversation, "wait=0.3")[-1]["type"] == "interaction-complete"
    with closing(Database.open(sqlite_url)) as database:
        interactions = History(database).read("acme", conversation, user=None).interactions[1:]
    heard = [sound["clip"] for found in interactions for sound in (found.record or {})["sounds"]]
    assert len(heard) == len(set(heard)) == 6


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


def test_any_chat_endpoint_can_be_the_agent(run: Run, sqlite_url: str, tmp_path: Path, chat_url: str) -> None:
    """Instructions and what was said go to the endpoint, its tokens come as they are; it does not hear."""
    agent = f'agent_url = "{chat_url}"\nmodel = "m"\ninstructions = "Be brief."\n'
    key = set_up(run, sqlite_url)
    with serving(tmp_path, sqlite_url, agent) as (address, _), signed_in(address, key) as http:
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
    run: Run, sqlite_url: str, tmp_path: Path, chat_url: str, options: tuple[str, ...]
) -> None:
    """Its conversations can be opened without a word: the endpoint, which refuses to be asked nothing, is asked to."""
    key = set_up(run, sqlite_url)
    given = ("--agent-url", chat_url, "--database", sqlite_url, *options)
    settings = ServiceSettings(agent_url=chat_url)
    with served(tmp_path, *given) as (address, _), signed_in(address, key) as http:
        create(http, service_id("default", settings))
    (opening,) = ChatEndpoint.asked[-1]["messages"]
    assert opening["role"] == "system"
    assert opening["content"] == "Be brief." if options else "greet" in opening["content"]


def test_a_chat_endpoint_does_not_speak(chat_url: str) -> None:
    """Whoever writes that it does learns of it at the start, not from each answer."""
    with pytest.raises(ConfigError, match="does not speak; leave voice out"):
        load_service_config(None, services={"desk": {"agent_url": chat_url, "voice": True}})
