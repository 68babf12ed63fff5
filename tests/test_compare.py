"""Versions of a behaviour compared: sums, intervals that hold at all times, verdicts, reports, and the command."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compare_rig import SHARES, records, write
from hypothesis import given
from hypothesis import strategies as st
from stopgap import ClipBank, TurnRecord
from stopgap.benchmarks.listening._binomial import share_interval
from stopgap.engine.metrics import (
    ArmStats,
    Boolean,
    Categorical,
    Finding,
    Metric,
    Numerical,
    TurnFacts,
    arm_stats,
    builtin_metrics,
    by_version,
    compare,
    compared,
    facts_of,
    report_of,
    sample_ratio,
)
from stopgap.engine.metrics._fixedsample import student_quantile, welch_margin
from stopgap.engine.metrics._sequential import TIGHTEST_AT, Sequential
from stopgap.fillers import UsageError

Run = Callable[..., Any]
Draw = Callable[[np.random.Generator, int], Any]

EXPERIMENTS = 400
LENGTH = 3000
PEEKS = np.unique(np.geomspace(60, LENGTH, 40).astype(int))
"""Numbers of conversations at which somebody looks."""


def nothing(_: Any) -> Finding:
    return Finding(None, (), "Not applicable.")


ANY = Numerical(-1e6, 1e6)


def a_metric(kind: Any = ANY, **more: Any) -> Metric:
    return Metric("m", "a metric", kind, nothing, **more)


NUMBER, YES = a_metric(), a_metric(Boolean(), better="high")
CLASSES = a_metric(Categorical(("good", "fair", "bad")))


def of(values: Any) -> ArmStats:
    return arm_stats(NUMBER, [float(value) for value in values])


def verdict(metric: Metric, one: ArmStats, two: ArmStats, **more: Any) -> str:
    return compare(metric, {1: one, 2: two}, control=1, **more).differences[0].verdict


# the figures of an arm --------------------------------------------------------------------------------------------


@given(st.lists(st.floats(-1e3, 1e3), max_size=60), st.integers(0, 5))
def test_figures_of_raw_values(values: list[float], missing: int) -> None:
    """They are numpy's, whether from the values or from a database's sums; what is not applicable counts apart."""
    stats = arm_stats(NUMBER, [*values, *[None] * missing])
    assert (stats.count, stats.not_applicable) == (len(values), missing)
    assert stats.mean == pytest.approx(np.mean(values) if values else 0.0, abs=1e-9)
    assert stats.variance == pytest.approx(np.var(values, ddof=1) if len(values) > 1 else 0.0, abs=1e-6)
    squares = math.fsum(value * value for value in values)
    summed = ArmStats.of_sums(len(values), math.fsum(values), squares, not_applicable=missing)
    assert (summed.count, summed.not_applicable) == (stats.count, stats.not_applicable)
    assert summed.mean == pytest.approx(stats.mean)
    assert summed.variance == pytest.approx(stats.variance, abs=1e-6)


def test_booleans_and_categories_as_numbers() -> None:
    """True counts as 1, and so does every category but the best one; shares are told beside."""
    stats = arm_stats(YES, [True, True, False, None])
    assert (stats.count, stats.not_applicable, dict(stats.shares)) == (3, 1, {})
    assert stats.mean == pytest.approx(2 / 3)
    stats = arm_stats(CLASSES, ["good", "bad", "bad", "fair"])
    assert (stats.count, stats.mean) == (4, 0.75)
    assert stats.as_dict()["shares"] == {"good": 0.25, "fair": 0.25, "bad": 0.5}


def test_what_an_arm_does_not_tell() -> None:
    """No mean of nothing and no variance of one value, not 0."""
    empty = {"count": 0, "mean": None, "variance": None, "not_applicable": 2}
    assert arm_stats(NUMBER, [None, None]).as_dict() == empty
    assert arm_stats(NUMBER, [3.0]).as_dict() == {"count": 1, "mean": 3.0, "variance": None, "not_applicable": 0}


@pytest.mark.parametrize("numbers", [(-1, 0.0, 0.0), (1, float("nan"), 0.0), (5, 0.0, -1.0), (5, 0.0, float("inf"))])
def test_figures_that_cannot_be(numbers: tuple[int, float, float]) -> None:
    """What a database got wrong is refused."""
    with pytest.raises(UsageError, match=r"conversations; give|must be finite"):
        ArmStats(*numbers)


# how sure ---------------------------------------------------------------------------------------------------------


def test_the_boundary() -> None:
    """By its formula at one place, worked out apart."""
    boundary = Sequential(0.05)
    assert boundary.rho2 == pytest.approx((2 * math.log(20) + math.log(1 + 2 * math.log(20))) / 1000)
    assert boundary.margin(1000, 1.0) == pytest.approx(3.0352 / math.sqrt(1000), rel=1e-4)
    assert boundary.margin(1000, 2.5) == pytest.approx(2.5 * boundary.margin(1000, 1.0))


@pytest.mark.parametrize("alpha", [0.2, 0.05, 0.05 / 36])
def test_the_boundary_is_tightest_where_it_says(alpha: float) -> None:
    """No other ρ² makes it narrower there by more than a thousandth."""

    def margin(rho2: float) -> float:
        grown = TIGHTEST_AT * rho2 + 1.0
        return math.sqrt(2.0 * grown / (TIGHTEST_AT**2 * rho2) * math.log(math.sqrt(grown) / alpha))

    best = min(margin(float(rho2)) for rho2 in np.geomspace(1e-4, 1.0, 2000))
    assert best <= Sequential(alpha).margin(TIGHTEST_AT, 1.0) <= 1.001 * best


@given(
    st.integers(2, 10**6), st.floats(-3.0, 3.0), st.floats(0.01, 100.0), st.sampled_from([0.2, 0.05, 0.001])
)  # fmt: skip
def test_the_p_value_is_where_the_interval_ends(n: int, mean: float, deviation: float, alpha: float) -> None:
    """It is below alpha just where 0 is outside."""
    boundary = Sequential(alpha)
    p_value, margin = boundary.p_value(n, mean, deviation), boundary.margin(n, deviation)
    assert 0.0 <= p_value <= 1.0
    if not math.isclose(abs(mean), margin, rel_tol=1e-9):
        assert (p_value < alpha) == (abs(mean) > margin)


@pytest.mark.parametrize("freedom", [29, 40, 300, 5000])
@pytest.mark.parametrize("probability", [0.9, 0.975, 0.999, 0.99999])
def test_students_quantiles(freedom: float, probability: float) -> None:
    """They are scipy's."""
    stats = pytest.importorskip("scipy.stats")
    assert student_quantile(probability, freedom) == pytest.approx(stats.t.ppf(probability, freedom), abs=1e-4)


