"""Rules over HTTP, and what follows by itself when a behaviour was triggered; on both databases."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from postgres_server import running_server
from service_helpers import NewUrl
from service_rig import SERVICE, Running, a_config, running, serving_at, signed_in
from stopgap.engine.service._app import create_app
from stopgap.engine.service._settings import behavior_id
from stopgap.engine.service.identity import Permission
from stopgap.engine.service.metrics._evaluating import builtin_id
from stopgap.engine.service.storage import (
    Database,
)
from stopgap.service import verified
from webhook_receiver import METRIC, Counting, Receiver, receiving, status

pytest_plugins = ("service_databases",)

URL = "/rule/"
TWO_METRICS = [builtin_id("target_met"), builtin_id("experience")]
GRIEF = behavior_id("grief")
FILLERS = '[behaviors.grief]\nversion = 2\ntriggers = ["funeral"]\n'


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@contextmanager
def served(folder: Path, database: str, **changes: Any) -> Iterator[Running]:
    """Run a service whose metrics count, and in which ``funeral`` triggers `GRIEF`."""
    config = a_config(folder, database, **changes)
    path = Path(config.fillers or "")
    path.write_text(path.read_text(encoding="utf-8") + FILLERS, encoding="utf-8")
    Database.migrate(database)
    with closing(Database.open(database)) as base, running(config, Counting(base)) as found:
        yield found


@pytest.fixture(scope="module")
def api(new_url: NewUrl, tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("service")
    with served(folder, new_url(folder), webhook_hosts=[receiver.host]) as found:
        yield found


@pytest.fixture(scope="module")
def http(api: Running) -> Iterator[httpx.Client]:
    with signed_in(api, api.key) as client:
        yield client


def a_body(**changes: Any) -> dict[str, Any]:
    """Return a rule that evaluates, and calls nothing; a change to ``...`` leaves that out."""
    body = {"name": "after grief", "behavior_id": GRIEF, "metric_ids": [METRIC], **changes}
    return {name: value for name, value in body.items() if value is not ...}


def created(http: httpx.Client, **changes: Any) -> dict[str, str]:
    answer = http.post(URL, json=a_body(**changes))
    assert answer.status_code == 201, answer.text
    assert answer.json().keys() == {"id", "secret"}
    found: dict[str, str] = answer.json()
    return found


def paged(http: httpx.Client, url: str, what: str, **query: Any) -> list[str]:
    """Return the ids on all pages."""
    ids: list[str] = []
    while True:
        page = http.get(url, params=query).raise_for_status().json()
        assert page.keys() == {what, "has_more", "continuation_token"}
        ids += [one["id"] for one in page[what]]
        assert (page["continuation_token"] is not None) == page["has_more"]
        if not page["has_more"]:
            return ids
        query["continuation_token"] = page["continuation_token"]


def converse(http: httpx.Client, *texts: str) -> tuple[str, list[str]]:
    """Return the id of a new conversation, and those of the interactions with these texts in it."""
    begun = http.post("/conversation/?response_format=text", json={"service_id": SERVICE}).raise_for_status()
    conversation = json.loads(begun.text.splitlines()[0])["conversation_id"]
    ids = []
    for text in texts:
        answer = http.post(
            f"/conversation/{conversation}/interact?request_format=text&response_format=text",
            data={"initial_message_type": "user-message"}, files={"recorded_message": ("m", text.encode())},
        ).raise_for_status()  # fmt: skip
        ids.append(json.loads(answer.text.splitlines()[-1])["interaction_id"])
    http.post(f"/conversation/{conversation}/finish/").raise_for_status()
    return conversation, ids


def ended(http: httpx.Client, rule: str, count: int) -> list[dict[str, Any]]:
    """Return a rule's deliveries once so many have ended."""
    while True:
        found: list[dict[str, Any]] = http.get(f"{URL}{rule}/delivery/").raise_for_status().json()["deliveries"]
        if sum(one["state"] != "pending" for one in found) >= count:
            return found
        threading.Event().wait(0.01)


# The API -----------------------------------------------------------------------------------------------------------


