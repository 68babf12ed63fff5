"""Dynamic behavior sets: stored, versioned, listed in pages, the same on SQLite and PostgreSQL."""

import contextlib
import copy
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pydantic
import pytest
from alembic import command
from amigo_sdk.generated.model import (
    DynamicBehaviorSetCreateDynamicBehaviorSetResponse,
    DynamicBehaviorSetCreateDynamicBehaviorSetVersionRequest,
    DynamicBehaviorSetCreateDynamicBehaviorSetVersionResponse,
    DynamicBehaviorSetGetDynamicBehaviorSetVersionsResponse,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from postgres_server import running_server
from service_helpers import SERVICE, NewUrl, Service, Worker, interaction, set_up, together
from service_rig import SERVICE as DESK
from service_rig import Running, a_config, running, signed_in
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from stopgap.engine.service._wire import first_key
from stopgap.engine.service.behaviors._forms import VersionRequest
from stopgap.engine.service.behaviors._versionquery import parsed_range
from stopgap.engine.service.identity import Permission
from stopgap.engine.service.storage import (
    Accounts,
    BehaviorSets,
    BehaviorVersions,
    Conversations,
    Database,
    History,
    Leases,
    NewBehavior,
    NewConversation,
    NewSet,
    NotFoundError,
    NotNextError,
    SchemaError,
    VersionRange,
    new_id,
)
from stopgap.engine.service.storage import _schema as schema
from stopgap.fillers import ConfigError, UsageError

pytest_plugins = ("service_databases",)

INSTRUCTION = {"type": "inject-instruction", "instruction": "Be brief.", "overrides_instructions": True}
TOOL = {
    "tool_name": "the lookup",
    "tool_id": "0123456789abcdef01234567",
    "version_constraint": ">=1.2, <2",
    "additional_instruction": "Look it up.",
    "audio_fillers": ["Let me look.", "One moment."],
    "audio_filler_triggered_after": 1.5,
    "result_persistence": "persisted-preferred",
}
TOOLS = {"type": "change-tool-candidates", "tool_call_specs": [TOOL], "overrides_existing_tool_call_specs": False}
BODY: dict[str, Any] = {"conversation_triggers": ["a bill", "an invoice"], "actions": [INSTRUCTION, TOOLS]}
NAMED: dict[str, Any] = {
    "name": "billing", "tags": {"team": None}, "applied_to_services": [DESK],
    "initial_version": {"is_active": True, **BODY},
}  # fmt: skip
URL = "/dynamic_behavior_set/"
COUNTS = (1, 2, 10, 11, 23)


@pytest.fixture
def behaviors(service: Service) -> BehaviorVersions:
    return BehaviorVersions(service.database)


@pytest.fixture(scope="module")
def stocked(new_url: NewUrl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, dict[int, str]]]:
    """A database, and by their number of versions the sets in it."""
    for service in set_up(new_url(tmp_path_factory.mktemp("stocked"))):
        yield service, {count: stored_set(service, count) for count in COUNTS}