@given(st.integers(30, 200), st.integers(30, 200), st.floats(0.1, 10.0), st.integers(0, 2**32 - 1))
def test_welchs_interval(one: int, other: int, wider: float, seed: int) -> None:
    """It is scipy's, from the raw values."""
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(seed)
    a, b = rng.normal(1.0, 1.0, one), rng.normal(0.0, wider, other)
    expected = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert 2.0 * welch_margin(of(a), of(b), 0.05) == pytest.approx(expected.high - expected.low, rel=1e-6)
    (found,) = compare(NUMBER, {"old": of(b), "new": of(a)}, control="old").differences
    assert found.fixed_sample_interval == pytest.approx((expected.low, expected.high), rel=1e-6, abs=1e-5)


# peeking ----------------------------------------------------------------------------------------------------------

CASES: dict[str, tuple[Metric, Draw]] = {
    "normal": (NUMBER, lambda rng, n: rng.normal(size=n)),
    "skewed": (NUMBER, lambda rng, n: rng.lognormal(0.0, 1.0, n)),
    "mostly 0": (NUMBER, lambda rng, n: rng.exponential(size=n) * (rng.random(n) < 0.05)),
    "often": (YES, lambda rng, n: rng.random(n) < 0.4),
    "rare": (YES, lambda rng, n: rng.random(n) < 0.03),
}


