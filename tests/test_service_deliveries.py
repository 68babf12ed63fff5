"""What rules have to deliver, to receivers on loopback that answer well, badly or not at all; on both databases."""

import asyncio
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpcore
import httpx
import pytest
from conftest import Run
from service_helpers import NewUrl, Service, set_up
from service_serving import create, interact, serving, signed_in
from service_serving import set_up as set_up_by_command
from sqlalchemy import update
from stopgap.engine.service._settings import behavior_id
from stopgap.engine.service.rules import _posting
from stopgap.engine.service.rules._delivering import PER_HOST
from stopgap.engine.service.rules._signing import rule_secret
from stopgap.engine.service.storage import Claimed, Database, DatabaseError, Deliveries, NotFoundError
from stopgap.engine.service.storage._ruletables import RULES
from stopgap.service import verified
from webhook_receiver import (
    BEHAVIOR,
    METRIC,
    SECRET,
    Answer,
    Office,
    cut,
    cut_body,
    endless_body,
    endless_head,
    gibberish,
    hang,
    receiving,
    status,
    twice,
)

pytest_plugins = ("service_databases",)


@pytest.fixture
def office(service: Service) -> Office:
    return Office(service)


@pytest.fixture(scope="module")
def shared(new_url: NewUrl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A database for the tests that look at nothing but a rule of their own, which they delete."""
    yield from set_up(new_url(tmp_path_factory.mktemp("shared")))


def test_a_webhook_tells_what_the_metrics_came_to(office: Office) -> None:
    """One signed request: what was triggered where, and each metric over the conversation up to there."""
    with receiving() as receiver:
        rule = office.rule(receiver, METRIC, "d" * 24)
        interaction = office.triggered(3)
        office.deliver(receiver)
        (call,) = receiver.calls
        found = office.only(rule)
    assert call.line == "POST /hook HTTP/1.1"
    assert call.headers["content-type"] == "application/json"
    assert call.headers["user-agent"].startswith("stopgap/")
    assert verified(rule_secret(SECRET, rule.id), call.headers, call.body, office.hands.at)
    counted = {"name": "interactions", "value": 1.0, "references": [interaction], "justification": "so many there are"}
    assert call.data == {
        "delivery_id": found.id,
        "type": "behavior-triggered",
        "organization": "org_1",
        "rule_id": rule.id,
        "behavior": {"id": BEHAVIOR, "version": 3},
        "conversation_id": found.conversation,
        "interaction_id": interaction,
        "metrics": [{"metric_id": METRIC, **counted}, {"metric_id": "d" * 24, **counted}],
        "created_at": "1970-01-12T13:46:40+00:00",
    }
    assert (found.state, found.attempts, found.last_status, found.last_problem) == ("delivered", 1, 200, None)
    assert (found.interaction, found.version, found.ended_at) == (interaction, 3, office.hands.at)


def test_nothing_is_delivered_twice(office: Office) -> None:
    """What has ended is not tried again, however late."""
    with receiving() as receiver:
        office.rule(receiver)
        office.triggered(1)
        for _ in range(3):
            office.deliver(receiver)
            office.hands.at += 1e6
        assert len(receiver.calls) == 1


@pytest.mark.parametrize("answer", [status(201), status(204), twice, cut_body, endless_body])
def test_receivers_that_have_taken_it(shared: Service, answer: Answer) -> None:
    """2xx is all that counts: what comes after it changes nothing, and is not taken for the answer to the next one."""
    office = Office(shared)
    with receiving(answer, status(200)) as receiver:
        rule = office.rule(receiver)
        office.triggered(1)
        office.deliver(receiver)
        office.triggered(1)
        office.deliver(receiver)
        found = office.deliveries.listed("org_1", rule.id).deliveries
        assert [one.state for one in found] == ["delivered"] * 2
        assert len({call.data["delivery_id"] for call in receiver.calls}) == len(receiver.calls) == 2
    office.rules.delete("org_1", rule.id)


@pytest.mark.parametrize(
    ("answer", "code", "says"),
    [
        (status(500), 500, "the receiver answered 500"),
        (status(503), 503, "the receiver answered 503"),
        (status(429), 429, "the receiver answered 429"),
        (status(408), 408, "the receiver answered 408"),
        (status(409), 409, "the receiver answered 409"),
        (hang, None, "the receiver did not answer within 0.2 s"),
        (cut, None, "the receiver cannot be reached"),
        (gibberish, None, "the receiver cannot be reached"),
        (endless_head, None, "the receiver cannot be reached"),
    ],
)
def test_receivers_that_may_take_it_later(shared: Service, answer: Answer, code: int | None, says: str) -> None:
    """They are called again when it is time, with the same bytes and a new signature; metrics are evaluated once."""
    office = Office(shared)
    with receiving(answer) as receiver:
        rule = office.rule(receiver, METRIC)
        office.triggered(1)
        office.deliver(receiver, total_s=0.2)
        waiting = office.only(rule)
        assert (waiting.state, waiting.attempts, waiting.last_status) == ("pending", 1, code)
        assert str(waiting.last_problem).startswith(says)
        assert 0.5 <= waiting.due_at - office.hands.at <= 1.0
        office.deliver(receiver)
        assert len(receiver.calls) == 1  # not yet
        office.hands.at = waiting.due_at
        office.deliver(receiver)
        found = office.only(rule)
    assert (found.state, found.attempts, found.last_status, found.last_problem) == ("delivered", 2, 200, None)
    first, second = receiver.calls
    assert first.body == second.body
    assert first.headers["x-amigo-request-signature"] != second.headers["x-amigo-request-signature"]
    for call, at in ((first, waiting.due_at - 1.0), (second, waiting.due_at)):
        assert verified(rule_secret(SECRET, rule.id), call.headers, call.body, at)
    assert office.counting.evaluated == 1
    office.rules.delete("org_1", rule.id)


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 422, 302, 307])
def test_receivers_that_will_never_take_it(shared: Service, code: int) -> None:
    """One call, and no other: redirects are not followed either."""
    office = Office(shared)
    with receiving() as elsewhere, receiving(status(code, location=elsewhere.url)) as receiver:
        rule = office.rule(receiver)
        office.triggered(1)
        office.deliver(receiver, elsewhere)
        office.hands.at += 1e6
        office.deliver(receiver, elsewhere)
        found = office.only(rule)
        assert (len(receiver.calls), elsewhere.calls) == (1, [])
    assert (found.state, found.last_status) == ("failed", code)
    assert str(found.last_problem).startswith(f"the receiver answered {code}")
    office.rules.delete("org_1", rule.id)


def test_a_receiver_may_ask_for_time(office: Office) -> None:
    """``Retry-After`` puts the next try off, though not for ever."""
    with receiving(status(429, retry_after="120"), status(503, retry_after="99999999")) as receiver:
        rule = office.rule(receiver)
        office.triggered(1)
        for wait_s in (120.0, 3600.0):
            office.deliver(receiver)
            assert office.only(rule).due_at == office.hands.at + wait_s
            office.hands.at += wait_s - 1.0
            calls = len(receiver.calls)
            office.deliver(receiver)
            assert len(receiver.calls) == calls
            office.hands.at += 1.0
        office.deliver(receiver)
        assert office.only(rule).state == "delivered"


def test_a_receiver_that_never_recovers(office: Office) -> None:
    """Twelve tries, then it has failed; asked for, it is tried as often again, with the same bytes."""
    with receiving(*[status(500)] * 13) as receiver:
        rule = office.rule(receiver)
        office.triggered(1)
        for tries in (12, 2):
            for _ in range(tries):
                found = office.only(rule)
                assert found.state == "pending"
                office.hands.at = max(office.hands.at, found.due_at)
                office.deliver(receiver)
            found = office.only(rule)
            if found.state == "failed":
                assert found.last_problem == "the receiver answered 500; that was the last of 12 tries"
                assert found.ended_at == office.hands.at
                assert office.deliveries.again("org_1", rule.id, found.id).state == "pending"
        assert (found.state, found.attempts) == ("delivered", 2)
        assert len(receiver.calls) == 14
        assert len({call.body for call in receiver.calls}) == 1


def test_a_host_that_nobody_listens_at(office: Office) -> None:
    """It is tried again, as one that does not answer."""
    with receiving() as gone:
        rule = office.rule(gone)
    office.triggered(1)
    office.deliver(gone)
    found = office.only(rule)
    assert (found.state, found.last_status) == ("pending", None)
    assert str(found.last_problem).startswith("the receiver cannot be reached: ")


def test_a_host_that_speaks_no_tls(office: Office) -> None:
    """A certificate that nobody vouches for is no better than that."""
    with receiving() as receiver:
        rule = office.rule(receiver, url=receiver.url.replace("http:", "https:"))
        office.triggered(1)
        office.deliver(receiver, total_s=0.2)
        assert receiver.calls == []
    assert office.only(rule).state == "pending"


def test_names_are_looked_up_apart(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in the threads that requests wait for: a name server that hangs must not stop those. Any address will do."""
    threads: list[str] = []
    real = socket.getaddrinfo

    def looked_up(host: Any, port: Any, *args: Any, **more: Any) -> Any:
        threads.append(threading.current_thread().name)
        found = real("127.0.0.1", port, *args, **more)
        return [(socket.AF_INET6, *found[0][1:4], ("::1", port, 0, 0)), *found]

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    with receiving() as receiver:
        port = receiver.host.partition(":")[2]
        rule = office.rule(receiver, url=f"http://localhost:{port}/a%20b?c=%C3%BC", host=f"localhost:{port}")
        office.triggered(1)
        receiver.host = f"localhost:{port}"
        office.deliver(receiver)
        (call,) = receiver.calls
    assert office.only(rule).state == "delivered"
    assert call.line == "POST /a%20b?c=%C3%BC HTTP/1.1"
    assert call.headers["host"] == f"localhost:{port}"
    assert [name.startswith("stopgap-resolving") for name in threads] == [True]


def test_an_address_that_swallows_all(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody answers there, not even to refuse: the name's next address is tried while there is time."""
    real = socket.getaddrinfo
    connect = httpcore.AnyIOBackend.connect_tcp

    def looked_up(host: Any, port: Any, *args: Any, **more: Any) -> Any:
        found = real("127.0.0.1", port, *args, **more)
        return [(*found[0][:4], ("192.0.2.1", port)), *found]

    async def connected(self: Any, host: str, port: int, timeout: float | None, *args: Any) -> Any:
        if host == "192.0.2.1":
            await asyncio.sleep(60.0 if timeout is None else timeout)
            raise httpcore.ConnectTimeout
        return await connect(self, host, port, timeout, *args)

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connected)
    monkeypatch.setattr(_posting, "CONNECT_S", 0.1)
    with receiving() as receiver:
        rule = office.rule(receiver)
        office.triggered(1)
        office.deliver(receiver, total_s=5.0)
    assert office.only(rule).state == "delivered"


def test_a_host_that_may_not_be_called_any_more(office: Office) -> None:
    """The setting is asked before each call: where the operator has taken a host out, it is not called."""
    with receiving() as receiver:
        rule = office.rule(receiver)
        office.triggered(1)
        office.deliver()
        found = office.only(rule)
        assert receiver.calls == []
    assert found.state == "failed"
    assert "webhook_hosts" in str(found.last_problem)


def test_a_rule_may_only_evaluate(office: Office) -> None:
    """Without a URL nothing is called."""
    rule = office.rule(None, METRIC)
    office.triggered(1)
    office.deliver()
    found = office.only(rule)
    assert (found.state, found.last_status, office.counting.evaluated) == ("delivered", None, 1)


class Refusing:
    """Fails to evaluate."""

    def __init__(self, exc: Exception) -> None:
        self.exc: Exception | None = exc

    def evaluate(self, *_: Any, **__: Any) -> Any:
        if self.exc is not None:
            raise self.exc
        return []


@pytest.mark.parametrize(
    ("exc", "state", "says"),
    [
        (NotFoundError("there is no metric x"), "failed", "there is no metric x"),
        (DatabaseError("it is away"), "pending", "the metrics were not evaluated: it is away"),
        (RuntimeError("a secret"), "pending", "the service failed; its log says how"),
    ],
)
def test_metrics_that_cannot_be_evaluated(
    office: Office, caplog: pytest.LogCaptureFixture, exc: Exception, state: str, says: str
) -> None:
    """Nothing is called without them; what may pass is tried again, and what was unexpected is logged."""
    with receiving() as receiver:
        rule, evaluates = office.rule(receiver, METRIC), Refusing(exc)
        office.triggered(1)
        office.deliver(receiver, evaluates=evaluates)
        found = office.only(rule)
        assert (found.state, found.last_problem, receiver.calls) == (state, says, [])
        assert ("a secret" in caplog.text) == isinstance(exc, RuntimeError)
        evaluates.exc = None
        office.hands.at += 10.0
        office.deliver(receiver, evaluates=evaluates)
        assert len(receiver.calls) == (state == "pending")


def test_a_slow_receiver_does_not_stop_the_others(office: Office) -> None:
    """While two calls to it hang, and no third one, everybody else is called; then the rest of its own are."""
    with receiving() as quick:
        released = threading.Event()

        def slow(connection: Any) -> None:
            if released.wait(30.0):
                status(200)(connection)

        with receiving(*[slow] * PER_HOST) as hanging:
            late, prompt = office.rule(hanging), office.rule(quick)
            for _ in range(20):
                office.triggered(1)

            async def once() -> None:
                delivering = office.delivering(hanging, quick)
                delivering.start()
                while len(quick.calls) < 20:
                    await asyncio.sleep(0.01)
                assert len(hanging.calls) <= PER_HOST
                released.set()
                while len(hanging.calls) < 20:
                    await asyncio.sleep(0.01)
                await delivering.deliver_due()
                await delivering.close()

            asyncio.run(once())
            for rule in (late, prompt):
                found = office.deliveries.listed("org_1", rule.id, limit=100).deliveries
                assert [(one.state, one.attempts) for one in found] == [("delivered", 1)] * 20
        for receiver in (hanging, quick):
            assert len({call.data["delivery_id"] for call in receiver.calls}) == len(receiver.calls) == 20


def test_what_is_enqueued_here_is_delivered_at_once(office: Office) -> None:
    """Without a poll: whoever stores an interaction wakes who delivers, from whatever thread."""
    with receiving() as receiver:
        rule = office.rule(receiver)

        async def once() -> None:
            delivering = office.delivering(receiver)
            delivering.wake()  # too early: it is not lost, it is not needed
            delivering.start()
            await delivering.deliver_due()
            await asyncio.to_thread(office.triggered, 1, on_enqueued=delivering.wake)
            while office.only(rule).state == "pending":
                await asyncio.sleep(0.01)
            await delivering.close()

        asyncio.run(once())
        assert len(receiver.calls) == 1


def test_what_others_have_left_is_found(office: Office) -> None:
    """By looking, now and then."""
    with receiving() as receiver:
        rule = office.rule(receiver)

        async def once() -> None:
            delivering = office.delivering(receiver, poll_s=0.01)
            delivering.start()
            await asyncio.to_thread(office.triggered, 1)
            while office.only(rule).state == "pending":
                await asyncio.sleep(0.01)
            await delivering.close()

        asyncio.run(once())


def test_two_share_the_work(office: Office) -> None:
    """Two on one database, with connections of their own: each interaction is delivered once, whoever does it."""
    with receiving() as receiver:
        rule = office.rule(receiver, METRIC)
        for _ in range(30):
            office.triggered(1)
        with closing(Database.open(office.service.url, now=office.hands)) as other:

            async def both() -> None:
                found = [office.delivering(receiver) for _ in range(2)]
                found[1]._deliveries = Deliveries(other)
                await asyncio.gather(*(one.deliver_due() for one in found))
                for one in found:
                    await one.close()

            asyncio.run(both())
        found = office.deliveries.listed("org_1", rule.id, limit=100).deliveries
        assert [(one.state, one.attempts) for one in found] == [("delivered", 1)] * 30
        assert len({call.data["delivery_id"] for call in receiver.calls}) == len(receiver.calls) == 30


def claimed(deliveries: Deliveries) -> Claimed:
    found = deliveries.claim()
    assert found is not None
    return found


def test_a_claim_runs_out(office: Office) -> None:
    """Of two, the one that was late changes nothing any more: not the body, nor the end."""
    with receiving() as receiver:
        rule = office.rule(receiver)
        office.triggered(1)
        late = claimed(office.deliveries)
        assert office.deliveries.claim() is None
        office.hands.at += 59.0
        assert office.deliveries.claim() is None
        office.hands.at += 1.0
        now = claimed(office.deliveries)
        assert (late.attempts, now.attempts, now.id) == (1, 2, late.id)
        with pytest.raises(Exception, match="has been taken over by another process"):
            office.deliveries.fix(late, "{}")
        assert not office.deliveries.end(late, "failed", None, "late")
        assert not office.deliveries.later(late, 1.0, None, "late")
        office.deliveries.give_back(late)
        assert office.deliveries.claim() is None
        office.deliveries.fix(now, "{}")
        assert office.deliveries.end(now, "delivered", 200, None)
        assert not office.deliveries.end(now, "failed", None, "again")
        office.deliveries.give_back(now)
        found = office.only(rule)
        assert (found.state, found.attempts, found.last_problem) == ("delivered", 2, None)


def test_one_that_kills_whoever_tries_it(office: Office) -> None:
    """Tries count when they begin: it has failed after as many as any other."""
    rule = office.rule(None, METRIC)
    office.triggered(1)
    for _ in range(12):
        claimed(office.deliveries)
        office.hands.at += 60.0
    office.deliver()
    found = office.only(rule)
    assert (found.state, office.counting.evaluated) == ("failed", 0)
    assert found.last_problem == "the service ended in the middle of the last try"


def test_a_call_under_way_is_given_back(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is stopped in the middle of one leaves it to the next process, which need not wait; it did not count."""
    monkeypatch.setattr("stopgap.engine.service.rules._delivering.CLOSE_S", 0.01)
    with receiving(hang) as receiver:
        rule = office.rule(receiver)
        office.triggered(1)

        async def cut_short() -> None:
            delivering = office.delivering(receiver)
            delivering.start()
            while not receiver.called.is_set():
                await asyncio.sleep(0.01)
            await delivering.close()

        asyncio.run(cut_short())
        assert (office.only(rule).state, office.only(rule).attempts) == ("pending", 0)
        office.deliver(receiver)
        assert (office.only(rule).state, office.only(rule).attempts) == ("delivered", 1)
    first, second = receiver.calls
    assert first.body == second.body


def test_a_rule_that_is_deleted_meanwhile(office: Office) -> None:
    """What was under way ends with it: the receiver's answer comes too late to change that."""
    released = threading.Event()

    def slow(connection: Any) -> None:
        if released.wait(30.0):
            status(200)(connection)

    with receiving(slow) as receiver:
        rule = office.rule(receiver)
        office.triggered(1)

        async def once() -> None:
            delivering = office.delivering(receiver)
            trying = asyncio.create_task(delivering.deliver_due())
            while not receiver.called.is_set():
                await asyncio.sleep(0.01)
            await asyncio.to_thread(office.rules.delete, "org_1", rule.id)
            released.set()
            await trying
            await delivering.close()

        asyncio.run(once())
        found = office.only(rule)
    assert (found.state, found.last_problem, found.last_status) == ("failed", "rule deleted", None)


def test_a_rule_that_is_deleted_while_an_interaction_is_stored(office: Office) -> None:
    """The one did not see the other: nothing is called for a rule that there is no more."""
    with receiving() as receiver:
        rule = office.rule(receiver)
        office.triggered(1)
        with office.service.database.changing() as connection:
            connection.execute(update(RULES).values(deleted_at=office.hands.at))
        office.deliver(receiver)
        assert receiver.calls == []
    assert (office.only(rule).state, office.only(rule).last_problem) == ("failed", "rule deleted")


def test_proxies_of_the_environment_are_not_used(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever they are."""
    with receiving() as receiver, receiving() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://{proxy.host}")
        office.rule(receiver)
        office.triggered(1)
        office.deliver(receiver)
        assert (len(receiver.calls), proxy.calls) == (1, [])


# A real service ----------------------------------------------------------------------------------------------------

FILLERS = '[behaviors.grief]\nversion = 2\ntriggers = ["funeral"]\n'


def test_a_killed_service_has_lost_no_delivery(run: Run, url: str, tmp_path: Path) -> None:
    """Kill -9 while a receiver has the first of them and has not answered: the next process delivers all, once each."""
    key = set_up_by_command(run, url)
    (tmp_path / "stopgap.toml").write_text(FILLERS, encoding="utf-8")
    said: list[str] = []
    with receiving(*[hang] * PER_HOST) as receiver:
        head = f'fillers = "stopgap.toml"\nwebhook_hosts = ["{receiver.host}"]'
        with serving(tmp_path, url, head=head) as (address, process), signed_in(address, key) as http:
            rule = {"name": "x", "behavior_id": behavior_id("grief"), "version": 2, "url": receiver.url}
            made = http.post("/rule/", json=rule).raise_for_status().json()
            conversation = create(http)
            for text in ("a funeral", "something else", "the funeral", "my funeral"):
                said.append(interact(http, conversation, text)[-1]["interaction_id"])
            while len(receiver.calls) < PER_HOST:
                assert receiver.called.wait(30.0)
                receiver.called.clear()
            process.send_signal(signal.SIGKILL)
            process.wait(30.0)
        expected = {said[0], said[2], said[3]}
        with closing(Database.open(url)) as database, database.changing() as connection:
            connection.exec_driver_sql("UPDATE deliveries SET lease_until = 0 WHERE lease_until IS NOT NULL")
        calls = len(receiver.calls)
        with serving(tmp_path, url, head=head) as (address, _), signed_in(address, key) as http:
            found = told(http, made["id"])
            while any(one["state"] == "pending" for one in found):
                receiver.called.clear()
                receiver.called.wait(0.05)
                found = told(http, made["id"])
    assert {one["interaction_id"] for one in found} == expected
    assert [one["state"] for one in found] == ["delivered"] * 3
    assert all(one["behavior"] == {"id": behavior_id("grief"), "version": 2} for one in found)
    assert {call.data["interaction_id"] for call in receiver.calls[calls:]} == expected
    assert len(receiver.calls) == calls + 3
    for call in receiver.calls:
        assert verified(made["secret"], call.headers, call.body)
    bodies = {call.data["interaction_id"]: call.body for call in receiver.calls[:calls]}
    for call in receiver.calls[calls:]:
        assert bodies.get(call.data["interaction_id"], call.body) == call.body


def told(http: httpx.Client, rule: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = http.get(f"/rule/{rule}/delivery/").raise_for_status().json()["deliveries"]
    return found
