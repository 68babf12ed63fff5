"""Metrics and reports over a million stored turns: how long evaluating takes, the A/B report, a page."""

import os
import platform
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, inspect
from sqlalchemy.exc import ProgrammingError
from stopgap.engine.service.metrics._evaluating import Evaluating
from stopgap.engine.service.metrics._reporting import Reporting
from stopgap.engine.service.storage import Arms, BehaviorSets, Database, database_file
from stopgap.engine.service.storage._connect import engine_at, parsed, shown
from stopgap.fillers import UsageError

from .._spread import Spread
from ._fill import LASTS_S, Organization, fill, set_up
from ._pages import PageTimes, page_times, took_ms
from ._turns import CONVERSATIONS, LENGTHS, VERSIONS, sample_conversations

EVALUATIONS = 1000
"""Conversations that are evaluated, chosen uniformly; and of each greater length a tenth of that."""
EVALUATION_MS = 20.0
"""ms that ten metrics of a conversation may take, at the 99th percentile."""
REPORTS = 5
REPORT_MS = 2000.0
"""ms that the report of a behaviour's versions may take: median."""
FEW = 3
"""Metrics of the smaller report."""
LAST_TO_FIRST = 1.5
"""Times what the first page takes that the last one may: what pages cost beyond that grows with their number."""
SAMPLE_TURNS = 20
"""Turns to be written for each distinct conversation, so that small databases are made quickly."""


@dataclass(frozen=True, slots=True)
class Timing:
    """What one kind of request took, called as the service's endpoints call it."""

    what: str
    ms: Spread
    first_ms: float | None = None
    """The first of them, which is not in *ms*."""
    target: str = ""
    met: bool | None = None
    """None: there is no target."""


@dataclass(frozen=True, slots=True)
class MetricsReport:
    """What ``stopgap bench metrics`` prints."""

    machine: str
    database: str
    """Which, and its version."""
    turns: int
    conversations: int
    results: int
    """Of metrics, before anything was measured."""
    megabytes: float
    """Of the database's files at the end."""
    filled_s: float
    """s that writing it all took."""
    timings: tuple[Timing, ...]
    pages: tuple[PageTimes, ...]

    @property
    def targets(self) -> dict[str, bool]:
        """What was to be reached, and whether it was."""
        found = {f"{timing.what}: {timing.target}": timing.met for timing in self.timings if timing.met is not None}
        last = f"the last page within {LAST_TO_FIRST:g} times the first one's time"
        return {**found, **{f"{page.what}: {last}": page.ratio <= LAST_TO_FIRST for page in self.pages}}

    def as_dict(self) -> dict[str, Any]:
        pages = [{**asdict(page), "ratio": page.ratio} for page in self.pages]
        return {**asdict(self), "pages": pages, "targets": self.targets}


def steps(turns: int) -> int:
    """Return how often `measure_metrics` advances."""
    return turns + len(VERSIONS) * _samples(turns)


def measure_metrics(
    *,
    turns: int = 1_000_000,
    database: str | None = None,
    seed: int = 1,
    advance: Callable[[int], None] = lambda steps: None,
) -> MetricsReport:
    """Fill a database, and measure.

    The metrics of a few thousand conversations are really evaluated, over records of turns that really ran; all others
    are these again with ids and times of their own. Indexes and constraints stay in force while they are written.
    PostgreSQL gets the VACUUM and ANALYZE afterwards that its autovacuum would have come round to; SQLite has neither
    by itself. What is measured is what the service's endpoints call, one call at a time, in this process.

    Args:
        turns: To store, from 1000 on.
        database: URL of an empty database, which keeps what is written; None: an SQLite file for this run alone.
        seed: Of everything that is chosen.
        advance: Called with a number of steps, `steps` in all.

    Raises:
        UsageError: if *database* holds anything, or cannot be used.
        DatabaseError: if it does not answer.
    """
    rng = random.Random(seed)
    with _url(database) as url:
        _check_empty(url)
        Database.migrate(url)
        began_s = time.monotonic()
        organizations = _filled(url, turns, rng, advance)
        filled_s = time.monotonic() - began_s
        _settle(url)
        opened = Database.open(url)
        try:
            # what writes comes last: the rest meets the database as it was filled
            reports = list(_reports(opened, organizations[0]))
            pages = tuple(page_times(opened, organizations[0]))
            evaluations = list(_evaluations(opened, organizations[0], rng))
        finally:
            opened.close()
        name, megabytes = _described(url)
    conversations = [turns for organization in organizations for _, turns in organization.conversations]
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return MetricsReport(
        machine, name, sum(conversations), len(conversations), len(conversations) * len(organizations[0].metrics),
        megabytes, filled_s, (*evaluations, *reports), pages,
    )  # fmt: skip