def experiments(
    draw: Draw, share: float, seed: int, *, count: int = EXPERIMENTS, effect: float = 0.0
) -> list[list[tuple[ArmStats, ArmStats]]]:
    """Return what each of *count* experiments knows of its arms at each peek; *effect* is added in the second arm."""
    rng = np.random.default_rng(seed)
    second = rng.random((count, LENGTH)) < share
    values = np.asarray(draw(rng, count * LENGTH), dtype=float).reshape(count, LENGTH) + effect * second
    sums = [
        [np.cumsum(part * mask, axis=1)[:, PEEKS - 1] for part in (np.ones_like(values), values, values**2)]
        for mask in (~second, second)
    ]

    def known(arm: int, experiment: int, peek: int) -> ArmStats:
        number, total, squares = (float(part[experiment, peek]) for part in sums[arm])
        return ArmStats.of_sums(int(number), total, squares)

    return [[(known(0, e, p), known(1, e, p)) for p in range(len(PEEKS))] for e in range(count)]


def decided(metric: Metric, peeks: list[tuple[ArmStats, ArmStats]]) -> tuple[bool, bool]:
    """Tell whether at any peek the verdict said that there is a difference, and whether Welch's interval did."""
    found = [compare(metric, {1: one, 2: two}, control=1).differences[0] for one, two in peeks]
    fixed = [difference.fixed_sample_interval for difference in found]
    return (
        any(difference.verdict in ("better", "worse") for difference in found),
        any(interval is not None and not interval.low <= 0.0 <= interval.high for interval in fixed),
    )


@pytest.mark.parametrize("share", [0.5, 0.1])
@pytest.mark.parametrize("case", CASES)
def test_who_peeks_errs_no_more_often(case: str, share: float) -> None:
    """Without any difference, at most alpha of all experiments ever say that there is one, whenever one looks.

    The textbook's interval does so in far more: the test would notice if nothing were looked at.
    """
    metric, draw = CASES[case]
    found = [decided(metric, peeks) for peeks in experiments(draw, share, seed=5)]
    wrong, fixed = (sum(column) for column in zip(*found, strict=True))
    low, _ = share_interval(wrong, EXPERIMENTS)
    assert low <= 0.05
    assert fixed / EXPERIMENTS > 0.15


def test_a_true_effect_is_found() -> None:
    """0.3 standard deviations are decided in nearly all experiments of 3000, and never the wrong way round."""
    found = [
        [verdict(NUMBER, one, two) for one, two in peeks]
        for peeks in experiments(CASES["normal"][1], 0.5, seed=6, count=100, effect=-0.3)
    ]
    assert sum("better" in verdicts for verdicts in found) >= 98
    assert not any("worse" in verdicts for verdicts in found)
    assert sum(verdicts[-1] == "better" for verdicts in found) >= 98


def test_intervals_cover_the_effect() -> None:
    """At all peeks at once, in at least 1 - alpha of the experiments."""
    missed = 0
    for peeks in experiments(CASES["skewed"][1], 0.3, seed=7, effect=0.5):
        intervals = [compare(NUMBER, {1: a, 2: b}, control=1).differences[0].interval for a, b in peeks]
        missed += any(not known.low <= 0.5 <= known.high for known in intervals if known is not None)
    assert share_interval(missed, EXPERIMENTS)[0] <= 0.05


# verdicts ---------------------------------------------------------------------------------------------------------

RNG = np.random.default_rng(1)
LOW, HIGH = of(RNG.normal(0.0, 1.0, 400)), of(RNG.normal(2.0, 1.0, 400))
MOSTLY, SELDOM = ArmStats(200, 0.9, 0.09), ArmStats(200, 0.2, 0.16)


@pytest.mark.parametrize(
    ("metric", "control", "arm", "said"),
    [
        (a_metric(better="low"), LOW, HIGH, "worse"),
        (a_metric(better="low"), HIGH, LOW, "better"),
        (a_metric(better="high"), LOW, HIGH, "better"),
        (a_metric(better="high"), HIGH, LOW, "worse"),
        (YES, SELDOM, MOSTLY, "better"),
        (a_metric(Boolean()), SELDOM, MOSTLY, "worse"),
        (CLASSES, SELDOM, MOSTLY, "worse"),
        (a_metric(CLASSES.value_type, better="high"), SELDOM, MOSTLY, "worse"),
        (NUMBER, LOW, LOW, "not decided yet"),
        (NUMBER, of(range(29)), HIGH, "too few"),
        (NUMBER, of([]), HIGH, "too few"),
    ],
)
def test_verdicts(metric: Metric, control: ArmStats, arm: ArmStats, said: str) -> None:
    """By the metric's direction; of categories it is the share that is not in the best one, always low is good."""
    assert verdict(metric, control, arm) == said


