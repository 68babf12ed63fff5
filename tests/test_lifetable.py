"""Life tables and the predictor, by guarantee: what error, over many distributions, sizes and quantiles."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from stopgap.engine.prediction import (
    Context,
    LatencyPredictor,
    Lesson,
    LifeTable,
    WaitDistribution,
    kaplan_meier,
    log_normal,
    octave,
)
from stopgap.engine.prediction._buckets import COUNT, EDGES, GROWTH, LONGEST_S, SHORTEST_S, bucket
from stopgap.engine.prediction._leaning import Leaning
from stopgap.engine.turns import TurnState
from stopgap.fillers import Config, Prediction, load_config

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Floats]

NEVER = 10**15
"""A half-life beyond every test: nothing ages."""

DISTRIBUTIONS: dict[str, Draw] = {
    "log-normal": lambda rng, n: rng.lognormal(0.4, 0.6, n),
    "narrow": lambda rng, n: rng.lognormal(0.0, 0.05, n),
    "heavy": lambda rng, n: rng.lognormal(0.5, 1.1, n),
    "short": lambda rng, n: rng.lognormal(math.log(0.15), 0.4, n),
    "long": lambda rng, n: rng.lognormal(math.log(12.0), 0.3, n),
    "uniform": lambda rng, n: rng.uniform(0.3, 3.0, n),
    "exponential": lambda rng, n: 0.25 + rng.exponential(1.2, n),
    "gamma": lambda rng, n: 0.1 + rng.gamma(3.0, 0.5, n),
    "bimodal": lambda rng, n: np.where(rng.random(n) < 0.6, rng.normal(0.9, 0.1, n), rng.normal(4.0, 0.5, n)),
    "constant": lambda rng, n: np.full(n, 1.234),
}


def filled(waits: Floats, censored: Floats | None = None, half_life: int = NEVER) -> LifeTable:
    table = LifeTable(half_life)
    for wait in waits:
        table.add(float(wait), ended=True)
    for wait in censored if censored is not None else ():
        table.add(float(wait), ended=False)
    return table


def distribution_of(table: LifeTable) -> WaitDistribution:
    return WaitDistribution(kaplan_meier(*table.weighted()))


# Buckets -------------------------------------------------------------------------------------------------------


@given(st.floats(0.0, 10_000.0))
def test_bucket_holds_its_wait(wait: float) -> None:
    """A wait lies between the edges of its bucket (on an edge, rounding may put it on either side)."""
    number = bucket(wait)
    assert 0 <= number < COUNT
    assert EDGES[number] * (1 - 1e-12) <= wait
    if number < COUNT - 1:
        assert wait <= EDGES[number + 1] * (1 + 1e-12)


def test_edges() -> None:
    """Edges ascend from 0 by 5 % from 20 ms to beyond two minutes."""
    assert EDGES[0] == 0.0
    assert EDGES[1] == SHORTEST_S
    assert EDGES[-2] >= LONGEST_S
    np.testing.assert_allclose(EDGES[2:] / EDGES[1:-1], GROWTH)


# Kaplan-Meier --------------------------------------------------------------------------------------------------


def oracle(waits: list[tuple[int, bool]]) -> list[float]:
    """Return survival after each bucket, straight from the definition, in exact arithmetic."""
    survival, alive = [Fraction(1)], Fraction(1)
    for place in range(COUNT):
        at_risk = sum(number >= place for number, _ in waits)
        died = sum(number == place and ended for number, ended in waits)
        if at_risk:
            alive *= 1 - Fraction(died, at_risk)
        survival.append(alive)
    return [float(value) for value in survival]


@given(st.lists(st.tuples(st.floats(0.0, 150.0), st.booleans()), max_size=40))
def test_kaplan_meier_against_the_definition(waits: list[tuple[float, bool]]) -> None:
    """Censored waits are at risk until they were cut off, and never count as ended."""
    table = LifeTable(NEVER)
    for wait, ended in waits:
        table.add(wait, ended=ended)
    estimate = kaplan_meier(*table.weighted())
    np.testing.assert_allclose(estimate, oracle([(bucket(wait), ended) for wait, ended in waits]), atol=1e-12)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.6, 0.95])
def test_kaplan_meier_against_lifelines(share: float) -> None:
    """An independent implementation gives the same survival at every edge."""
    lifelines: Any = pytest.importorskip("lifelines")
    rng = np.random.default_rng(3)
    waits, cuts = rng.lognormal(0.3, 0.7, 500), rng.lognormal(0.3, 0.7, 500)
    ended = (waits <= cuts) | (rng.random(500) >= share)
    seen = np.where(ended, waits, cuts)
    table = LifeTable(NEVER)
    for wait, whole in zip(seen, ended, strict=True):
        table.add(float(wait), ended=bool(whole))
    fitter = lifelines.KaplanMeierFitter()
    fitter.fit([EDGES[bucket(float(wait)) + 1] for wait in seen], ended)
    expected = fitter.survival_function_at_times(EDGES).to_numpy()
    np.testing.assert_allclose(kaplan_meier(*table.weighted()), expected, atol=1e-9)


def test_kaplan_meier_by_hand() -> None:
    """Four waits, one cut off: survival 3/4, then 3/4 * 1/2, then 0."""
    table = filled(np.array([1.0, 2.0, 4.0]), np.array([1.5]))
    at = distribution_of(table).survival(np.array([0.9, 1.2, 1.8, 2.5, 3.5, 4.5]))
    np.testing.assert_allclose(at, [1.0, 0.75, 0.75, 0.375, 0.375, 0.0])


def test_kaplan_meier_of_nothing() -> None:
    """Without waits nothing is known to end; cut-off waits alone say only that they lasted so long."""
    assert (kaplan_meier(np.zeros(COUNT), np.zeros(COUNT)) == 1.0).all()
    assert (kaplan_meier(*filled(np.array([]), np.array([1.0, 2.0])).weighted()) == 1.0).all()


@pytest.mark.parametrize("name", ["log-normal", "exponential", "gamma", "bimodal", "uniform"])
def test_censoring_does_not_shift_the_estimate(name: str) -> None:
    """With half of the waits cut off at random, survival is within 0.06 of the truth (1500 waits, where at least
    100 are at risk); leaving the cut-off waits out is wrong by more than twice that."""
    rng = np.random.default_rng(11)
    waits = DISTRIBUTIONS[name](rng, 1500)
    cuts = rng.permutation(waits) * rng.uniform(0.6, 1.4, 1500)
    ended = waits <= cuts
    table = filled(waits[ended], cuts[~ended])
    truth = np.array([(waits > edge).mean() for edge in EDGES])
    supported = np.array([(np.minimum(waits, cuts) >= edge).sum() >= 100 for edge in EDGES])
    whole = np.abs(kaplan_meier(*table.weighted()) - truth)[supported].max()
    dropped = np.abs(kaplan_meier(table.weighted()[0], np.zeros(COUNT)) - truth)[supported].max()
    assert whole < 0.06
    assert dropped > 2 * 0.06


@given(
    waits=st.lists(st.floats(0.1, 50.0), min_size=1, max_size=20),
    cuts=st.lists(st.floats(0.1, 50.0), min_size=1, max_size=20),
    share=st.floats(0.05, 0.95),
)
def test_censored_waits_raise_quantiles(waits: list[float], cuts: list[float], share: float) -> None:
    """A wait that was cut off can only make the estimate longer than leaving it out would."""
    without, with_them = filled(np.array(waits)), filled(np.array(waits), np.array(cuts))
    assert (kaplan_meier(*with_them.weighted()) >= kaplan_meier(*without.weighted()) - 1e-12).all()
    assert distribution_of(with_them).quantile(share) >= distribution_of(without).quantile(share) - 1e-9


# The distribution ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 5, 30, 300, 3000])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_quantiles_are_the_samples_within_a_bucket(name: str, size: int) -> None:
    """Every quantile of a table differs from the sample's own by less than a bucket: 5 %, whatever is drawn."""
    waits = np.maximum(DISTRIBUTIONS[name](np.random.default_rng(size), size), SHORTEST_S)
    waits = np.minimum(waits, LONGEST_S)
    distribution = distribution_of(filled(waits))
    for share in (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.8, 0.9, 0.95, 0.99):
        # where a share falls between two waits, rounding decides which of them is meant
        low, high = np.quantile(waits, [share - 1e-9, share + 1e-9], method="inverted_cdf")
        assert low / GROWTH * (1 - 1e-9) <= distribution.quantile(share) <= high * GROWTH * (1 + 1e-9)


