"""The predictor's promises: what it predicts is reached as often as it says, also after a change, also in silence."""

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from stopgap.benchmarks import TraceTurn, read_trace
from stopgap.engine.prediction import LEVELS, Context, LatencyPredictor, Lesson, WaitDistribution, log_normal
from stopgap.engine.prediction._buckets import COUNT, EDGES
from stopgap.engine.prediction._drift import Drift, factor, log_density
from stopgap.engine.prediction._recalibration import Recalibration
from stopgap.engine.turns import TurnState
from stopgap.fillers import Config

Floats = NDArray[np.float64]
Row = tuple[str, tuple[float, ...], float, bool, int]
"""Milestone, predicted quantiles, wait, whether it ended, number of the turn."""

Case = tuple[float, str | None, float, bool]
"""Start of a turn, its agent, its wait, whether it ended: all in s."""


def lessons_of(turn: TraceTurn) -> list[Lesson]:
    state = TurnState(speech_ended_at=0.0, agent=turn.agent, tentative=False)
    for news in turn.news:
        state.milestone(news.name, news.at_ms / 1000.0, news.tool)
    if turn.reply_ready_ms is None:
        return state.lessons(turn.end_ms / 1000.0)
    state.reply_available(turn.reply_ready_ms / 1000.0)
    return state.lessons(None)


def walk(turns: Sequence[TraceTurn], predictor: LatencyPredictor) -> list[Row]:
    """Predict each turn from what was known when it began: a turn teaches from its end on."""
    rows: list[Row] = []
    pending: list[tuple[float, int, list[Lesson]]] = []
    for number, turn in enumerate(turns):
        while pending and pending[0][0] <= turn.started_at:
            predictor.learn(heapq.heappop(pending)[2])
        lessons = lessons_of(turn)
        for lesson in lessons:
            predicted = predictor.predict(lesson.milestone, lesson.context).quantiles
            rows.append((lesson.milestone, predicted, lesson.wait_s, lesson.ended, number))
        heapq.heappush(pending, (turn.started_at + turn.end_ms / 1000.0, number, lessons))
    return rows


def coverage(rows: Sequence[Row], milestone: str = "speech_ended", first: int = 0, last: int = 10**9) -> Floats:
    """Return the share of replies within each quantile, of turns *first* up to *last*."""
    kept = [row for row in rows if row[0] == milestone and row[3] and first <= row[4] < last]
    inside = np.array([[wait <= quantile for quantile in predicted] for _, predicted, wait, _, _ in kept], float)
    shares: Floats = inside.mean(axis=0)
    return shares


def pinball(rows: Sequence[Row], milestone: str = "speech_ended") -> float:
    kept = [row for row in rows if row[0] == milestone and row[3]]
    over = np.array([[wait - quantile for quantile in predicted] for _, predicted, wait, _, _ in kept])
    return float(np.maximum(np.array(LEVELS) * over, (np.array(LEVELS) - 1.0) * over).mean())


def running_quantiles(turns: Sequence[TraceTurn]) -> list[Row]:
    """What the empirical quantiles of all earlier replies of the same agent would have said."""
    rows: list[Row] = []
    past: dict[str | None, list[float]] = {}
    pending: list[tuple[float, int, TraceTurn]] = []
    for number, turn in enumerate(turns):
        while pending and pending[0][0] <= turn.started_at:
            done = heapq.heappop(pending)[2]
            if done.reply_ready_ms is not None:
                past.setdefault(done.agent, []).append(done.end_ms / 1000.0)
        known = past.get(turn.agent) or [1.5]
        replied = turn.reply_ready_ms is not None
        rows.append(("speech_ended", tuple(np.quantile(known, LEVELS)), turn.end_ms / 1000.0, replied, number))
        heapq.heappush(pending, (turn.started_at + turn.end_ms / 1000.0, number, turn))
    return rows


def slowed(turn: TraceTurn, by: float) -> TraceTurn:
    def longer(ms: float | None) -> float | None:
        return None if ms is None else ms * by

    news = tuple(replace(item, at_ms=item.at_ms * by) for item in turn.news)
    return replace(turn, reply_ready_ms=longer(turn.reply_ready_ms), cancelled_ms=longer(turn.cancelled_ms), news=news)