@pytest.fixture(scope="module")
def api(new_url: NewUrl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("service")
    with running(a_config(folder, new_url(folder))) as found:
        yield found


@pytest.fixture(scope="module")
def http(api: Running) -> Iterator[httpx.Client]:
    with signed_in(api, api.key) as client:
        yield client


def stored_set(service: Service, count: int) -> str:
    """Return the id of a new set of so many versions, each of whose triggers tells its number."""
    behaviors = BehaviorVersions(service.database)
    first = behaviors.create(service.organization, NewSet("a set"), NewBehavior(("1",)), creator=service.user.id)
    for number in range(2, count + 1):
        behaviors.add(service.organization, first.set, NewBehavior((str(number),)), creator=service.user.id)
    return first.set


def created(http: httpx.Client, count: int = 1) -> str:
    """Return the URL of the versions of a new set that has so many."""
    answer = http.post(URL, json=NAMED)
    assert answer.status_code == 201, answer.text
    found = DynamicBehaviorSetCreateDynamicBehaviorSetResponse.model_validate(answer.json())
    url = f"{URL}{found.dynamic_behavior_set_id}/version/"
    for number in range(2, count + 1):
        assert added(http, url) == number
    return url


def added(http: httpx.Client, url: str, **query: Any) -> int:
    """Return the number of a new version."""
    answer = http.post(url, json=BODY, params=query)
    assert answer.status_code == 201, answer.text
    return DynamicBehaviorSetCreateDynamicBehaviorSetVersionResponse.model_validate(answer.json()).new_version_number


def listed(http: httpx.Client, url: str, **query: Any) -> DynamicBehaviorSetGetDynamicBehaviorSetVersionsResponse:
    answer = http.get(url, params=query)
    assert answer.status_code == 200, answer.text
    return DynamicBehaviorSetGetDynamicBehaviorSetVersionsResponse.model_validate(answer.json())


def paged(http: httpx.Client, url: str, **query: Any) -> list[int]:
    """Return the numbers on all pages."""
    numbers: list[int] = []
    while True:
        page = listed(http, url, **query)
        numbers += [one.version for one in page.dynamic_behavior_set_versions]
        assert (page.continuation_token is not None) == page.has_more
        if page.continuation_token is None:
            return numbers
        query["continuation_token"] = page.continuation_token


# Storage -----------------------------------------------------------------------------------------------------------


def test_a_set_comes_with_its_first_version(service: Service, behaviors: BehaviorVersions) -> None:
    """What was stored comes back, whatever characters it has; what no database takes becomes U+FFFD."""
    said = NewBehavior(("naïve 😀", "'; DROP TABLE behavior_sets; --", "\x00"), (INSTRUCTION, TOOLS))
    first = behaviors.create("org_1", NewSet("a set"), said, creator=service.user.id)
    assert (first.number, first.organization, first.creator) == (1, "org_1", service.user.id)
    assert first.created_at == service.hands.at
    assert first.conversation_triggers == ("naïve 😀", "'; DROP TABLE behavior_sets; --", "\ufffd")
    assert first.actions == (INSTRUCTION, TOOLS)
    assert behaviors.versions("org_1", first.set).versions == (first,)
    second = behaviors.add("org_1", first.set, NewBehavior(("x",)), creator=service.user.id, number=2)
    assert behaviors.versions("org_1", first.set).versions == (first, second)  # the first one is as it was


def test_numbers_have_no_gaps(service: Service, behaviors: BehaviorVersions) -> None:
    """A version that was to get another number than the next one is not stored, nor is that number lost."""
    found = stored_set(service, 2)
    for number in (-1, 0, 1, 2, 4, 10**30):
        with pytest.raises(NotNextError, match=r"the next version of behavior set .* is 3; write that, or no version"):
            behaviors.add("org_1", found, NewBehavior(("x",)), creator=service.user.id, number=number)
    assert behaviors.add("org_1", found, NewBehavior(("x",)), creator=service.user.id, number=3).number == 3
    with pytest.raises(NotFoundError):
        behaviors.add("org_1", found, NewBehavior(("x",)), creator=new_id())
    assert behaviors.add("org_1", found, NewBehavior(("x",)), creator=service.user.id).number == 4


def test_processes_take_turns(service: Service, behaviors: BehaviorVersions, worker: Worker) -> None:
    """Three that add ten versions each get the numbers 2 to 31, each once."""
    found = stored_set(service, 1)
    said = together([worker("behave", service.url, "org_1", found, service.user.id, 10) for _ in range(3)])
    assert sorted(int(number) for out in said for number in out.split()) == list(range(2, 32))
    assert behaviors.versions("org_1", found, VersionRange(None, None)).versions[0].number == 31


@pytest.mark.parametrize("id", ["", "\x00", "\ud800", "x" * 100_000, "'", "A" * 24, "0" * 24])
def test_any_text_may_be_asked_for(service: Service, behaviors: BehaviorVersions, id: str) -> None:
    """What is nobody's id, or no id at all, is not found, in any place of any call; nor is another organization's."""
    found, said, user = stored_set(service, 1), NewBehavior(("x",)), service.user.id
    service.accounts.add_organization("org_2")
    stranger = service.accounts.add_user("org_2", []).id
    calls: list[Callable[[], object]] = [
        lambda: behaviors.create("org_1", NewSet("a set"), said, creator=id),
        lambda: behaviors.create("org_1", NewSet("a set"), said, creator=stranger),
        lambda: behaviors.add("org_1", id, said, creator=user),
        lambda: behaviors.add("org_1", found, said, creator=id),
        lambda: behaviors.add("org_1", found, said, creator=stranger),
        lambda: behaviors.versions("org_1", id),
    ]
    for organization in (id, "org_2"):
        calls += [
            lambda name=organization: behaviors.create(name, NewSet("a set"), said, creator=user),  # type: ignore[misc]
            lambda name=organization: behaviors.add(name, found, said, creator=user),  # type: ignore[misc]
            lambda name=organization: behaviors.versions(name, found),  # type: ignore[misc]
        ]
    for call in calls:
        with pytest.raises(NotFoundError):
            call()
    assert [one.number for one in behaviors.versions("org_1", found).versions] == [1]


def test_what_is_stored_is_bounded(service: Service, behaviors: BehaviorVersions) -> None:
    """Too much, or of the wrong form, is refused before a database is asked."""
    makes: list[tuple[Callable[[], object], str]] = [
        (lambda: NewBehavior(()), "0 conversation triggers: write 1 to 50"),
        (lambda: NewBehavior(("x",) * 51), "51 conversation triggers"),
        (lambda: NewBehavior(("x", "")), "a conversation trigger is empty"),
        (lambda: NewBehavior(("x" * 200_001,)), "conversation trigger has 200001 characters"),
        (lambda: NewBehavior(("x" * 100_000,) * 50), "bytes as JSON"),
        (lambda: NewBehavior(("x",), ({"x": float("nan")},)), "actions cannot be written as JSON"),
        (lambda: NewSet(""), "has no name"),
        (lambda: behaviors.versions("org_1", new_id(), limit=11), "write 1 to 10"),
        (lambda: behaviors.versions("org_1", new_id(), limit=0), "write 1 to 10"),
    ]
    for make, says in makes:
        with pytest.raises(UsageError, match=says):
            make()


RANGES = st.builds(VersionRange, st.none() | st.integers(1, 30), st.none() | st.integers(1, 30))


def wanted_of(numbers: range, wanted: VersionRange) -> list[int]:
    """Return which of *numbers* are *wanted*: the model."""
    lower = numbers[-1] if wanted.lower is None else wanted.lower
    upper = numbers[-1] if wanted.upper is None else wanted.upper
    return [number for number in numbers if lower <= number <= upper]


@settings(max_examples=150, deadline=None)
@given(count=st.sampled_from(COUNTS), wanted=RANGES, down=st.booleans(), limit=st.integers(1, 10))
def test_pages_are_the_plain_list(
    stocked: tuple[Service, dict[int, str]], count: int, wanted: VersionRange, down: bool, limit: int
) -> None:
    """Any range, in either order, in pages of any size: one after the other they are what a plain list would be."""
    service, sets = stocked
    model = wanted_of(range(1, count + 1), wanted)
    if down:
        model.reverse()
    after = 0
    for start in range(0, max(1, len(model)), limit):
        page = BehaviorVersions(service.database).versions(
            "org_1", sets[count], wanted, newest_first=down, after=after, limit=limit
        )
        assert [one.number for one in page.versions] == model[start : start + limit]
        assert [one.conversation_triggers for one in page.versions] == [(str(one.number),) for one in page.versions]
        assert page.has_more == (start + limit < len(model))
        after = page.versions[-1].number if page.versions else 0


@pytest.mark.parametrize("down", [False, True])
@settings(max_examples=20, deadline=None)
@given(begun=st.integers(1, 8), meanwhile=st.lists(st.integers(0, 3), max_size=6), limit=st.integers(1, 3))
def test_versions_that_come_while_somebody_pages(
    stocked: tuple[Service, dict[int, str]], down: bool, begun: int, meanwhile: list[int], limit: int
) -> None:
    """None is shown twice, none is left out: upwards the new ones come last, downwards they are not shown."""
    service, _ = stocked
    found, behaviors = stored_set(service, begun), BehaviorVersions(service.database)
    comes, count = iter(meanwhile), begun
    seen: list[int] = []
    while True:
        page = behaviors.versions("org_1", found, newest_first=down, after=seen[-1] if seen else 0, limit=limit)
        seen += [one.number for one in page.versions]
        if not page.has_more:
            break
        for _ in range(next(comes, 0)):
            count = behaviors.add("org_1", found, NewBehavior(("x",)), creator=service.user.id).number
    assert seen == (list(range(begun, 0, -1)) if down else list(range(1, count + 1)))


# Queries -----------------------------------------------------------------------------------------------------------


@given(lower=st.integers(1, 999_999_999), upper=st.integers(1, 999_999_999))
def test_ranges_are_read(lower: int, upper: int) -> None:
    """Numbers, the latest, and ranges whose bounds are the right way round."""
    assert parsed_range(str(lower)) == VersionRange(lower, lower)
    assert parsed_range("latest") == VersionRange(None, None)
    assert parsed_range(f"{lower}-latest") == VersionRange(lower, None)
    if upper >= lower:
        assert parsed_range(f"{lower}-{upper}") == VersionRange(lower, upper)
    else:
        with pytest.raises(UsageError, match=f"the upper bound is below the lower one; write {upper}-{lower}"):
            parsed_range(f"{lower}-{upper}")


WRONG = [
    "", "0", "-1", "01", "1.0", "+1", " 1", "1 ", "1\n", "abc", "Latest", "latest-3", "latest-latest", "0-3", "1-",
    "-", "1-2-3", "1--2", "1–2", "1,2", "1-0", "²", "١", "1000000000", "1-9999999999", "x" * 5000,
]  # fmt: skip


@given(version=st.sampled_from(WRONG) | st.text(alphabet="0latesx-+ .", max_size=8))
def test_what_is_no_range_is_told_what_is_one(version: str) -> None:
    """In one short sentence."""
    if version == "latest":
        return
    with pytest.raises(UsageError, match=r"write a number from 1, latest, or a range such as 2-5 or 1-latest$") as told:
        parsed_range(version)
    assert len(str(told.value)) < 200


@given(keys=st.lists(st.sampled_from(["+version", "-version"]), max_size=5))
def test_the_first_key_sorts(keys: list[str]) -> None:
    """There are no ties that another one could break."""
    assert first_key(keys, "version") == (keys[0] if keys else None)
    for wrong in ("version", " version", "+created_at", "", "-version ", "--version"):
        with pytest.raises(UsageError, match=r"write \+version, in a URL as %2Bversion, or -version$"):
            first_key([*keys, wrong], "version")


# The API -----------------------------------------------------------------------------------------------------------


def test_versions_are_what_the_sdk_expects(api: Running, http: httpx.Client) -> None:
    """With all keys of the form, times with a time zone, and actions as they were sent."""
    url = created(http)
    sent = DynamicBehaviorSetCreateDynamicBehaviorSetVersionRequest.model_validate(
        {"conversation_triggers": ["  a refund\n"], "actions": [TOOLS]}
    )
    answer = http.post(url, json=sent.model_dump(mode="json"), params={"version": 2})
    assert answer.json() == {"new_version_number": 2}
    assert answer.headers["X-RateLimit-Limit"] == "10000"
    answer = http.get(url)
    assert answer.headers["X-RateLimit-Limit"] == "10000"
    found = answer.json()
    assert found.keys() == {"dynamic_behavior_set_versions", "has_more", "continuation_token"}
    first, second = found["dynamic_behavior_set_versions"]
    assert first.keys() == {
        "_id", "org_id", "created_at", "updated_at", "dynamic_behavior_set_id", "version", "conversation_triggers",
        "actions", "creator", "fillers", "limits", "costs",
    }  # fmt: skip
    assert (first["version"], first["org_id"]) == (1, "acme")
    assert first["creator"] == {"org_id": "acme", "user_id": api.user}
    assert url == f"{URL}{first['dynamic_behavior_set_id']}/version/"
    assert first["conversation_triggers"] == BODY["conversation_triggers"]
    assert first["actions"] == BODY["actions"]
    assert second["conversation_triggers"] == ["a refund"]
    assert second["actions"] == [TOOLS]
    assert len({first["_id"], second["_id"], first["dynamic_behavior_set_id"]}) == 3
    page = listed(http, url).dynamic_behavior_set_versions
    assert all(isinstance(one.created_at, datetime) and one.created_at.tzinfo for one in page)
    assert page[0].created_at is not None
    assert page[1].created_at is not None
    assert page[0].created_at <= page[1].created_at
    assert page[0].updated_at == page[0].created_at


@pytest.fixture(scope="module")
def long_one(http: httpx.Client) -> str:
    """The URL of the versions of a set that has 23."""
    return created(http, 23)


@pytest.mark.parametrize(
    ("version", "numbers"),
    [
        (None, range(1, 24)), ("1-latest", range(1, 24)), ("latest", [23]), ("1", [1]), ("23", [23]), ("24", []),
        ("2-5", range(2, 6)), ("3-3", [3]), ("20-99", range(20, 24)), ("22-latest", [22, 23]), ("30-latest", []),
    ],
)  # fmt: skip
@pytest.mark.parametrize("down", [False, True])
def test_versions_are_chosen(
    http: httpx.Client, long_one: str, version: str | None, numbers: list[int], down: bool
) -> None:
    """A number, a range with both its bounds, the latest; what is not there is not in the answer."""
    query: dict[str, Any] = {"version": version} if version is not None else {}
    if down:
        query["sort_by"] = "-version"
    assert paged(http, long_one, **query) == sorted(numbers, reverse=down)


@settings(max_examples=25, deadline=None)
@given(
    lower=st.integers(1, 25), more=st.none() | st.integers(0, 25), limit=st.integers(1, 10),
    keys=st.lists(st.sampled_from(["+version", "-version"]), max_size=3),
)  # fmt: skip
def test_pages_over_http_are_the_plain_list(
    http: httpx.Client, long_one: str, lower: int, more: int | None, limit: int, keys: list[str]
) -> None:
    """Any range in any order in pages of any size."""
    upper = 23 if more is None else lower + more
    version = f"{lower}-{'latest' if more is None else upper}"
    model = [number for number in range(1, 24) if lower <= number <= upper]
    if keys[:1] == ["-version"]:
        model.reverse()
    assert paged(http, long_one, version=version, limit=limit, sort_by=keys) == model


def test_a_page_has_ten_unless_told_otherwise(http: httpx.Client, long_one: str) -> None:
    """The token is there only if there is more."""
    page = listed(http, long_one)
    assert ([one.version for one in page.dynamic_behavior_set_versions], page.has_more, page.continuation_token) == (
        list(range(1, 11)), True, 10,
    )  # fmt: skip
    page = listed(http, long_one, continuation_token=20, limit=3)
    assert ([one.version for one in page.dynamic_behavior_set_versions], page.has_more, page.continuation_token) == (
        [21, 22, 23], False, None,
    )  # fmt: skip


def test_a_version_that_comes_while_somebody_pages(http: httpx.Client) -> None:
    """Downwards it moves nothing, upwards it comes last."""
    url = created(http, 4)
    down, up = ({"limit": 2, "sort_by": key} for key in ("-version", "+version"))
    pages = [listed(http, url, **query) for query in (down, up)]
    assert added(http, url) == 5
    for page, query, rest in zip(pages, (down, up), ([2, 1], [3, 4, 5]), strict=True):
        assert paged(http, url, **query, continuation_token=page.continuation_token) == rest


def test_two_creators_at_once(api: Running, http: httpx.Client) -> None:
    """Each gets a number of its own; of those that name the same one, one gets it, and the others are told 400."""
    url = created(http)
    with signed_in(api, api.another()) as other, ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(added, client, url) for _ in range(4) for client in (http, other)]
        assert sorted(one.result() for one in asked) == list(range(2, 10))
        named = [threads.submit(client.post, url, json=BODY, params={"version": 10}) for client in (http, other)]
        answers = sorted((one.result() for one in named), key=lambda answer: answer.status_code)
    assert [answer.status_code for answer in answers] == [201, 400]
    assert "is 11; write that, or no version" in answers[1].json()["message"]
    assert paged(http, url) == list(range(1, 11))


