"""Receivers of webhooks on loopback, good ones and bad ones, and what the tests of rules share."""

import asyncio
import json
import random
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from service_helpers import SERVICE, Hands, Service, interaction
from stopgap.engine.service.metrics._evaluating import builtin_id
from stopgap.engine.service.rules._delivering import Delivering
from stopgap.engine.service.rules._evaluates import Evaluates
from stopgap.engine.service.rules._posting import Poster
from stopgap.engine.service.rules._retrying import Retrying
from stopgap.engine.service.rules._webhooks import Webhooks
from stopgap.engine.service.storage import (
    Conversations,
    Database,
    Deliveries,
    Delivery,
    History,
    NewConversation,
    NewRule,
    Rule,
    Rules,
)

BEHAVIOR = "b" * 24
METRIC = builtin_id("reply_delay")
SECRET = b"s" * 48

Answer = Callable[[socket.socket], None]


def status(code: int, **headers: str) -> Answer:
    """Answer with a status; ``retry_after`` is the header Retry-After."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    text = f"HTTP/1.1 {code} Whatever\r\n{lines}content-length: 2\r\n\r\nok".encode()
    return lambda connection: connection.sendall(text)


def hang(connection: socket.socket) -> None:
    """Say nothing until the caller has hung up."""
    connection.recv(1)


def cut(connection: socket.socket) -> None:
    """Close in the middle of an answer's head."""
    connection.sendall(b"HTTP/1.1 200 O")


def gibberish(connection: socket.socket) -> None:
    """Answer with what is no HTTP."""
    connection.sendall(b"\x00\xff hello \r\n\r\n")


def twice(connection: socket.socket) -> None:
    """Answer one request with two answers, of which the second one is bad."""
    status(200)(connection)
    status(500)(connection)


def cut_body(connection: socket.socket) -> None:
    """Answer that all is well, and close before the body has come."""
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nok")


def endless_body(connection: socket.socket) -> None:
    """Answer that all is well, and never stop."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"x" * 65_536)


def endless_head(connection: socket.socket) -> None:
    """Never come to the end of the headers."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"x: " + b"y" * 1000 + b"\r\n")


@dataclass
class Call:
    """A request as it came."""

    line: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def data(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """An HTTP server that does one of *answers* after the other; afterwards it answers 200."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self._lock = threading.Lock()
        self.calls: list[Call] = []
        self.called = threading.Event()
        """Set with each call, before it is answered."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = f"http://{self.host}/hook"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        # ValueError: what came was no HTTP
        with connection, connection.makefile("rb") as file, suppress(OSError, ValueError):
            while line := file.readline():
                headers: dict[str, str] = {}
                while header := file.readline().strip():
                    name, _, value = header.decode().partition(":")
                    headers[name.lower()] = value.strip()
                body = file.read(int(headers.get("content-length", "0")))
                with self._lock:
                    self.calls.append(Call(line.decode().strip(), headers, body))
                    answer = self._answers.pop(0) if self._answers else status(200)
                self.called.set()
                answer(connection)
                if headers.get("connection") == "close":
                    return


@contextmanager
def receiving(*answers: Answer) -> Iterator[Receiver]:
    """Give a receiver."""
    receiver = Receiver(*answers)
    try:
        yield receiver
    finally:
        receiver.close()


@dataclass(frozen=True)
class Counted:
    """A metric of `Counting`."""

    metric: str
    value: float
    references: tuple[str, ...]
    name: str = "interactions"
    justification: str = "so many there are"


class Counting:
    """Counts the interactions up to one: each of its metrics is that."""

    def __init__(self, database: Database) -> None:
        self._history = History(database)
        self.evaluated = 0

    def evaluate(
        self, organization: str, conversation: str, metric_ids: Sequence[str], *, up_to: str | None, source: str
    ) -> list[Counted]:
        assert source == "post-session"
        self.evaluated += 1
        ids = [one.id for one in self._history.read(organization, conversation, user=None).interactions]
        count = ids.index(up_to) + 1 if up_to is not None else len(ids)
        return [Counted(metric, float(count), tuple(ids[:count])) for metric in metric_ids]


class Office:
    """The rules of a database, interactions that trigger them, and who delivers."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.rules = Rules(service.database)
        self.deliveries = Deliveries(service.database)
        self.counting = Counting(service.database)

    def rule(self, receiver: Receiver | None = None, *metrics: str, version: int | None = None, **changes: Any) -> Rule:
        """Return a new rule for `BEHAVIOR` that calls *receiver*."""
        url, host = (None, "") if receiver is None else (receiver.url, receiver.host)
        new = NewRule("a rule", BEHAVIOR, version, metrics, url, host)
        return self.rules.create("org_1", replace(new, **changes), creator=self.service.user.id)

    def triggered(
        self, *versions: int, behavior: str = BEHAVIOR, on_enqueued: Callable[[], None] = lambda: None
    ) -> str:
        """Return the id of a new interaction, in a conversation of its own, that triggered these versions."""
        lease = self.service.leases.reserve("org_1", self.service.user.id)
        new = replace(interaction(1), behaviors=tuple((behavior, version) for version in versions))
        store = Conversations(self.service.database, on_enqueued=on_enqueued)
        store.create(lease, NewConversation(SERVICE), new)
        return new.id

    def delivering(self, *receivers: Receiver, evaluates: Evaluates | None = None, **changes: Any) -> Delivering:
        """Return who delivers to these; only within an event loop."""
        options: dict[str, Any] = {
            "retrying": Retrying(random=random.Random(1)), "now": self.service.hands, "poll_s": 600.0,
            "poster": Poster(total_s=changes.pop("total_s", 30.0)), **changes,
        }  # fmt: skip
        hosts = [receiver.host for receiver in receivers]
        found = evaluates if evaluates is not None else self.counting
        poster = options.pop("poster")
        return Delivering(self.deliveries, found, Webhooks(SECRET, hosts), poster, **options)

    def deliver(self, *receivers: Receiver, **changes: Any) -> None:
        """Try once whatever is due now."""

        async def once() -> None:
            delivering = self.delivering(*receivers, **changes)
            await delivering.deliver_due()
            await delivering.close()

        asyncio.run(once())

    def only(self, rule: Rule) -> Delivery:
        """Return the one delivery that *rule* has."""
        (found,) = self.deliveries.listed("org_1", rule.id).deliveries
        return found

    @property
    def hands(self) -> Hands:
        return self.service.hands


__all__ = [
    "BEHAVIOR", "METRIC", "SECRET", "Answer", "Call", "Counted", "Counting", "Office", "Receiver", "cut",
    "cut_body", "endless_body", "endless_head", "gibberish", "hang", "receiving", "status", "twice",
]  # fmt: skip