def synthetic(kind: str, turns: int, seed: int) -> list[TraceTurn]:
    """Turns of three agents that answer with medians of 0.8, 1.4 and 2 s; a few are cut off."""
    rng = np.random.default_rng(seed)
    made, at = [], 0.0
    for number in range(turns):
        agent = int(rng.integers(3))
        at += float(rng.exponential(3.0))
        wait = (0.8, 1.4, 2.0)[agent] * rng.lognormal(0.0, 0.3)
        if kind == "wandering":
            wait *= math.exp(0.3 * math.sin(number / 150.0))
        if kind == "heavy" and rng.random() < 0.15:
            wait *= math.exp(rng.exponential(0.8))
        ms = float(wait * 1000.0)
        cut = ms * float(rng.uniform(0.1, 0.95)) if rng.random() < 0.05 else None
        made.append(TraceTurn(str(number), str(number), at, f"agent {agent}", None if cut else ms, cut))
    return made


@pytest.fixture(scope="module", params=["voice_mixed_dev", "web_search_dev", "llm_ttft_dev"])
def measured(request: pytest.FixtureRequest) -> tuple[list[TraceTurn], list[Row]]:
    turns = read_trace(request.param)
    return turns, walk(turns, LatencyPredictor(Config()))


# Calibration ---------------------------------------------------------------------------------------------------


def test_measured_traces_are_calibrated(measured: tuple[list[TraceTurn], list[Row]]) -> None:
    """Over a whole trace, learned from cold, 80 % and 95 % are met within two points, at the start of the turn and,
    within four, at every milestone (some of them have only 335 waits)."""
    rows = measured[1]
    np.testing.assert_allclose(coverage(rows)[1:], [0.8, 0.95], atol=0.02)
    for milestone in {row[0] for row in rows}:
        np.testing.assert_allclose(coverage(rows, milestone)[1:], [0.8, 0.95], atol=0.04)


def test_loss_is_below_a_running_quantile(measured: tuple[list[TraceTurn], list[Row]]) -> None:
    """The mean pinball loss is below that of the running empirical quantile of each agent."""
    turns, rows = measured
    assert pinball(rows) < pinball(running_quantiles(turns))


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("kind", ["steady", "wandering", "heavy"])
def test_made_up_traces_are_calibrated(kind: str, seed: int) -> None:
    """1500 turns that nobody measured: within two points and 1.5 standard errors of a fair coin's."""
    rows = walk(synthetic(kind, 1500, seed), LatencyPredictor(Config()))
    for share, level in zip(coverage(rows), LEVELS, strict=True):
        assert abs(share - level) < 0.02 + 1.5 * math.sqrt(level * (1.0 - level) / 1500)


WRONG: dict[str, Callable[[Floats], Floats]] = {
    "too short": lambda wait: wait * 1.6,
    "too long": lambda wait: wait * 0.6,
    "too wide": lambda wait: wait**0.4,
    "too narrow": lambda wait: wait**1.8,
}


@pytest.mark.parametrize("cut", [0.0, 0.4])
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_prediction_is_put_right(name: str, cut: float) -> None:
    """Whatever is wrong with a fixed prediction, after 400 waits its corrected quantiles hold within six points,
    and within ten when two waits in five were cut off at random (the belief that it was right counts 20 of 164)."""
    rng = np.random.default_rng(8)
    predicted = log_normal(1.0, 0.4)
    waits = WRONG[name](rng.lognormal(0.0, 0.4, 4000))
    cuts = np.where(rng.random(4000) < 2 * cut, WRONG[name](rng.lognormal(0.0, 0.4, 4000)), np.inf)
    record, within = Recalibration(), []
    for number, (wait, cut_at) in enumerate(zip(waits, cuts, strict=True)):
        corrected = record.correct(predicted)
        if number >= 400:
            within.append([wait <= quantile for quantile in corrected.quantiles])
        record.add(*predicted.reached(float(min(wait, cut_at))), ended=bool(wait <= cut_at))
    np.testing.assert_allclose(np.mean(within, axis=0), LEVELS, atol=0.1 if cut else 0.06)


@given(
    places=st.lists(st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.booleans()), max_size=60),
    median=st.floats(0.05, 50.0),
)
def test_a_corrected_prediction_is_a_distribution(places: list[tuple[float, float, bool]], median: float) -> None:
    """Whatever is on record: survival from one downwards, never rising, all mass accounted for, and the end kept."""
    record = Recalibration()
    entries = [record.add(min(a, b), max(a, b), ended=ended) for a, b, ended in places]
    for entry in entries[::2]:
        record.take_back(entry)
    corrected = record.correct(log_normal(median, 0.5))
    survival = corrected.survival(EDGES)
    assert survival[0] == pytest.approx(1.0)
    assert (np.diff(survival) <= 1e-12).all()
    assert (survival >= -1e-12).all()
    assert corrected.pmf.sum() == pytest.approx(1.0)


