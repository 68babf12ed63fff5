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
    agent: str = 'agent = "service_rig:agent"',
    *options: str,
    drain_s: float = 10.0,
    log: "SimpleQueue[str] | None" = None,
    working: Path = TESTS,
) -> AbstractContextManager[tuple[str, "subprocess.Popen[str]"]]:
    """Run ``stopgap serve`` with a file, on a database in *folder*; yield its URL and process."""
    database = f"sqlite:///{folder / 'service.db'}"
    text = SERVICE_TOML.format(database=database, service=SERVICE, drain_s=drain_s) + agent
    (folder / "service.toml").write_text(text, encoding="utf-8")
    return served(str(folder / "service.toml"), *options, log=log, working=working)


@contextmanager
def served(
    *options: str, log: "SimpleQueue[str] | None" = None, working: Path = TESTS
) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """Run ``stopgap serve`` with *options*; yield its URL and process.

    *log* gets the lines of its error output, and an empty one when no process has that open any more. It runs in
    *working*.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "stopgap", "serve", *options, "--port", "0"],
        stderr=subprocess.PIPE, text=True, cwd=working, env={**os.environ, "NO_PROXY": "*"},
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


def set_up(folder: Path) -> dict[str, str]:
    """Make the database, and return the first user's key as ``stopgap service init`` told it."""
    command = [sys.executable, "-m", "stopgap", "service", "init", "--json"]
    done = subprocess.run(
        [*command, "--database", f"sqlite:///{folder / 'service.db'}", "--organization", "acme"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: dict[str, str] = json.loads(done.stdout)
    return found


def add_user(folder: Path) -> dict[str, str]:
    """Return the key of a further user, as the command line makes it."""
    command = [sys.executable, "-m", "stopgap", "service", "user", "add", "--json"]
    done = subprocess.run(
        [*command, "--database", f"sqlite:///{folder / 'service.db'}", "--organization", "acme"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: dict[str, str] = json.loads(done.stdout)
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
