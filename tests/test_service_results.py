"""Results of metrics in storage: pages, filters, evaluations meanwhile."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from service_helpers import NewUrl, Service, set_up
from service_turns import a_record
from sqlalchemy import Select, text
from sqlalchemy.dialects import sqlite
from stopgap.engine.service.metrics._postedturns import new_turns
from stopgap.engine.service.storage import (
    SOURCES,
    MetricResults,
    Metrics,
    MetricSource,
    NewResult,
    NotFoundError,
    ResultFilter,
    StoredResult,
    TakenError,
    Turns,
    _metricpages,
    new_id,
    save_results,
)
from stopgap.fillers import UsageError

pytest_plugins = ("service_databases",)

METRIC_IDS = [f"{number:024x}" for number in range(1, 5)]


@dataclass
class Stock:
    """A database with results, and the plain list of them."""

    service: Service
    conversations: list[str]
    found: list[StoredResult]


def conversations(service: Service, number: int) -> list[str]:
    turns = new_turns([a_record(new_id()) for _ in range(number)])
    return list(Turns(service.database).post("org_1", turns, user=service.user.id).conversations)


def saved(
    service: Service, conversation: str, *metrics: str, source: MetricSource = "manual", value: float = 1.0
) -> None:
    results = [NewResult(metric, value, (), "because") for metric in metrics]
    save_results(
        service.database, "org_1", conversation, results, source=source, up_to=None, invoked_by=service.user.id
    )  # fmt: skip


@pytest.fixture(scope="module")
def stock(new_url: NewUrl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stock]:
    """Some 60 results of three metrics and two sources in ten conversations, at times that are the same for some."""
    rng = random.Random(1)
    for service in set_up(new_url(tmp_path_factory.mktemp("stock"))):
        names = conversations(service, 10)
        for conversation in rng.sample(names * 4, 40):
            metrics = rng.sample(METRIC_IDS[:3], rng.randint(1, 3))
            saved(service, conversation, *metrics, source=rng.choice(SOURCES))
            service.hands.at += rng.choice((0.0, 0.25))
        found = MetricResults(service.database).page("org_1").results
        assert len(found) > 40
        yield Stock(service, names, list(found))


def test_numbers_follow_time(stock: Stock) -> None:
    """What was first found later has a higher number; what is overwritten keeps both."""
    by_number = [(one.number, one.created_at) for one in stock.found]
    assert by_number == sorted(by_number)
    assert [at for _, at in by_number] == sorted(at for _, at in by_number)
    assert any(one.updated_at > one.created_at for one in stock.found)
    assert set(MetricResults(stock.service.database).metrics("org_1")) == set(METRIC_IDS[:3])


@settings(max_examples=120, deadline=None)
@given(data=st.data(), down=st.booleans(), limit=st.integers(1, 70))
def test_pages_are_the_plain_list(stock: Stock, data: st.DataObject, down: bool, limit: int) -> None:
    """Any filter, in either order, in pages of any size: one after the other they are what a plain list would be."""
    times = [one.created_at for one in stock.found]
    near = st.sampled_from(times) | st.floats(times[0] - 1.0, times[-1] + 1.0)
    wanted = data.draw(
        st.builds(
            ResultFilter,
            metrics=st.none() | st.lists(st.sampled_from(METRIC_IDS), min_size=1, max_size=4).map(tuple),
            sources=st.none() | st.lists(st.sampled_from(SOURCES), max_size=2).map(tuple),
            conversations=st.none() | st.lists(st.sampled_from(stock.conversations), min_size=1, max_size=4).map(tuple),
            since=st.none() | near,
            until=st.none() | near,
        )
    )
    model = [
        one
        for one in (reversed(stock.found) if down else stock.found)
        if (wanted.metrics is None or one.metric in wanted.metrics)
        and (wanted.sources is None or one.source in wanted.sources)
        and (wanted.conversations is None or one.conversation in wanted.conversations)
        and (wanted.since is None or one.created_at >= wanted.since)
        and (wanted.until is None or one.created_at <= wanted.until)
    ]
    after = 0
    for start in range(0, max(1, len(model)), limit):
        page = MetricResults(stock.service.database).page(
            "org_1", wanted, newest_first=down, after=after, limit=limit
        )  # fmt: skip
        assert list(page.results) == model[start : start + limit]
        assert page.has_more == (start + limit < len(model))
        after = page.results[-1].number if page.results else 0


@pytest.mark.parametrize("down", [False, True])
def test_results_that_come_while_somebody_pages(service: Service, down: bool) -> None:
    """None is shown twice, none that was there is left out; upwards all that came are shown, too, in their order."""
    names, results = conversations(service, 40), MetricResults(service.database)
    for conversation in names[:10]:
        saved(service, conversation, METRIC_IDS[0], source="manual")
        saved(service, conversation, METRIC_IDS[0], source="post-session")
    begun = {one.id for one in results.page("org_1").results}
    with ThreadPoolExecutor(4) as threads:
        tasks = [threads.submit(saved, service, one, *METRIC_IDS[:2], source=SOURCES[n % 2])
                 for n, one in enumerate(names)]  # fmt: skip
        seen: list[StoredResult] = []
        while True:
            page = results.page("org_1", newest_first=down, after=seen[-1].number if seen else 0, limit=3)
            seen += page.results
            if not page.has_more and (down or all(task.done() for task in tasks)):
                break
        for task in tasks:
            task.result()
    if not down:
        seen += results.page("org_1", after=seen[-1].number).results
    ids = [one.id for one in seen]
    assert len(set(ids)) == len(ids)
    assert begun <= set(ids)
    assert [one.number for one in seen] == sorted((one.number for one in seen), reverse=down)
    if not down:
        assert ids == [one.id for one in results.page("org_1").results]


def test_two_evaluate_the_same_at_once(service: Service) -> None:
    """One result each is left, of either; nobody waits forever."""
    names = conversations(service, 3)
    with ThreadPoolExecutor(6) as threads:
        tasks = [
            threads.submit(saved, service, name, *order, value=float(number))
            for number in range(10)
            for name in names
            for order in (METRIC_IDS, METRIC_IDS[::-1])
        ]
        for task in tasks:
            task.result()
    found = MetricResults(service.database).page("org_1").results
    assert len(found) == len(names) * len(METRIC_IDS)
    assert len({(one.conversation, one.metric) for one in found}) == len(found)


def test_values_come_back_as_they_were(service: Service) -> None:
    """Numbers, verdicts, words and nothing; another evaluation may find something of another kind."""
    (conversation,), values = conversations(service, 1), (0.0, 1.0, True, False, "a\x00b", "", None, -2.5)
    for value in (*values, *reversed(values)):
        save_results(
            service.database, "org_1", conversation, [NewResult(METRIC_IDS[0], value, (new_id(),), "\x00")],
            source="post-session", up_to=None, invoked_by=None,
        )  # fmt: skip
        (found,) = MetricResults(service.database).page("org_1").results
        expected = value.replace("\x00", "\ufffd") if isinstance(value, str) else value
        assert (found.value, type(found.value)) == (expected, type(expected))
        assert found.justification == "\ufffd"


def test_time_is_never_put_back(service: Service) -> None:
    """Where the clock is, later results are not older than earlier ones."""
    one, other = conversations(service, 2)
    saved(service, one, METRIC_IDS[0])
    service.hands.at -= 100.0
    saved(service, other, METRIC_IDS[0])
    first, second = MetricResults(service.database).page("org_1").results
    assert (first.conversation, second.conversation) == (one, other)
    assert first.created_at == second.created_at


@pytest.mark.parametrize("statement", [*_metricpages._ORDERED.values(), _metricpages._SINCE, _metricpages._UNTIL])
def test_pages_are_read_by_an_index(sqlite_service: Service, statement: Select[Any]) -> None:
    """In its order and up to the page's end: nothing is sorted, and no row is looked at that is not wanted."""
    names = {
        "organization": "org_1", "source": "manual", "metric": METRIC_IDS[0], "first": 1, "last": 9, "most": 3,
        "at": 5.0, "param_1": 1, "param_2": 0,
    }  # fmt: skip
    compiled = statement.compile(dialect=sqlite.dialect(paramstyle="named"))
    with sqlite_service.database.asking() as connection:
        asked = {name: names[name] for name in compiled.params}
        (plan,) = connection.execute(text(f"EXPLAIN QUERY PLAN {compiled}"), asked).all()
    assert plan.detail.startswith("SEARCH metric_results USING ")
    conditions = plan.detail.partition("(")[2]
    assert ("number>? AND number<?" if "first" in compiled.params else "created_at") in conditions
    assert ("metric_id=?" in conditions) == ("metric" in compiled.params)


