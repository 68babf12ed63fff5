"""`stopgap bench`: what is made of the probe's records, and one short real run."""

import json
import os
import random
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stopgap.benchmarks._spread import Spread
from stopgap.benchmarks.output import _jack
from stopgap.benchmarks.output._loads import LOADS, Load
from stopgap.benchmarks.output._measure import CALL, Calls, callback_figures, device_times, match, onsets
from stopgap.benchmarks.output._output import OutputReport, Row, measure_output, verdicts
from stopgap.benchmarks.output._sounds import ARMED, LEVELS, LOOP, THRESHOLD, TRIGGERED, code_of
from stopgap.cli import main
from stopgap.engine.mixer import native_available
from stopgap.fillers import OutputError, UsageError

RATE = 48_000
BLOCK = 256
PERIOD_S = BLOCK / RATE
AHEAD_S = 2 * PERIOD_S


def calls(late: Sequence[float], lost: Sequence[int] = (), ahead: float = AHEAD_S) -> Calls:
    """Return callbacks that came *late* s after their time; of those numbered in *lost* a cycle was lost before."""
    made = np.zeros(len(late), CALL)
    cycles = np.arange(len(late)) + np.searchsorted(sorted(lost), np.arange(len(late)), side="right")
    made["frames"] = BLOCK
    made["entry_ns"] = np.round((100.0 + cycles * PERIOD_S + np.asarray(late)) * 1e9)
    made["exit_ns"] = made["entry_ns"] + 5_000
    made["current_s"], made["dac_s"], made["onset"] = 7.0, 7.0 + ahead, -1
    return made


def row(engine: str = "native", load: str = "idle", xruns: int = 0, **changes: Any) -> Row:
    """Return a row that meets every target."""
    figures = replace(callback_figures(calls([0.0] * 100), 100 * PERIOD_S, RATE), xruns=xruns)
    handed, off = (1.0, 2.0, 5.0), (-0.05, 0.02)
    whole = Row(
        engine, load, 0.0, 1.0, True, 0.0, figures, 0, 3, Spread.of(handed), 2, 0, Spread.of(np.abs(off)), handed, off
    )
    return replace(whole, **changes)


def test_a_spread_of_nothing_is_not_a_number() -> None:
    """No measurement is not a good measurement."""
    assert Spread.of([]).count == 0
    assert Spread.of([]).p99 != Spread.of([]).p99
    assert Spread.of([float(x) for x in range(101)]) == Spread(101, 50.0, 99.0, 100.0)


def test_callbacks_are_counted_against_what_the_time_would_take() -> None:
    """A callback that took longer than its block is over; a flag of PortAudio's is an xrun."""
    made = calls([0.0] * 10)
    made["exit_ns"][3] += 6_000_000
    made["flags"][4] = 4
    made["flags"][5] = 1  # an input's, which is nobody's business
    figures = callback_figures(made, 12 * PERIOD_S, RATE)
    assert (figures.seen, figures.over_period, figures.xruns) == (10, 1, 1)
    assert figures.expected == pytest.approx(12.0)
    assert figures.block_ms == pytest.approx(5.333, abs=1e-3)
    assert figures.duration.max == pytest.approx(6.005)
    assert figures.arrival.p50 == pytest.approx(5.333, abs=1e-3)


@pytest.mark.parametrize("jitter_s", [0.0, 2e-5, 2e-4])
def test_the_clock_of_the_device_is_found_below_the_noise_of_its_threads(jitter_s: float) -> None:
    """Each time is off by the median lateness of a wake-up, however late single ones are."""
    chance = np.random.default_rng(1)
    late = jitter_s * chance.exponential(size=2_000)
    late[::97] += 3e-3
    times = device_times(calls(late.tolist()), RATE)
    assert times is not None
    truth = 100.0 + np.arange(2_000) * PERIOD_S + AHEAD_S
    assert np.abs(times - truth).max() <= 1.2 * jitter_s + 1e-7


def test_lost_cycles_move_the_device_s_clock_on_from_there() -> None:
    """Frames that the device went without are not on the frame counter."""
    late = 2e-5 * np.random.default_rng(2).exponential(size=900)
    late[[299, 300, 301]] += 2e-3
    times = device_times(calls(late.tolist(), lost=[300, 600, 601]), RATE)
    assert times is not None
    cycles = np.arange(900) + (np.arange(900) >= 300) + (np.arange(900) >= 600) + (np.arange(900) >= 601)
    off = np.abs(times - (100.0 + cycles * PERIOD_S + AHEAD_S))
    assert off[np.r_[0:299, 302:600, 602:900]].max() < 1e-4