def edited(path: str, value: Any) -> dict[str, Any]:
    """Return the body of a version with another value at *path*; ``...``: with nothing there."""
    body = copy.deepcopy(BODY)
    at: Any = body
    *names, last = [int(name) if name.isdigit() else name for name in path.split(".")]
    for name in names:
        at = at[name]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return body


SPEC = "actions.1.tool_call_specs.0."
EDITS = [
    *((path, ...) for path in ("conversation_triggers", "actions", *(f"actions.0.{name}" for name in INSTRUCTION))),
    *((f"actions.1.{name}", ...) for name in TOOLS),
    *((SPEC + name, ...) for name in TOOL),
    *((f"{SPEC}{name}", None) for name in TOOL),
    ("conversation_triggers", []), ("conversation_triggers", [""]), ("conversation_triggers", ["x"] * 50),
    ("conversation_triggers", ["x"] * 51), ("conversation_triggers", "x"), ("conversation_triggers.0", 1),
    ("actions", []), ("actions", [INSTRUCTION] * 60), ("actions.0.type", "sing"), ("actions.0.instruction", ""),
    ("actions.1.tool_call_specs", []), ("actions.1.tool_call_specs", [TOOL] * 30), ("actions.0.more", 1),
    (SPEC + "tool_name", ""), (SPEC + "tool_id", "A" * 24), (SPEC + "tool_id", "a" * 23),
    (SPEC + "additional_instruction", ""), (SPEC + "version_constraint", ""), (SPEC + "version_constraint", "==1.*"),
    (SPEC + "version_constraint", "~=1.4.2,!=1.4.5 , >=1!2.0rc1+local"),
    (SPEC + "audio_fillers", []), (SPEC + "audio_fillers", ["x"] * 5), (SPEC + "audio_fillers", ["x"] * 6),
    (SPEC + "audio_fillers", [""]), (SPEC + "audio_filler_triggered_after", 0),
    (SPEC + "audio_filler_triggered_after", -1), (SPEC + "audio_filler_triggered_after", 0.001),
    (SPEC + "audio_filler_triggered_after", 10), (SPEC + "audio_filler_triggered_after", 10.01),
    (SPEC + "result_persistence", "ephemeral"), (SPEC + "result_persistence", "persisted"),
    (SPEC + "result_persistence", "forever"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value"), EDITS)
def test_bodies_are_held_to_the_sdks_bounds(path: str, value: Any) -> None:
    """What the SDK's model refuses is refused, and what it takes is taken, field by field."""
    body = edited(path, value)

    def takes(model: type[pydantic.BaseModel]) -> bool:
        try:
            model.model_validate(body)
        except pydantic.ValidationError:
            return False
        return True

    assert takes(VersionRequest) == takes(DynamicBehaviorSetCreateDynamicBehaviorSetVersionRequest)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("conversation_triggers", [" \t"]), ("actions.0.instruction", "\n"),
        ("actions.0.overrides_instructions", "yes"),
        (SPEC + "audio_fillers", [" "]), (SPEC + "version_constraint", "newest"),
        (SPEC + "version_constraint", ">=1,"), (SPEC + "audio_filler_triggered_after", "2"),
        ("actions.0.instruction", "x" * 100_001),
    ],
)  # fmt: skip
def test_bodies_that_the_api_itself_would_refuse(http: httpx.Client, path: str, value: Any) -> None:
    """Blank texts, what is no constraint, and what is of another type; with the field's place, and nothing stored."""
    url = created(http)
    answer = http.post(url, json=edited(path, value))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"][1] == path.split(".")[0]
    assert paged(http, url) == [1]