ANY_WAITS = st.lists(st.floats(0.02, 100.0), min_size=1, max_size=30)


@given(waits=ANY_WAITS, share=st.floats(0.01, 0.99), elapsed=st.floats(0.0, 5.0))
def test_quantile_and_survival_agree(waits: list[float], share: float, elapsed: float) -> None:
    """A share of the waits ends by the quantile, and not before it."""
    rest = distribution_of(filled(np.array(waits))).after(elapsed)
    if float(rest.survival(0.0)) < 1.0 or rest._alive < 1e-9:
        return  # nobody waits that long: nothing is left to be said
    at = rest.quantile(share)
    assert at >= 0.0
    assert float(rest.survival(at)) <= 1.0 - share + 1e-6
    if at > 1e-6:
        assert float(rest.survival(at * (1 - 1e-6))) >= 1.0 - share - 1e-4


@given(waits=ANY_WAITS, elapsed=st.floats(0.0, 3.0), more=st.floats(0.0, 3.0))
def test_what_is_left_after_some_time(waits: list[float], elapsed: float, more: float) -> None:
    """P(T > a + b | T > a) is P(T > a + b) / P(T > a), from one and never rising."""
    whole = distribution_of(filled(np.array(waits)))
    alive = float(whole.survival(elapsed))
    if alive > 1e-6:
        rest = whole.after(elapsed)
        assert float(rest.survival(more)) == pytest.approx(float(whole.survival(elapsed + more)) / alive, abs=1e-9)
        assert (np.diff(rest.survival(np.linspace(0.0, 100.0, 300))) <= 1e-12).all()


