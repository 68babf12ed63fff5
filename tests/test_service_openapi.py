"""The conversation service's description of itself, held against what it does."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
from service_helpers import NewUrl
from service_rig import SERVICE, Running, a_config, running, signed_in
from stopgap.engine.service.metrics._evaluating import builtin_id
from stopgap.engine.service.storage import History

pytest_plugins = ("service_databases",)

INSTRUCTION = {"type": "inject-instruction", "instruction": "Be brief.", "overrides_instructions": False}
VERSION = {"conversation_triggers": ["a bill"], "actions": [INSTRUCTION]}
BEHAVIOR_SET = {
    "name": "billing", "tags": {}, "applied_to_services": [SERVICE], "initial_version": {**VERSION, "is_active": True},
}  # fmt: skip
CREATE = "/conversation/?response_format=text"
POSTS = (
    "/user/signin_with_api_key",
    "/conversation/",
    "/conversation/{conversation_id}/interact",
    "/conversation/{conversation_id}/finish/",
    "/dynamic_behavior_set/",
    "/dynamic_behavior_set/{dynamic_behavior_set_id}/version/",
    "/metric/",
    "/metric/evaluate",
    "/turn/",
    "/rule/",
    "/rule/{rule_id}/delivery/{delivery_id}/retry",
)
# names that are there, lest all be refused at once; and what a schema cannot say: that a range's bounds are the wrong
# way round, which number is a set's next one, that shares add up to 1, which triggers, costs and phrases there are,
# what an expression may be, what a turn's record holds, that a rule does something, which pages, hosts and tokens there
# are, and which behaviours have versions to compare
KNOWN = """
[[operations]]
include-name = "GET /v1/{organization}/conversation/"
parameters = {"path.organization" = "acme"}
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "422", "429"]

[[operations]]
include-name = "GET /v1/{organization}/conversation/{conversation_id}/turn/"
parameters = {"path.organization" = "acme", "path.conversation_id" = "CONVERSATION"}

[[operations]]
include-name = "POST /v1/{organization}/dynamic_behavior_set/"
parameters = {"path.organization" = "acme"}
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "422", "429"]

[[operations]]
include-name = "POST /v1/{organization}/dynamic_behavior_set/{dynamic_behavior_set_id}/"
parameters = {"path.organization" = "acme", "path.dynamic_behavior_set_id" = "SET"}
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "422", "429"]

[[operations]]
include-name = "GET /v1/{organization}/dynamic_behavior_set/"
parameters = {"path.organization" = "acme"}

[[operations]]
include-name = "GET /v1/{organization}/dynamic_behavior_set/{dynamic_behavior_set_id}/version/"
parameters = {"path.organization" = "acme", "path.dynamic_behavior_set_id" = "SET"}
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "422", "429"]

[[operations]]
include-name = "POST /v1/{organization}/dynamic_behavior_set/{dynamic_behavior_set_id}/version/"
parameters = {"path.organization" = "acme", "path.dynamic_behavior_set_id" = "SET"}
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "400", "401", "403", "404", "422", "429"]

[[operations]]
include-name = "POST /v1/{organization}/metric/"
parameters = {"path.organization" = "acme"}
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "409", "422", "429"]

[[operations]]
include-name = "POST /v1/{organization}/turn/"
parameters = {"path.organization" = "acme"}
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "422", "429"]

[[operations]]
include-name = "GET /v1/{organization}/behavior/{behavior_id}/report"
parameters = {"path.organization" = "acme"}
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "422", "429"]

[[operations]]
include-name = "POST /v1/{organization}/rule/"
parameters = {"path.organization" = "acme"}
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "422", "429"]

[[operations]]
include-name = "POST /v1/{organization}/metric/evaluate"
parameters = {"path.organization" = "acme"}

[[operations]]
include-name = "GET /v1/{organization}/metric/"
parameters = {"path.organization" = "acme"}

[[operations]]
include-name = "GET /v1/{organization}/metric/metric_evaluation_result"
parameters = {"path.organization" = "acme"}

[[operations]]
include-name = "GET /v1/{organization}/rule/"
parameters = {"path.organization" = "acme"}
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "422", "429"]

