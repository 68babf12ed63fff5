"""Stored behavior sets: listed, changed, and in force in the very turn; dealt to conversations by shares."""

import asyncio
import gc
import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from amigo_sdk.generated.model import (
    DynamicBehaviorSetCreateDynamicBehaviorSetRequest,
    DynamicBehaviorSetGetDynamicBehaviorSetsResponse,
    DynamicBehaviorSetUpdateDynamicBehaviorSetRequest,
)
from service_helpers import NewUrl, Service
from service_rig import SERVICE, Running, a_config, running, signed_in
from stopgap.engine.service.behaviors._stored import FRESH_S, StoredBehaviors
from stopgap.engine.service.identity import Permission
from stopgap.engine.service.storage import (
    BehaviorSets,
    BehaviorVersions,
    Database,
    History,
    NewBehavior,
    NewSet,
    _behaviorsets,
    _conditions,
)
from stopgap.fillers import Behavior, ClipBank, dealt, load_config

pytest_plugins = ("service_databases",)

URL = "/dynamic_behavior_set/"
GRIEF: dict[str, Any] = {
    "conversation_triggers": ["passed away"],
    "actions": [
        {"type": "inject-instruction", "instruction": "Be gentle.", "overrides_instructions": False},
        {"type": "inject-instruction", "instruction": "Be brief.", "overrides_instructions": True},
    ],
    "fillers": {"silent": True},
}
SLOW = "passed away tool=1"
"""What a user says, and what the agent of these tests does then: after 0.5 s of it a filler is due."""


