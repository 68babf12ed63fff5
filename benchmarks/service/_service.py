"""The conversation service under load: do fillers leave in time, is anything lost, does memory grow."""

import asyncio
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from stopgap.engine.service.identity import Permission, Tokens, create_secret, read_secret
from stopgap.engine.service.storage import Accounts, Database, History
from stopgap.fillers import UsageError

from .._spread import Spread
from ..traces import TraceTurn, read_trace
from ._processes import Processes

TRACE = "voice_mixed_dev"
SERVICE = "b" * 24
ORGANIZATION = "bench"
LATE_MS = 20.0
"""ms after its planned time by which a filler may leave, at the 99th percentile."""
GROWTH = 1.05
"""Times its size at a fifth of the run that the process may have at the end."""
PAUSE_S = 0.5
"""s at most between an answer and the next message of a conversation."""
BEGIN_S = 5.0
"""s within which all conversations have begun."""
MOST_EACH = 400
"""Interactions of a conversation: they are read back at once."""
LONGEST_S = 20.0
"""s. Longer waits of the trace are left out: a run should end."""
_CONFIG = """
database = "{database}"
secret_file = "{secret}"
maintenance_file = "{folder}/maintenance"
fillers = "stopgap.toml"
rates = {{ create = 100000, interact = 100000 }}
[services.bench]
id = "{service}"
agent = "stopgap.benchmarks.service._agent:answer"
voice = true
"""

_FILLERS = 'limits.per_minute = "unlimited"\n'
"""Nobody says as much in a minute as these users, and each wait is to be measured."""


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """What ``stopgap bench service`` prints."""

    machine: str
    workers: int
    """Processes of the service."""
    conversations: int
    interactions: int
    """That were answered."""
    seconds: float
    fillers: int
    late: Spread
    """ms from a filler's planned time to its arrival at the client, over loopback."""
    client_lag: Spread
    """ms by which the client's own event loop woke up late: part of *late*."""
    lost: int
    """Interactions or fillers that a client saw and the database has not, or the other way round."""
    errors: int
    """Error events and broken streams."""
    memory_mb: tuple[float, ...]
    """MB of the service's processes together after each tenth of the interactions."""
    cpu_ms: float
    """ms of a processor that the service took for each interaction."""

    @property
    def targets(self) -> dict[str, bool]:
        """What was to be reached, and whether it was."""
        grown = self.memory_mb[-1] / self.memory_mb[1] if len(self.memory_mb) > 1 else 1.0
        return {
            f"fillers leave within {LATE_MS:g} ms of their planned time (p99)": self.late.p99 <= LATE_MS,
            "nothing lost": self.lost == 0 and self.errors == 0,
            f"memory at the end at most {GROWTH:g} times that after a fifth": grown <= GROWTH,
        }

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "targets": self.targets}


@dataclass(slots=True)
class _Seen:
    """What the clients saw."""

    fillers: dict[str, list[float]] = field(default_factory=dict)
    """By interaction: s on the monotonic clock, which all processes of a machine share."""
    conversations: list[str] = field(default_factory=list)
    errors: int = 0
    answered: int = 0
    lags_ms: list[float] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)


def measure_service(
    *,
    workers: int = 2,
    conversations: int = 200,
    interactions: int = 10_000,
    seed: int = 1,
    advance: Callable[[int], None] = lambda steps: None,
) -> ServiceReport:
    """Run a service in a process of its own, and talk to it from this one, over loopback.

    Args:
        workers: Processes of the service.
        conversations: At once.
        interactions: In all.
        seed: Of the waits that are drawn from the trace, and of the pauses between.
        advance: Called with the number of interactions that were answered since.

    Raises:
        UsageError: if the service does not start, or there are too many interactions for the conversations.
    """
    if interactions > MOST_EACH * conversations:
        raise UsageError(f"{interactions} interactions in {conversations} conversations: at most {MOST_EACH} in each")
    waits = [t for t in read_trace(TRACE) if t.reply_ready_ms is not None and t.reply_ready_ms <= 1000.0 * LONGEST_S]
    with tempfile.TemporaryDirectory(prefix="stopgap-bench-") as name:
        folder = Path(name)
        tokens = _set_up(folder, conversations)
        with _serving(folder, workers) as (url, process):
            service = Processes(process.pid)
            began_at, cpu_s = time.monotonic(), service.cpu_s
            seen = asyncio.run(_talk(url, tokens, waits, interactions, random.Random(seed), service, advance))
            seconds, cpu_s = time.monotonic() - began_at, service.cpu_s - cpu_s
        late, lost = _compared(folder, seen)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return ServiceReport(
        machine, workers, conversations, seen.answered, seconds, len(late), Spread.of(late), Spread.of(seen.lags_ms),
        lost, seen.errors, tuple(seen.memory_mb), 1000.0 * cpu_s / max(1, seen.answered),
    )  # fmt: skip


