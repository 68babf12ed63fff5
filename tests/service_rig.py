"""The conversation service, really running on loopback, and what its tests need of it."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import uvicorn
from fastapi import FastAPI
from stopgap.engine.service._actions import ToolCallEnded, ToolCallStarted
from stopgap.engine.service._agents import AgentRequest, Answer, EndConversation, Speech, UserSaid
from stopgap.engine.service._app import create_app
from stopgap.engine.service._runtime import Runtime
from stopgap.engine.service._settings import ServiceConfig, load_service_config
from stopgap.engine.service.identity import IssuedKey, KeyChecker, Permission, create_secret, issue_key, secret_file
from stopgap.engine.service.rules._evaluates import Evaluates
from stopgap.engine.service.storage import Accounts, Database

SERVICE = "5" * 24
ORGANIZATION = "acme"


async def agent(request: AgentRequest) -> AsyncGenerator[Answer, None]:
    """Do what the message says: the agent of these tests."""
    if request.audio is not None:
        yield UserSaid(f"{len(request.audio.samples) / request.audio.rate:.1f} s of speech")
    for word in (request.text or "").split():
        match word.split("="):
            case ["wait", seconds]:
                await asyncio.sleep(float(seconds))
            case ["until", path]:  # there is such a file
                while not Path(path).exists():
                    await asyncio.sleep(0.01)
            case ["tool", seconds]:
                yield ToolCallStarted(tool_id="lookup")
                await asyncio.sleep(float(seconds))
                yield ToolCallEnded(tool_id="lookup", result="found", duration=float(seconds))
            case ["fail"]:
                raise RuntimeError("the agent was told to fail")
            case ["end"]:
                yield EndConversation()
    if request.response_format == "voice":
        yield Speech(np.full(2400, 8000, np.int16), 24_000)
    yield f"You have said {sum(message.role == 'user' for message in request.history)} things before."


@dataclass(frozen=True)
class Running:
    """A service on loopback."""

    url: str
    config: ServiceConfig
    user: str
    key: IssuedKey

    def another(self, organization: str = ORGANIZATION, permissions: frozenset[Permission] | None = None) -> IssuedKey:
        """Return the key of a further user."""
        database = Database.open(self.config.database)
        try:
            accounts = Accounts(database)
            with contextlib.suppress(Exception):
                accounts.add_organization(organization)
            user = accounts.add_user(organization, permissions if permissions is not None else frozenset(Permission))
            return issue_key(accounts, KeyChecker(), organization, user.id)
        finally:
            database.close()


def a_config(folder: Path, database: str | None = None, **changes: Any) -> ServiceConfig:
    """Return a configuration whose agent is `agent`."""
    (folder / "stopgap.toml").write_text(
        'mode = "ladder"\nseed = 1\n[[ladder]]\nafter_ms = 700\nkind = "hesitation"\n', encoding="utf-8"
    )
    defaults: dict[str, Any] = {
        "database": database or f"sqlite:///{folder / 'service.db'}",
        "secret_file": str(folder / "secret"),
        "fillers": str(folder / "stopgap.toml"),
        "maintenance_file": str(folder / "maintenance"),
        "rates": {"sign_in": 1000, "sign_in_origin": 1000, "create": 1000, "interact": 10_000, "finish": 1000,
                  "behavior_create": 10_000, "behavior_versions": 10_000, "metric_evaluate": 10_000,
                  "metric_results": 10_000, "metric_create": 10_000, "metric_list": 10_000, "turns": 10_000,
                  "rule_change": 10_000, "rule_read": 10_000, "conversations_read": 10_000},
        "services": {
            "desk": {
                "id": SERVICE, "agent": "service_rig:agent", "voice": True,
                "tools": {"lookup": {"fillers": ["Looking that up."], "after_s": 0.5}},
            }
        },
    }  # fmt: skip
    return load_service_config(None, **{**defaults, **changes})


@contextlib.contextmanager
def running(config: ServiceConfig, evaluates: Evaluates | None = None) -> Iterator[Running]:
    """Run a service with a first user until the block ends; *evaluates* evaluates the metrics of rules."""
    Database.migrate(config.database)
    create_secret(Path(config.secret_file or secret_file(None)))
    database = Database.open(config.database)
    accounts = Accounts(database)
    accounts.add_organization(ORGANIZATION)
    user = accounts.add_user(ORGANIZATION, frozenset(Permission))
    key = issue_key(accounts, KeyChecker(), ORGANIZATION, user.id)
    database.close()
    app = create_app(config, None if evaluates is None else Runtime.open(config, evaluates=evaluates))
    with serving_at(app) as url:
        yield Running(url, config, user.id, key)


@contextlib.contextmanager
def serving_at(app: FastAPI) -> Iterator[str]:
    """Serve *app* until the block ends; yield its URL."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            port = listener.getsockname()[1]
            while not server.started:
                assert thread.is_alive(), "the service did not start"
                threading.Event().wait(0.01)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(10.0)


@contextlib.contextmanager
def signed_in(service: Running, key: IssuedKey, organization: str = ORGANIZATION) -> Iterator[httpx.Client]:
    """Give a client that sends a token of *key*'s user, and asks *organization*."""
    with httpx.Client(base_url=f"{service.url}/v1/{organization}", trust_env=False, timeout=60.0) as client:
        headers = {"x-api-key": key.key, "x-api-key-id": key.id, "x-user-id": key.user}
        token = client.post("/user/signin_with_api_key", headers=headers).raise_for_status().json()["id_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client