def test_a_right_prediction_is_hardly_changed() -> None:
    """Waits that fall evenly leave the distribution as it is."""
    record = Recalibration()
    for place in np.tile(np.linspace(0.0125, 0.9875, 40), 5):
        record.add(place, place, ended=True)
    predicted = log_normal(1.0, 0.5)
    np.testing.assert_allclose(record.correct(predicted).survival(EDGES), predicted.survival(EDGES), atol=0.03)


# Drift ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [1.7, 1 / 1.7])
def test_a_sudden_change_of_the_voice_trace(by: float) -> None:
    """All waits of the second half 1.7 times as long, or as short: noticed once, within 15 turns, and nothing else
    is; the 200 turns after the change are covered within five points."""
    turns = read_trace("voice_mixed_dev")
    half = len(turns) // 2
    turns = turns[:half] + [slowed(turn, by) for turn in turns[half:]]
    predictor = LatencyPredictor(Config())
    before = walk(turns[:half], predictor)
    assert predictor.drifts == 0
    assert len(before) > half
    rows = walk(turns[:half] + turns[half:], predictor := LatencyPredictor(Config()))
    assert predictor.drifts == 1
    np.testing.assert_allclose(coverage(rows, first=half, last=half + 200)[1:], [0.8, 0.95], atol=0.05)
    soon = LatencyPredictor(Config())
    walk(turns[: half + 15], soon)
    assert soon.drifts == 1


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("by", [1.7, 1 / 1.7, 3.0])
def test_a_sudden_change_of_a_made_up_trace(by: float, seed: int) -> None:
    """Coverage over the 200 turns after the change is within five points, and two standard errors."""
    turns = synthetic("steady", 900, 100 + seed)
    turns = turns[:450] + [slowed(turn, by) for turn in turns[450:]]
    predictor = LatencyPredictor(Config())
    rows = walk(turns, predictor)
    assert 1 <= predictor.drifts <= 3
    for share, level in zip(coverage(rows, first=450, last=650)[1:], LEVELS[1:], strict=True):
        assert abs(share - level) < 0.05 + 2.0 * math.sqrt(level * (1.0 - level) / 200)


@pytest.mark.parametrize("kind", ["steady", "heavy"])
def test_no_change_is_no_change(kind: str) -> None:
    """In 4,500 turns that nothing happens to nothing is found."""
    for seed in range(3):
        predictor = LatencyPredictor(Config())
        walk(synthetic(kind, 1500, 200 + seed), predictor)
        assert predictor.drifts == 0


def test_a_changed_mix_is_no_change() -> None:
    """Where turns with a slow tool become rare or frequent no wait has changed: nothing is found."""
    predictor = LatencyPredictor(Config())
    rng = np.random.default_rng(4)
    for number in range(900):
        often = 0.9 if number // 150 % 2 else 0.1
        plain = float(rng.lognormal(0.0, 0.2))
        if rng.random() < often:
            tool = 4.0 * float(rng.lognormal(0.0, 0.2))
            predictor.learn(
                [
                    Lesson("speech_ended", Context("a"), plain + tool, True, next_s=0.4 * plain),
                    Lesson("tool_started", Context("a", "t"), tool, True),
                ]
            )
        else:
            predictor.learn([Lesson("speech_ended", Context("a"), plain, True)])
    assert predictor.drifts == 0


@pytest.mark.parametrize("by", [0.4, 0.6, 1.4, 2.0, 4.0])
def test_the_factor_is_found(by: float) -> None:
    """The test says by what times have changed, within 30 %, and roughly when it began."""
    rng = np.random.default_rng(3)
    drift, density = Drift(), log_density(log_normal(1.0, 0.3).pmf)
    for wait in rng.lognormal(0.0, 0.3, 500):
        assert drift.observe(density, float(wait)) is None
    for number, wait in enumerate(by * rng.lognormal(0.0, 0.3, 200), 1):
        found = drift.observe(density, float(wait))
        if found is not None:
            assert factor(found[0]) == pytest.approx(by, rel=0.3)
            assert abs(found[1] - number) <= 15
            return
    pytest.fail("nothing was found in 200 waits")


