"""Learned waits in the service's database: shared by processes, summed exactly, never counted twice."""

import logging
import time
from collections import Counter
from concurrent.futures import Future

import numpy as np
import pytest
from service_helpers import Service, Worker, together
from sqlalchemy import text
from stopgap.engine import FillerManager, SilentOutput, VirtualClock
from stopgap.engine.prediction import Context, LatencyPredictor, Lesson, Snapshot
from stopgap.engine.service._waits import SharedWaits
from stopgap.engine.service.storage import Database
from stopgap.engine.service.storage import _waits as rows_module
from stopgap.engine.service.storage._tables import WaitScaleRow, WaitsRow
from stopgap.engine.service.storage._waitnews import Held
from stopgap.engine.service.storage._waits import WaitRows
from stopgap.fillers import ClipBank, Config, load_config

pytest_plugins = ("service_databases",)

A, B = Context("a"), Context("b")


def taught(writer: str, waits: int = 60, context: Context = A, config: Config | None = None) -> LatencyPredictor:
    predictor = LatencyPredictor(config or Config(), writer=writer)
    learn(predictor, waits, context)
    return predictor


def learn(predictor: LatencyPredictor, waits: int, context: Context = A, factor: float = 1.0) -> None:
    rng = np.random.default_rng(waits)
    predictor.learn(
        Lesson("speech_ended", context, float(wait), number % 9 > 0, 0.1 if number % 3 else None)
        for number, wait in enumerate(factor * rng.lognormal(0.0, 0.3, waits))
    )


def counts_of(snapshot: Snapshot) -> Counter[tuple[object, int]]:
    """Return everything that was counted, by table and bucket."""
    total: Counter[tuple[object, int]] = Counter()
    for key, table in snapshot.items():
        for generation in table.generations.values():
            total += Counter({(key, code): n for code, n in generation.counts.items()})
    return total


def plain(snapshot: Snapshot) -> dict[object, object]:
    """Return what a snapshot says, in no order."""
    return {
        key: (dict(table.generations), {w: s for w, s in table.scales.items() if (w, s) != (w, (0, 0))})
        for key, table in snapshot.items()
    }


def stored(service: Service, table: type[WaitsRow] | type[WaitScaleRow] = WaitsRow) -> int:
    with service.database.reading() as session:
        return session.query(table).count()


def test_rows_hold_what_was_learned(service: Service) -> None:
    """Saved and read again it is the same, to the last count, generation and sudden change."""
    predictor = taught("one", 200)
    learn(predictor, 60, factor=4.0)
    assert predictor.drifts
    rows = WaitRows(service.database, predictor.half_life)
    held = rows.save(predictor.snapshot(), Held())
    found, there = rows.read(Held())
    assert plain(found) == plain(predictor.snapshot())
    assert there == held


def test_only_what_is_new_is_moved(service: Service) -> None:
    """Saving what is there writes nothing, and reading what is known brings nothing."""
    predictor = taught("one")
    rows = WaitRows(service.database, predictor.half_life)
    held = rows.save(predictor.snapshot(), Held())
    assert rows.save(predictor.snapshot(), held) == Held()
    assert rows.read(held)[0] == {}
    learn(predictor, 1)
    written = rows.save(predictor.snapshot(), held)
    assert sorted(written.totals.values()) == sorted(held.totals[name] + 1 for name in written.totals)
    assert len(written.totals) == 2  # the agent's own table, and the one of all agents


def test_order_and_repetition_change_nothing(service: Service) -> None:
    """Whoever saves what, in whatever order and however often: copies from any time merge to the same sum."""
    one, two = taught("one"), taught("two", 40, B)
    early = one.snapshot()
    learn(one, 30)
    rows = WaitRows(service.database, one.half_life)
    rows.save(one.snapshot(), Held())
    rows.save(early, Held())
    rows.save(two.snapshot(), Held())
    two.merge(one.snapshot())
    rows.save(two.snapshot(), Held())
    rows.save(early, Held())
    found, _ = rows.read(Held())
    assert counts_of(found) == counts_of(one.snapshot()) + counts_of(taught("two", 40, B).snapshot())


