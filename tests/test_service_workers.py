"""The conversation service as several processes at one address: shared, killed, stopped, broken."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

import httpx
import pytest
from service_serving import TESTS, create, interact, serving, signed_in
from stopgap.engine.service.identity import KeyChecker, Permission, create_secret, issue_key, secret_file
from stopgap.engine.service.storage import Accounts, Database, History, database_file

AGENT = 'agent = "workers_agent:agent"'
TRIES = 60
"""New connections after which each of two processes has had one, but for one case in 10^18."""


class Service(NamedTuple):
    """A service of two workers."""

    folder: Path
    url: str
    process: "subprocess.Popen[str]"
    head: list[str]
    """The lines of its error output up to the address."""
    log: "SimpleQueue[str]"

    def new_user(self) -> dict[str, str]:
        """Return the key of a new user."""
        database = Database.open(f"sqlite:///{self.folder / 'service.db'}")
        try:
            accounts = Accounts(database)
            key = issue_key(accounts, KeyChecker(), "acme", accounts.add_user("acme", frozenset(Permission)).id)
        finally:
            database.close()
        return {"user": key.user, "key_id": key.id, "key": key.key}

    def logged(self, text: str) -> str:
        """Return the next line of the error output that has *text* in it."""
        while text not in (line := self.log.get(timeout=60.0)):
            assert line, "all processes have ended"
        return line

    def ended(self) -> list[str]:
        """Return the lines of the error output until no process has it any more."""
        lines = [self.log.get(timeout=60.0)]
        while lines[-1]:
            lines.append(self.log.get(timeout=60.0))
        return lines[:-1]


def prepare(folder: Path) -> str:
    """Make a database with an organization, and return its URL."""
    url = f"sqlite:///{folder / 'service.db'}"
    Database.migrate(url)
    create_secret(secret_file(database_file(url)))
    database = Database.open(url)
    Accounts(database).add_organization("acme")
    database.close()
    return url


@contextmanager
def two_workers(folder: Path, *, drain_s: float = 10.0) -> Iterator[Service]:
    database = prepare(folder)
    log: SimpleQueue[str] = SimpleQueue()
    with serving(folder, database, AGENT, "--workers", "2", drain_s=drain_s, log=log) as (url, process):
        head = [log.get()]
        while not head[-1].startswith("listening on "):
            head.append(log.get())
        yield Service(folder, url, process, head, log)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that tests share, who leave two workers there."""
    with two_workers(tmp_path_factory.mktemp("shared")) as service:
        yield service


@contextmanager
def conversing(service: Service) -> Iterator[tuple[httpx.Client, str]]:
    """Yield a new user's client, which connects for each request again, and their conversation."""
    with signed_in(service.url, service.new_user()) as http:
        http.headers["Connection"] = "close"
        yield http, create(http)


def ask(http: httpx.Client, conversation: str) -> tuple[int, int]:
    """Return the id of the process that answers, and how many messages it knows from before."""
    process, number = interact(http, conversation, "hello")[-1]["full_message"].split()
    return int(process), int(number)


def find_workers(service: Service) -> set[int]:
    """Return the ids of both processes."""
    seen: set[int] = set()
    with conversing(service) as (http, conversation):
        for _ in range(TRIES):
            seen.add(ask(http, conversation)[0])
            if len(seen) == 2:
                return seen
    pytest.fail(f"only {seen} answer")


@contextmanager
def streams(service: Service, file: Path) -> Iterator[dict[int, list[Iterator[str]]]]:
    """Yield what is left of answers that wait for *file*, by process: at least one on each of two."""
    found: dict[int, list[Iterator[str]]] = {}
    with ExitStack() as stack:
        while len(found) < 2:
            assert sum(map(len, found.values())) < TRIES
            http = stack.enter_context(signed_in(service.url, service.new_user()))
            http.headers["Connection"] = "close"
            lines = stack.enter_context(
                http.stream(
                    "POST", f"/conversation/{create(http)}/interact?request_format=text&response_format=text",
                    data={"initial_message_type": "user-message"},
                    files={"recorded_message": ("m.txt", f"until={file}".encode(), "text/plain")},
                )
            ).iter_lines()  # fmt: skip
            events = map(json.loads, lines)
            process = next(int(event["message"]) for event in events if event["type"] == "new-message")
            found.setdefault(process, []).append(lines)
        yield found