@pytest.mark.parametrize("changes", [{"name": ""}, {"name": " "}, {"name": None}, {"initial_version": BODY}])
def test_sets_that_are_not_well_formed(http: httpx.Client, changes: dict[str, Any]) -> None:
    """422, as for their versions."""
    assert http.post(URL, json={**NAMED, **changes}).status_code == 422
    assert http.post(URL, json=BODY).status_code == 422
    assert http.post(URL, content=b"{", headers={"Content-Type": "application/json"}).status_code == 422


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"version": "latest-3"}, "version 'latest-3': write a number from 1, latest, or a range such as"),
        ({"version": "5-2"}, "the upper bound is below the lower one; write 2-5"),
        ({"version": ""}, "write a number from 1"),
        ({"limit": 0}, "query.limit"),
        ({"limit": 11}, "query.limit"),
        ({"limit": "x"}, "query.limit"),
        ({"continuation_token": "x"}, "query.continuation_token"),
        ({"continuation_token": -1}, "query.continuation_token"),
        ({"continuation_token": 10**30}, "query.continuation_token"),
        ({"sort_by": "version"}, "write +version"),
        ({"sort_by": ["+version", "created_at"]}, "sort_by 'created_at': write +version"),
    ],
)
def test_queries_are_told_what_is_wrong(http: httpx.Client, long_one: str, query: dict[str, Any], says: str) -> None:
    """One sentence; a plus sign that is no %2B is a space, which the sentence is of help with."""
    answer = http.get(long_one, params=query)
    assert answer.status_code == 422
    assert says in answer.json()["message"]
    plain = http.get(f"{long_one}?sort_by=+version")
    assert (plain.status_code, "in a URL as %2Bversion" in plain.json()["message"]) == (422, True)