@pytest.mark.parametrize("seed", range(3))
def test_a_sudden_change_of_one_agent(seed: int) -> None:
    """When one of three agents becomes 1.7 times as slow that is noticed, too: its next 200 turns are covered within
    five points and two standard errors, and so are the others'."""
    turns = synthetic("steady", 1100, 400 + seed)
    turns = [slowed(turn, 1.7) if turn.agent == "agent 1" and n >= 450 else turn for n, turn in enumerate(turns)]
    predictor = LatencyPredictor(Config())
    rows = walk(turns, predictor)
    assert 1 <= predictor.drifts <= 2
    slow = {number for number, turn in enumerate(turns) if turn.agent == "agent 1"}
    for own in (True, False):
        chosen = [row for row in rows if row[4] >= 450 and (row[4] in slow) == own][:200]
        for share, level in zip(coverage(chosen)[1:], LEVELS[1:], strict=True):
            assert abs(share - level) < 0.05 + 2.0 * math.sqrt(level * (1.0 - level) / 200)


def test_what_was_learned_moves_along() -> None:
    """After a change that is noticed, the waits of an agent that has not been heard since are predicted changed."""
    rng = np.random.default_rng(6)
    predictor = LatencyPredictor(Config())
    for name in ("a", "b"):
        predictor.learn(Lesson("speech_ended", Context(name), float(w), True) for w in rng.lognormal(0.0, 0.2, 100))
    before = predictor.predict("speech_ended", Context("b")).quantile(0.5)
    predictor.learn(Lesson("speech_ended", Context("a"), float(w), True) for w in 2.0 * rng.lognormal(0.0, 0.2, 15))
    assert predictor.drifts == 1
    assert predictor.predict("speech_ended", Context("b")).quantile(0.5) == pytest.approx(2.0 * before, rel=0.15)


# A milestone that has not come ---------------------------------------------------------------------------------


def test_absence_is_news() -> None:
    """70 % of the turns start a tool at about 0.6 s and take 4 s more; the others are short. At any time without a
    tool the rest of the wait is predicted to the point, where the plain rest is all wrong."""
    rng = np.random.default_rng(0)
    predictor, context = LatencyPredictor(Config()), Context("a")
    within: dict[float, list[list[bool]]] = {0.3: [], 0.6: [], 0.9: [], 1.2: []}
    plain: list[bool] = []
    for number in range(2500):
        starts = 0.6 * float(rng.lognormal(0.0, 0.15)) if rng.random() < 0.7 else None
        wait = 1.2 * float(rng.lognormal(0.0, 0.25)) if starts is None else starts + 4.0 * float(rng.lognormal(0, 0.3))
        for elapsed, held in within.items():
            if number > 300 and wait > elapsed and (starts is None or starts > elapsed):
                rest = predictor.predict("speech_ended", context, elapsed)
                held.append([wait - elapsed <= quantile for quantile in rest.quantiles])
                if elapsed == 0.9:
                    whole = predictor.predict("speech_ended", context).after(elapsed)
                    plain.append(wait - elapsed <= whole.quantile(0.5))
        predictor.learn([Lesson("speech_ended", context, wait, True, starts)])
    for held in within.values():
        for share, level in zip(np.mean(held, axis=0), LEVELS, strict=True):
            assert abs(share - level) < 0.02 + 2.0 * math.sqrt(level * (1.0 - level) / len(held))
    assert np.mean(plain) > 0.9  # of what should be the median


def test_absence_says_nothing_where_no_milestone_is_due() -> None:
    """Without milestones, and where hardly any wait was ever silent so long, the plain rest is predicted."""
    predictor = LatencyPredictor(Config())
    predictor.learn(Lesson("speech_ended", Context("a"), 1.0, True) for _ in range(100))
    late = LatencyPredictor(Config())
    late.learn(Lesson("speech_ended", Context("a"), 3.0, True, 0.5) for _ in range(100))
    for knows, elapsed in [(predictor, 0.5), (late, 2.0)]:
        rest = knows.predict("speech_ended", Context("a"), elapsed)
        whole = knows.predict("speech_ended", Context("a"))
        assert rest.quantiles == whole.after(elapsed).quantiles


@given(
    st.lists(st.tuples(st.floats(0.0, 20.0), st.booleans(), st.none() | st.floats(0.0, 1.0)), min_size=25, max_size=60),
    st.floats(0.01, 10.0),
)
def test_the_rest_in_silence_is_a_distribution(turns: list[tuple[float, bool, float | None]], elapsed: float) -> None:
    """Whatever was learned, the rest of a wait has a survival from one that never rises."""
    predictor = LatencyPredictor(Config())
    predictor.learn(
        Lesson("speech_ended", Context("a"), wait, ended, None if at is None else at * wait)
        for wait, ended, at in turns
    )
    survival = predictor.predict("speech_ended", Context("a"), elapsed).survival(np.linspace(0.0, 130.0, 400))
    assert survival[0] == pytest.approx(1.0)
    assert (np.diff(survival) <= 1e-9).all()
    assert survival[-1] >= -1e-12