def last_of(lines: Iterator[str]) -> dict[str, object]:
    """Return the last event of an answer."""
    event: dict[str, object] = json.loads(list(lines)[-1])
    return event


def wait_refused(service: Service) -> None:
    """Connect again and again until nobody listens."""
    url = httpx.URL(service.url)
    with suppress(ConnectionError):
        while True:
            socket.create_connection((url.host, url.port), 10.0).close()


def test_workers_share_conversations(shared: Service) -> None:
    """One address, announced once with a warning of limits that are not shared; each continues what another began."""
    answers: list[tuple[int, int]] = []
    with conversing(shared) as (http, conversation):
        while len({process for process, _ in answers}) < 2:
            assert len(answers) < TRIES
            answers.append(ask(http, conversation))
    assert [number for _, number in answers] == list(range(len(answers)))
    assert shared.process.pid not in {process for process, _ in answers}
    service, logged, listening = shared.head
    assert (service[:12], listening[:12]) == ("service desk", "listening on")
    warning = json.loads(logged)
    assert (warning["level"], warning["logger"]) == ("WARNING", "stopgap.service")
    assert 'rate_storage = "redis://HOST:PORT"' in warning["message"]


def test_workers_share_their_address_with_nobody_else(shared: Service) -> None:
    """A second service there is refused, though its workers could listen beside the first one's."""
    port = str(httpx.URL(shared.url).port)
    command = [sys.executable, "-m", "stopgap", "serve", str(shared.folder / "service.toml"), "--workers", "2"]
    done = subprocess.run([*command, "--port", port], capture_output=True, text=True, cwd=TESTS, check=False)
    assert done.returncode == 2
    assert f"127.0.0.1:{port} cannot be listened on" in done.stderr.splitlines()[-1]


def test_a_killed_worker_is_replaced(shared: Service) -> None:
    """Kill -9 of one while interactions run: what was complete is stored, the other goes on, soon there are two."""
    killed, other = find_workers(shared)
    completed: dict[str, list[str]] = {}
    enough, again = threading.Event(), threading.Event()

    def talk(key: dict[str, str]) -> None:
        # the process that answers may be killed; its lease on the conversation is left then
        with suppress(httpx.HTTPError), signed_in(shared.url, key) as http:
            http.headers["Connection"] = "close"
            conversation = create(http)
            seen = completed.setdefault(conversation, [])
            while not again.is_set():
                seen.append(interact(http, conversation, "hello")[-1]["interaction_id"])
                if sum(map(len, completed.values())) >= 30:
                    enough.set()

    with ThreadPoolExecutor(4) as pool:
        talks = [pool.submit(talk, shared.new_user()) for _ in range(4)]
        try:
            assert enough.wait(60.0)
            os.kill(killed, signal.SIGKILL)
            line = shared.logged("takes its place")
            shared.logged("has taken its place")
            workers = find_workers(shared)
        finally:
            again.set()
        for talking in talks:
            talking.result(60.0)

    told = json.loads(line)
    assert (told["level"], told["logger"]) == ("WARNING", "stopgap.service")
    assert told["message"] == f"worker {killed} was killed by signal 9; another one takes its place"
    assert other in workers
    assert killed not in workers
    database = Database.open(f"sqlite:///{shared.folder / 'service.db'}")
    for conversation, seen in completed.items():
        found = History(database).read("acme", conversation, user=None)
        ids = [interaction.id for interaction in found.interactions][1:]  # the first is the agent's opening
        assert ids[: len(seen)] == seen
        assert len(ids) <= len(seen) + 1  # one may have been stored whose completion its client did not live to see
    database.close()