def test_what_is_said_of_too_few() -> None:
    """The difference, if there is one, and no interval."""
    (found,) = compare(NUMBER, {1: of(range(29)), 2: HIGH}, control=1).differences
    assert found.difference == pytest.approx(HIGH.mean - 14.0)
    assert (found.interval, found.p_value, found.fixed_sample_interval) == (None, None, None)
    (found,) = compare(NUMBER, {1: of([]), 2: HIGH}, control=1).differences
    assert found.difference is None


def test_values_that_are_all_the_same() -> None:
    """They say nothing of how much values vary; two arms with one value each do differ."""
    same = ArmStats(500, 0.0, 0.0)
    (found,) = compare(NUMBER, {1: same, 2: same}, control=1).differences
    assert (found.difference, found.interval, found.verdict) == (0.0, None, "not decided yet")
    assert verdict(NUMBER, same, ArmStats(500, 1.0, 0.0)) == "worse"
    assert verdict(YES, ArmStats(40, 0.0, 0.0), ArmStats(40, 1.0, 0.0)) == "better"


def test_a_small_arm_without_spread_is_not_believed() -> None:
    """Thirty conversations without any delay, where 5 % have one, have not shown that there is none."""
    rare = of([1.0 if place % 20 == 0 else 0.0 for place in range(10_000)])
    assert verdict(NUMBER, rare, ArmStats(30, 0.0, 0.0)) == "not decided yet"


def test_bonferroni() -> None:
    """With more comparisons intervals are wider and p-values larger, in step."""
    one = compare(NUMBER, {1: LOW, 2: of(RNG.normal(0.2, 1.0, 400))}, control=1)
    many = compare(NUMBER, {int(arm): stats for arm, stats in one.arms.items()}, control=1, comparisons=20)
    narrow, wide = one.differences[0], many.differences[0]
    assert narrow.interval is not None
    assert wide.interval is not None
    assert wide.interval.low < narrow.interval.low < narrow.interval.high < wide.interval.high
    assert wide.p_value is not None
    assert narrow.p_value is not None
    assert narrow.p_value < wide.p_value <= 1.0


def test_intervals_stay_within_the_bounds() -> None:
    """Shares do not differ by more than 1."""
    (found,) = compare(YES, {1: ArmStats(30, 0.0, 0.0), 2: ArmStats(30, 1.0, 0.0)}, control=1).differences
    assert found.interval is not None
    assert found.interval.high == 1.0


def test_a_comparison_as_json() -> None:
    """It says what is compared, which is good, and every number."""
    shown = json.loads(json.dumps(compare(CLASSES, {1: SELDOM, 2: MOSTLY}, control=1).as_dict()))
    assert (shown["compared"], shown["better"], shown["control"]) == ("share", "low", 1)
    assert [arm["arm"] for arm in shown["arms"]] == [1, 2]
    (difference,) = shown["differences"]
    assert difference["interval"][0] < difference["fixed_sample_interval"][0] < difference["difference"] < 1.0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"control": 3}, "control 3 is no arm; choose one of 1, 2"),
        ({"alpha": 0.0}, "alpha 0 is no probability of being wrong; give one between 0 and 1"),
        ({"alpha": float("nan")}, "alpha nan is no probability"),
        ({"comparisons": 0}, "comparisons 0 must be the number of all comparisons"),
    ],
)
def test_wrong_arguments_of_compare(wrong: dict[str, Any], said: str) -> None:
    """One sentence each."""
    with pytest.raises(UsageError, match=said):
        compare(NUMBER, {1: LOW, 2: HIGH}, **{"control": 1, **wrong})


# the dealing ------------------------------------------------------------------------------------------------------


def test_the_sample_ratio_errs_seldom() -> None:
    """Rightly dealt conversations, looked at after each of 1000, are called broken in at most 1 % of experiments."""
    rng = np.random.default_rng(8)
    shares = {1: 0.5, 2: 0.3, 3: 0.2}
    wrong = 0
    for _ in range(200):
        dealt = rng.choice(3, size=1000, p=list(shares.values()))
        counts = np.cumsum(dealt[:, None] == np.arange(3), axis=0)[9::10]
        wrong += any(sample_ratio(dict(zip(shares, map(int, row), strict=True)), shares).broken for row in counts)
    assert share_interval(wrong, 200)[0] <= 0.01