@pytest.mark.parametrize(("version", "status"), [(1, 422), (0, 422), ("x", 422), (3, 400), (10**30, 400)])
def test_numbers_that_are_not_the_next_one(http: httpx.Client, version: Any, status: int) -> None:
    """The first one is the set's, and none is left out."""
    url = created(http)
    answer = http.post(url, json=BODY, params={"version": version})
    assert answer.status_code == status
    assert answer.json()["message"]
    assert added(http, url, version=2) == 2


def each(http: httpx.Client, url: str) -> list[httpx.Response]:
    """Return the answers of the three endpoints, of which one creates a set."""
    return [http.post(URL, json=NAMED), http.post(url, json=BODY), http.get(url)]


def test_permissions_are_needed(api: Running, http: httpx.Client) -> None:
    """One to read, another one to write; the answer names the one that is missing. Without a token: 401."""
    url = created(http)
    reads = frozenset({Permission.GET_DYNAMIC_BEHAVIOR_INSTRUCTION})
    writes = frozenset({Permission.UPDATE_DYNAMIC_BEHAVIOR_INSTRUCTION})
    for permissions, statuses in ((reads, [403, 403, 200]), (writes, [201, 201, 403])):
        with signed_in(api, api.another(permissions=permissions)) as other:
            answers = each(other, url)
        assert [answer.status_code for answer in answers] == statuses
        missing = "DynamicBehaviorInstruction:" + ("Update" if permissions is reads else "Get")
        assert all(missing in answer.json()["message"] for answer in answers if answer.status_code == 403)
    with httpx.Client(base_url=http.base_url, trust_env=False) as nobody:
        assert [answer.status_code for answer in each(nobody, url)] == [401, 401, 401]
    assert paged(http, url) == [1, 2]


