"""``stopgap serve`` as a process of its own, and what its tests ask of it."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import httpx
import pytest
from conftest import Run
from service_rig import SERVICE

TESTS = Path(__file__).parent
SERVICE_TOML = """
database = "{database}"
drain_s = {drain_s}
[rates]
sign_in = 10000
sign_in_origin = 10000
create = 10000
interact = 10000
[services.desk]
id = "{service}"
"""


def serving(
    folder: Path,
    database: str,
    agent: str = 'agent = "service_rig:agent"',
    *options: str,
    drain_s: float = 10.0,
    head: str = "",
    log: "SimpleQueue[str] | None" = None,
) -> AbstractContextManager[tuple[str, "subprocess.Popen[str]"]]:
    """Run ``stopgap serve`` in *folder* with a file there; yield its URL and process.

    Args:
        folder: Modules in it go before those of the tests.
        database: Its URL.
        agent: The service's settings.
        options: Further ones of the command.
        drain_s: As in the file.
        head: What else the file begins with.
        log: See `served`.
    """
    text = head + SERVICE_TOML.format(database=database, service=SERVICE, drain_s=drain_s) + agent
    (folder / "service.toml").write_text(text, encoding="utf-8")
    return served(folder, "service.toml", *options, log=log)


@contextmanager
def served(
    folder: Path, *options: str, log: "SimpleQueue[str] | None" = None
) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """Run ``stopgap serve`` in *folder* with *options*; yield its URL and process.

    *log* gets the lines of its error output, and an empty one when no process has that open any more.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "stopgap", "serve", *options, "--port", "0"],
        stderr=subprocess.PIPE, text=True, cwd=folder, env={**os.environ, "NO_PROXY": "*", "PYTHONPATH": str(TESTS)},
    )  # fmt: skip
    assert process.stderr is not None
    seen: list[str] = []

    def follow() -> None:
        for line in process.stderr or ():
            seen.append(line)
            if log is not None:
                log.put(line)
        if log is not None:
            log.put("")

    follower = threading.Thread(target=follow, daemon=True)
    try:
        for line in process.stderr:
            seen.append(line)
            if log is not None:
                log.put(line)
            if line.startswith("listening on "):
                break
        else:
            pytest.fail("".join(seen))
        follower.start()
        yield seen[-1].removeprefix("listening on ").strip(), process
    finally:
        process.kill()
        process.wait()
        follower.join(5.0)
        process.stderr.close()


def set_up(run: Run, database: str) -> dict[str, str]:
    """Make the database, and return the first user's key as ``stopgap service init`` told it."""
    return told(run, "init", database)


def add_user(run: Run, database: str) -> dict[str, str]:
    """Return the key of a further user, as the command line makes it."""
    return told(run, "user", "add", database)


def told(run: Run, *arguments: str) -> dict[str, str]:
    *command, database = arguments
    ended = run("service", *command, "--json", "--database", database, "--organization", "acme")
    assert ended.code == 0, ended.err
    found: dict[str, str] = json.loads(ended.out)
    return found


@contextmanager
def signed_in(url: str, key: dict[str, str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{url}/v1/acme", trust_env=False, timeout=60.0) as http:
        headers = {"x-api-key": key["key"], "x-api-key-id": key["key_id"], "x-user-id": key["user"]}
        token = http.post("/user/signin_with_api_key", headers=headers).raise_for_status().json()["id_token"]
        http.headers["Authorization"] = f"Bearer {token}"
        yield http


def create(http: httpx.Client, service: str = SERVICE) -> str:
    created = http.post("/conversation/?response_format=text", json={"service_id": service}).raise_for_status()
    events = [json.loads(line) for line in created.text.splitlines()]
    assert events[-1]["type"] == "interaction-complete", events
    return str(events[0]["conversation_id"])


def interact(http: httpx.Client, conversation: str, text: str) -> list[dict[str, Any]]:
    query = "request_format=text&response_format=text"
    answer = http.post(
        f"/conversation/{conversation}/interact?{query}", data={"initial_message_type": "user-message"},
        files={"recorded_message": ("m.txt", text.encode(), "text/plain")},
    )  # fmt: skip
    return [json.loads(line) for line in answer.raise_for_status().text.splitlines()]