# Definitions ---------------------------------------------------------------------------------------------------------


def test_two_define_at_once(service: Service) -> None:
    """Numbers have no gaps; of two that want one name one gets it."""
    metrics, numbers = Metrics(service.database), count()

    def define(name: str) -> bool:
        try:
            metrics.define("org_1", name, {"of": str(next(numbers))}, creator=service.user.id)
        except TakenError:
            return False
        return True

    with ThreadPoolExecutor(6) as threads:
        done = list(threads.map(define, [f"name{n % 12}" for n in range(36)]))
    assert sum(done) == 12
    stored, has_more = metrics.listed("org_1")
    assert ([one.number for one in stored], has_more) == (list(range(1, 13)), False)
    assert metrics.find("org_1", [one.id for one in stored]) == {one.id: one for one in stored}


@pytest.mark.parametrize("id", ["", "\x00", "\ud800", "x" * 100_000, "'", "A" * 24, "0" * 24])
def test_any_text_may_be_asked_for(service: Service, id: str) -> None:
    """What is nobody's id, or no id at all, is not found, in any place of any call."""
    metrics, results, turns = Metrics(service.database), MetricResults(service.database), Turns(service.database)
    stored = metrics.define("org_1", "mine", {"of": "x"}, creator=service.user.id)
    for organization, creator in (("org_1", id), (id, service.user.id)):
        with pytest.raises(NotFoundError):
            metrics.define(organization, "other", {}, creator=creator)
        with pytest.raises(NotFoundError):
            turns.post(organization, new_turns([a_record("s")]), user=creator)
    assert metrics.find("org_1", [id]) == metrics.find(id, [stored.id]) == {}
    assert metrics.listed(id) == ((), False)
    assert results.page(id).results == ()
    assert results.metrics(id) == ()
    for names in (("org_1", id), (id, new_id())):
        with pytest.raises(NotFoundError):
            turns.of(*names)