def test_organizations_see_nothing_of_each_other(api: Running, http: httpx.Client) -> None:
    """Neither by their own address nor by the other's; a colleague sees, and adds."""
    url = created(http)
    stranger = api.another("other")
    with signed_in(api, stranger, "other") as client:
        assert [answer.status_code for answer in each(client, url)] == [201, 404, 404]
        client.base_url = http.base_url
        assert [answer.status_code for answer in each(client, url)] == [403, 403, 403]
        client.headers["X-ORG-ID"] = "other"
        assert [answer.status_code for answer in each(client, url)] == [403, 403, 403]
    assert paged(http, url) == [1]
    with signed_in(api, api.another()) as colleague:
        assert [answer.status_code for answer in each(colleague, url)] == [201, 201, 200]


@pytest.mark.parametrize(("id", "status"), [("0" * 24, 404), ("A" * 24, 422), ("x", 422)])
def test_sets_that_are_not_there(http: httpx.Client, id: str, status: int) -> None:
    """404, and 422 for what cannot be an id."""
    assert [answer.status_code for answer in each(http, f"{URL}{id}/version/")[1:]] == [status, status]


def test_other_methods_are_told_which_there_are(http: httpx.Client, long_one: str) -> None:
    """All of them, where two endpoints share a path."""
    answers = [http.delete(URL), http.delete(long_one), http.options(long_one)]
    assert [answer.status_code for answer in answers] == [405, 405, 405]
    assert [answer.headers["Allow"] for answer in answers] == ["GET, POST", "GET, POST", "GET, POST"]