def test_a_worker_that_is_told_to_end_is_replaced_at_once(shared: Service, tmp_path: Path) -> None:
    """It ends its answers in peace, and nobody waits for it to do so."""
    with streams(shared, tmp_path / "go") as found:
        ending, _ = found
        os.kill(ending, signal.SIGTERM)
        line = shared.logged("takes its place")
        shared.logged("has taken its place")
        assert ending not in find_workers(shared)
        (tmp_path / "go").touch()
        for lines in found.values():
            assert {last_of(each)["type"] for each in lines} == {"interaction-complete"}
    assert f"worker {ending} ends" in line


def test_a_signal_ends_all_workers_in_peace(tmp_path: Path) -> None:
    """SIGTERM while each answers: no new connections, the streams go on to their ends, and no process is left."""
    with two_workers(tmp_path) as service, streams(service, tmp_path / "go") as found:
        service.process.send_signal(signal.SIGTERM)
        wait_refused(service)
        (tmp_path / "go").touch()
        for lines in found.values():
            assert {last_of(each)["type"] for each in lines} == {"interaction-complete"}
        assert service.process.wait(30.0) == 0
        assert not any(line.startswith("listening on") for line in service.ended())  # once was enough


def test_a_second_interrupt_waits_for_nothing(tmp_path: Path) -> None:
    """Ctrl+C twice, as one process takes it: answers that would go on for ever are left."""
    with two_workers(tmp_path, drain_s=600.0) as service, streams(service, tmp_path / "never"):
        service.process.send_signal(signal.SIGINT)
        wait_refused(service)
        service.process.send_signal(signal.SIGINT)
        assert service.process.wait(30.0) == 0
        service.ended()


def test_workers_do_not_outlive_their_parent(tmp_path: Path) -> None:
    """Kill -9 of the parent: its workers notice, end their answers in peace, and themselves."""
    with two_workers(tmp_path) as service, streams(service, tmp_path / "go") as found:
        service.process.kill()
        wait_refused(service)
        (tmp_path / "go").touch()
        for lines in found.values():
            assert {last_of(each)["type"] for each in lines} == {"interaction-complete"}
        service.ended()


def test_a_worker_that_cannot_be_replaced_leaves_the_other_at_work(tmp_path: Path) -> None:
    """An agent that was broken meanwhile: the last worker answers all; without it, the service ends with a sentence."""
    code = (TESTS / "workers_agent.py").read_text(encoding="utf-8")
    (tmp_path / "workers_agent.py").write_text(code, encoding="utf-8")
    with two_workers(tmp_path) as service:
        first, second = find_workers(service)
        (tmp_path / "workers_agent.py").write_text("import sys\nsys.exit(3)\n", encoding="utf-8")
        os.kill(first, signal.SIGKILL)
        warning = json.loads(service.logged("could not be replaced"))
        assert "a worker ended with exit code 3 before it was ready" in warning["message"]
        with conversing(service) as (http, conversation):
            assert {ask(http, conversation)[0] for _ in range(10)} == {second}
        os.kill(second, signal.SIGKILL)
        assert service.process.wait(60.0) == 2
        assert service.ended()[-1].startswith("stopgap: a worker ended with exit code 3 before it was ready")


@pytest.mark.parametrize(
    ("code", "exit_code", "sentence"),
    [
        ("agent = None\n", 2, "stopgap: agent 'broken:agent' is no async generator function"),
        ("raise RuntimeError('not today')\n", 1, "RuntimeError: not today"),
    ],
)
def test_what_cannot_be_loaded_is_told_once(tmp_path: Path, code: str, exit_code: int, sentence: str) -> None:
    """However many workers find it out: as by one process, and nothing is tried again."""
    database = prepare(tmp_path)
    (tmp_path / "broken.py").write_text(code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "stopgap", "serve", "--agent", "broken:agent", "--workers", "2", "--port", "0",
         "--database", database],
        capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == exit_code
    assert done.stderr.splitlines()[-1].startswith(sentence)
    assert done.stderr.count(sentence) == 1
    assert "listening on" not in done.stderr
