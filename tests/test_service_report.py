"""Versions of a behaviour compared in the service: what it adds up is what one has in one's hands."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from compare_rig import SHARES, records, write
from conftest import Run
from service_helpers import NewUrl, Service
from service_rig import SERVICE, Running, a_config, running, signed_in
from stopgap import ClipBank
from stopgap.engine.metrics import Report, builtin_metrics, compared, facts_of
from stopgap.engine.service._settings import behavior_id
from stopgap.engine.service.identity import Permission
from stopgap.engine.service.metrics._evaluating import Evaluating, builtin_id
from stopgap.engine.service.metrics._postedturns import new_turns
from stopgap.engine.service.metrics._reevaluating import Reevaluating
from stopgap.engine.service.metrics._reporting import Reporting
from stopgap.engine.service.storage import (
    Arms,
    BehaviorSets,
    BehaviorVersions,
    DatabaseError,
    Metrics,
    NewBehavior,
    NewSet,
    NotFoundError,
    Turns,
    new_id,
)
from stopgap.engine.service.storage._arms import CLAIM_S, IDLE_S
from stopgap.engine.turns import TurnRecord
from stopgap.fillers import UsageError

pytest_plugins = ("service_databases",)

REFUND = behavior_id("refund")
NAMES = ("longest_dead_air", "reply_delay", "target_met", "experience")
IDS = [builtin_id(name) for name in NAMES]


@pytest.fixture(scope="module")
def turns(bank: ClipBank) -> list[TurnRecord]:
    """Of 80 conversations of two turns each, dealt one of two versions."""
    return records(bank, 80)


@pytest.fixture
def reporting(service: Service) -> Reporting:
    return Reporting(Arms(service.database), BehaviorSets(service.database), Evaluating(service.database))


@pytest.fixture
def reevaluating(service: Service) -> Reevaluating:
    return Reevaluating(Arms(service.database), Metrics(service.database), Evaluating(service.database))


def post(service: Service, turns: list[TurnRecord]) -> None:
    Turns(service.database).post(
        "org_1", new_turns([json.loads(json.dumps(turn.as_dict())) for turn in turns]), user=service.user.id
    )


def expected(turns: list[TurnRecord]) -> Report:
    metrics = builtin_metrics()
    return compared(map(facts_of, turns), [metrics[name] for name in NAMES], behavior="refund")


def assert_same(found: Report, wanted: Report) -> None:
    """Check that two reports say the same, but for what is lost in adding up."""
    assert found.as_dict()["versions"] == wanted.as_dict()["versions"]
    for one, other in zip(found.metrics, wanted.metrics, strict=True):
        assert one.metric.name == other.metric.name
        for version, stats in other.arms.items():
            same = one.arms[version]
            assert (same.count, same.not_applicable, same.shares) == (stats.count, stats.not_applicable, stats.shares)
            assert same.mean == pytest.approx(stats.mean, rel=1e-9, abs=1e-12)
            assert same.variance == pytest.approx(stats.variance, rel=1e-6, abs=1e-9)
        assert [d.verdict for d in one.differences] == [d.verdict for d in other.differences]
        assert [d.interval for d in one.differences] == [
            d.interval and pytest.approx(d.interval, rel=1e-6, abs=1e-9) for d in other.differences
        ]


def test_the_report_is_what_the_turns_say(
    service: Service, turns: list[TurnRecord], reporting: Reporting, reevaluating: Reevaluating
) -> None:
    """Posted, evaluated a minute later by themselves, added up by the database: the report is that of the turns."""
    post(service, turns)
    assert reevaluating.evaluate_due() == 0
    report, due = reporting.report("org_1", REFUND, metrics=IDS)
    assert (due, sum(stats.count for stats in report.metrics[0].arms.values())) == (80, 0)
    service.hands.at += IDLE_S + 1.0
    assert reevaluating.evaluate_due() == 80
    assert reevaluating.evaluate_due() == 0
    report, due = reporting.report("org_1", REFUND, metrics=IDS)
    assert (due, report.randomized, report.several) == (0, True, 0)
    assert_same(report, expected(turns))
    with pytest.raises(UsageError, match="no version"):
        reporting.report("org_2", REFUND)


def test_versions_that_were_only_seen(
    service: Service, turns: list[TurnRecord], reporting: Reporting, reevaluating: Reevaluating
) -> None:
    """Where none were dealt, those count in which the behaviour was triggered, and the report says what that is."""
    seen = [replace(turn, assigned=()) for turn in turns]
    last = next(turn for turn in reversed(seen) if turn.behavior is not None and turn.id.endswith("-2"))
    other = 3 - (last.behavior or ("", 0))[1]
    seen = [replace(turn, behavior=("refund", other)) if turn.id == last.id else turn for turn in seen]
    post(service, seen)
    service.hands.at += IDLE_S + 1.0
    reevaluating.evaluate_due()
    report, _ = reporting.report("org_1", REFUND, metrics=IDS)
    wanted = expected(seen)
    assert (report.randomized, report.several) == (False, wanted.several)
    assert_same(report, wanted)


def test_a_conversation_that_goes_on_is_evaluated_again(
    service: Service, turns: list[TurnRecord], reporting: Reporting, reevaluating: Reevaluating
) -> None:
    """Once a minute has passed without a turn, whatever the first evaluation said; one that fails holds up no other."""
    post(service, [turn for turn in turns if turn.id.endswith("-1")])
    service.hands.at += IDLE_S + 1.0
    reevaluating.evaluate_due()
    post(service, [turn for turn in turns if turn.id.endswith("-2")])
    service.hands.at += IDLE_S - 1.0
    assert reevaluating.evaluate_due() == 0
    assert reporting.report("org_1", REFUND, metrics=IDS)[1] == 80
    service.hands.at += 2.0
    assert reevaluating.evaluate_due() == 80
    assert_same(reporting.report("org_1", REFUND, metrics=IDS)[0], expected(turns))


def test_what_comes_while_it_is_evaluated_stays_due(service: Service, turns: list[TurnRecord]) -> None:
    """A turn that is stored between the look and the end of an evaluation is not forgotten; nor is a conversation whose
    process died."""
    arms = Arms(service.database)
    first, second = turns[0], turns[1]
    post(service, [first])
    service.hands.at += IDLE_S + 1.0
    (due,) = arms.claim(10)
    assert arms.claim(10) == ()
    post(service, [second])
    arms.evaluated(due)
    service.hands.at += IDLE_S + 1.0
    assert [again.id for again in arms.claim(10)] == [due.id]
    service.hands.at += CLAIM_S + 1.0
    assert [again.id for again in arms.claim(10)] == [due.id]


def test_a_metric_that_cannot_be_evaluated_holds_up_nothing(
    service: Service, turns: list[TurnRecord], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told once; a database that does not answer leaves everything due."""
    evaluating = Evaluating(service.database)
    reevaluating = Reevaluating(Arms(service.database), Metrics(service.database), evaluating)
    post(service, turns[:2])
    service.hands.at += IDLE_S + 1.0

    def failing(exc: Exception) -> Any:
        def evaluate(*_: object, **__: object) -> None:
            raise exc

        return evaluate

    with monkeypatch.context() as patch:
        patch.setattr(evaluating, "evaluate", failing(DatabaseError("it is away")))
        with pytest.raises(DatabaseError):
            reevaluating.evaluate_due()
    service.hands.at += CLAIM_S + 1.0
    with monkeypatch.context() as patch:
        patch.setattr(evaluating, "evaluate", failing(NotFoundError("there is no such metric")))
        assert reevaluating.evaluate_due() == 1
    assert "are not evaluated: there is no such metric" in caplog.text
    assert reevaluating.evaluate_due() == 0


