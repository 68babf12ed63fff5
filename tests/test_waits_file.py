"""Learned waits in a file: saved whole, loaded exactly, merged without counting twice."""

import json
import logging
import stat
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stopgap.benchmarks import read_trace, replay
from stopgap.cli import main
from stopgap.engine import FillerManager, SilentOutput, VirtualClock
from stopgap.engine._keeping import WaitsKeeper
from stopgap.engine.prediction import (
    Context,
    LatencyPredictor,
    Lesson,
    Snapshot,
    TableCounts,
    WaitsError,
    load_waits,
    merged,
    read_waits,
    save_waits,
)
from stopgap.engine.prediction import _file as waits_file
from stopgap.engine.prediction._context import keys_of
from stopgap.engine.prediction._lifetable import Generation
from stopgap.fillers import ClipBank, Config, load_config

A, B = Context("a"), Context("b")


def taught(writer: str, median: float = 1.0, waits: int = 120, context: Context = A) -> LatencyPredictor:
    predictor = LatencyPredictor(Config(), writer=writer)
    rng = np.random.default_rng(len(writer) + waits)
    predictor.learn(
        Lesson("speech_ended", context, float(wait), number % 9 > 0, 0.1 if number % 3 else None)
        for number, wait in enumerate(median * rng.lognormal(0.0, 0.3, waits))
    )
    return predictor


def counts_of(predictor: LatencyPredictor) -> Counter[int]:
    """Return everything that was counted, of all tables."""
    total: Counter[int] = Counter()
    for table in predictor.snapshot().values():
        for generation in table.generations.values():
            total += generation.counts
    return total


# Merging -------------------------------------------------------------------------------------------------------

GENERATIONS = st.builds(
    Generation,
    writer=st.sampled_from("pqr"),
    number=st.integers(1, 3),
    born=st.integers(0, 500),
    scale=st.integers(-20, 20),
    counts=st.dictionaries(st.integers(0, 900), st.integers(1, 50), max_size=4).map(Counter),
)
TABLES = st.builds(
    TableCounts,
    generations=st.lists(GENERATIONS, max_size=4).map(lambda made: {(g.writer, g.number): g for g in made}),
    scales=st.dictionaries(st.sampled_from("pqr"), st.tuples(st.integers(0, 3), st.integers(-20, 20)), max_size=3),
)
SNAPSHOTS = st.dictionaries(st.sampled_from([("x",), ("x", "agent a"), ("y",)]), TABLES, max_size=3)


@given(SNAPSHOTS, SNAPSHOTS, SNAPSHOTS)
def test_merging_is_a_join(one: Snapshot, two: Snapshot, three: Snapshot) -> None:
    """Order, grouping and repetition change nothing."""
    assert merged(one, two) == merged(two, one)
    assert merged(merged(one, two), three) == merged(one, merged(two, three))
    assert merged(one, one) == one
    assert merged(merged(one, two), two) == merged(one, two)


@given(st.lists(st.floats(0.02, 60.0), max_size=130), st.integers(0, 130))
def test_an_earlier_copy_adds_nothing(waits: list[float], early: int) -> None:
    """What a process had counted some time ago is part of what it has counted now."""
    predictor = LatencyPredictor(Config(), writer="p")
    predictor.learn(Lesson("speech_ended", A, wait, True) for wait in waits[:early])
    before = predictor.snapshot()
    predictor.learn(Lesson("speech_ended", A, wait, True) for wait in waits[early:])
    assert merged(before, predictor.snapshot()) == predictor.snapshot()


def test_processes_learn_from_each_other() -> None:
    """Two processes that take in each other's counts, again and again, count every wait once."""
    one, two = taught("one"), taught("two", 3.0)
    total = counts_of(one) + counts_of(two)
    for _ in range(3):
        one.merge(two.snapshot())
        two.merge(one.snapshot())
    assert counts_of(one) == counts_of(two) == total
    assert one.waits_seen("speech_ended", A) == two.waits_seen("speech_ended", A) == (240, 240)
    for share in (0.2, 0.5, 0.8):
        a, b = (p._tables.estimate(keys_of("speech_ended", A), A).quantile(share) for p in (one, two))
        assert a == pytest.approx(b, rel=0.1)


def test_a_change_found_by_two_counts_once() -> None:
    """Processes that notice the same slow-down, each for itself, do not slow each other down again."""
    one, two = taught("one"), taught("two")
    two.merge(one.snapshot())
    for predictor in (one, two):
        predictor._rescale(11, 0)
    median = one.predict("speech_ended", A).quantile(0.5)
    one.merge(two.snapshot())
    one.merge(two.snapshot())
    assert one.predict("speech_ended", A).quantile(0.5) == pytest.approx(median, rel=0.1)