[[operations]]
include-name = "GET /v1/{organization}/rule/{rule_id}/delivery/"
parameters = {"path.organization" = "acme", "path.rule_id" = "RULE"}
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "422", "429"]
"""
RULE = {"name": "after a bill", "behavior_id": "b" * 24, "metric_ids": [builtin_id("reply_delay")]}


@pytest.fixture(scope="module")
def service(new_url: NewUrl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("service")
    with running(a_config(folder, new_url(folder))) as found:
        yield found


@pytest.fixture(scope="module")
def description(service: Running) -> Any:
    return httpx.get(f"{service.url}/openapi.json", trust_env=False).raise_for_status().json()


@pytest.fixture(scope="module")
def http(service: Running) -> Iterator[httpx.Client]:
    with signed_in(service, service.key) as client:
        yield client


def validator(description: Any, name: str) -> Any:
    """Return what checks against the schema *name*."""
    return jsonschema_rs.Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": description["components"]}
    )


def test_events_are_what_the_description_says(description: Any, http: httpx.Client) -> None:
    """Each line of answers in text and voice, with tools, fillers and errors; what is always there is required."""
    lines: list[str] = http.post(CREATE, json={"service_id": SERVICE}).text.splitlines()
    conversation = json.loads(lines[0])["conversation_id"]
    form = {"initial_message_type": "user-message"}
    for text, response_format in (("tool=0.9", "text"), ("tool=0.9", "voice"), ("fail", "text")):
        query = f"request_format=text&response_format={response_format}"
        files = {"recorded_message": ("message", text.encode())}
        lines += http.post(
            f"/conversation/{conversation}/interact?{query}", data=form, files=files
        ).text.splitlines()  # fmt: skip
    events = [json.loads(line) for line in lines]
    assert {event["type"] for event in events} == {
        "conversation-created", "user-message-available", "current-agent-action", "new-message", "interaction-complete",
        "error",
    }  # fmt: skip
    assert any(event.get("action", {}).get("type") == "action-too-long" for event in events)
    told = validator(description, "Event")
    for event in events:
        told.validate(event)
        for missing in event:
            assert not told.is_valid({name: value for name, value in event.items() if name != missing})
    schemas = description["components"]["schemas"]
    assert "transcript_alignment" in schemas["NewMessage"]["required"]
    assert all("type" in schemas[name]["required"] for name in ("NewMessage", "DecisionStarted", "ActionTooLong"))
    assert "state" not in schemas["DecisionStarted"]["properties"]  # it is for fillers, and is not sent


def test_security_is_what_is_needed(description: Any) -> None:
    """A token, Bearer or Basic; who issued it may be said with it, but does not let anybody in by itself."""
    schemes = description["components"]["securitySchemes"]
    by_name = {name: scheme["type"] for name, scheme in schemes.items()}
    for post in POSTS[1:]:
        security = description["paths"]["/v1/{organization}" + post]["post"]["security"]
        assert all(any(by_name[name] == "http" for name in alternative) for alternative in security)
        assert {"Bearer-Authorization": [], "Bearer-Authorization-Organization": []} in security
    assert "security" not in description["paths"]["/v1/{organization}" + POSTS[0]]["post"]


@pytest.mark.parametrize("post", POSTS)
def test_answers_that_any_endpoint_may_give_are_told(description: Any, post: str) -> None:
    """Bodies that are late or large, trouble, maintenance; and the headers of the limits."""
    told = description["paths"]["/v1/{organization}" + post]["post"]["responses"]
    assert {"401", "408", "413", "422", "429", "500", "503"} <= set(told)
    success = next(answer for status, answer in told.items() if status.startswith("2"))
    assert {"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"} <= set(success["headers"])
    assert "Retry-After" in told["429"]["headers"]


def test_the_body_of_a_creation_is_told(description: Any) -> None:
    """Although FastAPI does not read it."""
    body = description["paths"]["/v1/{organization}/conversation/"]["post"]["requestBody"]
    told = jsonschema_rs.Draft202012Validator(body["content"]["application/json"]["schema"])
    assert body["required"]
    assert told.is_valid({"service_id": SERVICE, "tags": {"a tag": None}})
    assert not told.is_valid({"service_id": "x"})
    assert not told.is_valid({"service_id": SERVICE, "tags": {str(n): None for n in range(21)}})
    assert not told.is_valid({"service_id": SERVICE, "tags": {"a-tag": None}})


def test_the_bodies_of_behavior_sets_are_told(description: Any) -> None:
    """With all their parts, which are the same as those of the answers."""

    def told(post: str) -> Any:
        body = description["paths"]["/v1/{organization}" + post]["post"]["requestBody"]
        assert body["required"]
        schema = {**body["content"]["application/json"]["schema"], "components": description["components"]}
        return jsonschema_rs.Draft202012Validator(schema)

    new_set, version = told(POSTS[4]), told(POSTS[5])
    assert new_set.is_valid(BEHAVIOR_SET)
    for left_out in BEHAVIOR_SET:
        assert not new_set.is_valid({name: value for name, value in BEHAVIOR_SET.items() if name != left_out})
    wrong: tuple[dict[str, Any], ...] = (
        {"conversation_triggers": []},
        {"conversation_triggers": [" "]},
        {"actions": [{**INSTRUCTION, "type": "sing"}]},
        {"fillers": {"after_s": 0}},
        {"limits": {"per_turn": "few"}},
    )
    assert version.is_valid(VERSION)
    for changes in wrong:
        assert not version.is_valid({**VERSION, **changes})
        assert not new_set.is_valid({**BEHAVIOR_SET, "initial_version": {**VERSION, "is_active": True, **changes}})


def test_trouble_inside_is_a_problem_as_well(
    description: Any, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500, in the form of all other errors, without a word of what it was."""

    def broken(*args: object, **more: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(History, "unfinished", broken)
    answer = http.post(CREATE, json={"service_id": SERVICE})
    assert answer.status_code == 500
    validator(description, "Problem").validate(answer.json())
    assert answer.json()["error_code"] == 500
    assert "secret" not in answer.text


def test_the_service_is_what_its_description_says(service: Running, tmp_path: Path) -> None:
    """Requests made up from the OpenAPI description meet no 5xx, and no answer that it does not tell of."""
    examples = "15" if service.config.database.startswith("sqlite") else "5"  # what differs below is little
    with signed_in(service, service.another()) as client:
        known = client.post(POSTS[4], json=BEHAVIOR_SET).json()["dynamic_behavior_set_id"]
        begun = json.loads(client.post(CREATE, json={"service_id": SERVICE}).text.splitlines()[0])["conversation_id"]
        rule = client.post("/rule/", json=RULE).json()["id"]
        settings = KNOWN.replace("SET", known).replace("CONVERSATION", begun).replace("RULE", rule)
        (tmp_path / "schemathesis.toml").write_text(settings, encoding="utf-8")
        command = [
            sys.executable, "-m", "schemathesis.cli", "run", f"{service.url}/openapi.json", "--checks", "all",
            "-H", f"Authorization: {client.headers['Authorization']}", "--max-examples", examples, "--seed", "1",
            "--no-color",
        ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-5000:]
    assert "25 selected / 25 total" in done.stdout
    assert "Tested: 25" in done.stdout
