"""`stopgap tune`: the space, the search and its database, pruning, the file that is written."""

import contextlib
import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stopgap.benchmarks.replays import Grounds
from stopgap.benchmarks.traces import TraceNews, TraceTurn
from stopgap.benchmarks.tuning._report import compared, sentences
from stopgap.benchmarks.tuning._search import Bought, Choice, Tuning, plain_grid, tune
from stopgap.benchmarks.tuning._space import MODES, differing, nested, starting_points, suggested
from stopgap.benchmarks.tuning._study import Study, storage_at
from stopgap.benchmarks.tuning._trial import (
    FRONT,
    Demands,
    Figures,
    Job,
    dominates,
    front,
    measure,
    split,
    with_settings,
)
from stopgap.cli import main
from stopgap.cli.tune._page import page
from stopgap.cli.tune._toml import tuned_toml
from stopgap.fillers import ClipBank, Config, Kind, KindSettings, UsageError, load_config

TURNS = 60
PAUSE = threading.Event()
HEADER = "turn_id,conversation_id,started_at,agent,tool,tool_started_ms,tool_ended_ms,reply_ready_ms,cancelled_ms\n"


def some_turns(count: int = TURNS) -> list[TraceTurn]:
    """Plain waits of about 1.3 s, and every fourth with a tool that takes 3 s."""
    rng = np.random.default_rng(4)
    turns = []
    for number in range(count):
        wait, tool = float(1300.0 * np.exp(0.2 * rng.standard_normal())), number % 4 == 0
        news = (TraceNews("tool_started", 400.0, "search"),) if tool else ()
        turns.append(TraceTurn(str(number), f"call {number // 3}", 9.0 * number, "a", wait + 3000.0 * tool, None, news))
    return turns


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    path = tmp_path / "calls.csv"
    rows = [
        f"{t.turn_id},{t.conversation_id},{t.started_at},{t.agent},{'search' if t.news else ''},"
        f"{400.0 if t.news else ''},,{t.reply_ready_ms},\n"
        for t in some_turns()
    ]
    path.write_text(HEADER + "".join(rows), encoding="utf-8")
    return path