@given(waits=ANY_WAITS)
def test_mass_is_one(waits: list[float]) -> None:
    """The probabilities of all buckets are not negative and sum to one."""
    mass = distribution_of(filled(np.array(waits))).pmf
    assert mass.shape == (COUNT,)
    assert (mass >= -1e-15).all()
    assert mass.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("spread", [0.2, 0.6, 1.0])
@pytest.mark.parametrize("median", [0.3, 1.5, 8.0])
def test_log_normal(median: float, spread: float) -> None:
    """The prior has the quantiles of its formula, within 2 %."""
    prior = log_normal(median, spread)
    for share, z in [(0.1, -1.2816), (0.5, 0.0), (0.8, 0.8416), (0.95, 1.6449)]:
        assert prior.quantile(share) == pytest.approx(median * math.exp(z * spread), rel=0.02)


# Ageing --------------------------------------------------------------------------------------------------------


def test_old_waits_fade() -> None:
    """Counts are whole while fresh, count half about a half-life later, and are dropped in the end."""
    table = LifeTable(200)
    for _ in range(50):
        table.add(1.0, ended=True)
    for _ in range(200):
        table.add(10.0, ended=True)
    old, fresh = (table.weighted()[0][bucket(wait)] for wait in (1.0, 10.0))
    assert old == pytest.approx(50 * 0.5 ** (150 / 200))  # 150 waits of closed generations are newer
    assert 150 < fresh <= 200
    for _ in range(2000):
        table.add(10.0, ended=True)
    assert table.weighted()[0][bucket(1.0)] == 0.0
    assert table.waits == 2250


