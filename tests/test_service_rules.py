"""Rules: stored, asked for over HTTP, and written out with the interactions that they are for; on both databases."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from alembic import command
from hypothesis import given, settings
from hypothesis import strategies as st
from postgres_server import running_server
from service_helpers import SERVICE as DESK
from service_helpers import NewUrl, Service, interaction
from service_rig import SERVICE, Running, a_config, running, serving_at, signed_in
from sqlalchemy import event
from stopgap.engine.service._app import create_app
from stopgap.engine.service._settings import behavior_id
from stopgap.engine.service._triggered import triggered
from stopgap.engine.service.identity import Permission
from stopgap.engine.service.storage import (
    Accounts,
    Conversations,
    Database,
    LeaseLostError,
    Leases,
    NewConversation,
    NewRule,
    NotFoundError,
    Rules,
    enqueue,
    new_id,
)
from stopgap.engine.service.storage import _enqueuing as enqueuing
from stopgap.engine.service.storage import _schema as schema
from stopgap.fillers import UsageError
from stopgap.service import verified
from webhook_receiver import BEHAVIOR, METRIC, Counting, Office, Receiver, receiving, status

pytest_plugins = ("service_databases",)

URL = "/rule/"
GRIEF = behavior_id("grief")
FILLERS = '[behaviors.grief]\nversion = 2\ntriggers = ["funeral"]\n'


@pytest.fixture
def office(service: Service) -> Office:
    return Office(service)


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


# With the interaction ----------------------------------------------------------------------------------------------


def test_a_delivery_comes_with_its_interaction(office: Office) -> None:
    """For each rule that fits: of that behaviour, and of that version or of any; once each, however often triggered."""
    rules = {
        "any": office.rule(None, METRIC), "second": office.rule(None, METRIC, version=2),
        "third": office.rule(None, METRIC, version=3), "other": office.rule(None, METRIC, behavior="a" * 24),
    }  # fmt: skip
    assert office.triggered(1)
    both = office.triggered(2, 1, 2)
    found = {
        name: [(one.version, one.interaction == both) for one in office.deliveries.listed("org_1", rule.id).deliveries]
        for name, rule in rules.items()
    }
    assert sorted(found["any"]) == [(1, False), (2, True)]
    assert found["second"] == [(2, True)]
    assert found["third"] == found["other"] == []
    office.triggered(5, behavior="a" * 24)
    assert [one.version for one in office.deliveries.listed("org_1", rules["other"].id).deliveries] == [5]


def test_rules_are_for_what_comes_after_them(office: Office) -> None:
    """Neither what was triggered before, nor what is after their end; nor is it anything of another organization's."""
    office.triggered(1)
    rule = office.rule(None, METRIC)
    office.service.accounts.add_organization("org_2")
    stranger = office.service.accounts.add_user("org_2", []).id
    other = office.rules.create("org_2", NewRule("x", BEHAVIOR, metrics=(METRIC,)), creator=stranger)
    interaction = office.triggered(1)
    assert office.only(rule).interaction == interaction
    assert office.deliveries.listed("org_2", other.id).deliveries == ()
    office.rules.delete("org_1", rule.id)
    office.triggered(1)
    assert len(office.deliveries.listed("org_1", rule.id).deliveries) == 1


def test_no_interaction_no_delivery(office: Office) -> None:
    """They are stored together: where the lease was lost, neither is, and where rules fail, neither is."""
    rule, woken = office.rule(None, METRIC), list[bool]()
    store = Conversations(office.service.database, on_enqueued=lambda: woken.append(True))
    conversation = office.service.conversation()
    late = office.service.claim(conversation)
    office.hands.at += 100.0
    lease = office.service.claim(conversation)
    new = replace(interaction(2), behaviors=((BEHAVIOR, 1),))
    with pytest.raises(LeaseLostError):
        store.complete(late, new)
    assert (office.deliveries.listed("org_1", rule.id).deliveries, woken) == ((), [])
    stored = store.complete(lease, new)
    assert (office.only(rule).interaction, woken) == (stored.id, [True])


