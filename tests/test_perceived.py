"""`stopgap bench perceived`: figures that can be worked out by hand, intervals, targets, and one short real run."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from stopgap.benchmarks import NAMES, TraceTurn, benchmark_config, read_trace, replay
from stopgap.benchmarks._intervals import Bootstrap, Estimate
from stopgap.benchmarks.perceived._empirical import running_quantiles
from stopgap.benchmarks.perceived._figures import (
    Verdict,
    conversation_s,
    cost_ratio,
    policy_figures,
    sliding_coverage,
    verdicts,
)
from stopgap.benchmarks.perceived._perceived import Outcome, compare, rounds
from stopgap.benchmarks.perceived._report import PerceivedReport, TraceReport
from stopgap.benchmarks.perceived._settings import DEFAULT, LIMITED, NO_CREDIT, settings
from stopgap.benchmarks.policies import LadderShape, best_ladders, ladder_grid
from stopgap.benchmarks.replays import Grounds, heard, pinball, within
from stopgap.benchmarks.traces import change_of, slowed
from stopgap.cli import main
from stopgap.fillers import ClipBank, Costs, Kind

HEADER = "turn_id,conversation_id,started_at,agent,tool,tool_started_ms,tool_ended_ms,reply_ready_ms,cancelled_ms\n"
QUICKLY = ("none", "ladder", "predictive", "short", "best-sheet")


def turn(id: str, at: float, ready_ms: float | None, conversation: str | None = None) -> TraceTurn:
    return TraceTurn(id, conversation or f"call {id}", at, "agent", ready_ms, 900.0 if ready_ms is None else None)


@pytest.fixture(scope="module")
def compared(bank: ClipBank) -> TraceReport:
    """A hundred turns of the voice trace under a few policies, quickly."""
    turns = read_trace("voice_mixed_dev")[:100]
    return TraceReport("voice", turns, compare(turns, benchmark_config(), QUICKLY, bank=bank, quick=True))


# Slowing down --------------------------------------------------------------------------------------------------


def test_the_second_half_is_slowed() -> None:
    """Every time within a turn is stretched, the first half and the turns' beginnings stay."""
    turns = read_trace("voice_mixed_dev")[:11]
    after = slowed(turns, 1.7)
    assert change_of(turns) == 5
    assert after[:5] == turns[:5]
    for before, now in zip(turns[5:], after[5:], strict=True):
        assert now.started_at == before.started_at
        assert now.end_ms == pytest.approx(1.7 * before.end_ms)
        assert [n.at_ms for n in now.news] == pytest.approx([1.7 * n.at_ms for n in before.news])


def test_targets_after_a_change_are_about_the_turns_behind_it(compared: TraceReport) -> None:
    """Coverage is asked of the 200 turns from the change on, within 5 points, and the cost is to be lower."""
    usual = {verdict.target: verdict for verdict in verdicts(compared.main, compared.running, compared.bootstrap)}
    changed = {v.target: v for v in verdicts(compared.main, compared.running, compared.bootstrap, slowed_from=40)}
    judged = compared.main.heard["predictive"]
    inside = within(judged.replied, judged.quantiles)[40:]
    added = [changed[name] for name in changed if name not in usual]
    assert [(v.least, v.most) for v in added] == [(0.75, 0.85), (0.9, 1.0)]
    assert [v.measured.value for v in added] == pytest.approx([np.nanmean(inside[:, 1]), np.nanmean(inside[:, 2])])
    ratio = "cost / best ladder in hindsight"
    assert (usual[ratio].most, changed[ratio].most) == (0.76, 0.72)


def test_sliding_coverage() -> None:
    """Each value is the share within the quantiles of the last 200 turns that were answered."""
    rng = np.random.default_rng(2)
    waits = rng.uniform(0.0, 1.0, 450)
    waits[::7] = np.nan
    quantiles = rng.uniform(0.0, 1.0, (450, 3))
    shares = sliding_coverage(waits, quantiles)
    assert shares.shape == (251, 3)
    for end in (200, 333, 450):
        expected = np.nanmean(within(waits, quantiles)[end - 200 : end], axis=0)
        assert shares[end - 200] == pytest.approx(expected)


# Figures -------------------------------------------------------------------------------------------------------