def test_a_forked_process_counts_for_itself() -> None:
    """After a fork both sides go on, and nothing is lost or doubled when they meet."""
    parent = taught("parent", waits=70)
    child = taught("parent", waits=70)
    child.after_fork()
    parent.learn([Lesson("speech_ended", A, 9.0, True)] * 5)
    child.learn([Lesson("speech_ended", A, 5.0, True)] * 7)
    both = merged(parent.snapshot(), child.snapshot())
    agent = both[("speech_ended", "agent a")]
    assert sum(generation.waits for generation in agent.generations.values()) == 70 + 5 + 7


# Files ---------------------------------------------------------------------------------------------------------


def test_save_and_load(tmp_path: Path) -> None:
    """A new process predicts from the tables of the old one, exactly; the file is its owner's alone."""
    path = tmp_path / "waits.json"
    old = taught("old")
    save_waits(old, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["waits.json"]
    assert read_waits(path) == old.snapshot()
    new = LatencyPredictor(Config())
    assert load_waits(new, path)
    assert counts_of(new) == counts_of(old)
    assert new.waits_seen("speech_ended", A) == old.waits_seen("speech_ended", A)
    assert new.predict("speech_ended", A).quantile(0.5) == pytest.approx(
        old.predict("speech_ended", A).quantile(0.5), rel=0.1
    )


def test_saving_twice_changes_nothing(tmp_path: Path) -> None:
    """The same state gives the same bytes, however often it is saved and loaded."""
    path = tmp_path / "waits.json"
    predictor = taught("one")
    save_waits(predictor, path)
    once = path.read_bytes()
    for _ in range(2):
        load_waits(predictor, path)
        save_waits(predictor, path)
    assert path.read_bytes() == once


def test_processes_share_a_file(tmp_path: Path) -> None:
    """Each writes beside what the others wrote."""
    path = tmp_path / "waits.json"
    one, two = taught("one"), taught("two", context=B)
    save_waits(one, path)
    save_waits(two, path)
    save_waits(one, path)
    reader = LatencyPredictor(Config())
    load_waits(reader, path)
    assert counts_of(reader) == counts_of(one) + counts_of(two)


def test_old_waits_leave_the_file(tmp_path: Path) -> None:
    """A file does not grow without end: what is too old to count is left out."""
    path = tmp_path / "waits.json"
    config = load_config({"prediction": {"half_life": 20}})
    sizes = []
    for number in range(30):
        predictor = LatencyPredictor(config, writer=f"process {number:02}")
        load_waits(predictor, path)
        predictor.learn(Lesson("speech_ended", A, 1.0 + 0.01 * n, True) for n in range(60))
        save_waits(predictor, path)
        sizes.append(path.stat().st_size)
    assert max(sizes[10:]) <= 1.5 * sizes[9]


GOOD_HEAD = json.dumps(waits_file._HEAD)[:-1]

DAMAGED = {
    "empty": b"",
    "text": b"waits",
    "binary": bytes(range(256)),
    "truncated": (GOOD_HEAD + ', "tables": [{"key": ["speech_en').encode(),
    "other version": GOOD_HEAD.replace('"version": 1', '"version": 2').encode() + b', "tables": []}',
    "list": b"[]",
    "no tables": GOOD_HEAD.encode() + b"}",
    "negative count": GOOD_HEAD.encode()
    + b', "tables": [{"key": ["x"], "scales": {}, "generations": [["w", 1, 0, 0, {"3": -4}]]}]}',
    "count no number": GOOD_HEAD.encode()
    + b', "tables": [{"key": ["x"], "scales": {}, "generations": [["w", 1, 0, 0, {"3": NaN}]]}]}',
    "code too large": GOOD_HEAD.encode()
    + b', "tables": [{"key": ["x"], "scales": {}, "generations": [["w", 1, 0, 0, {"99999": 1}]]}]}',
    "scale too large": GOOD_HEAD.encode()
    + b', "tables": [{"key": ["x"], "scales": {"w": [0, 9999]}, "generations": []}]}',
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_put_aside(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is renamed, never overwritten, a warning says so, and learning starts afresh; a second has its own name."""
    path = tmp_path / "waits.json"
    path.write_bytes(DAMAGED[name])
    with pytest.raises(WaitsError):
        read_waits(path)
    predictor = taught("one")
    known = counts_of(predictor)
    with caplog.at_level(logging.WARNING, "stopgap"):
        assert not load_waits(predictor, path)
    assert "waits.json.damaged" in caplog.text
    assert counts_of(predictor) == known
    assert (tmp_path / "waits.json.damaged").read_bytes() == DAMAGED[name]
    path.write_bytes(DAMAGED[name])
    save_waits(predictor, path)
    assert (tmp_path / "waits.json.damaged-2").read_bytes() == DAMAGED[name]
    assert read_waits(path) == predictor.snapshot()


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    """A file that ends anywhere too soon is never taken for a whole one."""
    path = tmp_path / "waits.json"
    save_waits(taught("one", waits=3), path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(WaitsError):
            read_waits(path)


def test_too_large_a_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit nothing is parsed."""
    path = tmp_path / "waits.json"
    save_waits(taught("one"), path)
    monkeypatch.setattr(waits_file, "MOST_BYTES", 100)
    with pytest.raises(WaitsError, match="larger"):
        read_waits(path)


def test_a_failed_save_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk is full the old file stands, and no part of a new one lies about."""
    path = tmp_path / "waits.json"
    save_waits(taught("one"), path)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        save_waits(taught("two"), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["waits.json"]


def test_no_file_is_no_trouble(tmp_path: Path) -> None:
    """The first start finds nothing."""
    assert not load_waits(LatencyPredictor(Config()), tmp_path / "waits.json")


# The manager ---------------------------------------------------------------------------------------------------


def turn_of(manager: FillerManager, clock: VirtualClock) -> None:
    session = manager.session(SilentOutput(24_000))
    turn = session.begin(speech_ended_at=clock.now(), agent="a")
    clock.advance(1.0)
    turn.write(np.zeros(240, np.float32))
    turn.finish()


def test_a_manager_remembers(tmp_path: Path, bank: ClipBank) -> None:
    """With a file in the configuration a new manager has seen what the last one learned."""
    path = tmp_path / "waits.json"
    config = load_config({"prediction": {"file": str(path)}})
    for number in range(3):
        clock = VirtualClock()
        with FillerManager(config, clock=clock, bank=bank) as manager:
            assert manager.predictor.waits_seen("speech_ended", A) == (number, number)
            turn_of(manager, clock)
    assert path.exists()


def test_a_manager_goes_on_without_its_file(tmp_path: Path, bank: ClipBank, caplog: pytest.LogCaptureFixture) -> None:
    """Where the file cannot be written there is one warning, and turns go on."""
    clock = VirtualClock()
    config = load_config({"prediction": {"file": str(tmp_path / "no" / "such" / "waits.json")}})
    with caplog.at_level(logging.WARNING, "stopgap"), FillerManager(config, clock=clock, bank=bank) as manager:
        turn_of(manager, clock)
        manager.close()
    assert caplog.text.count("cannot be kept") == 1


def test_what_was_learned_is_saved_now_and_then(tmp_path: Path) -> None:
    """Once a minute, and only when there is something new."""
    path, clock = tmp_path / "waits.json", VirtualClock()
    predictor = LatencyPredictor(Config())
    keeper = WaitsKeeper(predictor, str(path), clock)
    predictor.learn([Lesson("speech_ended", A, 1.0, True)])
    keeper.keep_up()
    assert not path.exists()
    clock.advance(61.0)
    keeper.keep_up()
    assert read_waits(path) == predictor.snapshot()
    path.unlink()
    clock.advance(61.0)
    keeper.keep_up()
    assert not path.exists()


@pytest.mark.parametrize("mode", ["none", "predictive"])
def test_replay_leaves_the_file_alone(mode: str, tmp_path: Path, bank: ClipBank) -> None:
    """Measuring with an application's configuration neither uses nor changes what that application has learned."""
    path = tmp_path / "waits.json"
    path.write_text("not what it should be")
    config = load_config({"mode": mode, "seed": 1, "prediction": {"file": str(path)}})
    turns = read_trace("voice_mixed_dev")[:20]
    assert len(list(replay(turns, config, bank=bank))) == 20
    assert [p.name for p in tmp_path.iterdir()] == ["waits.json"]
    assert path.read_text() == "not what it should be"


def test_checking_a_configuration_leaves_the_file_alone(tmp_path: Path) -> None:
    """`stopgap config check` looks at the configuration, not at what was learned."""
    waits, config = tmp_path / "waits.json", tmp_path / "stopgap.toml"
    waits.write_text("not what it should be")
    config.write_text(f"[prediction]\nfile = {json.dumps(str(waits))}\n")
    with pytest.raises(SystemExit) as ended:
        main(["config", "check", str(config)])
    assert not ended.value.code
    assert waits.read_text() == "not what it should be"
    assert len(list(tmp_path.iterdir())) == 2