@pytest.mark.parametrize("half_life", [50, 200, 400])
@pytest.mark.parametrize(("before", "after"), [(0.8, 2.4), (5.0, 1.0)])
def test_a_step_is_followed(half_life: int, before: float, after: float) -> None:
    """When waits change for good, the median has followed after one half-life and one generation (50 waits) more,
    the 80 % quantile of longer waits after less than half of that; what was is all but forgotten after seven."""
    rng = np.random.default_rng(5)
    table = filled(before * rng.lognormal(0.0, 0.1, 10 * half_life), half_life=half_life)
    assert distribution_of(table).quantile(0.5) == pytest.approx(before, rel=0.06)
    for number, wait in enumerate(after * rng.lognormal(0.0, 0.1, 7 * half_life + 50), 1):
        table.add(float(wait), ended=True)
        if number == half_life // 2 + 25 and after > before:
            assert distribution_of(table).quantile(0.8) > 0.8 * after
        if number == half_life + 50:
            assert distribution_of(table).quantile(0.5) == pytest.approx(after, rel=0.25)
    for share in (0.05, 0.5, 0.95):
        expected = after * math.exp(0.1 * {0.05: -1.645, 0.5: 0.0, 0.95: 1.645}[share])
        assert distribution_of(table).quantile(share) == pytest.approx(expected, rel=0.08)


# The predictor -------------------------------------------------------------------------------------------------

COLD = Config()


def taught(config: Config, waits: Floats, context: Context, milestone: str = "speech_ended") -> LatencyPredictor:
    predictor = LatencyPredictor(config)
    predictor.learn(Lesson(milestone, context, float(wait), True) for wait in waits)
    return predictor


def test_cold_start() -> None:
    """Before anything was learned the prior of the configuration answers, everywhere."""
    predictor = LatencyPredictor(Config(prediction=Prediction(expected_ms=2000, spread=0.5)))
    for milestone, context in [
        ("speech_ended", Context()),
        ("speech_ended", Context(agent="a")),
        ("tool_started", Context(agent="a", tool="t")),
        ("first_token", Context(agent="a", again=True)),
    ]:
        prior = predictor.predict(milestone, context)
        assert prior.quantile(0.5) == pytest.approx(2.0, rel=0.01)
        assert prior.quantile(0.95) == pytest.approx(2.0 * math.exp(1.645 * 0.5), rel=0.02)


def test_expected_ms() -> None:
    """Before anything was learned an agent's or a tool's expectation stands in; the tool's while it runs."""
    config = load_config({"agents": {"a": {"expected_ms": 700}}, "tools": {"t": {"expected_ms": 6000}}})
    predictor = LatencyPredictor(config)

    def median(milestone: str, context: Context) -> float:
        return predictor.predict(milestone, context).quantile(0.5)

    assert median("speech_ended", Context("a")) == pytest.approx(0.7, rel=0.02)
    assert median("speech_ended", Context("b")) == pytest.approx(1.5, rel=0.02)
    assert median("tool_started", Context("a", "t")) == pytest.approx(6.0, rel=0.02)
    assert median("tool_started", Context(None, "t")) == pytest.approx(6.0, rel=0.02)
    assert median("tool_started", Context("a", "u")) == pytest.approx(1.5, rel=0.3)


def tables_of(predictor: LatencyPredictor, config: Config) -> LatencyPredictor:
    """Return a predictor that knows the same waits, and nothing of how well they were predicted."""
    other = LatencyPredictor(config)
    other.merge(predictor.snapshot())
    return other


def test_expected_ms_gives_way_to_what_is_learned() -> None:
    """An expectation counts as pseudo_count waits: after ten times as many it hardly matters."""
    config = load_config({"agents": {"a": {"expected_ms": 700}}})
    predictor = taught(config, np.full(80, 3.0), Context("a"))
    assert predictor.predict("speech_ended", Context("a")).quantile(0.5) == pytest.approx(3.0, rel=0.05)
    assert tables_of(predictor, config).predict("speech_ended", Context("a")).quantile(0.02) < 1.0