def test_a_rule_works_by_itself(http: httpx.Client, receiver: Receiver) -> None:
    """Words of a conversation trigger the behaviour; nobody does anything, and the receiver is told, signed."""
    rule = created(http, url=receiver.url, version=2)
    idle = created(http, version=3)
    conversation, ids = converse(http, "hello", "the funeral", "thank you", "a funeral, again")
    found = ended(http, rule["id"], 2)
    assert [(one["state"], one["attempts"], one["last_status"]) for one in found] == [("delivered", 1, 200)] * 2
    assert {one["interaction_id"] for one in found} == {ids[1], ids[3]}
    calls = {call.data["interaction_id"]: call for call in receiver.calls if call.data["rule_id"] == rule["id"]}
    for said, heard in ((ids[1], 3.0), (ids[3], 5.0)):
        call = calls[said]
        assert verified(rule["secret"], call.headers, call.body)
        assert call.data["conversation_id"] == conversation
        assert call.data["behavior"] == {"id": GRIEF, "version": 2}
        assert call.data["organization"] == "acme"
        assert [(one["metric_id"], one["value"]) for one in call.data["metrics"]] == [(METRIC, heard)]
    assert ended(http, idle["id"], 0) == []
    for one in (rule, idle):
        assert http.delete(URL + one["id"]).status_code == 204


def test_the_next_process_goes_on(url: str, tmp_path: Path) -> None:
    """What one left behind when it was stopped, the next one on that database delivers."""
    with receiving(*[status(503)] * 2) as receiver:
        hosts = [receiver.host]
        with served(tmp_path, url, webhook_hosts=hosts) as api, signed_in(api, api.key) as http:
            rule = created(http, url=receiver.url)
            converse(http, "a funeral")
            assert receiver.called.wait(30.0)
            config, token = api.config, http.headers["Authorization"]
        with closing(Database.open(url)) as base, base.changing() as connection:
            connection.exec_driver_sql("UPDATE deliveries SET due_at = 0")
        headers = {"Authorization": token}
        with (
            serving_at(create_app(config)) as address,
            httpx.Client(base_url=f"{address}/v1/acme", trust_env=False, headers=headers) as http,
        ):
            (found,) = ended(http, rule["id"], 1)
    assert found["state"] == "delivered"
    assert len({call.body for call in receiver.calls}) == 1


def test_a_rule_of_metrics_that_there_are_not(http: httpx.Client) -> None:
    """404 at once, rather than in each of its deliveries."""
    answer = http.post("/rule/", json={"name": "x", "behavior_id": GRIEF, "metric_ids": ["2" * 24]})
    assert answer.status_code == 404
    assert "there is no metric" in answer.json()["message"]


def test_rules_are_told(api: Running, http: httpx.Client, receiver: Receiver) -> None:
    """As they were written, with who did it and when; the secret only where it is asked for."""
    rule = created(
        http,
        name="  grief  ",
        version=7,
        url=receiver.url,
        metric_ids=[builtin_id("target_met"), builtin_id("experience")],
    )
    answer = http.get(URL, params={"limit": 1})
    assert answer.headers["X-RateLimit-Limit"] == "10000"
    (told,) = answer.json()["rules"]
    assert datetime.fromisoformat(told.pop("created_at")).tzinfo is not None
    assert told == {
        "id": rule["id"], "org_id": "acme", "name": "grief", "behavior_id": GRIEF, "version": 7,
        "metric_ids": TWO_METRICS, "url": receiver.url, "created_by": api.user,
    }  # fmt: skip
    assert rule["secret"] not in answer.text
    assert http.get(f"{URL}{rule['id']}/secret").json() == {"secret": rule["secret"]}
    assert created(http)["secret"] != rule["secret"]


def test_pages_over_http(http: httpx.Client) -> None:
    """Of rules and of deliveries, in pages of any size, and of these also by state."""
    for id in paged(http, URL, "rules"):
        http.delete(URL + id)
    rules = [created(http)["id"] for _ in range(5)]
    assert [paged(http, URL, "rules", limit=limit) for limit in (1, 2, 5)] == [rules[::-1]] * 3
    _, said = converse(http, "a funeral", "a funeral", "a funeral")
    url = f"{URL}{rules[0]}/delivery/"
    found = ended(http, rules[0], 3)
    assert [one["interaction_id"] for one in found] == said[::-1]
    ids = [one["id"] for one in found]
    assert [paged(http, url, "deliveries", limit=limit) for limit in (1, 2, 3)] == [ids] * 3
    assert paged(http, url, "deliveries", state="delivered", limit=2) == ids
    assert paged(http, url, "deliveries", state="failed") == paged(http, url, "deliveries", state="pending") == []
    for id in rules:
        http.delete(URL + id)
    assert paged(http, URL, "rules") == []
    assert paged(http, url, "deliveries") == ids  # a rule's deliveries outlast it