def test_too_many_requests(url: str, tmp_path: Path) -> None:
    """429 with when to come back: creating sets and versions is counted together, reading apart; both are settings."""
    rates = {"behavior_create": 2, "behavior_versions": 1}
    with running(a_config(tmp_path, url, rates=rates)) as service, signed_in(service, service.key) as client:
        versions = created(client, 2)
        assert listed(client, versions).has_more is False
        for answer in each(client, versions):
            assert answer.status_code == 429
            assert 1 <= int(answer.headers["Retry-After"]) <= 60
    with pytest.raises(ConfigError, match="behavior_read"):
        a_config(tmp_path, rates={"behavior_read": 1})


def test_maintenance(url: str, tmp_path: Path) -> None:
    """503 while the file exists; afterwards all is there."""
    config = a_config(tmp_path, url)
    with running(config) as service, signed_in(service, service.key) as client:
        versions = created(client)
        Path(config.maintenance_file).touch()
        assert [answer.status_code for answer in each(client, versions)] == [503, 503, 503]
        Path(config.maintenance_file).unlink()
        assert paged(client, versions) == [1]


def test_a_database_that_is_gone(tmp_path: Path) -> None:
    """503 until it is back."""
    with (
        running_server() as server,
        running(a_config(tmp_path, server.url)) as service,
        signed_in(service, service.key) as client,
    ):
        versions = created(client)
        server.stop()
        assert [answer.status_code for answer in each(client, versions)] == [503, 503, 503]
        server.start()
        assert paged(client, versions) == [1]