def test_times_that_portaudio_does_not_know_are_left_out() -> None:
    """Zeros and garbage are ignored where there are others, and where there are none nothing is known."""
    made = calls([0.0] * 300)
    made["dac_s"][:50] = made["current_s"][:50]
    made["dac_s"][100] = 89_478.0
    times = device_times(made, RATE)
    assert times is not None
    assert times == pytest.approx(100.0 + np.arange(300) * PERIOD_S + AHEAD_S, abs=1e-7)
    made["dac_s"] = 0.0
    assert device_times(made, RATE) is None


def test_a_sound_is_heard_where_its_first_frame_lies_and_not_before_it_was_handed_over() -> None:
    """The device plays the frame at its place; a callback that returns after that is heard later."""
    made = calls([0.0] * 50)
    made["onset"][[10, 20]] = 48
    made["level"][[10, 20]] = LEVELS[3], -LEVELS[4]
    made["exit_ns"][20] += 30_000_000
    first, second = onsets(made, RATE)
    assert first.heard_s == pytest.approx(100.0 + 10 * PERIOD_S + AHEAD_S + 0.001)
    assert first.handed_s == pytest.approx(100.0 + 10 * PERIOD_S, abs=1e-5)
    assert second.heard_s == second.handed_s == pytest.approx(100.0 + 20 * PERIOD_S + 0.03, abs=1e-5)
    assert (code_of(first.level), code_of(second.level)) == (3, 4)


def test_every_sound_is_told_from_the_loop_from_the_others_and_from_two_at_once() -> None:
    """Whatever the loop adds."""
    loop = float(np.abs(LOOP).max())
    for code, (positive, negative) in enumerate(zip(TRIGGERED, ARMED, strict=True)):
        assert loop < THRESHOLD < positive[0] - loop
        for off in (-loop, loop):
            assert code_of(positive[0] + off) == code_of(negative[0] + off) == code
    assert code_of(2 * LEVELS[0] - loop) is None
    assert code_of(LEVELS[0] + LEVELS[1]) is None


@pytest.mark.parametrize(
    ("sounds", "answered"),
    [
        ([(1.003, 0), (2.004, 1), (3.005, 2)], [(0, 0.003), (1, 0.004), (2, 0.005)]),
        ([(2.004, 1), (3.005, 2)], [(1, 0.004), (2, 0.005)]),  # the first was dropped
        ([(3.5, None)], [(0, 2.5)]),  # all three at once: as late as the first
        ([(2.5, None), (3.005, 2)], [(0, 1.5), (2, 0.005)]),
        ([(0.9, 0), (1.1, 0)], [(0, 0.1)]),  # nobody had asked yet
        ([(1.003, 0), (1.2, 7), (1.3, 0)], [(0, 0.003)]),  # nobody asked for these
        ([], []),
    ],
)
def test_a_sound_answers_the_request_whose_level_it_has(
    sounds: list[tuple[float, int | None]], answered: list[tuple[int, float]]
) -> None:
    """And the first that waits, if it is several in one."""
    found = match([1.0, 2.0, 3.0], sounds)
    assert [number for number, _ in found] == [number for number, _ in answered]
    assert [delay for _, delay in found] == pytest.approx([delay for _, delay in answered])


def test_codes_come_round_again() -> None:
    """Request 12 has the level of request 2; a sound answers the last one before it."""
    asked = [float(number) for number in range(15)]
    assert [number for number, _ in match(asked, [(2.1, 2), (12.1, 2)])] == [2, 12]


def test_a_sound_may_come_early_by_what_is_allowed() -> None:
    """An armed start may miss its time to either side."""
    assert match([1.0], [(0.99, 0)]) == []
    assert match([1.0], [(0.99, 0)], early=0.02)[0][1] == pytest.approx(-0.01)


def test_targets_are_met_missed_or_not_measured() -> None:
    """A target without a measurement, or without anything to compare with, is neither met nor missed."""
    rows = [
        row(),
        row("nothing", xruns=0),
        row(load="gil", xruns=2, handed=Spread(90, 1.0, 5.84, 9.0), lateness=Spread(90, 0.1, 0.21, 0.3)),
        row("nothing", "gil", xruns=1),
        row(load="gc", lateness=Spread.of([])),
        row("plain", "gc", xruns=99),
    ]
    judged = {(verdict.target.split(",")[0], verdict.load): verdict.met for verdict in verdicts(rows)}
    assert judged == {
        ("xruns", "idle"): True,
        ("published -> handed over", "idle"): True,
        ("armed start off by", "idle"): True,
        ("xruns", "gil"): False,
        ("published -> handed over", "gil"): False,
        ("armed start off by", "gil"): False,
        ("xruns", "gc"): None,
        ("published -> handed over", "gc"): True,
        ("armed start off by", "gc"): None,
    }