def _set_up(folder: Path, users: int) -> list[str]:
    url, secret = f"sqlite:///{folder / 'service.db'}", folder / "secret"
    Database.migrate(url)
    create_secret(secret)
    text = _CONFIG.format(database=url, secret=secret, folder=folder, service=SERVICE)
    (folder / "service.toml").write_text(text, encoding="utf-8")
    (folder / "stopgap.toml").write_text(_FILLERS, encoding="utf-8")
    database = Database.open(url)
    try:
        accounts, tokens = Accounts(database), Tokens(read_secret(secret), lifetime_s=86_400)
        accounts.add_organization(ORGANIZATION)
        added = [accounts.add_user(ORGANIZATION, frozenset(Permission)) for _ in range(users)]
        return [tokens.issue(ORGANIZATION, user.id).text for user in added]
    finally:
        database.close()


@contextmanager
def _serving(folder: Path, workers: int) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    command = [sys.executable, "-m", "stopgap", "serve", str(folder / "service.toml"), "--port", "0"]
    command += ["--workers", str(workers)]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stderr=log, text=True)
    try:
        until = time.monotonic() + 30.0
        while time.monotonic() < until and process.poll() is None:
            for line in (folder / "log").read_text().splitlines():
                if line.startswith("listening on "):
                    yield line.removeprefix("listening on "), process
                    return
            time.sleep(0.05)
        raise UsageError(f"the service did not start: {(folder / 'log').read_text()[-500:]}")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60.0)


async def _talk(
    url: str, tokens: list[str], waits: list[TraceTurn], interactions: int, rng: random.Random, service: Processes,
    advance: Callable[[int], None],
) -> _Seen:  # fmt: skip
    seen = _Seen()
    left = iter(range(interactions))
    timeout, connector = aiohttp.ClientTimeout(total=60.0), aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(f"{url}/v1/{ORGANIZATION}/", timeout=timeout, connector=connector) as http:
        watching = asyncio.create_task(_watch_lag(seen))

        async def converse(token: str, rng: random.Random) -> None:
            headers = {"Authorization": f"Bearer {token}"}
            body = {"service_id": SERVICE}
            await asyncio.sleep(rng.uniform(0.0, BEGIN_S))
            async with http.post("conversation/?response_format=voice", json=body, headers=headers) as created:
                first = (await created.text()).partition("\n")[0]
            if created.status != 201:
                seen.errors += 1
                return
            conversation = json.loads(first)["conversation_id"]
            seen.conversations.append(conversation)
            for _ in left:
                await asyncio.sleep(rng.uniform(0.0, PAUSE_S))
                await _interact(http, headers, conversation, _message(rng.choice(waits)), seen)
                seen.answered += 1
                advance(1)
                if seen.answered % max(1, interactions // 10) == 0:
                    seen.memory_mb.append(service.memory_mb)

        await asyncio.gather(*(converse(token, random.Random(rng.random())) for token in tokens))
        watching.cancel()
    return seen


async def _interact(
    http: aiohttp.ClientSession, headers: dict[str, str], conversation: str, message: str, seen: _Seen
) -> None:
    arrivals: list[float] = []
    interact = f"conversation/{conversation}/interact?request_format=text&response_format=voice"
    form = {"initial_message_type": "user-message", "recorded_message": message.encode()}
    try:
        async with http.post(
            interact, headers=headers, data=aiohttp.FormData(form, default_to_multipart=True)
        ) as answer:
            async for line in answer.content:
                if b'"action-too-long"' in line:
                    arrivals.append(time.monotonic())
                elif line.startswith(b'{"type":"interaction-complete"'):
                    seen.fillers[json.loads(line)["interaction_id"]] = arrivals
                    return
    except aiohttp.ClientError:
        pass
    seen.errors += 1


def _message(turn: TraceTurn) -> str:
    assert turn.reply_ready_ms is not None
    told: dict[str, Any] = {"wait_s": turn.reply_ready_ms / 1000.0}
    times = {news.name: news for news in turn.news}
    if "tool_started" in times and "tool_ended" in times:
        told["tool"] = times["tool_started"].tool or "tool"
        told["from_s"], told["to_s"] = (times[name].at_ms / 1000.0 for name in ("tool_started", "tool_ended"))
    return json.dumps(told)


async def _watch_lag(seen: _Seen) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + 0.02
        await asyncio.sleep(0.02)
        seen.lags_ms.append(1000.0 * max(0.0, loop.time() - due))


def _compared(folder: Path, seen: _Seen) -> tuple[list[float], int]:
    """Return how many ms late each filler arrived, and what the clients and the database do not agree on."""
    database, late, lost = Database.open(f"sqlite:///{folder / 'service.db'}"), [], 0
    history, stored = History(database), set()
    for conversation in seen.conversations:
        found = history.read(ORGANIZATION, conversation, user=None)
        for interaction in found.interactions[1:]:  # the first one opened the conversation
            stored.add(interaction.id)
            record: Any = interaction.record
            planned = [record["speech_ended_at"] + sound["requested_s"] for sound in record["sounds"]]
            arrived = seen.fillers.get(interaction.id)
            if arrived is None or len(arrived) != len(planned):
                lost += 1
                continue
            late += [1000.0 * (at - due) for at, due in zip(arrived, planned, strict=True)]
    database.close()
    return late, lost + len(seen.fillers.keys() - stored)