@contextmanager
def _url(given: str | None) -> Iterator[str]:
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="stopgap-bench-") as folder:
        yield f"sqlite:///{Path(folder) / 'service.db'}"


@contextmanager
def _engine(url: str) -> Iterator[Engine]:
    engine = engine_at(parsed(url))
    try:
        yield engine
    finally:
        engine.dispose()


def _check_empty(url: str) -> None:
    file = database_file(url)
    if file is not None and not file.exists():
        return
    with _engine(url) as engine:
        if inspect(engine).get_table_names():
            raise UsageError(f"{shown(parsed(url))} holds tables already; give an empty database, it is filled up")


def _samples(turns: int) -> int:
    """Return how many distinct conversations each version has at most."""
    return max(1, min(CONVERSATIONS, turns // SAMPLE_TURNS))


def _filled(url: str, turns: int, rng: random.Random, advance: Callable[[int], None]) -> list[Organization]:
    began_at = time.time() - LASTS_S - 3600.0
    database = Database.open(url, now=lambda: began_at)  # the behaviours are there before the conversations
    try:
        organizations = set_up(database, turns)
        first = organizations[0]
        known = Evaluating(database).metrics(first.id, first.metrics)
        samples = sample_conversations([known[id] for id in first.metrics], _samples(turns), rng, advance)
        fill(database, organizations, samples, turns, rng, began_at=began_at, advance=advance)
    finally:
        database.close()
    return organizations


def _settle(url: str) -> None:
    """Do what PostgreSQL's autovacuum would do sooner or later, and let the disk take in what was written."""
    with _engine(url) as engine:
        if engine.dialect.name == "postgresql":
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("VACUUM (ANALYZE)")
                with suppress(ProgrammingError):  # not everybody may
                    connection.exec_driver_sql("CHECKPOINT")
    os.sync()


def _described(url: str) -> tuple[str, float]:
    """Return which database it is, and its size in MB."""
    with _engine(url) as engine, engine.connect() as connection:
        version = ".".join(map(str, connection.dialect.server_version_info or ()))
        if connection.dialect.name == "sqlite":
            size = connection.exec_driver_sql(
                "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
            ).scalar_one()
            return f"SQLite {version}", size / 1e6
        size = connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one()
        return f"PostgreSQL {version}", size / 1e6


def _reports(database: Database, organization: Organization) -> Iterator[Timing]:
    reporting = Reporting(Arms(database), BehaviorSets(database), Evaluating(database))
    for number in (len(organization.metrics), FEW):
        metrics = organization.metrics[:number]
        make = partial(reporting.report, organization.id, organization.behavior, metrics=metrics)
        first, *others = [took_ms(make) for _ in range(REPORTS + 1)]
        found = Spread.of(others)
        what = f"report on {len(organization.conversations):,} conversations, {number} metrics"
        yield Timing(what, found, first, f"median ≤ {REPORT_MS:g} ms", found.p50 <= REPORT_MS)


def _evaluations(database: Database, organization: Organization, rng: random.Random) -> Iterator[Timing]:
    evaluating, every = Evaluating(database), organization.conversations
    kinds = [(f"{len(organization.metrics)} metrics of a conversation", every, EVALUATIONS)]
    for _, length in LENGTHS:
        long = [one for one in every if one[1] == length]
        kinds.append((f"the same, of one of {length} turns", long, EVALUATIONS // 10))
    evaluate = partial(evaluating.evaluate, metric_ids=organization.metrics, invoked_by=organization.users[0])
    for what, among, most in kinds:
        if not among:  # few turns hold no such conversation
            continue
        chosen = rng.choices(among, k=most + 1)
        first, *others = [took_ms(partial(evaluate, organization.id, id)) for id, _ in chosen]
        found = Spread.of(others)
        yield Timing(what, found, first, f"p99 ≤ {EVALUATION_MS:g} ms", found.p99 <= EVALUATION_MS)