def test_a_deleted_rule_delivers_nothing_more(http: httpx.Client, receiver: Receiver) -> None:
    """What was to be tried again has failed; there is nothing to be had of the rule but its deliveries."""
    with receiving() as other:
        refused = http.post(URL, json=a_body(url=other.url))
    assert refused.status_code == 422
    receiver._answers.append(status(503, retry_after="3000"))
    rule = created(http, url=receiver.url)
    converse(http, "a funeral")
    while (found := http.get(f"{URL}{rule['id']}/delivery/").json()["deliveries"][0])["attempts"] == 0 or (
        found["last_status"] is None
    ):
        threading.Event().wait(0.01)
    assert (found["state"], found["last_status"]) == ("pending", 503)
    assert found["next_attempt_at"] is not None
    assert http.post(f"{URL}{rule['id']}/delivery/{found['id']}/retry").status_code == 409
    assert http.delete(URL + rule["id"]).status_code == 204
    (found,) = http.get(f"{URL}{rule['id']}/delivery/").json()["deliveries"]
    assert (found["state"], found["last_problem"], found["next_attempt_at"]) == ("failed", "rule deleted", None)
    answers = each(http, rule["id"], found["id"])
    assert [answer.status_code for answer in answers] == [201, 200, 404, 200, 404, 404]
    http.delete(URL + answers[0].json()["id"])


def test_a_failed_delivery_is_tried_again(http: httpx.Client, receiver: Receiver) -> None:
    """Asked for, and at once; one that was delivered is not (409)."""
    receiver._answers.append(status(410))
    rule = created(http, url=receiver.url)
    converse(http, "a funeral")
    (found,) = ended(http, rule["id"], 1)
    assert (found["state"], found["last_problem"]) == ("failed", "the receiver answered 410")
    url = f"{URL}{rule['id']}/delivery/{found['id']}/retry"
    answer = http.post(url)
    assert (answer.status_code, answer.json()["state"], answer.json()["attempts"]) == (200, "pending", 0)
    (found,) = ended(http, rule["id"], 1)
    assert found["state"] == "delivered"
    answer = http.post(url)
    assert answer.status_code == 409
    assert answer.json()["message"].endswith("is delivered; only a failed one can be tried again")
    first, second = [call.body for call in receiver.calls if call.data["rule_id"] == rule["id"]]
    assert first == second
    http.delete(URL + rule["id"])


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ...}, {"name": ""}, {"name": " "}, {"name": None}, {"name": 1}, {"behavior_id": ...},
        {"behavior_id": "B" * 24}, {"behavior_id": None}, {"version": 0}, {"version": -1}, {"version": "1"},
        {"version": 1.5}, {"version": True}, {"version": 2**31}, {"metric_ids": [METRIC] * 2}, {"metric_ids": ["x"]},
        {"metric_ids": [f"{n:024x}" for n in range(11)]}, {"metric_ids": METRIC}, {"metric_ids": []},
        {"metric_ids": ...}, {"versions": 2}, {"url": ""}, {"url": "https://not.allowed.example/"}, {"url": "http://127.0.0.1:1/"},
        {"url": "ftp://x/"}, {"url": 1}, {"url": "https://u:p@127.0.0.1/"}, {"url": "https://" + "x" * 3000},
    ],
)  # fmt: skip
def test_what_no_rule_is(http: httpx.Client, changes: dict[str, Any]) -> None:
    """422, in a sentence; nothing is stored."""
    before = paged(http, URL, "rules")
    answer = http.post(URL, json=a_body(**changes))
    assert answer.status_code == 422
    assert 5 < len(answer.json()["message"]) < 400
    assert paged(http, URL, "rules") == before


def test_no_host_is_called_by_default(sqlite_url: str, tmp_path: Path) -> None:
    """The refusal names the setting; a rule that calls nothing is taken."""
    with served(tmp_path, sqlite_url) as api, signed_in(api, api.key) as http:
        answer = http.post(URL, json=a_body(url="https://hooks.example.com/x"))
        assert answer.status_code == 422
        assert 'webhook_hosts = ["hooks.example.com"]' in answer.json()["message"]
        created(http)


def each(http: httpx.Client, rule: str, delivery: str) -> list[httpx.Response]:
    """Return the answer of each endpoint, deleting last."""
    return [
        http.post(URL, json=a_body()),
        http.get(URL),
        http.get(f"{URL}{rule}/secret"),
        http.get(f"{URL}{rule}/delivery/"),
        http.post(f"{URL}{rule}/delivery/{delivery}/retry"),
        http.delete(f"{URL}{rule}"),
    ]