def test_two_processes_learn_at_once(service: Service, worker: Worker) -> None:
    """Each saves and refreshes while the other does; in the end the exact sum is there, and a third learns it."""
    said = together([worker("learn", service.url, agent, 60, 12) for agent in ("a", "a")])
    assert said == ["learned 60\n"] * 2
    alone = LatencyPredictor(Config())
    alone.learn(Lesson("speech_ended", A, 0.5 + 0.001 * n, n % 9 > 0) for n in range(60))
    once = counts_of(alone.snapshot())
    found, _ = WaitRows(service.database, 1000).read(Held())
    assert counts_of(found) == once + once
    third = LatencyPredictor(Config())
    SharedWaits(third, service.database)
    assert counts_of(third.snapshot()) == once + once
    assert third.waits_seen("speech_ended", A) == (120, 120)


def test_old_waits_leave_the_database(service: Service) -> None:
    """It does not grow without end, whoever started how often: what is too old to count goes, its scales too."""
    config = load_config({"prediction": {"half_life": 20}})
    sizes = []
    for number in range(12):
        predictor = LatencyPredictor(config, writer=f"process {number:02}")
        shared = SharedWaits(predictor, service.database)
        learn(predictor, 60)
        shared.close()
        shared.refresh()
        sizes.append(stored(service))
    assert max(sizes[5:]) <= 1.5 * sizes[4]
    assert stored(service, WaitScaleRow) <= stored(service)