@pytest.mark.parametrize(
    ("dealt", "broken"),
    [
        ({1: 500, 2: 500}, False), ({1: 530, 2: 470}, False), ({1: 600, 2: 400}, True), ({1: 40}, True),
        ({1: 3, 2: 0}, False), ({}, False), ({1: 5050, 2: 4950}, False), ({1: 5300, 2: 4700}, True),
    ],
)  # fmt: skip
def test_when_the_dealing_looks_broken(dealt: dict[int, int], broken: bool) -> None:
    """What chance hardly does is told, what it often does is not."""
    found = sample_ratio(dealt, SHARES)
    assert found.broken is broken
    assert 0.0 <= found.p_value <= 1.0


def test_the_p_value_of_a_sample_ratio() -> None:
    """One over the Bayes factor, worked out by scipy's distribution."""
    stats = pytest.importorskip("scipy.stats")
    factor = stats.betabinom(1000, 50.0, 50.0).pmf(580) / stats.binom(1000, 0.5).pmf(580)
    assert sample_ratio({1: 580, 2: 420}, SHARES).p_value == pytest.approx(1.0 / factor)


def test_a_version_without_a_share() -> None:
    """It cannot have been dealt."""
    with pytest.raises(
        UsageError, match="version 3 was dealt but has no share, only 1, 2; give shares of all versions"
    ):
        sample_ratio({1: 5, 3: 1}, SHARES)


# reports ----------------------------------------------------------------------------------------------------------


def a_turn(conversation: str, place: int = 0, wait_s: float = 1.0, **more: Any) -> TurnFacts:
    plain = TurnFacts(
        id=f"{conversation}-{place}", conversation=conversation, started_at=20.0 * place, agent="a", tool=None,
        outcome="replied", heard=False, waits=1, wait_s=wait_s, end_s=wait_s,
    )  # fmt: skip
    return replace(plain, **more)


def under(version: int) -> dict[str, Any]:
    return {"behavior": ("refund", version)}


def given_to(*versions: int) -> dict[str, Any]:
    return {"assigned": tuple(("refund", version) for version in versions)}


WAIT = builtin_metrics()["reply_wait"]


def test_who_was_dealt_a_version_counts_in_force_or_not() -> None:
    """Intention to treat: whoever leaves out conversations that never met the rule compares what the rule selected."""
    turns = [
        a_turn("a", 0, **given_to(1)), a_turn("a", 1, **given_to(1), **under(1)),
        a_turn("b", 0, **given_to(2)),
        a_turn("c", 0, **under(2)),
        a_turn("d", 0, **given_to(1)), a_turn("d", 1, **given_to(2)),
    ]  # fmt: skip
    found = by_version(turns)
    assert (found.behavior, found.randomized) == ("refund", True)
    assert {v: [[t.id for t in c] for c in of] for v, of in found.conversations.items()} == {
        1: [["a-0", "a-1"]], 2: [["b-0"]],
    }  # fmt: skip
    assert (found.several, found.without) == (1, 1)


def test_else_the_version_that_was_seen_counts() -> None:
    """Conversations that saw two, or none, are left out and counted; the report says that nothing was randomized."""
    turns = [
        a_turn("a", 0), a_turn("a", 1, **under(1)), a_turn("b", 0, **under(2)), a_turn("c", 0),
        a_turn("d", 0, **under(1)), a_turn("d", 1, **under(2)),
        a_turn("e", 0, behavior=("other", 1)),
    ]  # fmt: skip
    report = compared(turns, [WAIT], behavior="refund")
    assert (report.randomized, report.several, report.without) == (False, 1, 2)
    assert dict(report.conversations) == {1: 1, 2: 1}
    assert list(report.notes()) == [
        "not randomized: conversations with another version may differ in other ways",
        "left out: 1 conversation that had more than one version",
        "left out: 2 conversations that saw none",
    ]


def dealt_turns(number: int = 400, *, ratio: float = 0.5) -> list[TurnFacts]:
    """Return conversations of one turn; those dealt version 2 wait half as long."""
    rng = np.random.default_rng(3)
    versions = np.where(rng.random(number) < ratio, 1, 2)
    return [
        a_turn(f"c{place}", 0, float(rng.lognormal(0.5, 0.4)) / int(version), **given_to(int(version)))
        for place, version in enumerate(versions)
    ]