def test_what_a_bed_is_worth_is_shown_both_ways(bank: ClipBank) -> None:
    """Typing from 0.5 to 3.0 s: the longest silence is 0.5 s if it counts as sound, 3.0 s if not."""
    turns = [turn("a", 0.0, 3000.0)]
    config = benchmark_config("ladder", {"ladder": [{"after_ms": 500, "kind": "ambience"}]})
    found = heard(list(replay(turns, config, bank=bank)), config.costs)
    assert found.gap[0] == pytest.approx(0.5, abs=1e-3)
    assert found.gap_beds_silent[0] == pytest.approx(3.0, abs=1e-3)
    assert (found.over(0.7)[0], found.over(2.0, beds_are_sound=False)[0]) == (0.0, 1.0)


def test_fillers_are_counted_per_turn_wait_and_conversation(bank: ClipBank) -> None:
    """Two "um" in two turns of 1.0 and 2.0 s, in a call that lasts 12 s: 1 a turn, 40 and 10 a minute."""
    turns = [turn("a", 5.0, 1000.0, "call"), turn("b", 15.0, 2000.0, "call")]
    config = benchmark_config("ladder", {"ladder": [{"after_ms": 500, "kind": "hesitation"}]})
    found = heard(list(replay(turns, config, bank=bank)), config.costs)
    outcome = Outcome(settings(config)[1], {"short": found}, None)
    figures = policy_figures(outcome, "short", turns, Bootstrap(["call", "call"]))
    assert figures.spoken_per_turn == 1.0
    assert figures.spoken_per_waiting_minute == pytest.approx(40.0)
    assert conversation_s(turns) == pytest.approx(12.0)
    assert figures.spoken_per_conversation_minute == pytest.approx(10.0)
    assert figures.beyond_judged is None
    assert sum(figures.parts.values()) == pytest.approx(figures.cost.value)


def test_pinball_and_coverage_by_hand() -> None:
    """A wait of 2 s against 1, 2 and 3 s: (0.5 * 1 + 0 + 0.05 * 1) / 3; a cancelled turn has neither."""
    waits, quantiles = np.array([2.0, np.nan]), np.array([[1.0, 2.0, 3.0]] * 2)
    assert pinball(waits, quantiles)[0] == pytest.approx(0.55 / 3)
    assert within(waits, quantiles)[0].tolist() == [0.0, 1.0, 1.0]
    assert np.isnan(pinball(waits, quantiles)[1])
    assert np.isnan(within(waits, quantiles)[1]).all()


def test_running_quantiles_know_only_what_has_ended() -> None:
    """Before anything was seen the prior's; then those of the same agent, and of all where that has none."""
    config = benchmark_config()
    turns = [
        turn("a", 0.0, 1000.0),
        turn("b", 0.5, 3000.0),
        turn("c", 2.0, None),
        turn("d", 10.0, 1000.0),
        replace(turn("e", 20.0, 800.0), agent="other"),
        replace(turn("f", 30.0, 800.0), agent="other"),
    ]
    found = running_quantiles(turns, config)
    assert found[0, 0] == pytest.approx(1.5, rel=0.03)
    assert (found[1] == found[0]).all()
    assert found[2].tolist() == [1.0, 1.0, 1.0]
    assert found[3, 0] == pytest.approx(2.0)
    assert found[4, 0] == pytest.approx(1.0)
    assert found[5].tolist() == [0.8, 0.8, 0.8]


# Intervals -----------------------------------------------------------------------------------------------------


def test_an_interval_holds_its_figure_and_repeats_itself() -> None:
    """The same turns give the same interval; a paired difference that is always 0.1 has none to speak of."""
    chance = np.random.default_rng(3)
    calls = [f"call {n // 4}" for n in range(200)]
    one = chance.lognormal(size=200)
    found = Bootstrap(calls).ratio(one)
    assert found == Bootstrap(calls).ratio(one)
    assert found.value == pytest.approx(one.mean())
    assert found.low < found.value < found.high
    difference = Bootstrap(calls).ratio((one + 0.1) - one)
    assert [difference.low, difference.high] == pytest.approx([0.1, 0.1])
    ratio = Bootstrap(calls).ratio(0.7 * one, one)
    assert [ratio.low, ratio.value, ratio.high] == pytest.approx([0.7, 0.7, 0.7])


def test_an_interval_is_as_wide_as_theory_says() -> None:
    """The mean of 400 independent normal values has a standard error of 1/20: the interval is about 4 of them."""
    values = np.random.default_rng(4).normal(size=400)
    found = Bootstrap([str(n) for n in range(400)]).ratio(values)
    assert found.high - found.low == pytest.approx(2 * 1.96 / 20, rel=0.15)