@pytest.mark.parametrize("size", [200, 1000, 4000])
@pytest.mark.parametrize("name", [name for name in DISTRIBUTIONS if name != "constant"])
def test_predictor_calibration(name: str, size: int) -> None:
    """A predicted quantile is reached by the share of waits it promises, within 0.04 plus three standard errors.

    0.04 is the weight of the prior (8 waits against 200) and of a bucket; the standard error is that of the waits
    that still count, two half-lives by their squared weights.
    """
    rng = np.random.default_rng(size)
    predictor = taught(COLD, DISTRIBUTIONS[name](rng, size), Context("a"))
    distribution = predictor.predict("speech_ended", Context("a"))
    fresh = DISTRIBUTIONS[name](rng, 20_000)
    counting = min(size, 2 * 400 / math.log(2))
    for share in (0.1, 0.5, 0.8, 0.9, 0.95):
        reached = (fresh <= distribution.quantile(share)).mean()
        assert abs(reached - share) < 0.04 + 3 * math.sqrt(share * (1 - share) / counting)


def test_predictor_quantile_error() -> None:
    """From 500 waits on the relative error of the quantiles from 0.1 to 0.95 is at most 20 % for each of the
    one-humped distributions (the prior's weight, a bucket, and three standard errors at the far end)."""
    for name in ("log-normal", "narrow", "short", "long", "uniform", "exponential", "gamma"):
        truth = np.quantile(DISTRIBUTIONS[name](np.random.default_rng(0), 400_000), [0.1, 0.5, 0.8, 0.95])
        for size in (500, 2000):
            waits = DISTRIBUTIONS[name](np.random.default_rng(size + 1), size)
            distribution = taught(COLD, waits, Context("a")).predict("speech_ended", Context("a"))
            estimate = [distribution.quantile(share) for share in (0.1, 0.5, 0.8, 0.95)]
            np.testing.assert_allclose(estimate, truth, rtol=0.2, err_msg=name)


def test_back_off() -> None:
    """A new agent starts from all agents; where it differs it is believed after a few waits, and ends at its own."""
    predictor = taught(COLD, np.full(200, 1.0), Context("old"))
    new = Context("new")
    parent = predictor.predict("speech_ended", Context())
    assert predictor.predict("speech_ended", new).quantile(0.5) == parent.quantile(0.5)
    medians = []
    for _ in range(100):
        predictor.learn([Lesson("speech_ended", new, 4.0, True)])
        medians.append(predictor.predict("speech_ended", new).quantile(0.5))
    assert medians[0] == pytest.approx(1.0, rel=0.1)
    assert medians[12] == pytest.approx(4.0, rel=0.06)
    assert (np.diff(medians) > -1e-5).all()
    own = tables_of(predictor, COLD).predict("speech_ended", new)
    assert float(own.survival(2.0)) == pytest.approx((100 + 8 / 3) / 108, abs=0.02)  # the parent's third is 4 s too
    assert predictor.predict("speech_ended", Context("old")).quantile(0.5) == pytest.approx(1.0, rel=0.06)


@pytest.mark.parametrize("spread", [0.05, 0.8])
def test_how_much_agents_lean_on_each_other_is_learned(spread: float) -> None:
    """Of agents that are alike a new one is believed late, of agents that differ soon: of two waits of 4 s all that is
    known of it, the one median hardly moves, the other one does."""
    rng = np.random.default_rng(1)
    predictor = LatencyPredictor(COLD)
    for _ in range(40):
        for agent, median in enumerate(np.exp(spread * np.linspace(-1.5, 1.5, 10))):
            wait = median * math.exp(0.2 * rng.standard_normal())
            predictor.learn([Lesson("speech_ended", Context(f"agent {agent}"), wait, True)])
    predictor.learn([Lesson("speech_ended", Context("new"), 2.5, True)] * 2)
    median = predictor.predict("speech_ended", Context("new")).quantile(0.5)
    assert median < 1.2 if spread < 0.5 else median > 1.5


@pytest.mark.parametrize("weight", [3.0, 12.0, 50.0])
def test_the_weight_of_a_parent_is_found(weight: float) -> None:
    """Contexts drawn with a weight (a Dirichlet distribution's concentration) teach that weight, within a factor of 2,
    whatever was configured."""
    for configured in (4.0, 40.0):
        rng = np.random.default_rng(5)
        leaning = Leaning(configured)
        for context in range(60):
            shares = rng.dirichlet(np.full(10, weight / 10))
            for place in rng.choice(10, 40, p=shares):
                at = (place + rng.random()) / 10
                leaning.add(("speech_ended", f"agent {context}"), at, at, keep=1.0)
        assert weight / 2 < leaning.weight < 2 * weight