def test_a_whole_report() -> None:
    """Figures of each version are those of its conversations; the effect is found, and the dealing is fine."""
    turns = dealt_turns()
    report = compared(turns, [WAIT], shares=SHARES)
    (comparison,) = report.metrics
    for version, stats in comparison.arms.items():
        waits = [turn.wait_s for turn in turns if turn.assigned == (("refund", version),)]
        assert stats.count == len(waits)
        assert stats.mean == pytest.approx(np.mean([wait for wait in waits if wait is not None]))
    assert comparison.differences[0].verdict == "better"
    assert (report.control, report.comparisons, list(report.notes())) == (1, 1, [])
    assert report.sample_ratio is not None
    assert not report.sample_ratio.broken
    shown = json.loads(json.dumps(report.as_dict()))
    assert shown["versions"] == [{"version": v, "conversations": n} for v, n in sorted(report.conversations.items())]
    assert shown["metrics"][0]["differences"][0]["verdict"] == "better"


def test_the_report_of_sums_is_that_of_turns() -> None:
    """A database may sum up what `compared` counts."""
    report = compared(dealt_turns(), [WAIT], shares=SHARES)
    arms = [(c.metric, {int(arm): stats for arm, stats in c.arms.items()}) for c in report.metrics]
    assert report_of("refund", report.conversations, arms, randomized=True, shares=SHARES) == report


def test_another_control() -> None:
    """Seen from the other version, the difference is the same with the other sign."""
    turns = dealt_turns()
    (one,), (two,) = (compared(turns, [WAIT], control=c).metrics[0].differences for c in (1, 2))
    assert one.difference is not None
    assert two.difference == pytest.approx(-one.difference)
    assert (one.verdict, two.verdict) == ("better", "worse")


def test_a_broken_dealing_is_told_first() -> None:
    """Before anything else, with the numbers."""
    note = next(compared(dealt_turns(ratio=0.8), [WAIT], shares=SHARES).notes())
    assert note.startswith("ASSIGNMENT LOOKS BROKEN (p = ")
    assert "of version 1 (50.0%), " in note
    assert next(compared(dealt_turns(), [WAIT]).notes()).startswith("whether versions were dealt as intended is not")


def test_values_that_are_missing_unevenly_are_told() -> None:
    """Where half the callers of a version hang up early, its replies are missing; if both lack some, fine."""

    def hung_up(turns: list[TurnFacts], *versions: int) -> list[TurnFacts]:
        return [
            replace(turn, wait_s=None) if turn.assigned[0][1] in versions and place % 2 else turn
            for place, turn in enumerate(turns)
        ]

    turns = dealt_turns()
    (note,) = compared(hung_up(turns, 2), [WAIT], shares=SHARES).notes()
    assert note.startswith("reply_wait has no value in ")
    assert note.endswith(" with version 1: those that have one may not be alike")
    assert " conversations with version 2 and 0 of " in note
    assert list(compared(hung_up(turns, 1, 2), [WAIT], shares=SHARES).notes()) == []
    assert list(compared(hung_up(turns[:50], 2), [WAIT], shares=SHARES).notes()) == []  # too few to tell


def test_alpha_is_shared_by_metrics_and_versions() -> None:
    """Two metrics of two new versions are four comparisons."""
    turns = [*dealt_turns(), *(a_turn(f"d{n}", 0, 1.0 + n % 3, **given_to(3)) for n in range(50))]
    report = compared(turns, [WAIT, builtin_metrics()["longest_dead_air"]])
    assert report.comparisons == 4
    alone = compare(
        WAIT, {int(arm): stats for arm, stats in report.metrics[0].arms.items()}, control=1, comparisons=4
    )  # fmt: skip
    assert report.metrics[0] == alone
    assert [d.verdict for d in report.metrics[1].differences] == ["too few", "too few"]  # a log tells no dead air
    assert report.metrics[1].arms[2].not_applicable == report.conversations[2]