def refusal(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run the command line, which must refuse, and return its one sentence."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    text = capsys.readouterr().err.strip()
    assert ended.value.code == 2, text
    assert "\n" not in text
    return text


# The space -----------------------------------------------------------------------------------------------------


@given(st.integers(0, 10_000), st.sampled_from(MODES))
def test_whatever_is_drawn_is_a_configuration(seed: int, mode: str) -> None:
    """Every point of the space loads, keeps disabled kinds disabled, and is told by what differs from the base."""
    base = Config(kinds={Kind.HOLD: KindSettings(enabled=False)})
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    settings = suggested(study.ask(), mode, base)
    config = with_settings(base, settings)
    assert config.mode == mode
    assert not config.kind(Kind.HOLD).enabled
    assert all(step.kind is not Kind.HOLD for step in config.ladder) or mode == "predictive"
    assert config.handoff.hesitation.min_play_ms >= 120.0
    again = with_settings(base, nested(differing(settings, base)))
    assert again.model_copy(update={"kinds": {}}) == config.model_copy(update={"kinds": {}})
    assert [again.kind(kind) for kind in Kind] == [config.kind(kind) for kind in Kind]


@pytest.mark.parametrize("mode", MODES)
def test_a_search_begins_with_what_is_configured(mode: str) -> None:
    """The first point of the planner's search is the default configuration; of a ladder's, a ladder."""
    base = Config()
    first = starting_points(mode, base)[0]
    settings = suggested(optuna.trial.FixedTrial(first), mode, base)
    assert mode == "ladder" or differing(settings, base) == {}


# Figures -------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=1, max_size=12))
def test_the_front_is_what_nothing_dominates(points: list[tuple[int, int, int]]) -> None:
    """Every point of the front is undominated, and everything else is dominated by, or equal to, one of it."""
    figures = [Figures(0.0, float(a), float(b), float(c), 0.0, 0.0) for a, b, c in points]
    assert FRONT == ("dead_air", "reply_delay", "spoken_per_minute")
    ahead = {points[n] for n in front(figures)}
    for point in points:
        assert (point in ahead) == (not any(dominates(other, point) for other in points))


def test_demands_are_in_shares_of_what_is_allowed() -> None:
    """Twice the allowed delay is an excess of 1; what is not demanded is not asked."""
    figures = Figures(1.0, 1.0, 0.02, 30.0, 0.05, 0.0)
    assert Demands(reply_delay_ms=10.0, over_1s=0.1).excess(figures) == pytest.approx(
        {"reply_delay": 1.0, "over_1s": -0.5}
    )
    assert Demands().met(figures)
    assert not Demands(spoken_per_minute=29.0).met(figures)


def test_the_test_part_is_the_end_of_the_whole_replay(bank: ClipBank) -> None:
    """The planner is judged on the last turns, knowing those before; the parts together are the trace."""
    turns = some_turns()
    grounds = Grounds(turns, 0.0, ("en-us",))
    train, test = (measure(Job(Config(seed=0), {"mode": "ladder"}, part), grounds, bank) for part in ("train", "test"))
    assert (len(train.cost), len(test.cost)) == (split(turns), TURNS - split(turns))
    assert list(test.waited) == pytest.approx([t.end_ms / 1000.0 for t in turns[split(turns) :]])


# The search ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tuned(bank: ClipBank, tmp_path_factory: pytest.TempPathFactory) -> Tuning:
    """A short search in both modes, with a small grid."""
    turns, base = some_turns(), Config(seed=0)
    with storage_at(f"sqlite:///{tmp_path_factory.mktemp('tune') / 'calls.db'}") as storage:
        studies = [Study(storage, f"calls {mode}", mode, base, turns, Demands(), 0) for mode in MODES]
        return tune(turns, base, studies, 6, Demands(), bank=bank, grid=8)


def test_the_choice_is_never_worse_than_what_was_there(tuned: Tuning) -> None:
    """On the turns searched on, planning as chosen costs at most what it did before, but for what pruning allows."""
    assert tuned.tuned["predictive"].train.cost <= 1.006 * tuned.before.train.cost
    assert {mode: len(tried) for mode, tried in tuned.tried.items()} == {"ladder": 6, "predictive": 6}
    assert tuned.chosen.train.cost == min(choice.train.cost for choice in tuned.tuned.values())


def test_what_is_said_agrees_with_the_figures(tuned: Tuning) -> None:
    """Each figure's change is the difference of both, and what is not better is named."""
    rows = compared(tuned, tuned.chosen)
    for row in rows:
        assert row.change.value == pytest.approx(row.after.value - row.before.value)
        assert row.change.low <= row.change.value + 1e-12
    said = "\n".join(sentences(tuned))
    ladder, planned = (tuned.tuned[mode].test.cost for mode in ("ladder", "predictive"))
    assert f"tuned planning and the tuned ladder: cost {planned:.3f} s and {ladder:.3f} s" in said
    assert tuned.grid is not None
    assert f"the best of 8 ladders of a plain grid: cost {ladder:.3f} s and {tuned.grid.test.cost:.3f} s" in said
    worse = compared(tuned, tuned.before, tuned.chosen)[0]
    assert worse.change.value == pytest.approx(-rows[0].change.value)


def test_the_page_stands_alone(tuned: Tuning) -> None:
    """The report names what was found and fetches nothing."""
    text = page(tuned, "<calls>", tuned_toml(tuned, "calls", Config()))
    assert "&lt;calls&gt;" in text
    assert text.count("<svg") >= 3
    assert "http://" not in text.replace("http://www.w3.org/", "")
    assert "<script" not in text


def choice(settings: dict[str, Any], tuned: Tuning) -> Choice:
    return Choice(settings, tuned.before.train, tuned.before.heard)


def test_the_file_says_what_each_choice_bought(tuned: Tuning) -> None:
    """The user's own settings stay, the tuned ones come with their reason, and the file is a configuration."""
    settings = {"limits": {"per_turn": 3}, "ladder": [{"after_ms": 500.0, "kind": "hesitation"}], "mode": "ladder"}
    after = tuned.before.test
    dearer = Figures(**{**after.as_dict(), "cost": after.cost + 0.25})
    bought = (
        Bought(("limits", "per_turn"), 3, 5, dearer),
        Bought(("ladder",), settings["ladder"], [], after),
        Bought(("mode",), "ladder", "predictive", after),
    )
    found = Tuning(
        tuned.turns, Config(language="de-DE"), Demands(), tuned.tried, tuned.before,
        {"ladder": choice(settings, tuned)}, bought, None, 0,
    )  # fmt: skip
    text = tuned_toml(found, "calls", Config(language="de-DE"))
    assert "# instead of 5, with which a turn would cost 0.250 s more" in text
    config = load_config(tomllib.loads(text))
    assert (config.language, config.mode, config.limits.per_turn, config.seed) == ("de-DE", "ladder", 3, None)
    assert [step.after_ms for step in config.ladder] == [500.0]
    lines = text.splitlines()
    assert lines[lines.index("per_turn = 3") - 1].startswith("# instead of 5")
    assert lines[lines.index("[[ladder]]") - 1].startswith("# instead of another ladder")


def test_a_plain_grid_has_the_size_that_was_asked_for() -> None:
    """Any number of ladders, all different."""
    for size in (1, 100, 380, 1000):
        assert len(set(plain_grid(size))) == size


# The database --------------------------------------------------------------------------------------------------


def test_finished_trials_are_taken_up_again(bank: ClipBank, tmp_path: Path) -> None:
    """A second run with the same database only makes what is missing; another configuration is refused."""
    turns, base = some_turns(), Config(seed=0)
    url = f"sqlite:///{tmp_path / 'calls.db'}"
    made = []
    for until in (3, 5):
        with storage_at(url) as storage:
            study = Study(storage, "calls ladder", "ladder", base, turns, Demands(), 0)
            tune(turns, base, [study], until, Demands(), bank=bank, advance=lambda steps: None)
            made.append([one.settings for one in study.tried])
    assert made[1][:3] == made[0]
    assert len(made[1]) == 5
    with storage_at(url) as storage, pytest.raises(UsageError, match="another trace or configuration"):
        Study(storage, "calls ladder", "ladder", Config(seed=1), turns, Demands(), 0)
    with storage_at(url) as storage, pytest.raises(UsageError, match="another policy"):
        Study(storage, "calls ladder", "predictive", base, turns, Demands(), 0)


def test_a_study_of_another_version_is_refused(tmp_path: Path) -> None:
    """What another version made, or another program, is named and left alone."""
    url = f"sqlite:///{tmp_path / 'calls.db'}"
    with storage_at(url) as storage:
        made = optuna.create_study(storage=storage, study_name="calls ladder")
        made.set_user_attr("stopgap", {"format": 0, "mode": "ladder", "of": "x"})
        with pytest.raises(UsageError, match="another version"):
            Study(storage, "calls ladder", "ladder", Config(), some_turns(), Demands(), 0)
        optuna.create_study(storage=storage, study_name="theirs").ask()
        with pytest.raises(UsageError, match="not stopgap's"):
            Study(storage, "theirs", "ladder", Config(), some_turns(), Demands(), 0)


def finished(database: Path) -> int:
    """Return how many trials the database holds as finished; only read, lest this makes the tables beside the run."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        try:
            (count,) = connection.execute("SELECT count(*) FROM trials WHERE state = 'COMPLETE'").fetchone()
        except sqlite3.OperationalError:  # not there yet
            return 0
    return int(count)


def test_a_killed_run_loses_no_finished_trial(trace: Path, tmp_path: Path) -> None:
    """SIGKILL in the middle: what was finished is there, and the same command goes on to the end."""
    database = tmp_path / "calls.tune.db"
    command = [
        sys.executable, "-m", "stopgap", "tune", str(trace), "--mode", "predictive", "--trials", "12", "--workers", "1",
        "--storage", f"sqlite:///{database}", "--out", str(tmp_path / "tuned.toml"), "--json",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        while running.poll() is None and (not database.exists() or finished(database) < 3):
            PAUSE.wait(0.02)
        os.kill(running.pid, signal.SIGKILL)
    before = finished(database)
    assert 3 <= before <= 12
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert finished(database) == 12
    assert json.loads(done.stdout)["trials"] == {"predictive": 12}
    assert load_config(tmp_path / "tuned.toml").mode == "predictive"


# The command line ----------------------------------------------------------------------------------------------


def test_the_command_writes_what_it_found(trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`stopgap tune TRACE` writes a configuration and a page, and says what may be concluded."""
    out, html, url = tmp_path / "tuned.toml", tmp_path / "report.html", f"sqlite:///{tmp_path / 't.db'}"
    arguments = ["tune", str(trace), "--trials", "4", "--workers", "1", "--storage", url, "--out", str(out)]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--html", str(html), "--max-delay-ms", "500"])
    said = capsys.readouterr().out
    assert ended.value.code in (0, None)
    assert "judged on the other 18" in said
    assert f"wrote {out}" in said
    assert html.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    load_config(out)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--mode", "clever"], "'clever' is unknown; choose ladder or predictive"),
        (["--storage", "my database"], "--storage is no database URL; write sqlite:///FILE"),
        (["--storage", "postgresql//me:hunter2@host/x"], "--storage is no database URL; write"),
        (["--storage", "postgresql://me:hunter2@host:port/x"], "--storage is no database URL; write"),
        (["--storage", "sqlite:////nowhere/at/all.db"], "cannot be opened (unable to open database file); give a file"),
        (["--storage", "nosuchbackend://host/x"], "nosuchbackend"),
        (["--out", "/nowhere/at/all.toml"], "there is no folder /nowhere/at"),
        (["--max-spoken", "0", "--max-over-1s", "0"], "meets all demands"),
    ],
)
def test_bad_input(
    extra: list[str], message: str, trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be used is refused in one sentence that names it."""
    usual = ["--storage", f"sqlite:///{tmp_path / 't.db'}"] if "--storage" not in extra else []
    usual += ["--out", str(tmp_path / "tuned.toml")] if "--out" not in extra else []
    text = refusal(["tune", str(trace), "--trials", "4", "--workers", "1", *usual, *extra], capsys)
    assert message in text
    assert "hunter2" not in text
    assert not (tmp_path / "tuned.toml").exists()


def test_a_short_trace_is_refused(trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Fewer than 50 turns are refused, with the reason."""
    lines = trace.read_text(encoding="utf-8").splitlines()[:40]
    trace.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert "holds 39 turns; tuning needs 50 or more" in refusal(["tune", str(trace)], capsys)


def test_the_binding_demand_is_named(trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of demands that nothing meets, the one that is farthest from being met is named with what was reached."""
    usual = ["--storage", f"sqlite:///{tmp_path / 't.db'}", "--out", str(tmp_path / "tuned.toml")]
    text = refusal(
        ["tune", str(trace), "--trials", "4", "--workers", "1", "--max-spoken", "0.5", "--max-delay-ms", "900", *usual],
        capsys,
    )
    assert "--max-spoken binds" in text
    numbers = [float(word.rstrip(",;")) for word in text.split() if word.rstrip(",;").replace(".", "", 1).isdigit()]
    assert max(numbers) > 0.5


def test_one_mode_that_cannot_does_not_stop_the_other(bank: ClipBank, tmp_path: Path) -> None:
    """Where no ladder meets a demand and planning does, planning is chosen, and that is said."""
    turns, base, demands = some_turns(), Config(seed=0), Demands(reply_delay_ms=4.0)
    with storage_at(f"sqlite:///{tmp_path / 't.db'}") as storage:
        studies = [Study(storage, mode, mode, base, turns, demands, 0) for mode in MODES]
        found = tune(turns, base, studies, 4, demands, bank=bank)
    assert not any(demands.met(one.figures) for one in found.tried["ladder"])
    assert set(found.tuned) == {"predictive"}
    assert demands.met(found.chosen.train)
    assert "nothing that was tried of ladder meets what was demanded" in list(sentences(found))


def test_an_interrupted_trial_is_tried_again(bank: ClipBank, tmp_path: Path) -> None:
    """What an interruption ends is no finished trial, runs no longer, and is the first to be tried later."""
    turns, base = some_turns(), Config(seed=0)

    def interrupted(job: Job) -> Any:
        raise KeyboardInterrupt

    with storage_at(f"sqlite:///{tmp_path / 't.db'}") as storage:
        study = Study(storage, "ladder", "ladder", base, turns, Demands(), 0)
        with pytest.raises(KeyboardInterrupt):
            study.search(3, interrupted, 1, lambda steps: None)
        states = [trial.state.name for trial in study._study.trials]
        assert sorted(states) == ["FAIL", "WAITING", "WAITING"]
        waiting = [t.system_attrs["fixed_params"] for t in study._study.trials if t.state.name == "WAITING"]
        assert starting_points("ladder", base)[0] in waiting
        tune(turns, base, [study], 3, Demands(), bank=bank)
        assert len(study.tried) == 3


def test_secrets_are_not_shown(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A password in the storage's URL is not printed."""
    text = refusal(["tune", str(trace), "--storage", "postgresql://me:hunter2@127.0.0.1:1/x"], capsys)
    assert "hunter2" not in text


def test_pairs_of_modes_are_searched_alike() -> None:
    """Both modes search what they share under the same names."""
    base = Config()
    names = [set(starting_points(mode, base)[0]) for mode in MODES]
    for one, two in itertools.permutations(names, 2):
        assert {n for n in one if n.startswith("handoff.")} == {n for n in two if n.startswith("handoff.")}