# Migration ---------------------------------------------------------------------------------------------------------


def test_the_schema_before_is_brought_up_to_date(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it holds stays, and behavior sets can be stored after that."""
    upgrade: Callable[..., object] = command.upgrade
    with monkeypatch.context() as before:
        before.setattr(command, "upgrade", lambda config, _: upgrade(config, "0001"))
        before.setattr(schema, "newest", lambda: "0001")
        Database.migrate(url)
        with contextlib.closing(Database.open(url)) as database:
            accounts = Accounts(database)
            accounts.add_organization("org_1")
            user = accounts.add_user("org_1", ["Conversation:CreateConversation"])
            lease = Leases(database).reserve("org_1", user.id)
            Conversations(database).create(lease, NewConversation(SERVICE, {"a tag": None}), interaction(1))
            told = History(database).read("org_1", lease.conversation, user=user.id)
            with database.reading() as session:
                assert session.scalar(text("SELECT version_num FROM alembic_version")) == "0001"
    with pytest.raises(SchemaError, match=r"has schema 0001, this version needs .* run `stopgap service migrate`"):
        Database.open(url)
    assert Database.migrate(url) == ("0001", schema.newest())
    with contextlib.closing(Database.open(url)) as database:
        assert Accounts(database).users("org_1") == (user,)
        assert History(database).read("org_1", lease.conversation, user=user.id) == told
        first = BehaviorVersions(database).create("org_1", NewSet("a set"), NewBehavior(("x",)), creator=user.id)
        assert BehaviorVersions(database).versions("org_1", first.set).versions == (first,)


def test_behavior_sets_of_the_schema_before_stay(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With their versions, which refer to them: sets that have decided nothing so far go on doing so."""
    upgrade: Callable[..., object] = command.upgrade
    user, stored = "a" * 24, "b" * 24
    before_that = [
        "INSERT INTO organizations (id, created_at) VALUES ('org_1', 1.0)",
        f"INSERT INTO users (id, organization_id, permissions, created_at) VALUES ('{user}', 'org_1', '[]', 1.0)",
        "INSERT INTO behavior_sets (id, organization_id, name, creator_id, created_at, version_count) "
        f"VALUES ('{stored}', 'org_1', 'a set', '{user}', 2.0, 1)",
        "INSERT INTO behavior_versions (id, set_id, number, conversation_triggers, actions, creator_id, created_at) "
        f"VALUES ('{'c' * 24}', '{stored}', 1, '[\"x\"]', '[]', '{user}', 2.0)",
    ]
    with monkeypatch.context() as before:
        before.setattr(command, "upgrade", lambda config, _: upgrade(config, "0002"))
        before.setattr(schema, "newest", lambda: "0002")
        Database.migrate(url)
        with contextlib.closing(Database.open(url)) as database, database.changing() as connection:
            for statement in before_that:
                connection.execute(text(statement))
    assert Database.migrate(url) == ("0002", schema.newest())
    with contextlib.closing(Database.open(url)) as database:
        (found,) = BehaviorSets(database).all("org_1")
        assert (found.id, found.is_active, found.shares, found.services) == (stored, False, None, ())
        assert (found.updated_by, found.updated_at, found.version_count) == (user, 2.0, 1)
        (version,) = BehaviorVersions(database).versions("org_1", stored).versions
        assert (version.conversation_triggers, version.changes) == (("x",), {})
        with pytest.raises(IntegrityError), database.changing() as connection:  # references are looked at again
            connection.execute(text("DELETE FROM behavior_sets"))


def test_a_migration_that_leaves_rows_without_what_they_refer_to(tmp_path: Path) -> None:
    """SQLite does not look while tables are made anew: it is looked at in the end, and nothing has happened then."""
    url = f"sqlite:///{tmp_path / 'service.db'}"
    Database.migrate(url)
    with contextlib.closing(sqlite3.connect(tmp_path / "service.db")) as base, base:
        base.execute(
            f"INSERT INTO users (id, organization_id, permissions, created_at) VALUES ('{'a' * 24}', 'x', 1, 1)"
        )
    with pytest.raises(SchemaError, match="rows of users refer to organizations that there are not"):
        Database.migrate(url)
