"""Restraint: what fillers may do to replies on average."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stopgap.benchmarks.replays import Score, benchmark_config, replay, score
from stopgap.benchmarks.traces import TraceTurn
from stopgap.engine.planning import Prices, Restraint
from stopgap.engine.planning._restraint import DEAREST_DELAY, NEEDLESS_PRICE_S, STEP
from stopgap.fillers import ClipBank, Limits

DELAYS = st.lists(st.floats(0.0, 0.6), min_size=1, max_size=300)


@given(DELAYS, st.floats(1.0, 100.0))
def test_the_mean_delay_keeps_its_bound(delays: Sequence[float], allowed_ms: float) -> None:
    """Whatever comes, the excess so far adds up to at most the price over its step, unless the price met its end."""
    restraint = Restraint(Limits(reply_delay_ms=allowed_ms))
    for delay in delays:
        restraint.observe(delay, needless=False)
        if restraint._delay.value >= DEAREST_DELAY:
            return
    excess = sum(delay / (allowed_ms / 1000.0) - 1.0 for delay in delays)
    assert excess <= restraint._delay.value / STEP + 1e-6


def test_a_plan_stands_while_prices_are_near() -> None:
    """A plan is not made anew at every move of a price, but it is when delay has become twice as dear."""
    plan = Prices(1.0, 0.5)
    assert Prices(1.5, 1.0).near(plan)
    assert not Prices(2.0, 0.5).near(plan)
    assert not Prices(1.0, 1.5).near(plan)
    assert Prices(2.0).delay_factor == 2 * Prices(1.0).delay_factor
    assert Prices(1.0, 2.0).surcharge(0.3, needless=True) == pytest.approx(0.3 + 2.0 * NEEDLESS_PRICE_S)


def test_what_is_unlimited_has_no_price() -> None:
    """Without limits nothing is paid beside the cost."""
    restraint = Restraint(Limits(reply_delay_ms="unlimited", needless="unlimited"))
    for _ in range(1000):
        restraint.observe(5.0, needless=True)
    assert restraint.prices == Prices()


def test_prices_fall_when_all_is_well() -> None:
    """A price that rose over bad replies is forgotten over good ones."""
    restraint = Restraint(Limits())
    for _ in range(50):
        restraint.observe(0.1, needless=True)
    assert restraint.prices.delay_factor > 4.0
    assert restraint.prices.needless_s > 0.2
    for _ in range(1000):
        restraint.observe(0.0, needless=False)
    assert restraint.prices == Prices()


def played(bank: ClipBank, median_s: float, spread: float, over: dict[str, object]) -> Score:
    """Replay 2,000 log-normal waits, and judge what the planner did in the second half: what it takes to find out, and
    turns that the mixture left to the ladder, are left out."""
    rng = np.random.default_rng(7)
    waits = 1000.0 * median_s * np.exp(spread * rng.standard_normal(2000))
    turns = [TraceTurn(str(n), str(n), 10.0 * n, "a", float(wait), None) for n, wait in enumerate(waits)]
    config = benchmark_config("predictive", over)
    replayed = list(replay(turns, config, bank=bank))[1000:]
    return score([item for item in replayed if item.record.policy == "predictive"], config.costs)


def test_needless_fillers_are_held_to_their_share(bank: ClipBank) -> None:
    """Where first fillers would too often come just before the reply, the planner takes more silence instead."""
    free, held = (played(bank, 0.6, 0.4, {"limits": {"needless": share}}) for share in ("unlimited", 0.02))
    assert free.needless > 0.1
    assert held.needless < 0.03


@pytest.mark.parametrize("allowed_ms", [4.0, 8.0])
def test_delay_is_held_to_its_mean(bank: ClipBank, allowed_ms: float) -> None:
    """Where fillers would hold replies back for longer, the planner takes more silence instead."""
    free, held = (
        played(bank, 1.5, 0.25, {"costs": {"ambience_credit": 0}, "limits": {"reply_delay_ms": ms}})
        for ms in ("unlimited", allowed_ms)
    )
    assert free.reply_delay_mean > 1.5 * allowed_ms / 1000.0
    assert held.reply_delay_mean < 1.25 * allowed_ms / 1000.0