def test_a_bucket_that_takes_all_says_nothing() -> None:
    """Where all waits of the parent lie in one bucket, a further one there is no news of how contexts differ."""
    leaning = Leaning(8.0)
    before = leaning.weight
    for _ in range(200):
        leaning.add(("speech_ended", "agent a"), 0.0, 1.0, keep=1.0)
    assert leaning.weight == pytest.approx(before, rel=0.2)


def test_what_is_known_in_general_outlives_any_number_of_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where names are too many, those go that were learned longest ago; the general table, and a busy agent's, stay."""
    monkeypatch.setattr("stopgap.engine.prediction._backoff.MOST_TABLES", 50)
    monkeypatch.setattr("stopgap.engine.prediction._predictor.MOST_TABLES", 50)
    predictor = LatencyPredictor(COLD)
    predictor.learn([Lesson("tts_started", Context("once"), 0.2, True)])
    for number in range(200):
        for agent in ("busy", f"agent {number}"):
            predictor.predict("speech_ended", Context(f"only asked {number}"))
            predictor.learn([Lesson("speech_ended", Context(agent), 1.0, True)])
    assert predictor.waits_seen("speech_ended", Context("busy")) == (200, 400)
    assert predictor.waits_seen("speech_ended", Context("agent 3")) == (0, 400)
    assert predictor.waits_seen("tts_started", Context("once")) == (0, 1)
    assert len(predictor._tables) <= 50
    assert len(predictor._cache) <= 50
    assert len(predictor.report()) <= 50
    assert len(predictor._tables._levels) <= 50


def test_expected_ms_is_about_the_whole_wait() -> None:
    """A slow agent's expectation says nothing of the time from the start of its speech to its first sound."""
    predictor = taught(
        load_config({"agents": {"slow": {"expected_ms": 8000}}}), np.full(300, 0.15), Context("quick"), "tts_started"
    )
    assert predictor.predict("tts_started", Context("slow")).quantile(0.5) == pytest.approx(0.15, rel=0.1)
    assert predictor.predict("speech_ended", Context("slow")).quantile(0.5) == pytest.approx(8.0, rel=0.1)


def test_a_tool_is_known_whoever_calls_it() -> None:
    """While a tool runs its name counts more than the agent's: a new agent starts from the tool's waits."""
    predictor = taught(COLD, np.full(100, 6.0), Context("a", "slow"), "tool_started")
    predictor.learn(Lesson("tool_started", Context("a", "quick"), 0.5, True) for _ in range(100))
    assert predictor.predict("tool_started", Context("b", "slow")).quantile(0.5) == pytest.approx(6.0, rel=0.06)
    assert predictor.predict("tool_started", Context("b", "quick")).quantile(0.5) == pytest.approx(0.5, rel=0.06)


def pinball(prompts: bool, per_token_s: float) -> float:
    """Return the mean pinball loss at 0.8 over the second half of 600 waits, with or without their prompts' sizes."""
    rng = np.random.default_rng(3)
    predictor, losses = LatencyPredictor(COLD), []
    for number in range(600):
        tokens = int(2.0 ** rng.uniform(10.0, 20.0))
        wait = (0.5 + per_token_s * tokens) * math.exp(0.2 * rng.standard_normal())
        context = Context("a", prompt=octave(tokens) if prompts else None)
        over = wait - predictor.predict("speech_ended", context).quantile(0.8)
        if number >= 300:
            losses.append(max(0.8 * over, -0.2 * over))
        predictor.learn([Lesson("speech_ended", context, wait, True)])
    return float(np.mean(losses))