def test_tables_have_a_limit(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of agents are free text: of too many tables those with the most waits stay."""
    monkeypatch.setattr(rows_module, "MOST_TABLES", 3)
    predictor = taught("one", 50)
    for number in range(10):
        learn(predictor, number + 1, Context(f"agent {number}"))
    rows = WaitRows(service.database, predictor.half_life)
    rows.save(predictor.snapshot(), Held())
    found, _ = rows.read(Held())
    assert set(found) == {("speech_ended",), ("speech_ended", "agent a"), ("speech_ended", "agent agent 9")}
    assert set(rows.read(Held())[0]) == set(found)


def test_a_restart_forgets_nothing(service: Service) -> None:
    """A new process knows what the last one saved, and adds to it."""
    for number in range(3):
        predictor = LatencyPredictor(Config())
        shared = SharedWaits(predictor, service.database)
        assert predictor.waits_seen("speech_ended", A) == (10 * number, 10 * number)
        learn(predictor, 10)
        shared.close()


def test_ticks_exchange_now_and_then(service: Service) -> None:
    """Once a minute of the manager's clock, in a thread of its own; what it brings is learned by a later tick."""
    clock = VirtualClock()
    one, two = taught("one", 10), taught("two", 20, B)
    sharing = [SharedWaits(predictor, service.database, clock=clock) for predictor in (one, two)]
    sharing[0].keep_up()
    assert stored(service) == 0
    for _ in range(2):
        clock.advance(60.0)
        for shared in sharing:
            shared.keep_up()
            pending = shared._pending
            assert isinstance(pending, Future)
            pending.result(timeout=60.0)
            shared.keep_up()
            assert shared._pending is None
    total = counts_of(taught("one", 10).snapshot()) + counts_of(taught("two", 20, B).snapshot())
    assert counts_of(one.snapshot()) == counts_of(two.snapshot()) == total
    for shared in sharing:
        shared.close()


def test_what_is_learned_while_an_exchange_goes_on_counts_once(service: Service) -> None:
    """An exchange works on copies: what comes meanwhile goes with the next one."""
    clock = VirtualClock()
    predictor = taught("one", 10)
    shared = SharedWaits(predictor, service.database, clock=clock)
    clock.advance(60.0)
    shared.keep_up()
    learn(predictor, 7)
    shared.close()
    found, _ = WaitRows(service.database, predictor.half_life).read(Held())
    assert counts_of(found) == counts_of(predictor.snapshot())


def test_a_manager_keeps_it_going(sqlite_service: Service, bank: ClipBank) -> None:
    """On the service thread, where the predictor learns: a turn that was taken is in the database a moment later."""
    predictor = LatencyPredictor(Config())
    shared = SharedWaits(predictor, sqlite_service.database, every_s=0.01)
    with FillerManager(Config(), bank=bank, predictor=predictor, keeper=shared) as manager:
        turn = manager.session(SilentOutput(24_000)).begin(speech_ended_at=manager.clock.now(), agent="a")
        turn.write(np.zeros(2400, np.float32))
        turn.finish()
        until = time.monotonic() + 60.0
        while not stored(sqlite_service) and time.monotonic() < until:
            time.sleep(0.01)
    shared.close()
    found, _ = WaitRows(sqlite_service.database, predictor.half_life).read(Held())
    assert counts_of(found) == counts_of(predictor.snapshot()) != Counter()


def test_trouble_is_logged_once(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    """Without its tables the predictor learns on; one warning; once they are there again, nothing is missing."""
    with service.database.writing() as session:
        session.execute(text("ALTER TABLE waits RENAME TO elsewhere"))
    clock = VirtualClock()
    predictor = taught("one", 10)
    with caplog.at_level(logging.WARNING, "stopgap"):
        shared = SharedWaits(predictor, service.database, clock=clock)
        for _ in range(3):
            clock.advance(60.0)
            shared.keep_up()
            if shared._pending is not None:
                shared._pending.result(timeout=60.0)
            shared.save()
            shared.refresh()
    assert caplog.text.count("learned waits cannot be shared through") == 1
    with service.database.writing() as session:
        session.execute(text("ALTER TABLE elsewhere RENAME TO waits"))
    shared.close()
    found, _ = WaitRows(service.database, predictor.half_life).read(Held())
    assert counts_of(found) == counts_of(predictor.snapshot())


def test_a_server_that_is_gone_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """One warning, without the password; what was learned stays with the process."""
    from stopgap.engine.service.storage._connect import engine_at, parsed, shown

    url = parsed("postgresql://somebody:hunter2@127.0.0.1:1/x")
    predictor = taught("one", 10)
    with caplog.at_level(logging.WARNING, "stopgap"):
        shared = SharedWaits(predictor, Database(engine_at(url), shown(url)))
        shared.save()
        shared.close()
    assert caplog.text.count("does not answer") == 1
    assert "hunter2" not in caplog.text
    assert predictor.waits_seen("speech_ended", A) == (10, 10)


def test_rows_of_other_buckets_are_left_alone(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts in other buckets mean something else: neither read nor deleted."""
    predictor = taught("one", 10)
    with monkeypatch.context() as other:
        other.setattr(rows_module, "LAYOUT", "0:other")
        WaitRows(service.database, predictor.half_life).save(predictor.snapshot(), Held())
    rows = stored(service)
    assert WaitRows(service.database, predictor.half_life).read(Held()) == ({}, Held())
    assert stored(service) == rows > 0


def test_rows_that_make_no_sense_do_no_harm(service: Service) -> None:
    """What cannot have been counted is left out."""
    predictor = taught("one", 10)
    rows = WaitRows(service.database, predictor.half_life)
    rows.save(predictor.snapshot(), Held())
    with service.database.writing() as session:
        session.query(WaitsRow).update({"counts": {"-1": 5, "999999": 5, "3": -4, "4": "x", "5": 7}, "scale": 9999})
    found, _ = rows.read(Held())
    for table in found.values():
        for generation in table.generations.values():
            assert generation.counts == {5: 7}
            assert abs(generation.scale) <= 200
    LatencyPredictor(Config()).merge(found)


def test_a_writers_name_has_a_limit(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    """It is part of the rows' key; the names that predictors give themselves are short."""
    with caplog.at_level(logging.WARNING, "stopgap"):
        SharedWaits(taught("x" * 65, 5), service.database).save()
    assert "at most 64 characters" in caplog.text


def test_a_child_process_exchanges_for_itself(service: Service) -> None:
    """After a fork the parent's thread is not there: the child begins one of its own."""
    clock = VirtualClock()
    predictor = taught("one", 10)
    shared = SharedWaits(predictor, service.database, clock=clock)
    clock.advance(60.0)
    shared.keep_up()
    pending, thread = shared._pending, shared._thread
    assert pending is not None
    assert thread is not None
    pending.result(timeout=60.0)
    thread.shutdown()
    shared.after_fork()
    predictor.after_fork()
    learn(predictor, 5)
    clock.advance(60.0)
    shared.keep_up()
    shared.close()
    found, _ = WaitRows(service.database, predictor.half_life).read(Held())
    assert counts_of(found) == counts_of(predictor.snapshot())