@pytest.mark.parametrize(
    ("turns", "more", "said"),
    [
        ([a_turn("a")], {}, "no turn tells of a behaviour; give turn records"),
        ([], {}, "no turn tells of a behaviour"),
        ([a_turn("a", **under(1))], {}, "only version 1 of behaviour 'refund'; give those of conversations with"),
        ([a_turn("a", 0, **under(1)), a_turn("a", 1, **under(2))], {}, "turns hold no version of behaviour 'refund'"),
        ([a_turn("a", **under(1)), a_turn("b", behavior=("x", 1))], {}, "several behaviours; choose one of refund, x"),
        ([a_turn("a", **under(1))], {"behavior": "x"}, "no turn tells of behaviour 'x'; choose one of refund"),
        (dealt_turns(9), {"control": 7}, "control 7 is none of the versions; choose from 1, 2"),
        (dealt_turns(9), {"shares": {1: 1.0}}, "version 2 was dealt but has no share"),
        ([a_turn("a", **under(1)), a_turn("b", **under(2))], {"shares": SHARES}, "so that shares cannot be checked"),
    ],
)  # fmt: skip
def test_reports_that_cannot_be(turns: list[TurnFacts], more: dict[str, Any], said: str) -> None:
    """One sentence says what is missing."""
    with pytest.raises(UsageError, match=said):
        compared(turns, [WAIT], **more)


# the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def run(run: Run) -> Run:
    """A runner of ``stopgap compare``, in an empty folder."""
    return partial(run, "compare")


@pytest.fixture(scope="module")
def calls(bank: ClipBank) -> list[TurnRecord]:
    """Records of conversations that were dealt versions 1 and 2 of "refund"."""
    return records(bank, 140)


def table_rows(shown: Any) -> dict[str, list[str]]:
    """Return the two lines of each metric, each in single spaces."""
    lines = [" ".join(line.split()) for line in shown.out.splitlines()]
    starts = {
        line.split()[0]: place for place, line in enumerate(lines) if line and line.split()[0] in builtin_metrics()
    }
    return {name: lines[place : place + 2] for name, place in starts.items()}


def test_a_table_of_versions(run: Run, calls: list[TurnRecord], tmp_path: Path) -> None:
    """One row a metric and version, with the difference, its interval and a verdict; notes below."""
    shown = run(write(tmp_path / "t.jsonl", calls), "--share", "1=0.5", "--share", "2=0.5")
    assert (shown.code, shown.err) == (0, "")
    rows = table_rows(shown)
    assert rows.keys() == builtin_metrics().keys()
    assert rows["longest_dead_air"][0].startswith("longest_dead_air longest dead air; low is good 1 ")
    assert rows["longest_dead_air"][0].endswith(" control")
    assert rows["longest_dead_air"][1].endswith(" better")
    assert rows["fillers_per_minute"][1].endswith(" worse")
    assert rows["reply_wait"][1].endswith(" not decided yet")
    assert " yes" in rows["target_met"][1]
    assert "% points" in rows["target_met"][1]
    assert " not smooth" in rows["experience"][1]
    assert shown.out.splitlines()[-1].startswith("at any time: the interval of the difference; all 9 hold together")


def test_the_table_is_what_the_library_says(run: Run, calls: list[TurnRecord], tmp_path: Path) -> None:
    """JSON is the report of the same turns, from one file or from two."""
    half = len(calls) // 2
    files = [write(tmp_path / "a.jsonl", calls[:half]), write(tmp_path / "b.jsonl", calls[half:])]
    report = compared(map(facts_of, calls), [builtin_metrics()["longest_dead_air"]], alpha=0.1, shares=SHARES)
    shares = ["--share", "1=0.5", "--share", "2=0.5"]
    shown = run(*files, "--metric", "longest_dead_air", "--alpha", "0.1", *shares, "--json")
    assert json.loads(shown.out) == {"turns": [str(f) for f in files], **json.loads(json.dumps(report.as_dict()))}


def test_versions_that_were_only_seen(run: Run, bank: ClipBank, tmp_path: Path) -> None:
    """The table says that nothing was randomized, and what was left out."""
    shown = run(write(tmp_path / "t.jsonl", records(bank, 40, assigned=False, triggered=0.5)), "-m", "reply_delay")
    assert "(as seen)" in shown.out
    assert "\nnot randomized: conversations with another version may differ in other ways\n" in shown.out
    assert "too few (< 30)" in table_rows(shown)["reply_delay"][1]