def test_without_a_behaviour_nothing_more_is_asked(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interaction that triggered none costs no statement; one that no rule is for costs two: which version it had is
    noted, and rules are looked up."""
    office.rule(None, METRIC, behavior="a" * 24)
    statements: list[str] = []
    engine = office.service.database._engine
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    store, conversation = office.service.conversations, office.service.conversation()
    counts = []
    for behaviors in ((), (("no id", 1),), ((BEHAVIOR, 1),), (("a" * 24, 1),)):
        lease = office.service.claim(conversation)
        statements.clear()
        store.complete(lease, replace(interaction(2), behaviors=behaviors))
        counts.append(len(statements))
    assert [count - counts[0] for count in counts] == [0, 0, 2, 3]


def test_what_agents_say_cannot_break_an_interaction(office: Office) -> None:
    """They may tell of behaviours themselves: what is no id or version is left out, and of very many the rest."""
    rule, conversation = office.rule(None, METRIC), office.service.conversation()
    many = [(f"{number:024x}", 1) for number in range(enqueuing.MOST_TRIGGERED)]
    odd = [("\x00" * 24, 1), ("\ud800", 1), ("B" * 24, 1), (BEHAVIOR, -1), (BEHAVIOR, 10**30)]
    for behaviors, count in (([*odd, (BEHAVIOR, 1)], 1), ([*many, (BEHAVIOR, 1)], 1), (odd, 1)):
        lease = office.service.claim(conversation)
        office.service.conversations.complete(lease, replace(interaction(2), behaviors=tuple(behaviors)))
        assert len(office.deliveries.listed("org_1", rule.id).deliveries) == count


def test_others_may_enqueue(office: Office) -> None:
    """Whoever stores interactions in another way, in the same transaction."""
    rule, conversation = office.rule(None, METRIC), office.service.conversation()
    stored = office.service.history.read("org_1", conversation, user=None).interactions[0].id
    with office.service.database.changing() as connection:
        assert enqueue(connection, "org_1", conversation, stored, (), now=1.0) == 0
        assert enqueue(connection, "org_1", conversation, stored, [(BEHAVIOR, 7)], now=1.0) == 1
    assert (office.only(rule).interaction, office.only(rule).version, office.only(rule).created_at) == (stored, 7, 1.0)


def test_what_was_triggered() -> None:
    """Each selection, in order, and what was in force at the end; once each."""

    def selected(info: Any) -> dict[str, Any]:
        return {"type": "select-dynamic-behavior-completed", "selected_dynamic_behavior_set_version_info": info}

    assert triggered((), None) == triggered((), {}) == triggered((), {"behavior": None}) == ()
    actions = [selected(["a" * 24, 1]), {"type": "tool-call-started"}, selected(None), selected(["b" * 24, 2])]
    assert triggered(actions, None) == (("a" * 24, 1), ("b" * 24, 2))
    assert triggered([*actions, selected(["a" * 24, 1])], {"behavior": ("grief", 2)}) == (
        ("a" * 24, 1), ("b" * 24, 2), (GRIEF, 2),
    )  # fmt: skip
    assert triggered([selected([GRIEF, 2])], {"behavior": ["grief", 2]}) == ((GRIEF, 2),)
    assert triggered([{"type": "select-dynamic-behavior-completed", "bytes_left_out": 70_000}], None) == ()


# Storage -----------------------------------------------------------------------------------------------------------


def test_rules_are_bounded(office: Office) -> None:
    """What cannot be stored, or does nothing, is refused before a database is asked; and so is the 101st."""
    makes: list[tuple[Callable[[], object], str]] = [
        (lambda: NewRule("", BEHAVIOR, metrics=(METRIC,)), "has no name"),
        (lambda: NewRule("x" * 200_001, BEHAVIOR, metrics=(METRIC,)), "name has 200001 characters"),
        (lambda: NewRule("x", "B", metrics=(METRIC,)), "an id is 24"),
        (lambda: NewRule("x", BEHAVIOR, metrics=("x",)), "an id is 24"),
        (lambda: NewRule("x", BEHAVIOR, metrics=(METRIC, METRIC)), "none of them twice"),
        (lambda: NewRule("x", BEHAVIOR, metrics=tuple(new_id() for _ in range(11))), "at most 10 metrics"),
        (lambda: NewRule("x", BEHAVIOR, 0, metrics=(METRIC,)), "write a number from 1"),
        (lambda: NewRule("x", BEHAVIOR), "does nothing; write metric_ids, url, or both"),
        (lambda: NewRule("x", BEHAVIOR, url="https://x/"), "either a URL and its host, or neither"),
    ]
    for make, says in makes:
        with pytest.raises(UsageError, match=says):
            make()
    rules = [office.rule(None, METRIC) for _ in range(100)]
    with pytest.raises(UsageError, match="org_1 has 100 rules, which is the most; delete one first"):
        office.rule(None, METRIC)
    office.rules.delete("org_1", rules[0].id)
    office.rule(None, METRIC)


@pytest.mark.parametrize("id", ["", "\x00", "\ud800", "x" * 100_000, "'", "A" * 24, "0" * 24])
def test_any_text_may_be_asked_for(office: Office, id: str) -> None:
    """What is nobody's id, or no id at all, is not found, in any place of any call; nor is another organization's."""
    rule, user = office.rule(None, METRIC), office.service.user.id
    office.triggered(1)
    delivery = office.only(rule).id
    office.service.accounts.add_organization("org_2")
    stranger = office.service.accounts.add_user("org_2", []).id
    new = NewRule("x", BEHAVIOR, metrics=(METRIC,))
    calls: list[Callable[[], object]] = [
        lambda: office.rules.create("org_1", new, creator=id),
        lambda: office.rules.create("org_1", new, creator=stranger),
        lambda: office.rules.find("org_1", id),
        lambda: office.rules.delete("org_1", id),
        lambda: office.deliveries.listed("org_1", id),
        lambda: office.deliveries.again("org_1", id, delivery),
        lambda: office.deliveries.again("org_1", rule.id, id),
    ]
    for organization in (id, "org_2"):
        calls += [
            lambda name=organization: office.rules.create(name, new, creator=user),  # type: ignore[misc]
            lambda name=organization: office.rules.find(name, rule.id),  # type: ignore[misc]
            lambda name=organization: office.rules.delete(name, rule.id),  # type: ignore[misc]
            lambda name=organization: office.deliveries.listed(name, rule.id),  # type: ignore[misc]
            lambda name=organization: office.deliveries.again(name, rule.id, delivery),  # type: ignore[misc]
        ]
    for call in calls:
        with pytest.raises(NotFoundError):
            call()
    for call in (
        lambda: office.rules.listed("org_1", after=id),
        lambda: office.rules.listed("org_2", after=rule.id),
        lambda: office.deliveries.listed("org_1", rule.id, after=id),
    ):
        with pytest.raises(UsageError, match="continuation_token is none of this list's"):
            call()
    assert office.rules.listed("org_1").rules == (rule,)


@settings(max_examples=20, deadline=None)
@given(gaps=st.lists(st.integers(0, 1), min_size=1, max_size=8), limit=st.integers(1, 4), meanwhile=st.integers(0, 2))
def test_pages_are_the_plain_list(office: Office, gaps: list[int], limit: int, meanwhile: int) -> None:
    """The newest first, none twice and none left out, whether made at the same moment or while somebody pages."""
    for rule in office.rules.listed("org_1", limit=100).rules:
        office.rules.delete("org_1", rule.id)
    rules = []
    for gap in gaps:
        office.hands.at += gap
        rules.append(office.rule(None, METRIC))
    office.hands.at += 1.0
    model = sorted(rules, key=lambda rule: (rule.created_at, rule.id), reverse=True)
    seen: list[str] = []
    while True:
        page = office.rules.listed("org_1", after=seen[-1] if seen else None, limit=limit)
        seen += [rule.id for rule in page.rules]
        if not page.has_more:
            break
        for _ in range(meanwhile):
            office.rule(None, METRIC)
    assert seen == [rule.id for rule in model]


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


def test_rules_are_told(api: Running, http: httpx.Client, receiver: Receiver) -> None:
    """As they were written, with who did it and when; the secret only where it is asked for."""
    rule = created(http, name="  grief  ", version=7, url=receiver.url, metric_ids=["2" * 24, "1" * 24])
    answer = http.get(URL, params={"limit": 1})
    assert answer.headers["X-RateLimit-Limit"] == "10000"
    (told,) = answer.json()["rules"]
    assert datetime.fromisoformat(told.pop("created_at")).tzinfo is not None
    assert told == {
        "id": rule["id"], "org_id": "acme", "name": "grief", "behavior_id": GRIEF, "version": 7,
        "metric_ids": ["2" * 24, "1" * 24], "url": receiver.url, "created_by": api.user,
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
        {"metric_ids": ...}, {"url": ""}, {"url": "https://not.allowed.example/"}, {"url": "http://127.0.0.1:1/"},
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


# Migration ---------------------------------------------------------------------------------------------------------


def test_the_schema_before_is_brought_up_to_date(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it holds stays, and rules can be stored after that."""
    upgrade: Callable[..., object] = command.upgrade
    with monkeypatch.context() as before:
        before.setattr(command, "upgrade", lambda config, _: upgrade(config, "0002"))
        before.setattr(schema, "newest", lambda: "0002")
        Database.migrate(url)
        with closing(Database.open(url)) as database:
            accounts = Accounts(database)
            accounts.add_organization("org_1")
            user = accounts.add_user("org_1", ["Conversation:CreateConversation"])
            lease = Leases(database).reserve("org_1", user.id)
            Conversations(database).create(lease, NewConversation(DESK), interaction(1))
    assert Database.migrate(url) == ("0002", schema.newest())
    with closing(Database.open(url)) as database:
        rule = Rules(database).create("org_1", NewRule("x", BEHAVIOR, metrics=(METRIC,)), creator=user.id)
        assert Rules(database).listed("org_1").rules == (rule,)