def test_permissions(api: Running, http: httpx.Client) -> None:
    """Both of whoever changes, and another one of whoever reads; without a token nobody does either."""
    rule = created(http)["id"]
    change = [Permission.EVALUATE_METRIC, Permission.UPDATE_DYNAMIC_BEHAVIOR_INSTRUCTION]
    read = Permission.GET_METRIC_EVALUATION_RESULT
    changing, reading = [403, 200, 403, 200, 403, 403], [201, 403, 404, 403, 404, 404]
    for permissions, expected in (
        (frozenset(Permission) - {change[0]}, changing),
        (frozenset(Permission) - {change[1]}, changing),
        (frozenset({read}), changing),
        (frozenset(Permission) - {read}, reading),
        (frozenset(change), reading),
        (frozenset(Permission) - {*change, read}, [403] * 6),
    ):
        with signed_in(api, api.another(permissions=permissions)) as client:
            id = "0" * 24 if expected is reading else rule  # what may be changed is to be here for the next one
            answers = each(client, id, "0" * 24)
            assert [answer.status_code for answer in answers] == expected
            if expected is reading:
                assert client.get(f"{URL}{rule}/secret").status_code == 200
                client.delete(URL + answers[0].json()["id"])
    with httpx.Client(base_url=http.base_url, trust_env=False) as nobody:
        assert [answer.status_code for answer in each(nobody, rule, "0" * 24)] == [401] * 6
    assert rule in paged(http, URL, "rules")
    http.delete(URL + rule)


def test_organizations_see_nothing_of_each_other(api: Running, http: httpx.Client) -> None:
    """Neither by their own address nor by the other's; a colleague sees, and deletes."""
    rule = created(http)["id"]
    converse(http, "a funeral")
    (found,) = ended(http, rule, 1)
    with signed_in(api, api.another("other"), "other") as client:
        answers = each(client, rule, found["id"])
        assert [answer.status_code for answer in answers] == [201, 200, 404, 404, 404, 404]
        assert [one["id"] for one in answers[1].json()["rules"]] == [answers[0].json()["id"]]
        assert client.get(URL, params={"continuation_token": rule}).status_code == 422
        client.delete(URL + answers[0].json()["id"])
        client.base_url = http.base_url
        assert [answer.status_code for answer in each(client, rule, found["id"])] == [403] * 6
    with signed_in(api, api.another()) as colleague:
        answers = each(colleague, rule, found["id"])
        assert [answer.status_code for answer in answers] == [201, 200, 200, 200, 409, 204]
        http.delete(URL + answers[0].json()["id"])


@pytest.mark.parametrize(("id", "status"), [("0" * 24, 404), ("A" * 24, 422), ("x", 422)])
def test_rules_that_are_not_there(http: httpx.Client, id: str, status: int) -> None:
    """404, and 422 for what cannot be an id."""
    answers = each(http, id, "0" * 24)
    http.delete(URL + answers[0].json()["id"])
    assert [answer.status_code for answer in answers[2:]] == [status] * 4
    rule = created(http)["id"]
    url = f"{URL}{rule}/delivery/"
    assert http.post(f"{url}{id}/retry").status_code == status
    assert http.get(url, params={"continuation_token": id}).status_code == 422
    assert http.get(url, params={"state": "lost"}).status_code == 422
    assert http.get(url, params={"limit": 101}).status_code == 422
    http.delete(URL + rule)


def test_too_many_requests(sqlite_url: str, tmp_path: Path) -> None:
    """429 with when to come back: changing is counted together, reading apart; both are settings."""
    with served(tmp_path, sqlite_url, rates={"rule_change": 1, "rule_read": 1}) as api, signed_in(api, api.key) as http:
        rule = created(http)["id"]
        assert http.get(URL).status_code == 200
        for answer in each(http, rule, "0" * 24):
            assert answer.status_code == 429
            assert 1 <= int(answer.headers["Retry-After"]) <= 60


def test_maintenance(sqlite_url: str, tmp_path: Path) -> None:
    """503 while the file exists; afterwards all is there."""
    with served(tmp_path, sqlite_url) as api, signed_in(api, api.key) as http:
        rule = created(http)["id"]
        Path(api.config.maintenance_file).touch()
        assert [answer.status_code for answer in each(http, rule, "0" * 24)] == [503] * 6
        Path(api.config.maintenance_file).unlink()
        assert paged(http, URL, "rules") == [rule]


def test_a_database_that_is_gone(tmp_path: Path) -> None:
    """503 until it is back; then what was triggered is delivered, as if nothing had been."""
    with (
        running_server() as server,
        receiving(status(503)) as receiver,
        served(tmp_path, server.url, webhook_hosts=[receiver.host]) as api,
        signed_in(api, api.key) as http,
    ):
        rule = created(http, url=receiver.url)["id"]
        server.stop()
        assert [answer.status_code for answer in each(http, rule, "0" * 24)] == [503] * 6
        server.start()
        converse(http, "a funeral")
        (found,) = ended(http, rule, 1)
        assert found["state"] == "delivered"