def test_a_mistake_in_evaluating_does_not_end_it(
    service: Service, turns: list[TurnRecord], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What nobody has thought of is logged, holds up no other conversation, and does not show when a process ends."""
    evaluating, arms = Evaluating(service.database), Arms(service.database)
    reevaluating = Reevaluating(arms, Metrics(service.database), evaluating, poll_s=0.01)
    post(service, turns[:2])
    service.hands.at += IDLE_S + 1.0
    claim, failures = arms.claim, [RuntimeError("in looking"), RuntimeError("in looking")]

    def failing(*_: object, **__: object) -> Any:
        raise RuntimeError("in evaluating")

    def looking(most: int) -> Any:
        if failures:
            raise failures.pop()
        return claim(most)

    monkeypatch.setattr(evaluating, "evaluate", failing)
    monkeypatch.setattr(arms, "claim", looking)

    async def run() -> None:
        reevaluating.start()
        async with asyncio.timeout(10.0):
            while "failed inside" not in caplog.text:
                await asyncio.sleep(0.01)
        await reevaluating.close()

    asyncio.run(run())
    assert caplog.text.count("it is tried again") == 1
    assert claim(10) == ()


def test_other_shares_are_another_experiment(
    service: Service, turns: list[TurnRecord], reporting: Reporting, reevaluating: Reevaluating
) -> None:
    """Conversations that began before the shares were changed count no more: then versions met other days."""
    versions, sets = BehaviorVersions(service.database), BehaviorSets(service.database)
    new = NewBehavior(("refund",))
    stored = versions.create("org_1", NewSet("refunds", (SERVICE,)), new, creator=service.user.id).set
    versions.add("org_1", stored, new, creator=service.user.id)
    mine = [
        replace(turn, behavior=turn.behavior and (stored, turn.behavior[1]), assigned=((stored, turn.assigned[0][1]),))
        for turn in turns
    ]
    sets.update("org_1", stored, {"shares": SHARES}, user=service.user.id)
    service.hands.at += 1.0
    post(service, mine[:80])
    service.hands.at += IDLE_S + 1.0
    reevaluating.evaluate_due()
    report, _ = reporting.report("org_1", stored, metrics=IDS)
    assert sum(report.conversations.values()) == 40
    assert report.sample_ratio is not None
    assert not report.sample_ratio.broken
    sets.update("org_1", stored, {"name": "the same"}, user=service.user.id)
    assert sum(reporting.report("org_1", stored, metrics=IDS)[0].conversations.values()) == 40
    sets.update("org_1", stored, {"shares": {1: 0.4, 2: 0.6}}, user=service.user.id)
    service.hands.at += 1.0
    post(service, mine[80:])
    report, due = reporting.report("org_1", stored, metrics=IDS)
    assert (sum(report.conversations.values()), due) == (40, 40)
    sets.update("org_1", stored, {"shares": None}, user=service.user.id)
    report, _ = reporting.report("org_1", stored, metrics=IDS)
    assert (sum(report.conversations.values()), report.randomized, report.sample_ratio) == (40, True, None)


def test_a_version_that_is_dealt_no_more_is_left_out(
    service: Service, turns: list[TurnRecord], reporting: Reporting
) -> None:
    """An interaction that began before the shares were changed, and was stored after, takes nobody's report away."""
    versions, sets = BehaviorVersions(service.database), BehaviorSets(service.database)
    new = NewBehavior(("refund",))
    stored = versions.create("org_1", NewSet("refunds", (SERVICE,)), new, creator=service.user.id).set
    for _ in range(2):
        versions.add("org_1", stored, new, creator=service.user.id)
    sets.update("org_1", stored, {"shares": {2: 0.5, 3: 0.5}}, user=service.user.id)
    service.hands.at += 1.0
    numbers = {turn.session: 1 + place % 3 for place, turn in enumerate(turns[::2])}
    post(service, [replace(turn, behavior=None, assigned=((stored, numbers[turn.session]),)) for turn in turns])
    report, _ = reporting.report("org_1", stored, metrics=IDS)
    assert list(report.conversations) == [2, 3]
    assert report.sample_ratio is not None
    assert not report.sample_ratio.broken


# The endpoint and the command -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def api(new_url: NewUrl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("service")
    with running(a_config(folder, new_url(folder))) as found:
        yield found


@pytest.fixture(scope="module")
def http(api: Running, turns: list[TurnRecord]) -> Iterator[httpx.Client]:
    with signed_in(api, api.key) as client:
        posted = client.post("/turn/", json={"turns": [turn.as_dict() for turn in turns]})
        assert posted.status_code == 201, posted.text
        yield client


def test_the_endpoint(http: httpx.Client) -> None:
    """All of the report, with what is yet to be evaluated; the metrics and the control that are asked for."""
    answer = http.get(f"/behavior/{REFUND}/report", params={"metric_id": IDS[:2], "control": 2, "alpha": 0.1})
    assert answer.status_code == 200, answer.text
    assert answer.headers["X-RateLimit-Limit"] == "10000"
    report = answer.json()
    assert (report["behavior"], report["control"], report["alpha"], report["comparisons"]) == (REFUND, 2, 0.1, 2)
    assert [metric["name"] for metric in report["metrics"]] == ["longest_dead_air", "reply_delay"]
    assert report["not_evaluated"] == sum(version["conversations"] for version in report["versions"]) == 80
    assert len(http.get(f"/behavior/{REFUND}/report").json()["metrics"]) == 9


@pytest.mark.parametrize(
    ("behavior", "query", "status", "sentence"),
    [
        ("0" * 24, {}, 422, "no version"),
        ("refund", {}, 422, "behavior_id"),
        (REFUND, {"control": 7}, 422, "control 7 is none of the versions"),
        (REFUND, {"metric_id": "0" * 24}, 404, "there is no metric"),
        (REFUND, {"alpha": 1}, 422, "alpha"),
        (REFUND, {"metric_id": [new_id() for _ in range(11)]}, 422, "metric_id"),
    ],
)
def test_reports_that_cannot_be(
    http: httpx.Client, behavior: str, query: dict[str, Any], status: int, sentence: str
) -> None:
    """One sentence says why."""
    answer = http.get(f"/behavior/{behavior}/report", params=query)
    assert answer.status_code == status
    assert sentence in answer.json()["message"]


def test_whose_report_it_is(api: Running, http: httpx.Client) -> None:
    """Another organization has none of these conversations; the permission for results is needed."""
    url = f"/behavior/{REFUND}/report"
    with signed_in(api, api.another("elsewhere"), "elsewhere") as client:
        assert client.get(url).status_code == 422
        client.base_url = http.base_url
        assert client.get(url).status_code == 403
    nobody = api.another(permissions=frozenset(Permission) - {Permission.GET_METRIC_EVALUATION_RESULT})
    with signed_in(api, nobody) as client:
        assert client.get(url).status_code == 403
    with httpx.Client(base_url=http.base_url, trust_env=False) as client:
        assert client.get(url).status_code == 401


def test_too_many_requests(url: str, tmp_path: Path) -> None:
    """429: reports count with the listing of results."""
    with running(a_config(tmp_path, url, rates={"metric_results": 1})) as api, signed_in(api, api.key) as client:
        assert client.get(f"/behavior/{REFUND}/report").status_code == 422
        assert client.get(f"/behavior/{REFUND}/report").status_code == 429


def test_the_command(
    service: Service, turns: list[TurnRecord], reevaluating: Reevaluating, run: Run, tmp_path: Path
) -> None:
    """A table, JSON and a picture, by the name of a configured behaviour, and how much is yet to come."""
    post(service, turns)
    where = ["--database", service.url, "--organization", "org_1"]
    ended = run("service", "report", "refund", "-m", "longest_dead_air", *where)
    assert ended.code == 0, ended.err
    assert "80 of these conversations are not evaluated yet" in ended.out
    service.hands.at += IDLE_S + 1.0
    reevaluating.evaluate_due()
    picture = tmp_path / "versions.png"
    ended = run("service", "report", "refund", "-m", "longest_dead_air", "--plot", picture, *where)
    assert ended.code == 0, ended.err
    assert "better" in ended.out
    assert "not evaluated" not in ended.out
    assert picture.read_bytes().startswith(b"\x89PNG")
    ended = run("service", "report", REFUND, *where, "--json")
    assert json.loads(ended.out)["metrics"][3]["name"] == "longest_dead_air"
    ended = run("service", "report", "refund", "-m", "loudness", *where)
    assert ended.code == 2
    assert "loudness" in ended.err


def test_turns_are_imported(service: Service, turns: list[TurnRecord], run: Run, tmp_path: Path) -> None:
    """Records and a log, from files, once however often; another's file, or one that is none, changes nothing."""
    where = ["--database", service.url, "--organization", "org_1"]
    file = write(tmp_path / "turns.jsonl", turns)
    ended = run("service", "import", file, "voice_mixed_dev", *where)
    assert ended.code == 0, ended.err
    assert "1431 of 1431 turns are new, in 410 conversations" in ended.out
    ended = run("service", "import", file, *where, "--json")
    assert json.loads(ended.out) == {"turns": 160, "new_turns": 0, "conversations": 80}
    report, due = Reporting(
        Arms(service.database), BehaviorSets(service.database), Evaluating(service.database)
    ).report("org_1", REFUND, metrics=IDS)
    assert (sum(report.conversations.values()), due) == (80, 80)
    open_one = replace(turns[1], outcome="waiting")
    write(tmp_path / "open.jsonl", [replace(turns[0], id="new"), open_one])
    ended = run("service", "import", tmp_path / "open.jsonl", *where)
    assert ended.code == 2
    assert f"{tmp_path / 'open.jsonl'}, turn 2: it is not over yet" in ended.err
    ended = run("service", "import", file, "--database", service.url, "--organization", "nobody")
    assert ended.code == 2
    assert "nobody has no user" in ended.err