def test_turns_of_one_conversation_are_not_independent() -> None:
    """Calls of ten alike turns: as if there were a tenth of the turns, so the interval is √10 times as wide."""
    values = np.repeat(np.random.default_rng(5).normal(size=40), 10)
    apart = Bootstrap([str(n) for n in range(400)]).ratio(values)
    together = Bootstrap([str(n // 10) for n in range(400)]).ratio(values)
    assert (together.high - together.low) / (apart.high - apart.low) == pytest.approx(10**0.5, rel=0.2)


@pytest.mark.parametrize("values", [[], [np.nan, np.nan]])
def test_nothing_has_no_figure(values: list[float]) -> None:
    """Where no turn counts there is no figure, and no error."""
    found = Bootstrap([f"c{n}" for n in range(len(values))]).ratio(np.array(values))
    assert np.isnan([found.value, found.low, found.high]).all()


def test_one_conversation_has_a_figure_without_an_interval() -> None:
    """There is nothing to draw anew."""
    found = Bootstrap(["call"] * 3).ratio(np.array([1.0, 2.0, 3.0]))
    assert found.value == pytest.approx(2.0)
    assert np.isnan([found.low, found.high]).all()


# The comparison ------------------------------------------------------------------------------------------------


def test_the_credit_0_is_swept_first_and_weights_are_what_they_say() -> None:
    """Each setting differs from the configuration in what its name says; one that says nothing new is left out."""
    config = benchmark_config()
    swept = {setting.name: setting.config for setting in settings(config)}
    assert list(swept)[:2] == [NO_CREDIT, DEFAULT]
    assert "ambience_credit 0.5" not in swept
    assert swept[NO_CREDIT].costs == config.costs.model_copy(update={"ambience_credit": 0.0})
    assert swept["reply_delay × 0.5"].costs.reply_delay == 0.75
    assert (swept["spoken costs × 2"].costs.phrase, swept["spoken costs × 2"].costs.repeat) == (0.44, 0.2)
    assert (swept[LIMITED].limits.per_minute, swept[LIMITED].costs) == (8, config.costs)
    assert [setting.name for setting in settings(config, quick=True)] == [NO_CREDIT, DEFAULT]
    limited = benchmark_config(None, {"limits": {"per_minute": 8}})
    assert LIMITED not in {setting.name for setting in settings(limited)}


def test_a_ladder_is_replayed_once_for_all_weights(bank: ClipBank) -> None:
    """Each weight has its own best: where words cost much the ladder that says less wins, and the other way round."""
    turns = [turn(str(n), 10.0 * n, 2600.0) for n in range(3)]
    shapes = [LadderShape(700, Kind.HESITATION), LadderShape(700, Kind.HESITATION, 1200, Kind.PROGRESS)]
    config = benchmark_config()
    costs = [Costs(phrase=5.0, progress=5.0), Costs(phrase=0.0, progress=0.0, reply_delay=0.0)]
    done: list[int] = []
    grounds = Grounds(turns, 0.0, config.packs)
    best = best_ladders(grounds, config, costs, shapes, bank=bank, advance=done.append)
    assert [shape for shape, _ in best] == shapes
    assert done == [1, 1]


def test_the_coarse_grid_is_part_of_the_whole() -> None:
    """About a fifth of 380 ladders."""
    whole, coarse = set(ladder_grid()), set(ladder_grid(coarse=True))
    assert coarse < whole
    assert (len(whole), len(coarse)) == (380, 80)


def test_workers_and_repetition_change_nothing(bank: ClipBank) -> None:
    """Side by side or one after the other, every figure is the same."""
    turns = read_trace("voice_mixed_dev")[:40]
    names = ("median-gate", "predictive", "oracle")
    reports = [
        TraceReport("t", turns, compare(turns, benchmark_config(), names, bank=bank, quick=True, workers=workers))
        for workers in (1, 2)
    ]
    assert json.dumps(reports[0].as_dict()) == json.dumps(reports[1].as_dict())


def test_every_replay_is_reported(bank: ClipBank) -> None:
    """The bar ends where it should."""
    turns = [turn(str(n), 10.0 * n, 900.0) for n in range(2)]
    done: list[int] = []
    names = ("none", "short", "predictive")
    compare(turns, benchmark_config(), names, bank=bank, advance=done.append)
    # none and short once without and once with rate limits, the planner under each of the nine settings
    assert sum(done) == rounds(benchmark_config(), names) == 2 + 2 + 9


def test_costs_of_fixed_timers_follow_the_weights(compared: TraceReport) -> None:
    """A policy that plays no bed costs the same with and without credit for beds; the planner plans anew."""
    without, usual = compared.outcomes
    assert (without.setting.name, usual.setting.name) == (NO_CREDIT, DEFAULT)
    for name in ("none", "ladder", "short"):
        assert (without.heard[name].cost == usual.heard[name].cost).all()
    assert without.heard["predictive"].parts[:, 4].sum() == 0.0
    assert usual.heard["predictive"].parts[:, 4].sum() > 0.0
    assert without.heard["predictive"].cost.mean() > usual.heard["predictive"].cost.mean()


# Targets -------------------------------------------------------------------------------------------------------


def estimate(value: float) -> Estimate:
    return Estimate(value, value, value)


@pytest.mark.parametrize(
    ("verdict", "met"),
    [
        (Verdict("t", estimate(0.76), 0.0, 0.76), True),
        (Verdict("t", estimate(0.761), 0.0, 0.76), False),
        (Verdict("t", estimate(1.0), 0.0, 1.0, strict=True), False),
        (Verdict("t", estimate(0.82), 0.78, 0.82), True),
        (Verdict("t", estimate(0.77), 0.78, 0.82), False),
        (Verdict("t", estimate(float("nan")), 0.0, 1.0), None),
    ],
)
def test_a_target_is_met_up_to_its_limit(verdict: Verdict, met: bool | None) -> None:
    """Limits belong to what meets, but for those that ask for less; what was not measured is neither."""
    assert verdict.met is met


def test_targets_are_those_of_the_policy_that_is_judged(compared: TraceReport) -> None:
    """Ratios are of mean costs; without ladders that comparison is not measured; without credit the limit is 0.88."""
    without, usual = compared.outcomes
    found = {verdict.target: verdict for verdict in compared.verdicts[DEFAULT]}
    ratio = found["cost / best cue sheet in hindsight"].measured.value
    costs = {name: item.cost.mean() for name, item in usual.heard.items()}
    assert ratio == pytest.approx(costs["predictive"] / costs["best-sheet"])
    assert found["cost / the best of what others do: short"].measured == cost_ratio(usual, "short", compared.bootstrap)
    assert found["cost / best ladder in hindsight"].met is None
    assert [found["cost / best ladder in hindsight"].most, compared.verdicts[NO_CREDIT][0].most] == [0.76, 0.88]
    only = Outcome(without.setting, {"none": without.heard["none"]}, None)
    assert list(verdicts(only, compared.running, compared.bootstrap)) == []


# Bad and odd traces --------------------------------------------------------------------------------------------


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(["bench", "perceived", *map(str, arguments), "--workers", "1"])
    said = capsys.readouterr()
    return int(end.value.code or 0), said.out, said.err


def write(path: Path, *rows: str) -> Path:
    path.write_text(HEADER + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "holds no turns; give a trace with at least one row"),
        (["a,c,0,x,,,,-5,"], "line 2: reply_ready_ms is -5; write a number from 0 to"),
        (["a,c,0,x,,,,1e12,"], "line 2: reply_ready_ms is 1e12; write a number from 0 to"),
        (["a,c,0,x,,,,nan,"], "line 2: reply_ready_ms is nan; write a number from 0 to"),
        (["a,c,9,x,,,,500,", "b,c,3,x,,,,500,"], "line 3: started_at goes back; sort the rows by it"),
    ],
)
def test_traces_that_cannot_be_replayed_are_refused(
    rows: Sequence[str], words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """One sentence names the file and its line, and no report is left behind."""
    trace = write(tmp_path / "trace.csv", *rows)
    code, out, err = run(capsys, "voice_mixed_dev", trace, "--html", tmp_path / "r.html")
    assert (code, out) == (2, "")
    assert "trace.csv" in err
    assert words in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "r.html").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--policy", "wizard"], "policy 'wizard' is unknown; choose none, ladder, predictive, vocode"),
        (["--html", "no/where.html"], "no/where.html cannot be written: there is no folder no"),
        (["--plot", "no/where.png"], "no/where.png cannot be written: there is no folder no"),
        (["--plot", "figures.xyz"], "figures.xyz cannot be drawn; name a .png, .svg or .pdf"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_replayed(
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Minutes of replays are not thrown away at the end."""
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, "voice_mixed_dev", *arguments)
    assert (code, out) == (2, "")
    assert words in err


@pytest.mark.parametrize(
    "rows",
    [["a,c,0,x,,,,1200,"], ["a,c,0,x,,,,0,"], ["a,c,0,x,,,,,700", "b,d,5,x,,,,,900"], ["a,c,0,x,,,,3600000,"]],
    ids=["one turn", "no wait", "all cancelled", "an hour"],
)
def test_odd_traces_are_measured_as_far_as_they_go(
    rows: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What there is nothing to average for is null, never NaN or an error; targets without a figure are not judged."""
    names = [part for name in NAMES if name != "best-ladder" for part in ("--policy", name)]
    trace = write(tmp_path / "trace.csv", *rows)
    code, out, err = run(capsys, trace, "--quick", "--json", *names)
    assert (code, err) == (0, "")
    report = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    (found,) = report["traces"]
    usual = next(setting for setting in found["settings"] if setting["name"] == DEFAULT)
    assert found["turns"] == len(rows)
    assert usual["policies"]["predictive"]["cost"]["value"] is not None
    by_target = {verdict["target"]: verdict["met"] for verdict in usual["verdicts"]}
    assert by_target["cost / best ladder in hindsight"] is None
    assert (by_target["reply held back: mean"] is None) is (found["answered"] == 0)
    code, out, _ = run(capsys, trace, "--quick", *names)
    assert code == 0
    assert "nan" not in out


# What is printed -----------------------------------------------------------------------------------------------


class _Page(HTMLParser):
    """Checks that every element is closed where it should be, and collects names."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_needs_nothing_else(compared: TraceReport) -> None:
    """No script, nothing to fetch, five pictures with ids of their own, all tables; it repeats itself."""
    pytest.importorskip("matplotlib")
    from stopgap.cli.bench._perceivedhtml import page

    report = PerceivedReport((replace(compared, trace="<a & b>"),), True, 0.0, 0)
    text = page(report)
    parsed = _Page()
    parsed.feed(text)
    assert parsed.open == []
    assert not {"script", "link", "img", "iframe"} & set(parsed.names)
    assert all(link.startswith("#") for link in parsed.links)
    assert re.search(r"url\((?!#)|@import", text) is None
    assert (parsed.names.count("svg"), parsed.names.count("table")) == (5, 8)
    clips = [set(re.findall(r'<clipPath id="(\w+)"', part)) for part in text.split("<svg")[1:]]
    assert all(not one & other for n, one in enumerate(clips) for other in clips[:n])
    assert "<a & b>" not in text
    assert '<tr class="judged"><td>predictive</td>' in text
    assert page(report) == text


def test_tables_fit_a_hundred_columns(compared: TraceReport) -> None:
    """With every policy and setting there is."""
    from rich.console import Console
    from stopgap.cli.bench._perceivedtable import tables

    found = compared.main.heard
    everyone = {name: found.get(name, found["ladder"]) for name in NAMES}
    swept = settings(benchmark_config())
    outcomes = tuple(Outcome(setting, everyone, LadderShape(700, Kind.PHRASE)) for setting in swept)
    shown = list(tables(replace(compared, trace="voice_mixed_dev", outcomes=outcomes)))
    assert len(shown) == 9
    assert max(Console(width=200).measure(table).maximum for table in shown) <= 100


def test_the_command_prints_draws_and_writes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Two traces in one run: tables of both, what was missed, a picture and a page; what was there is replaced."""
    pytest.importorskip("matplotlib")
    page, picture = tmp_path / "report.html", tmp_path / "figures.png"
    page.write_text("old", encoding="utf-8")
    rows = [f"t{k},c{k % 3},{9 * k},x,,,,{800 + 300 * k}," for k in range(6)]
    traces = [write(tmp_path / f"{name}.csv", *rows) for name in "ab"]
    options = ["--quick", "--policy", "predictive", "--policy", "short", "--html", page, "--plot", picture]
    code, out, err = run(capsys, *traces, *options)
    assert (code, err) == (0, "")
    for name in "ab":
        assert f"{name}.csv: first sound and longest silence" in out
        assert f"{name}.csv, {DEFAULT}: " in out
    assert "the best ladder is that of a coarse grid" in out
    assert out.index(NO_CREDIT) < out.index(DEFAULT)
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert picture.stat().st_size > 10_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "b.csv", "figures.png", "report.html"]