@pytest.fixture(scope="module")
def api(new_url: NewUrl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("service")
    with running(a_config(folder, new_url(folder))) as found:
        yield found


@pytest.fixture
def http(api: Running) -> Iterator[httpx.Client]:
    with signed_in(api, api.key) as client:
        yield client


def new_set(http: httpx.Client, **version: Any) -> str:
    body = {
        "name": "grief", "tags": {"team": "care"}, "applied_to_services": [SERVICE],
        "initial_version": {"is_active": True, **GRIEF, **version},
    }  # fmt: skip
    # its models cannot read their own tags
    DynamicBehaviorSetCreateDynamicBehaviorSetRequest.model_validate({**body, "tags": {}})
    answer = http.post(URL, json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["dynamic_behavior_set_id"])


def changed(http: httpx.Client, set: str, **changes: Any) -> None:
    DynamicBehaviorSetUpdateDynamicBehaviorSetRequest.model_validate(changes)
    answer = http.post(f"{URL}{set}/", json=changes)
    assert (answer.status_code, answer.content) == (204, b""), answer.text
    assert "X-RateLimit-Remaining" in answer.headers


def listed(http: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    """Return all sets, page by page, each page as the SDK's model takes it."""
    found: list[dict[str, Any]] = []
    token: int | None = 0
    while token is not None:
        answer = http.get(URL, params={**query, "continuation_token": token})
        assert answer.status_code == 200, answer.text
        page = DynamicBehaviorSetGetDynamicBehaviorSetsResponse.model_validate(answer.json())
        assert page.has_more == (page.continuation_token is not None)
        found += answer.json()["dynamic_behavior_sets"]
        token = page.continuation_token
    return found


def said(http: httpx.Client, text: str = SLOW) -> tuple[list[dict[str, Any]], str]:
    """Begin a conversation with *text*, finish it, and return its actions and its id."""
    body = {"service_id": SERVICE, "initial_message": text, "initial_message_type": "user-message"}
    answer = http.post("/conversation/", params={"response_format": "text"}, json=body)
    events = [json.loads(line) for line in answer.text.splitlines()]
    assert events[-1]["type"] == "interaction-complete", events
    http.post(f"/conversation/{events[0]['conversation_id']}/finish/").raise_for_status()
    actions = [event["action"] for event in events if event["type"] == "current-agent-action"]
    return actions, events[0]["conversation_id"]


def of_type(actions: list[dict[str, Any]], type: str) -> list[dict[str, Any]]:
    return [action for action in actions if action["type"] == type]


def record(api: Running, conversation: str, organization: str = "acme") -> dict[str, Any]:
    database = Database.open(api.config.database)
    try:
        (interaction,) = History(database).read(organization, conversation, user=None).interactions
    finally:
        database.close()
    assert interaction.record is not None
    return dict(interaction.record)


def test_a_stored_set_decides_in_the_very_turn(api: Running, http: httpx.Client) -> None:
    """Created, it silences the next turn that it is triggered in, is told with its version, and is in the record; its
    next version takes its place; inactive, it is as if it were not there."""
    actions, _ = said(http)
    assert len(of_type(actions, "action-too-long")) == 1
    found = new_set(http)
    actions, conversation = said(http)
    assert of_type(actions, "action-too-long") == []
    (selected,) = of_type(actions, "select-dynamic-behavior-completed")
    assert selected["selected_dynamic_behavior_set_version_info"] == [found, 1]
    assert (record(api, conversation)["behavior"], record(api, conversation)["assigned"]) == ([found, 1], [])
    assert len(of_type(said(http, "hello tool=1")[0], "action-too-long")) == 1
    louder = {**GRIEF, "fillers": {"kinds": ["hesitation"], "phrases": ["um"]}}
    assert http.post(f"{URL}{found}/version/", json=louder).json() == {"new_version_number": 2}
    (selected,) = of_type(said(http)[0], "select-dynamic-behavior-completed")
    assert selected["selected_dynamic_behavior_set_version_info"] == [found, 2]
    changed(http, found, is_active=False)
    actions, conversation = said(http)
    assert (len(of_type(actions, "action-too-long")), record(api, conversation)["behavior"]) == (1, None)


def test_a_set_applies_to_its_services_only(http: httpx.Client) -> None:
    """For others it is as if it were not there."""
    found = new_set(http)
    assert of_type(said(http, "passed away")[0], "select-dynamic-behavior-completed")
    changed(http, found, applied_to_services=[])
    assert said(http, "passed away")[0] == []


def test_conversations_are_dealt_versions(api: Running, http: httpx.Client) -> None:
    """By the hash of their id; each record names the version, whether it was triggered or not."""
    found = new_set(http)
    http.post(f"{URL}{found}/version/", json={**GRIEF, "fillers": None}).raise_for_status()
    changed(http, found, shares={"1": 0.5, "2": 0.5})
    seen = set()
    for text in ("passed away", "hello") * 4:
        actions, conversation = said(http, text)
        version = dealt({1: 0.5, 2: 0.5}, conversation, salt=found)
        assert record(api, conversation)["assigned"] == [[found, version]]
        selected = [a["selected_dynamic_behavior_set_version_info"] for a in actions]
        assert selected == ([[found, version]] if text == "passed away" else [])
        seen.add(version)
    changed(http, found, shares=None)
    assert record(api, said(http)[1])["assigned"] == []
    changed(http, found, is_active=False)


def test_sets_are_listed_and_changed(api: Running, http: httpx.Client) -> None:
    """The oldest first, in pages, by what they are; what is not said stays."""
    key = api.another("listing")
    with signed_in(api, key, "listing") as client:
        sets = [new_set(client) for _ in range(5)]
        for limit in (1, 2, 5, 50):
            assert [one["id"] for one in listed(client, limit=limit)] == sets
        changed(client, sets[1], name="other", is_active=False, shares={"1": 1.0})
        changed(client, sets[2], applied_to_services=[], tags={})
        second, third = listed(client)[1:3]
        assert second["name"] == "other"
        assert (second["tags"], second["shares"], second["version_count"]) == ({"team": "care"}, {"1": 1.0}, 1)
        assert second["updated_at"] > second["created_at"]
        assert second["updated_by"] == {"org_id": "listing", "user_id": key.user}
        assert (third["tags"], third["applied_to_services"], third["is_active"]) == ({}, [], True)
        assert [one["id"] for one in listed(client, is_active=False)] == [sets[1]]
        assert [one["id"] for one in listed(client, id=[sets[4], sets[0]])] == [sets[0], sets[4]]
        assert [one["id"] for one in listed(client, applied_to_service=SERVICE)] == [sets[0], sets[1], *sets[3:]]
    assert not {one["id"] for one in listed(http)} & set(sets)


@pytest.mark.parametrize(
    ("change", "status", "sentence"),
    [
        ({"conversation_triggers": ["/(/"]}, 422, "/(/ is no regular expression"),
        ({"conversation_triggers": ["..."]}, 422, "'...' triggers nothing"),
        ({"fillers": {"phrases": ["nobody says that"]}}, 422, "fillers.phrases[0] = 'nobody says that'"),
        ({"fillers": {"kinds": ["music"]}}, 422, "fillers.kinds"),
        ({"fillers": {"after_s": 11}}, 422, "fillers.after_s"),
        ({"fillers": {"phrase": ["nobody says that"]}}, 422, "fillers.phrase"),
        ({"limits": {"per_hour": 1}}, 422, "limits.per_hour"),
        ({"limits": {"per_turn": -1}}, 422, "limits.per_turn"),
        ({"costs": {"silence": 1.0}}, 422, "costs.silence is no cost; write one of silence_free_s, silence_slope,"),
        ({"costs": {"phrase": -1.0}}, 422, "costs.phrase = -1.0 is no cost: input should be greater than"),
    ],
)
def test_what_could_not_be_in_force_is_refused(
    http: httpx.Client, change: dict[str, Any], status: int, sentence: str
) -> None:
    """In a sentence, and nothing is stored."""
    before = listed(http)
    body = {
        "name": "x", "tags": {}, "applied_to_services": [SERVICE],
        "initial_version": {"is_active": True, **GRIEF, **change},
    }  # fmt: skip
    answers = [http.post(URL, json=body), http.post(f"{URL}{'0' * 24}/version/", json={**GRIEF, **change})]
    assert [answer.status_code for answer in answers] == [status, status]
    assert all(sentence in answer.json()["message"] for answer in answers)
    assert listed(http) == before


@pytest.mark.parametrize(
    ("change", "status", "sentence"),
    [
        ({"shares": {"1": 0.5}}, 422, "the shares add up to 0.5"),
        ({"shares": {"1": 0.5, "2": 0.5}}, 422, "there is no version 2 to deal"),
        ({"shares": {"one": 1.0}}, 422, "shares"),
        ({"shares": {"1": 1.5}}, 422, "version 1 has the share 1.5"),
        ({"shares": {}}, 422, "shares are empty"),
        ({"applied_to_services": ["0" * 24]}, 404, "there is no service"),
        ({"name": " "}, 422, "name"),
    ],
)
def test_changes_that_cannot_be(http: httpx.Client, change: dict[str, Any], status: int, sentence: str) -> None:
    """In a sentence, and nothing changes."""
    found = new_set(http, is_active=False)
    before = listed(http, id=found)
    answer = http.post(f"{URL}{found}/", json=change)
    assert answer.status_code == status, answer.text
    assert sentence in answer.json()["message"]
    assert listed(http, id=found) == before


def test_organizations_and_permissions(api: Running, http: httpx.Client) -> None:
    """Another organization neither sees, changes nor hears a set; without the permission nobody changes one."""
    found = new_set(http)
    with signed_in(api, api.another("elsewhere"), "elsewhere") as client:
        assert client.post(f"{URL}{found}/", json={"is_active": False}).status_code == 404
        assert listed(client) == []
        assert len(of_type(said(client)[0], "action-too-long")) == 1
        client.base_url = http.base_url
        assert client.post(f"{URL}{found}/", json={"is_active": False}).status_code == 403
        assert client.get(URL).status_code == 403
    reader = api.another(permissions=frozenset({Permission.GET_DYNAMIC_BEHAVIOR_INSTRUCTION}))
    with signed_in(api, reader) as client:
        assert client.post(f"{URL}{found}/", json={"is_active": False}).status_code == 403
        assert found in [one["id"] for one in listed(client)]
    with httpx.Client(base_url=http.base_url, trust_env=False) as nobody:
        assert [nobody.get(URL).status_code, nobody.post(f"{URL}{found}/", json={}).status_code] == [401, 401]
    assert of_type(said(http)[0], "action-too-long") == []
    changed(http, found, is_active=False)


def test_what_another_process_stores_is_in_force_soon(
    service: Service, bank: ClipBank, caplog: pytest.LogCaptureFixture
) -> None:
    """Versions and changes are noticed after two seconds, at once where they were made; a version that could not be in
    force here is passed by, with one warning."""
    now = 100.0
    versions, sets = BehaviorVersions(service.database), BehaviorSets(service.database)
    stored = StoredBehaviors(sets, load_config(), bank, clock=lambda: now)

    def in_force() -> dict[str, Behavior]:
        return dict(asyncio.run(stored.of("org_1", SERVICE, "0" * 24)).rules)

    def add(triggers: str, number: int | None = None, **changes: Any) -> str:
        new = NewBehavior((triggers,), tuple(GRIEF["actions"]), changes)
        if number is not None:
            return versions.add("org_1", found, new, creator=service.user.id, number=number).set
        return versions.create("org_1", NewSet("grief", (SERVICE,)), new, creator=service.user.id).set

    assert in_force() == {}
    found = add("bye")
    assert in_force() == {}
    now += FRESH_S + 0.1
    (rule,) = in_force().values()
    assert (rule.version, rule.triggers) == (1, ("bye",))
    assert (rule.instruction, rule.overrides_instructions) == ("Be gentle.\n\nBe brief.", True)
    add("hello", 2, limits={"per_turn": 1}, fillers={"kinds": ["phrase"], "after_s": 2.0})
    assert in_force()[found].version == 1
    stored.forget("org_1")
    assert in_force()[found].version == 2
    assert (in_force()[found].limits.per_turn, in_force()[found].fillers.after_s) == (1, 2.0)
    add("hello", 3, costs={"silence": 1.0})
    stored.forget("org_1")
    assert in_force() == {}
    stored.forget("org_1")
    assert in_force() == {}
    (warning,) = caplog.messages
    assert warning.startswith(f"version 3 of behavior set {found} is never in force: costs.silence is no cost; write ")


def test_what_is_changed_while_sets_are_read_is_not_overlooked(
    service: Service, bank: ClipBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has changed a set, and was answered, finds it changed: also where somebody was just reading it."""
    versions, sets = BehaviorVersions(service.database), BehaviorSets(service.database)
    stored = StoredBehaviors(sets, load_config(), bank, clock=lambda: 100.0)
    new = NewBehavior(("bye",))
    found = versions.create("org_1", NewSet("grief", (SERVICE,)), new, creator=service.user.id).set
    reads: list[int] = []
    in_force = sets.in_force

    def slow(organization: str) -> Any:
        read = in_force(organization)
        reads.append(1)
        if len(reads) == 1:  # read, and not yet taken in
            versions.add("org_1", found, new, creator=service.user.id)
            stored.forget("org_1")
        return read

    monkeypatch.setattr(sets, "in_force", slow)

    def version() -> int:
        return asyncio.run(stored.of("org_1", SERVICE, "0" * 24)).rules[found].version

    assert (version(), version(), version()) == (1, 2, 2)
    assert len(reads) == 2


def test_what_is_not_in_force_is_not_kept(service: Service, bank: ClipBank) -> None:
    """A process runs for months: it keeps the versions that it may need, not all that there ever were."""
    versions = BehaviorVersions(service.database)
    stored = StoredBehaviors(BehaviorSets(service.database), load_config(), bank)

    def kept() -> int:
        asyncio.run(stored.of("org_1", SERVICE, "0" * 24))
        gc.collect()
        return sum(type(one) is Behavior and one.triggers == ("kept or not",) for one in gc.get_objects())

    new = NewBehavior(("kept or not",))
    found = versions.create("org_1", NewSet("grief", (SERVICE,)), new, creator=service.user.id).set
    assert kept() == 1
    for number in range(2, 6):
        versions.add("org_1", found, new, creator=service.user.id, number=number)
        stored.forget("org_1")
        assert kept() == 1


def test_two_changes_at_once_are_both_kept(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one of them does not change it leaves as the other one has it, not as it was before both."""
    versions, sets = BehaviorVersions(service.database), BehaviorSets(service.database)
    found = versions.create("org_1", NewSet("old", ()), NewBehavior(("bye",)), creator=service.user.id).set
    read, may_go_on = threading.Event(), threading.Event()
    check = _conditions.check_user

    def slow(*args: Any) -> None:  # between reading and writing
        if threading.current_thread() is first:
            read.set()
            may_go_on.wait(5.0)
        check(*args)

    monkeypatch.setattr(_behaviorsets, "check_user", slow)
    first = threading.Thread(target=lambda: sets.update("org_1", found, {"name": "new"}, user=service.user.id))
    second = threading.Thread(target=lambda: sets.update("org_1", found, {"is_active": False}, user=service.user.id))
    first.start()
    assert read.wait(5.0)
    second.start()
    second.join(0.3)  # it waits for the first one, or has gone by
    may_go_on.set()
    first.join()
    second.join()
    changed = sets.one("org_1", found)
    assert (changed.name, changed.is_active) == ("new", False)