def test_a_row_survives_its_way_from_one_process_to_another() -> None:
    """As JSON."""
    assert Row.from_dict(json.loads(json.dumps(asdict(row())))) == row()


def test_a_report_is_written_for_people_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Misses are said plainly."""
    pytest.importorskip("matplotlib")
    from stopgap.cli._console import print_table
    from stopgap.cli.bench._outputplot import plot_output
    from stopgap.cli.bench._outputtable import callback_table, delay_table, sentences, verdict_table

    report = OutputReport("a server", BLOCK, (row(xruns=3), row("nothing")), ("rtmixer: not installed",))
    for table in (callback_table, delay_table, verdict_table):
        print_table(table(report))
    assert "MISSED" in capsys.readouterr().out
    said = list(sentences(report))
    assert "targets: 2 of 3 met" in said
    assert "MISSED beside idle: xruns, of nothing at most: 3, limit 0" in said
    assert "left out: rtmixer: not installed" in said
    plot_output(report, tmp_path / "bench.png")
    assert (tmp_path / "bench.png").stat().st_size > 10_000


def test_missed_cycles_are_counted_between_two_times(tmp_path: Path) -> None:
    """Half a line is read when it is whole."""
    log = tmp_path / "log"
    missed = _jack.MissedCycles(log)
    assert missed.between(0.0, 1.0) == 0
    log.write_text("JACK server starting\n")
    missed.look(1.0)
    log.write_text("JACK server starting\nx: Process error\nJackTimedDriver::Process XRun = 17 usec\nx: Process er")
    missed.look(2.0)
    log.write_text(log.read_text() + "ror\nJackEngine::XRun: client = PortAudio was not finished\n")
    missed.look(3.0)
    assert [missed.between(0.5, 1.5), missed.between(1.5, 2.5), missed.between(0.5, 9.0)] == [2, 1, 3]


def test_without_jackd_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or to name a device."""
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(OutputError, match="apt-get install jackd2"), _jack.jack_server():
        pass


@pytest.mark.parametrize("arguments", [["--engine", "sox"], ["--load", "heavy"], ["--server", "jack", "--device", "x"]])
def test_what_cannot_be_measured_is_refused_at_once(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """With exit code 2 and what there is instead."""
    with pytest.raises(SystemExit) as end:
        main(["bench", "output", *arguments])
    assert end.value.code == 2
    assert arguments[-1] in capsys.readouterr().err


def test_an_unknown_load_is_named() -> None:
    """Also where no command line checks it."""
    with pytest.raises(UsageError, match="idle, pyloop"):
        measure_output(loads=["heavy"])
    with pytest.raises(ValueError, match="heavy"):
        Load("heavy")


@pytest.mark.parametrize("name", [name for name in LOADS if name != "gc"])  # which takes seconds to make
def test_no_call_of_a_load_begins_after_its_end(name: str) -> None:
    """A load ends by itself, since nobody else may get to run."""
    load = Load(name, seed=random.Random(1).randrange(9))
    load.start(time.monotonic())
    load.join()
    assert load.longest_s == 0.0


def test_two_engines_play_to_a_server_of_their_own() -> None:
    """Callbacks come, what is triggered and armed is found in them; how quickly is not asserted here."""
    missing = [] if shutil.which("jackd") else ["jackd is not installed"]
    missing += [] if find_spec("stopgap.benchmarks._probe") else ["the probe was not built"]
    if missing and os.environ.get("STOPGAP_REQUIRE_AUDIO") != "1":
        pytest.skip(", ".join(missing))
    done: list[int] = []
    engine = "native" if native_available else "numpy"
    report = measure_output([engine, "nothing"], ["idle"], seconds=2.0, advance=done.append)
    first, second = report.rows
    assert done == [1, 1]
    assert report.server.startswith("JACK dummy server")
    assert (first.engine, second.engine) == (engine, "nothing")
    for found in report.rows:
        assert found.callbacks.seen > 0
        assert found.server_xruns is not None
        assert found.callbacks.block_ms == pytest.approx(5.333, abs=1e-3)
    assert 0 < first.handed.count <= first.triggers
    assert 0 < first.lateness.count <= first.armed + first.armed_too_late
    assert min(first.handed_ms) > 0.0
    assert second.handed.count == second.triggers == second.armed == 0
    assert json.dumps(report.as_dict())
