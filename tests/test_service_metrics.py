"""Metrics over HTTP: evaluated, stored, listed and defined, the same on SQLite and PostgreSQL."""

import contextlib
import json
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from amigo_sdk.generated.model import (
    MetricCreateMetricResponse,
    MetricEvaluateMetricsRequest,
    MetricEvaluateMetricsResponse,
    MetricGetMetricEvaluationResultsResponse,
    MetricGetMetricsResponse,
)
from postgres_server import running_server
from service_helpers import NewUrl
from service_rig import SERVICE, Running, a_config, running, signed_in
from service_turns import a_record, a_row
from sqlalchemy import text
from stopgap.engine.metrics import Targets
from stopgap.engine.metrics._expression import _here
from stopgap.engine.service.identity import Permission
from stopgap.engine.service.metrics._evaluating import Evaluated, Evaluating, builtin_id
from stopgap.engine.service.storage import Database, Metrics, _metrics, new_id
from stopgap.engine.service.storage._tables import ConversationRow
from stopgap.fillers import ConfigError, UsageError

pytest_plugins = ("service_databases",)

EVALUATE, RESULTS, METRICS, TURNS = "/metric/evaluate", "/metric/metric_evaluation_result", "/metric/", "/turn/"
BUILT_IN = (
    "reply_wait", "time_to_first_sound", "time_to_answer", "longest_dead_air", "reply_delay", "needless_fillers",
    "fillers_per_minute", "target_met", "experience",
)  # fmt: skip
LONGEST, MET, EXPERIENCE = map(builtin_id, ("longest_dead_air", "target_met", "experience"))
SLOW = {"of": "longest_dead_air_s > 2", "aggregate": "share"}


