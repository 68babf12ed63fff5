"""``stopgap bench metrics``: one small real run on either database, and that what it writes is what would be found."""

import json
import random
from pathlib import Path

import pytest
from conftest import Run
from service_helpers import NewUrl
from stopgap.benchmarks._spread import Spread
from stopgap.benchmarks.metrics._bench import MetricsReport, Timing, measure_metrics, steps
from stopgap.benchmarks.metrics._pages import PageTimes
from stopgap.benchmarks.metrics._turns import VERSIONS, sample_conversations
from stopgap.engine.metrics import builtin_metrics
from stopgap.engine.service.metrics._evaluating import Evaluating
from stopgap.engine.service.metrics._reporting import Reporting
from stopgap.engine.service.storage import (
    Arms,
    BehaviorSets,
    Database,
    Listing,
    MetricResults,
    Metrics,
    ResultFilter,
)
from stopgap.fillers import UsageError

pytest_plugins = ("service_databases",)

TURNS = 2000


@pytest.fixture(scope="module")
def url(new_url: NewUrl, tmp_path_factory: pytest.TempPathFactory) -> str:
    return new_url(tmp_path_factory.mktemp("bench"))


@pytest.fixture(scope="module")
def report(url: str) -> MetricsReport:
    done: list[int] = []
    found = measure_metrics(turns=TURNS, database=url, advance=done.append)
    assert steps(TURNS) <= sum(done) < steps(TURNS) + 100  # the last conversation is whole
    return found


def test_a_small_run_measures_everything(report: MetricsReport) -> None:
    """Each request and each list has its figures and its target; the database holds what it is said to hold."""
    assert TURNS <= report.turns < TURNS + 100
    assert report.results == 10 * report.conversations
    assert report.database.split()[0] in ("SQLite", "PostgreSQL")
    assert report.megabytes > 1.0
    evaluated, *longer, ten, three = [timing.ms.count for timing in report.timings]
    assert (evaluated, ten, three) == (1000, 5, 5)
    assert len(longer) <= 2  # so few turns may hold no conversation of such a length
    assert set(longer) <= {100}
    assert all(0.0 < timing.ms.p50 <= timing.ms.p99 <= timing.ms.max for timing in report.timings)
    assert len(report.pages) == 4
    assert len(report.targets) == len(report.timings) + len(report.pages)
    assert json.loads(json.dumps(report.as_dict()))["pages"][0]["ratio"] > 0.0


def test_what_is_written_is_what_is_found(url: str, report: MetricsReport) -> None:
    """Evaluated again, metrics find in any conversation what was written; the report takes all conversations."""
    assert report.turns
    database = Database.open(url)
    evaluating, sets = Evaluating(database), BehaviorSets(database)
    (own,), _ = Metrics(database).listed("bench")
    ids = [*evaluating.builtin, own.id]
    for one in Listing(database).conversations("bench", user=None, limit=20).conversations:
        wanted = ResultFilter(conversations=(one.conversation.id,), sources=("post-session",))
        written = {r.metric: r for r in MetricResults(database).page("bench", wanted).results}
        found = evaluating.evaluate("bench", one.conversation.id, ids, source="post-session")
        for metric in found:
            kept = written[metric.metric]
            assert (kept.messages, kept.justification) == (metric.references, metric.justification)
            # times are those of the wall clock in one, from 0 in the other
            assert kept.value == (pytest.approx(metric.value) if isinstance(metric.value, float) else metric.value)
    behavior = next(found.id for found in sets.all("bench") if found.shares is not None)
    told, due = Reporting(Arms(database), sets, evaluating).report("bench", behavior, metrics=ids)
    assert (due, told.randomized, told.several) == (0, True, 0)
    counted = sum(one.count for one in told.metrics[0].arms.values())
    assert counted == sum(told.conversations.values()) <= report.conversations
    database.close()


def test_a_database_that_holds_anything_is_refused(url: str, report: MetricsReport) -> None:
    """Nothing of anybody's is mixed with a million made-up turns."""
    assert report.turns
    with pytest.raises(UsageError, match="holds tables already; give an empty database"):
        measure_metrics(turns=TURNS, database=url)


def test_the_versions_differ_in_what_is_found() -> None:
    """One says nothing, the other fills: silence is what the two differ in."""
    metric = builtin_metrics()["longest_dead_air"]
    found = sample_conversations([metric], 20, random.Random(1))
    silent, filled = (
        [float(one.results[0].value or 0.0) for one in found[version]] for version in VERSIONS
    )  # fmt: skip
    assert sum(filled) < sum(silent)


def test_what_misses_its_target_is_said_to() -> None:
    """By its own limit, and by how much longer the last page takes than the first."""
    spread = Spread(1, 1.0, 1.0, 1.0)
    timings = (Timing("slow", spread, None, "p99 ≤ 0 ms", False), Timing("free", spread))
    pages = (PageTimes("short", 1.0, 1.0, 1.4), PageTimes("long", 1.0, 1.2, 1.6))
    report = MetricsReport("m", "d", 1, 1, 1, 1.0, 1.0, timings, pages)
    assert list(report.targets.values()) == [False, True, False]


def test_the_command(run: Run, tmp_path: Path) -> None:
    """Tables for people, in a file of its own that is gone afterwards."""
    ended = run("bench", "metrics", "--turns", "1000")
    assert ended.code == 0, ended.err
    for text in ("10 metrics of a conversation", "conversations, the newest first", "SQLite", "targets:"):
        assert text in ended.out
    assert not list(tmp_path.iterdir())