# Reports -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wait", [0.0, 0.013, 0.5, 1.4999, 3.0, 19.0])
@pytest.mark.parametrize("predicted", [log_normal(1.5, 0.6), log_normal(0.2, 0.1), log_normal(4.0, 0.4)])
def test_crps_against_scoringrules(predicted: WaitDistribution, wait: float) -> None:
    """An independent implementation, given 20,000 evenly placed quantiles, gives the same score within 0.1 %."""
    scores: Any = pytest.importorskip("scoringrules")
    shares = (np.arange(20_000) + 0.5) / 20_000
    reached = 1.0 - predicted.survival(EDGES)
    sample = np.interp(shares, reached, EDGES)
    expected = float(scores.crps_ensemble(wait, sample, sorted_ensemble=True))
    assert predicted.crps(wait) == pytest.approx(expected, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("wait", [0.3, 119.0, 125.0, 400.0])
def test_crps_beyond_the_buckets(wait: float) -> None:
    """The score is the integral of its definition, up to the wait where that lies beyond the last bucket."""
    predicted = log_normal(60.0, 1.0)
    times = np.linspace(0.0, max(wait, float(EDGES[-1])), 2_000_001)
    missed = (1.0 - predicted.survival(times) - (times >= wait)) ** 2
    assert predicted.crps(wait) == pytest.approx(float(missed.mean() * times[-1]), rel=1e-3)


def test_report() -> None:
    """Each key has its waits, its coverage and its losses; waits that were cut off are counted and judge nothing."""
    predictor, rng = LatencyPredictor(Config()), np.random.default_rng(2)
    assert predictor.report() == ()
    for wait in rng.lognormal(0.0, 0.3, 600):
        predictor.learn([Lesson("speech_ended", Context("a"), float(wait), True)])
    predictor.learn([Lesson("speech_ended", Context("b"), 1.0, False)])
    one, two = predictor.report()
    assert (one.key, one.waits, one.replies) == (("speech_ended", "agent a"), 600, 600)
    np.testing.assert_allclose(one.coverage, LEVELS, atol=0.05)
    ideal = 0.3 / math.sqrt(math.pi)  # of a normal with that standard deviation; about the same for waits near 1 s
    assert 0.9 * ideal < one.crps_s < 1.25 * ideal
    assert 0.0 < one.pinball_s < 0.2
    assert (two.waits, two.replies) == (1, 0)
    assert math.isnan(two.crps_s)


# Bad input -----------------------------------------------------------------------------------------------------


@given(
    st.lists(
        st.builds(
            Lesson,
            milestone=st.sampled_from(["speech_ended", "tool_started", "", "no milestone"]),
            context=st.builds(Context, st.none() | st.text(max_size=3), st.none() | st.text(max_size=3), st.booleans()),
            wait_s=st.floats(allow_nan=True, allow_infinity=True),
            ended=st.booleans(),
            next_s=st.none() | st.floats(allow_nan=True, allow_infinity=True),
        ),
        max_size=30,
    )
)
def test_anything_may_be_taught(lessons: list[Lesson]) -> None:
    """Impossible waits, empty names, unknown milestones: predictions stay distributions of finite waits."""
    predictor = LatencyPredictor(Config())
    predictor.learn(lessons)
    for lesson in lessons:
        predicted = predictor.predict(lesson.milestone, lesson.context)
        assert predicted.pmf.shape == (COUNT,)
        assert predicted.pmf.sum() == pytest.approx(1.0)
        assert all(0.0 <= quantile <= EDGES[-1] for quantile in predicted.quantiles)
        assert math.isfinite(predictor.predict(lesson.milestone, lesson.context, 0.7).quantile(0.5))


@pytest.mark.parametrize("wait", [math.nan, math.inf, -math.inf, -1.0])
def test_impossible_waits_leave_no_trace(wait: float) -> None:
    """They are not counted, not judged, not recorded."""
    predictor = LatencyPredictor(Config())
    predictor.learn([Lesson("speech_ended", Context("a"), wait, True)])
    assert predictor.waits_seen("speech_ended", Context("a")) == (0, 0)
    assert predictor.report() == ()
    assert predictor.snapshot() == {}


def test_names_are_bounded() -> None:
    """Ten thousand agents leave at most 4096 tables."""
    predictor = LatencyPredictor(Config())
    predictor.learn(Lesson("speech_ended", Context(str(name)), 1.0, True) for name in range(10_000))
    assert len(predictor.snapshot()) <= 4096