@pytest.fixture(scope="module")
def api(new_url: NewUrl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("service")
    with running(a_config(folder, new_url(folder))) as found:
        yield found


@pytest.fixture(scope="module")
def http(api: Running) -> Iterator[httpx.Client]:
    with signed_in(api, api.key) as client:
        yield client


@pytest.fixture
def database(api: Running) -> Iterator[Database]:
    with contextlib.closing(Database.open(api.config.database)) as found:
        yield found


def posted(http: httpx.Client, *dead_air_s: float) -> tuple[str, list[str]]:
    """Return the id of a new conversation, and those of its interactions, whose turns were silent for so long."""
    session = new_id()
    turns = [a_record(session, number, dead_air_s=silent_s) for number, silent_s in enumerate(dead_air_s, 1)]
    answer = http.post(TURNS, json={"turns": turns})
    assert answer.status_code == 201, answer.text
    found = answer.json()
    return found["conversation_ids"][0], found["interaction_ids"]


def evaluated(http: httpx.Client, conversation: str, *metrics: str, up_to: str | None = None) -> list[Any]:
    """Return what was found, as it was answered."""
    body = {"metric_ids": metrics, "conversation_id": conversation, "evaluate_to_interaction_id": up_to}
    sent = MetricEvaluateMetricsRequest.model_validate(body)
    answer = http.post(EVALUATE, json=sent.model_dump(mode="json"))
    assert answer.status_code == 200, answer.text
    told = MetricEvaluateMetricsResponse.model_validate(answer.json())
    assert [one.metric_id for one in told.metrics] == list(metrics)
    return list(answer.json()["metrics"])


def listed(http: httpx.Client, **query: Any) -> MetricGetMetricEvaluationResultsResponse:
    answer = http.get(RESULTS, params=query)
    assert answer.status_code == 200, answer.text
    return MetricGetMetricEvaluationResultsResponse.model_validate(answer.json())


def defined(http: httpx.Client, **changes: Any) -> str:
    """Return the id of a new metric."""
    answer = http.post(METRICS, json={"name": new_id(), **SLOW, **changes})
    assert answer.status_code == 201, answer.text
    return MetricCreateMetricResponse.model_validate(answer.json()).id


# Evaluating ----------------------------------------------------------------------------------------------------------


def test_a_conversation_that_was_held_here(http: httpx.Client) -> None:
    """Every built-in metric; what values rest on are ids of the agent's messages, as its events told them."""
    created = http.post("/conversation/?response_format=text", json={"service_id": SERVICE})
    conversation = json.loads(created.text.splitlines()[0])["conversation_id"]
    files = {"recorded_message": ("message", b"wait=0.2")}
    said = http.post(
        f"/conversation/{conversation}/interact?request_format=text&response_format=text",
        data={"initial_message_type": "user-message"}, files=files,
    )  # fmt: skip
    events = [json.loads(line) for line in (created.text + said.text).splitlines()]
    messages = {event["message_id"] for event in events if event["type"] == "interaction-complete"}
    ids = [builtin_id(name) for name in BUILT_IN]
    found = evaluated(http, conversation, *ids)
    assert [one["name"] for one in found] == list(BUILT_IN)
    assert {message for one in found for message in one["references"]} == messages
    by_name = {one["name"]: one["value"] for one in found}
    assert by_name["longest_dead_air"] >= 0.2
    assert isinstance(by_name["target_met"], bool)
    assert by_name["experience"] in ("smooth", "noticeable", "awkward", "broken")
    assert by_name["needless_fillers"] == 0.0


def test_values_of_turns_that_are_known(http: httpx.Client) -> None:
    """Numbers, verdicts and words, in the order asked for, with the worst turns first."""
    conversation, interactions = posted(http, 0.5, 3.0, 1.5)
    met, longest, word = evaluated(http, conversation, MET, LONGEST, EXPERIENCE)
    assert (longest["value"], met["value"], word["value"]) == (3.0, False, "broken")
    assert longest["references"] == [interactions[1], interactions[2], interactions[0]]
    assert longest["justification"].endswith(f"3 s, in turn {interactions[1]}.")


def test_up_to_an_interaction(http: httpx.Client) -> None:
    """That one included, what came later not; the result says so."""
    conversation, interactions = posted(http, 0.5, 3.0, 4.0)
    values = [evaluated(http, conversation, LONGEST, up_to=one)[0]["value"] for one in interactions]
    assert values == [0.5, 3.0, 4.0]
    evaluated(http, conversation, LONGEST, up_to=interactions[1])
    (found,) = listed(http, conversation_id=conversation).metric_evaluation_results
    source: Any = found.source.root
    assert (found.result, source.evaluate_to_interaction_id) == (3.0, interactions[1])


def test_later_turns_count_in_order_of_time(http: httpx.Client) -> None:
    """Whenever they were posted."""
    session = new_id()
    late, early = a_record(session, 2, dead_air_s=2.0), a_record(session, 1, dead_air_s=1.0)
    ids = [http.post(TURNS, json={"turns": [turn]}).json() for turn in (late, early)]
    conversation = ids[0]["conversation_ids"][0]
    assert ids[1]["conversation_ids"] == [conversation]
    values = [
        evaluated(http, conversation, LONGEST, up_to=one["interaction_ids"][0])[0]["value"] for one in reversed(ids)
    ]
    assert values == [1.0, 2.0]


def test_evaluating_again_overwrites(http: httpx.Client) -> None:
    """One result a conversation, metric and source: it keeps its id and when it was created."""
    conversation, interactions = posted(http, 0.5, 3.0)
    evaluated(http, conversation, MET, LONGEST, up_to=interactions[0])
    before = {one.metric_id: one for one in listed(http, conversation_id=conversation).metric_evaluation_results}
    evaluated(http, conversation, LONGEST)
    after = {one.metric_id: one for one in listed(http, conversation_id=conversation).metric_evaluation_results}
    assert before[MET] == after[MET]
    assert (before[LONGEST].result, after[LONGEST].result) == (0.5, 3.0)
    assert (before[LONGEST].id, before[LONGEST].created_at) == (after[LONGEST].id, after[LONGEST].created_at)
    then, now = before[LONGEST].updated_at, after[LONGEST].updated_at
    assert then is not None
    assert now is not None
    assert then < now


def test_a_log_of_turns_tells_waits_alone(http: httpx.Client) -> None:
    """The wait is known; for what was heard there is no value, and the justification says why."""
    session = new_id()
    turns = [a_row(session, number, ready_ms=ready_ms) for number, ready_ms in enumerate((900.0, 1100.0, None), 1)]
    conversation = http.post(TURNS, json={"turns": turns}).json()["conversation_ids"][0]
    wait, longest = evaluated(http, conversation, builtin_id("reply_wait"), LONGEST)
    assert (wait["value"], longest["value"], longest["references"]) == (1.0, None, [])
    assert "a log holds the waits of 3 turns, not what was heard" in longest["justification"]
    results = {
        one.metric_id: one.result for one in listed(http, conversation_id=conversation).metric_evaluation_results
    }
    assert results == {builtin_id("reply_wait"): 1.0, LONGEST: None}


def test_metrics_of_ones_own(http: httpx.Client) -> None:
    """A share, a verdict and a number, evaluated twice: the second time their expressions are known."""
    conversation, _ = posted(http, 0.5, 3.0, 4.0, 1.0)
    own = [
        defined(http),
        defined(http, of="longest_dead_air_s < 5", aggregate="all"),
        defined(http, of="1000 * first_sound_s", aggregate="max", where="agent == 'a'", unit="ms"),
    ]
    for _ in range(2):
        assert [one["value"] for one in evaluated(http, conversation, *own)] == [0.5, True, 4000.0]


def test_an_expression_that_fails_on_a_turn(http: httpx.Client) -> None:
    """It is not applicable, and says why; the others are evaluated."""
    conversation, _ = posted(http, 0.5)
    failing = defined(http, of="1 if wait_s > 1 else agent", aggregate="mean")
    one, other = evaluated(http, conversation, failing, LONGEST)
    assert (one["value"], other["value"]) == (None, 0.5)
    assert one["justification"].startswith("Not applicable: ")
    assert "gives a text; write an expression that gives a number" in one["justification"]


def test_turns_that_cannot_be_read_are_skipped(http: httpx.Client, database: Database) -> None:
    """Those without a record, or with one that is none."""
    conversation, interactions = posted(http, 0.5, 3.0, 1.0)
    with database.writing() as session:
        change = text("UPDATE interactions SET record = :record WHERE id = :id")
        session.execute(change, {"record": None, "id": interactions[1]})
        session.execute(change, {"record": '{"number": 1}', "id": interactions[0]})
    assert evaluated(http, conversation, LONGEST)[0]["value"] == 1.0
    assert evaluated(http, conversation, LONGEST, up_to=interactions[1])[0]["value"] is None


def test_targets_are_those_of_the_limits(http: httpx.Client, api: Running, database: Database) -> None:
    """How long replies may be held back is in the filler configuration."""
    session = new_id()
    waits = [{"began_s": 0.0, "available_s": 0.4, "heard_s": 0.6, "held_back_s": 0.2}]
    answer = http.post(TURNS, json={"turns": [a_record(session, waits=waits)]})
    conversation = answer.json()["conversation_ids"][0]
    assert evaluated(http, conversation, MET)[0]["value"] is False
    lax = Evaluating(database, Targets(reply_delay_s=0.5))
    assert lax.evaluate("acme", conversation, [MET], source="post-session")[0].value is True


def test_what_others_call(http: httpx.Client, api: Running, database: Database) -> None:
    """Results of either source are kept apart; a manual one is somebody's."""
    conversation, interactions = posted(http, 0.5)
    evaluating = Evaluating(database)
    (found,) = evaluating.evaluate("acme", conversation, [LONGEST], source="post-session")
    assert found == Evaluated(LONGEST, "longest_dead_air", 0.5, (interactions[0],), found.justification)
    evaluating.evaluate("acme", conversation, [LONGEST], up_to=interactions[0], invoked_by=api.user)
    by_itself, by_hand = listed(http, conversation_id=conversation).metric_evaluation_results
    sources: list[Any] = [by_itself.source.root, by_hand.source.root]
    assert [one.type for one in sources] == ["post-session", "manual"]
    assert [one.references for one in sources] == [interactions, interactions]
    assert sources[1].invoked_by.model_dump() == {"org_id": "acme", "user_id": api.user}
    with pytest.raises(UsageError, match="give invoked_by"):
        evaluating.evaluate("acme", conversation, [LONGEST])
    for ids in ([], [LONGEST, LONGEST], [new_id() for _ in range(11)]):
        with pytest.raises(UsageError, match="name 1 to 10, each once"):
            evaluating.evaluate("acme", conversation, ids, invoked_by=api.user)


def test_without_simpleeval(http: httpx.Client, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence with the command that helps; what is built in needs none."""
    conversation, _ = posted(http, 0.5)
    own = defined(http)
    said: list[str] = []

    def evaluate() -> None:
        monkeypatch.delattr(_here, "evaluator", raising=False)
        evaluating = Evaluating(database)
        evaluating.evaluate("acme", conversation, [LONGEST], source="post-session")
        try:
            evaluating.evaluate("acme", conversation, [own], source="post-session")
        except UsageError as exc:
            said.append(str(exc))

    monkeypatch.setitem(sys.modules, "simpleeval", None)
    thread = threading.Thread(target=evaluate)
    thread.start()
    thread.join(60.0)
    assert said == ["metrics of your own need simpleeval: pip install 'stopgap[metrics]'"]


@pytest.mark.parametrize(
    ("changes", "status", "says"),
    [
        ({"metric_ids": []}, 422, "body.metric_ids"),
        ({"metric_ids": [LONGEST] * 2}, 422, "name each once"),
        ({"metric_ids": [f"{n:024x}" for n in range(11)]}, 422, "body.metric_ids"),
        ({"metric_ids": ["x"]}, 422, "body.metric_ids.0"),
        ({"conversation_id": "A" * 24}, 422, "body.conversation_id"),
        ({"evaluate_to_interaction_id": "x"}, 422, "body.evaluate_to_interaction_id"),
        ({"evaluate_to_interaction_id": 1}, 422, "body.evaluate_to_interaction_id"),
        ({"conversation_id": "0" * 24}, 404, "there is no conversation 0000"),
        ({"metric_ids": [LONGEST, "0" * 24]}, 404, "there is no metric 0000"),
        ({"evaluate_to_interaction_id": "0" * 24}, 404, "there is no interaction 0000"),
    ],
)
def test_what_cannot_be_evaluated(http: httpx.Client, changes: dict[str, Any], status: int, says: str) -> None:
    """One sentence says why, and nothing is stored."""
    conversation, _ = posted(http, 0.5)
    answer = http.post(EVALUATE, json={"metric_ids": [LONGEST], "conversation_id": conversation, **changes})
    assert (answer.status_code, says in answer.json()["message"]) == (status, True), answer.text
    assert listed(http, conversation_id=conversation).metric_evaluation_results == []


def test_a_conversation_without_interactions(http: httpx.Client, api: Running, database: Database) -> None:
    """400."""
    empty = ConversationRow(
        id=new_id(), organization_id="acme", user_id=api.user, service_id=SERVICE, created_at=1.0, tags={},
        is_test=False, interaction_count=0, finished_at=None,
    )  # fmt: skip
    with database.writing() as session:
        session.add(empty)
    answer = http.post(EVALUATE, json={"metric_ids": [LONGEST], "conversation_id": empty.id})
    assert (answer.status_code, answer.json()["message"]) == (400, f"conversation {empty.id} has no interactions")


# Results -------------------------------------------------------------------------------------------------------------


def test_results_are_what_the_sdk_expects(api: Running, http: httpx.Client) -> None:
    """With all keys of the form, times with a time zone, and a verdict that is no number."""
    conversation, interactions = posted(http, 0.5)
    evaluated(http, conversation, MET)
    answer = http.get(RESULTS, params={"conversation_id": conversation}).json()
    assert answer.keys() == {"metric_evaluation_results", "has_more", "continuation_token", "filter_values"}
    (found,) = answer["metric_evaluation_results"]
    assert found.keys() == {
        "id", "org_id", "created_at", "updated_at", "metric_id", "metric_version", "result", "justification", "source",
    }  # fmt: skip
    assert (found["org_id"], found["metric_id"], found["result"]) == ("acme", MET, True)
    assert found["source"] == {
        "type": "manual", "conversation_id": conversation, "evaluate_to_interaction_id": None,
        "invoked_by": {"org_id": "acme", "user_id": api.user}, "references": interactions,
    }  # fmt: skip
    (told,) = listed(http, conversation_id=conversation).metric_evaluation_results
    assert told.created_at is not None
    assert abs(told.created_at.timestamp() - time.time()) < 600.0
    assert MET in answer["filter_values"]["metric_ids"]
    assert listed(http, continuation_token=1).filter_values is None


def test_results_are_filtered(http: httpx.Client, database: Database) -> None:
    """By metric, conversation, source and time, both bounds included; simulations there are none."""
    own = [defined(http), defined(http)]
    conversations = [posted(http, 0.5)[0] for _ in range(3)]
    for conversation in conversations:
        evaluated(http, conversation, *own)
    Evaluating(database).evaluate("acme", conversations[0], own, source="post-session")
    every = listed(http, metric_id=own).metric_evaluation_results
    assert len(every) == 8

    def ids(**query: Any) -> list[str]:
        return [one.id for one in listed(http, **{"metric_id": own, **query}).metric_evaluation_results]

    def expected(fits: Any) -> list[str]:
        return [one.id for one in every if fits(one)]

    def told(one: Any) -> Any:
        return one.source.root

    some = conversations[:2]
    assert ids(metric_id=own[:1]) == expected(lambda one: one.metric_id == own[0])
    assert ids(conversation_id=some) == expected(lambda one: told(one).conversation_id in some)
    assert ids(source_type="manual") == expected(lambda one: told(one).type == "manual")
    assert ids(source_type="post-session") == expected(lambda one: told(one).type == "post-session")
    assert ids(source_type=["manual", "post-session"]) == expected(lambda one: True)
    assert ids(source_type="simulation") == []
    assert ids(simulation_unit_test_set_run_id="0" * 24) == []
    assert ids(metric_id="0" * 24) == []
    third = every[2].created_at
    assert third is not None
    at = third.isoformat()
    assert ids(timestamp_after=at) == expected(lambda one: one.created_at >= third)
    assert ids(timestamp_before=at) == expected(lambda one: one.created_at <= third)
    assert ids(timestamp_after=at, timestamp_before=at) == expected(lambda one: one.created_at == third)
    assert ids(timestamp_after=at, conversation_id=some) == expected(
        lambda one: one.created_at >= third and told(one).conversation_id in some
    )
    assert ids(timestamp_after="2999-01-01T00:00:00Z") == ids(timestamp_before="1999-01-01T00:00:00+01:00") == []
    assert ids(sort_by="-created_at") == expected(lambda one: True)[::-1]


def test_results_come_in_pages(http: httpx.Client) -> None:
    """What is evaluated meanwhile comes last; what is evaluated again keeps its place, and is shown as it is then."""
    own = defined(http, of="longest_dead_air_s", aggregate="max")
    conversations = [posted(http, 1.0, 2.0) for _ in range(4)]
    for conversation, interactions in conversations[:3]:
        evaluated(http, conversation, own, up_to=interactions[0])
    query: dict[str, Any] = {"metric_id": own, "limit": 2}
    page = listed(http, **query)
    assert ([one.result for one in page.metric_evaluation_results], page.has_more) == ([1.0, 1.0], True)
    for conversation, _ in (conversations[0], conversations[2], conversations[3]):
        evaluated(http, conversation, own)
    rest = listed(http, **query, continuation_token=page.continuation_token)
    assert ([one.result for one in rest.metric_evaluation_results], rest.has_more) == ([2.0, 2.0], False)
    sources: list[Any] = [one.source.root for one in (*page.metric_evaluation_results, *rest.metric_evaluation_results)]
    assert [one.conversation_id for one in sources] == [conversation for conversation, _ in conversations]
    assert rest.continuation_token is None
    nothing = listed(http, **{**query, "limit": 0}, continuation_token=page.continuation_token)
    assert (nothing.has_more, nothing.continuation_token) == (True, page.continuation_token)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"limit": 501}, "query.limit"),
        ({"limit": -1}, "query.limit"),
        ({"continuation_token": "x"}, "query.continuation_token"),
        ({"continuation_token": 10**30}, "query.continuation_token"),
        ({"sort_by": "created_at"}, "write +created_at, in a URL as %2Bcreated_at, or -created_at"),
        ({"sort_by": ["-created_at", "x"]}, "sort_by 'x'"),
        ({"metric_id": "x"}, "query.metric_id.0"),
        ({"metric_id": ["0" * 24] * 101}, "query.metric_id"),
        ({"conversation_id": ["0" * 24] * 101}, "query.conversation_id"),
        ({"source_type": "x"}, "query.source_type.0"),
        ({"timestamp_after": "yesterday"}, "write a time as 2026-01-31T12:00:00Z"),
        ({"timestamp_after": "1700000000"}, "write a time as 2026-01-31T12:00:00Z"),
        ({"timestamp_before": "2026-01-31T12:00:00"}, "query.timestamp_before"),
    ],
)
def test_queries_are_told_what_is_wrong(http: httpx.Client, query: dict[str, Any], says: str) -> None:
    """422, in one sentence."""
    answer = http.get(RESULTS, params=query)
    assert (answer.status_code, says in answer.json()["message"]) == (422, True), answer.text


# Definitions ---------------------------------------------------------------------------------------------------------


def metric_page(http: httpx.Client, **query: Any) -> MetricGetMetricsResponse:
    answer = http.get(METRICS, params=query)
    assert answer.status_code == 200, answer.text
    return MetricGetMetricsResponse.model_validate(answer.json())


def test_metrics_are_listed(api: Running, http: httpx.Client) -> None:
    """The built-in ones first; more is told than the SDK has a place for."""
    with signed_in(api, api.another("listing"), "listing") as client:
        assert [one.name for one in metric_page(client).metrics] == list(BUILT_IN)
        own = [defined(client, name=f"mine-{number}", title="slow turns") for number in range(5)]
        found: list[Any] = []
        for limit in (1, 4, 13, 14, 50):
            found, token = [], 0
            while token is not None:
                page = metric_page(client, limit=limit, continuation_token=token)
                assert page.has_more == (page.continuation_token is not None)
                found += page.metrics
                token = page.continuation_token
            assert [one.id for one in found] == [*map(builtin_id, BUILT_IN), *own]
        assert found[-1].created_at.tzinfo is not None
        assert (found[-1].creator.org_id, found[-1].additional_notes) == ("listing", "slow turns")
        last, first = (client.get(METRICS).json()["metrics"][place] for place in (-1, 0))
        assert last["definition"] == {**SLOW, "title": "slow turns", "unit": ""}
        assert last["metric_value"] == {"type": "numerical", "lower_bound": 0.0, "upper_bound": 1.0}
        assert (last["built_in"], last["better"]) == (False, "low")
        assert (first["built_in"], first["definition"], first["unit"]) == (True, None, "s")
        page = metric_page(client, limit=0)
        assert (page.metrics, page.has_more, page.continuation_token) == ([], True, 0)


@pytest.mark.parametrize(
    ("changes", "status", "says"),
    [
        ({"name": ""}, 422, "body.name"),
        ({"name": "a name"}, 422, "body.name"),
        ({"name": "experience"}, 422, "metric 'experience' is built in; give yours another name"),
        ({"name": "taken"}, 409, "acme has a metric 'taken' already; give this one another name"),
        ({"of": ""}, 422, "body.of"),
        ({"of": "exit()"}, 422, "calls exit(...)"),
        ({"of": "dead_air_s", "aggregate": "share"}, 422, "gives a number; write a condition"),
        ({"of": "dead_air_s + agent", "aggregate": "mean"}, 422, "mixes texts and numbers in turn example"),
        ({"aggregate": "mode"}, 422, "body.aggregate"),
        ({"lower_bound": 2}, 422, "write the lower one first"),
        ({"lower_bound": "0"}, 422, "body.lower_bound"),
        ({"more": 1}, 422, "body.more"),
    ],
)
def test_definitions_that_cannot_be_used(http: httpx.Client, changes: dict[str, Any], status: int, says: str) -> None:
    """One sentence says why."""
    http.post(METRICS, json={"name": "taken", **SLOW})
    answer = http.post(METRICS, json={"name": new_id(), **SLOW, **changes})
    assert (answer.status_code, says in answer.json()["message"]) == (status, True), answer.text


def test_as_many_metrics_as_are_kept(api: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """400, and none is numbered for it."""
    with signed_in(api, api.another("full"), "full") as client:
        monkeypatch.setattr(_metrics, "MOST_METRICS", 2)
        assert defined(client) != defined(client)
        answer = client.post(METRICS, json={"name": "third", **SLOW})
        assert (answer.status_code, "full has 2 metrics" in answer.json()["message"]) == (400, True)
        monkeypatch.undo()
        defined(client, name="third")
        assert metric_page(client).metrics[-1].name == "third"


# Who may, and how often ----------------------------------------------------------------------------------------------


def each(http: httpx.Client, conversation: str, metric: str = LONGEST) -> list[httpx.Response]:
    """Return the answers of the five endpoints."""
    return [
        http.post(EVALUATE, json={"metric_ids": [metric], "conversation_id": conversation}),
        http.get(RESULTS),
        http.post(METRICS, json={"name": new_id(), **SLOW}),
        http.get(METRICS),
        http.post(TURNS, json={"turns": [a_record(new_id())]}),
    ]


def test_permissions_are_needed(api: Running, http: httpx.Client) -> None:
    """Each endpoint its own, evaluating two; without a token: 401."""
    conversation, _ = posted(http, 0.5)
    evaluate, results = Permission.EVALUATE_METRIC, Permission.GET_METRIC_EVALUATION_RESULT
    for permissions, statuses in (
        ({evaluate}, [403, 403, 403, 403, 403]),
        ({results}, [403, 200, 403, 403, 403]),
        ({evaluate, results}, [200, 200, 403, 403, 403]),
        ({Permission.CREATE_METRIC}, [403, 403, 201, 403, 403]),
        ({Permission.GET_METRIC}, [403, 403, 403, 200, 403]),
        ({Permission.CREATE_CONVERSATION}, [403, 403, 403, 403, 201]),
    ):
        with signed_in(api, api.another(permissions=frozenset(permissions))) as other:
            answers = each(other, conversation)
        assert [answer.status_code for answer in answers] == statuses
        assert all("missing permission" in answer.json()["message"] for answer in answers if answer.status_code == 403)
    with httpx.Client(base_url=http.base_url, trust_env=False) as nobody:
        assert [answer.status_code for answer in each(nobody, conversation)] == [401] * 5


def test_organizations_see_nothing_of_each_other(api: Running, http: httpx.Client) -> None:
    """Neither by their own address nor by the other's: conversations, interactions, metrics, results, turns."""
    conversation, interactions = posted(http, 0.5)
    own = defined(http)
    evaluated(http, conversation, own)
    session = new_id()
    turns = {"turns": [a_record(session)]}
    mine = http.post(TURNS, json=turns).json()
    with signed_in(api, api.another("rival"), "rival") as client:
        theirs, _ = posted(client, 2.0)
        assert each(client, conversation)[0].status_code == 404
        assert each(client, theirs, own)[0].status_code == 404
        body = {"metric_ids": [LONGEST], "conversation_id": theirs, "evaluate_to_interaction_id": interactions[0]}
        assert client.post(EVALUATE, json=body).status_code == 404
        for query in ({}, {"conversation_id": conversation}, {"metric_id": own}):
            assert listed(client, **query).metric_evaluation_results == []
        found = listed(client)
        assert found.filter_values is not None
        assert found.filter_values.metric_ids == []
        assert own not in [one.id for one in metric_page(client).metrics]
        other = client.post(TURNS, json=turns).json()  # the same session and turn, and yet another conversation
        assert other["new_turns"] == 1
        assert set(other["conversation_ids"]).isdisjoint(mine["conversation_ids"])
        assert set(other["interaction_ids"]).isdisjoint(mine["interaction_ids"])
        client.base_url = http.base_url
        assert [answer.status_code for answer in each(client, conversation)] == [403] * 5
        client.headers["X-ORG-ID"] = "rival"
        assert [answer.status_code for answer in each(client, conversation)] == [403] * 5


def test_too_many_requests(url: str, tmp_path: Path) -> None:
    """429 with when to come back; each endpoint is counted apart, and each limit is a setting."""
    names = ("metric_evaluate", "metric_results", "metric_create", "metric_list", "turns")
    config = a_config(tmp_path, url, rates={**dict.fromkeys(names, 1), "turns": 2})
    with running(config) as service, signed_in(service, service.key) as client:
        conversation, _ = posted(client, 0.5)
        first = each(client, conversation)
        assert [answer.status_code for answer in first] == [200, 200, 201, 200, 201]
        assert [answer.headers["X-RateLimit-Limit"] for answer in first] == ["1", "1", "1", "1", "2"]
        for answer in each(client, conversation):
            assert answer.status_code == 429
            assert 1 <= int(answer.headers["Retry-After"]) <= 60
    with pytest.raises(ConfigError, match="metric_read"):
        a_config(tmp_path, rates={"metric_read": 1})


def test_maintenance(url: str, tmp_path: Path) -> None:
    """503 while the file exists."""
    config = a_config(tmp_path, url)
    with running(config) as service, signed_in(service, service.key) as client:
        conversation, _ = posted(client, 0.5)
        Path(config.maintenance_file).touch()
        assert [answer.status_code for answer in each(client, conversation)] == [503] * 5
        Path(config.maintenance_file).unlink()
        assert evaluated(client, conversation, LONGEST)[0]["value"] == 0.5


def test_a_database_that_is_gone(tmp_path: Path) -> None:
    """503 until it is back."""
    with (
        running_server() as server,
        running(a_config(tmp_path, server.url)) as service,
        signed_in(service, service.key) as client,
    ):
        conversation, _ = posted(client, 0.5)
        server.stop()
        assert [answer.status_code for answer in each(client, conversation)] == [503] * 5
        server.start()
        assert evaluated(client, conversation, LONGEST)[0]["value"] == 0.5


def test_definitions_are_an_organizations_alone(api: Running, http: httpx.Client, database: Database) -> None:
    """Two may use one name."""
    defined(http, name="shared")
    with signed_in(api, api.another("namesake"), "namesake") as client:
        defined(client, name="shared")
    stored, _ = Metrics(database).listed("namesake")
    assert [(one.name, one.number, one.organization) for one in stored] == [("shared", 1, "namesake")]
    assert stored[0].created_at <= datetime.now(UTC).timestamp()