def test_the_size_of_the_prompt_is_learned_from() -> None:
    """Where waits grow with the prompt (20 s per million tokens) its size halves the loss; where they do not it costs
    hardly anything."""
    assert pinball(True, 20e-6) < 0.5 * pinball(False, 20e-6)
    assert pinball(True, 0.0) < 1.06 * pinball(False, 0.0)


def test_milestones_and_further_waits_are_learned_apart() -> None:
    """What is learned from one milestone, or from a wait after a preamble, changes no other."""
    predictor = taught(COLD, np.full(100, 6.0), Context("a"), "speech_ended")
    prior = log_normal(1.5, 0.6).smooth.quantile(0.5)
    assert predictor.predict("first_token", Context("a")).quantile(0.5) == prior
    assert predictor.predict("speech_ended", Context("a", again=True)).quantile(0.5) == prior


@pytest.mark.parametrize("wait", [-0.001, -5.0, math.nan])
def test_nothing_is_learned_from_negative_waits(wait: float) -> None:
    """A reply before its milestone teaches nothing; a wait of 0 does."""
    predictor = LatencyPredictor(COLD)
    predictor.learn([Lesson("speech_ended", Context("a"), wait, True), Lesson("tts_started", Context("a"), wait, True)])
    assert predictor.waits_seen("speech_ended", Context("a")) == (0, 0)
    predictor.learn([Lesson("speech_ended", Context("a"), 0.0, True)])
    assert predictor.waits_seen("speech_ended", Context("a")) == (1, 1)


def test_cut_off_waits_are_no_replies() -> None:
    """Turns cancelled at 1 s, before replies that come at 5 s, do not make the predictor expect 1 s."""
    lessons = [Lesson("speech_ended", Context("a"), wait, wait > 2.0) for wait in [1.0, 5.0] * 100]
    predictor = LatencyPredictor(COLD)
    predictor.learn(lessons)
    prediction = predictor.predict("speech_ended", Context("a"))
    assert prediction.quantile(0.5) == pytest.approx(5.0, rel=0.06)
    assert float(prediction.survival(2.0)) > 0.9


def test_prediction_after_some_time() -> None:
    """*elapsed* gives the rest of the wait; the cached whole is not changed by it."""
    predictor = taught(COLD, DISTRIBUTIONS["bimodal"](np.random.default_rng(1), 500), Context("a"))
    whole = predictor.predict("speech_ended", Context("a"))
    late = predictor.predict("speech_ended", Context("a"), elapsed=2.0)
    assert whole.quantile(0.5) == pytest.approx(1.0, abs=0.2)
    assert late.quantile(0.5) == pytest.approx(2.0, abs=0.3)  # the second hump, at 4 s
    assert predictor.predict("speech_ended", Context("a")).quantile(0.5) == whole.quantile(0.5)


def test_learning_is_seen_at_once() -> None:
    """A prediction is never older than the last lesson, of any level."""
    predictor = LatencyPredictor(COLD)
    before = predictor.predict("speech_ended", Context("a")).quantile(0.9)
    predictor.learn(Lesson("speech_ended", Context("b"), 30.0, True) for _ in range(50))
    between = predictor.predict("speech_ended", Context("a")).quantile(0.9)
    predictor.learn(Lesson("speech_ended", Context("a"), 0.5, True) for _ in range(50))
    assert before < between > predictor.predict("speech_ended", Context("a")).quantile(0.5)


def test_lessons_of_a_turn() -> None:
    """From each milestone, as it was known then, to the reply's availability; cut off, the same waits unfinished."""
    turn = TurnState(speech_ended_at=10.0, agent="a", tentative=False)
    turn.milestone("tool_started", 13.0, "t")
    plain, with_tool = Context("a"), Context("a", "t")
    assert turn.lessons(None) == []
    assert turn.lessons(14.5) == [
        Lesson("speech_ended", plain, 4.5, False, next_s=3.0),
        Lesson("tool_started", with_tool, 1.5, False),
    ]
    turn.reply_available(14.0)
    assert turn.lessons(None) == [
        Lesson("speech_ended", plain, 4.0, True, next_s=3.0),
        Lesson("tool_started", with_tool, 1.0, True),
    ]