def test_what_is_stored_is_bounded(service: Service) -> None:
    """Too much, or of the wrong form, is refused before a database is asked."""
    metrics, results, user = Metrics(service.database), MetricResults(service.database), service.user.id
    for make, says in (
        (lambda: metrics.define("org_1", "", {}, creator=user), "has 0 characters; write 1 to 64"),
        (lambda: metrics.define("org_1", "x" * 65, {}, creator=user), "has 65 characters; write 1 to 64"),
        (lambda: metrics.define("org_1", "x", {"x": float("nan")}, creator=user), "cannot be written as JSON"),
        (lambda: metrics.listed("org_1", limit=51), "write 0 to 50"),
        (lambda: results.page("org_1", limit=501), "write 0 to 500"),
        (lambda: ResultFilter(metrics=("x",) * 101), "101 metrics are asked for at once; name at most 100"),
    ):
        with pytest.raises(UsageError, match=says):
            make()


def test_a_rule_that_comes_late_does_not_replace_what_was_found_of_all_turns(service: Service) -> None:
    """A receiver that hangs for an hour holds up rules; reports go on comparing whole conversations."""
    (conversation,) = conversations(service, 1)
    (turn,) = Turns(service.database).of("org_1", conversation)
    metric = METRIC_IDS[0]

    def save(value: float, up_to: str | None, source: MetricSource = "post-session") -> tuple[Any, Any]:
        results = [NewResult(metric, value, (), "because")]
        save_results(
            service.database, "org_1", conversation, results, source=source, up_to=up_to, invoked_by=service.user.id
        )  # fmt: skip
        (found,) = MetricResults(service.database).page("org_1", ResultFilter(sources=(source,))).results
        return found.value, found.up_to

    assert save(1.0, turn.interaction) == (1.0, turn.interaction)
    assert save(2.0, turn.interaction) == (2.0, turn.interaction)
    assert save(3.0, None) == (3.0, None)
    assert save(4.0, turn.interaction) == (3.0, None)
    assert save(5.0, None) == (5.0, None)
    assert save(6.0, None, "manual") == (6.0, None)
    assert save(7.0, turn.interaction, "manual") == (7.0, turn.interaction)