def test_metrics_of_ones_own_are_compared(run: Run, calls: list[TurnRecord], tmp_path: Path) -> None:
    """They come from a file, and their direction decides."""
    own = tmp_path / "m.toml"
    own.write_text("[metrics.loud]\nof = 'spoken > 0'\naggregate = 'any'\nbetter = 'high'\n", encoding="utf-8")
    told = json.loads(run(write(tmp_path / "t.jsonl", calls), "--metrics", own, "-m", "loud", "--json").out)
    assert (told["metrics"][0]["compared"], told["metrics"][0]["differences"][0]["verdict"]) == ("share", "better")


@pytest.mark.parametrize(("name", "begins"), [("c.png", b"\x89PNG"), ("c.svg", b"<?xml")])
def test_a_picture(run: Run, calls: list[TurnRecord], tmp_path: Path, name: str, begins: bytes) -> None:
    """A forest plot of every metric, also of those without values."""
    pytest.importorskip("matplotlib")
    bare = [replace(turn, waits=(), sounds=()) if turn.assigned[0][1] == 2 else turn for turn in calls]
    for turns in (calls, bare):
        shown = run(write(tmp_path / "t.jsonl", turns), "--plot", name)
        assert (shown.code, shown.out.splitlines()[-1]) == (0, f"wrote {name}")
        assert Path(name).read_bytes().startswith(begins)


def test_what_a_picture_says(
    run: Run, calls: list[TurnRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Titles, units, numbers of conversations, which side is good, and what the two intervals are."""
    monkeypatch.setitem(pytest.importorskip("matplotlib").rcParams, "svg.fonttype", "none")
    shares = ["--share", "1=0.1", "--share", "2=0.9"]
    run(write(tmp_path / "t.jsonl", calls), "-m", "longest_dead_air", "-m", "target_met", *shares, "--plot", "c.svg")
    drawn = Path("c.svg").read_text(encoding="utf-8")
    for text in (
        "longest dead air (longest_dead_air)", "difference to version 1, s; left of 0 is better",
        "difference to version 1, % points; right of 0 is better", "ASSIGNMENT LOOKS BROKEN",
        "holds however often you look (95 % together)", "only if the number of conversations was fixed beforehand",
    ):  # fmt: skip
        assert text in drawn
    number = [sum(turn.assigned[0][1] == version for turn in calls) // 2 for version in (2, 1)]
    assert f"n = {number[0]} against {number[1]}" in drawn


def test_wrong_input_of_the_command(run: Run, calls: list[TurnRecord], tmp_path: Path) -> None:
    """Each ends with 2 and one sentence."""
    file = write(tmp_path / "t.jsonl", calls[:40])
    single = write(tmp_path / "one.jsonl", [turn for turn in calls if turn.assigned == (("refund", 1),)])
    for arguments, said in (
        (("voice_mixed_dev",), "no turn tells of a behaviour; give turn records, as TurnRecord.as_dict gives them"),
        (("gone.jsonl",), "gone.jsonl cannot be read (No such file or directory); give a"),
        ((single,), "the turns hold only version 1 of behaviour 'refund'; give those of conversations with another"),
        ((file, file), f"turn 'call-0-1' is in {file} and in {file}; give each turn once"),
        ((file, "--behavior", "x"), "no turn tells of behaviour 'x'; choose one of refund"),
        ((file, "--metric", "x"), "metric 'x' is unknown; choose reply_wait, "),
        ((file, "--control", 3), "control 3 is none of the versions; choose from 1, 2"),
        ((file, "--alpha", 1), "alpha 1 is no probability of being wrong; give one between 0 and 1, such as 0.05"),
        ((file, "--share", "half"), "--share 'half' is no VERSION=SHARE; write for example --share 1=0.5"),
        ((file, "--share", "1=0.5", "--share", "1=0.5"), "--share names version 1 twice; give each version one share"),
        ((file, "--share", "1=0.5"), "the shares add up to 0.5; they must add up to 1"),
        ((file, "--share", "1=1"), "version 2 was dealt but has no share, only 1; give shares of all versions"),
        ((file, "--plot", "c.doc"), "c.doc cannot be written ("),
    ):
        wrong = run(*arguments)
        assert (wrong.code, wrong.out) == (2, "")
        assert wrong.err.startswith(f"stopgap: {said}")
        assert wrong.err.count("\n") == 1
