"""The mixture of policies: it follows whichever does better, within its bound."""

import random

import numpy as np
import pytest
import stopgap
from hypothesis import given
from hypothesis import strategies as st
from stopgap.engine import FillerManager, SilentOutput, VirtualClock
from stopgap.engine._rehearsal import Rehearsal
from stopgap.engine.planning import Ladder, Mixture, NoFillers, Policy, Sound, regret_bound, turn_cost
from stopgap.engine.planning._mixture import SPREAD_S, TRUST
from stopgap.engine.prediction import Context, LatencyPredictor, WaitDistribution, log_normal
from stopgap.fillers import ClipBank, Config

TWO: tuple[Policy, ...] = (NoFillers(), Ladder(Config()))
REPLY = np.zeros(1, np.float32)

costs = st.floats(0.0, SPREAD_S)


def expected_costs(rounds: list[tuple[float, float]]) -> tuple[float, list[float]]:
    """Return the mixture's expected mean cost over *rounds*, and those of its two policies."""
    mixture, spent = Mixture(TWO, random.Random(0)), 0.0
    for pair in rounds:
        spent += sum(weight * cost for weight, cost in zip(mixture.weights, pair, strict=True))
        mixture.judge(pair)
    return spent / len(rounds), [sum(pair[i] for pair in rounds) / len(rounds) for i in range(2)]


@given(rounds=st.lists(st.tuples(costs, costs), min_size=1, max_size=400))
def test_never_worse_than_the_bound(rounds: list[tuple[float, float]]) -> None:
    """Whatever the turns cost, the mixture's mean exceeds neither policy's by more than the stated bound."""
    mean, each = expected_costs(rounds)
    assert mean <= each[0] + regret_bound(len(rounds), TRUST) + 1e-9
    assert mean <= each[1] + regret_bound(len(rounds)) + 1e-9


@pytest.mark.parametrize("turns", [100, 1000, 5000])
def test_bound_against_an_adversary(turns: int) -> None:
    """Turns that always cost most under the policy that is trusted more do not break it."""
    mixture, rounds = Mixture(TWO, random.Random(0)), []
    for _ in range(turns):
        first = mixture.weights[0] > 0.5
        rounds.append((SPREAD_S, 0.0) if first else (0.0, SPREAD_S))
        mixture.judge(rounds[-1])
    mean, each = expected_costs(rounds)
    assert mean <= min(each[0] + regret_bound(turns, TRUST), each[1] + regret_bound(turns))


def test_what_failed_can_come_again() -> None:
    """After a long time in favour of one policy, the other is followed soon once it is the better one."""
    mixture = Mixture(TWO, random.Random(0))
    for _ in range(5000):
        mixture.judge((0.0, 1.0))
    assert mixture.weights[0] > 0.99
    for _ in range(200):
        mixture.judge((1.0, 0.0))
    assert mixture.weights[1] > 0.95
    assert sum(mixture.weights) == pytest.approx(1.0)


class Liar(LatencyPredictor):
    """Says that every reply is as good as there."""

    def predict(self, milestone: str, context: Context, elapsed: float = 0.0) -> WaitDistribution:
        return log_normal(0.1, 0.1).after(elapsed)


def played(predictor: LatencyPredictor | None, mode: str, waits: list[float], bank: ClipBank) -> list[float]:
    """Return what each turn costs."""
    clock = VirtualClock()
    config = stopgap.load_config({"mode": mode, "seed": 1})
    spent = []
    with FillerManager(config, clock=clock, bank=bank, predictor=predictor) as manager:
        for wait in waits:
            with manager.session(SilentOutput()) as session:
                turn = session.begin(agent="a")
                clock.advance(wait)
                turn.write(REPLY)
                turn.finish()
                clock.advance(10.0)
                record = turn.record
            sounds = [Sound(s.kind, s.start_s, s.end_s or s.start_s, s.cut) for s in record.sounds]
            heard = record.reply_heard_s
            assert heard is not None
            spent.append(turn_cost(config.costs, sounds, end_s=heard, reply_ready_s=wait).total)
    return spent


def test_a_predictor_that_lies_costs_no_more_than_the_bound(bank: ClipBank) -> None:
    """Where nothing that is predicted comes true, the ladder takes over."""
    waits = np.random.default_rng(0).lognormal(1.0, 0.3, 1600).tolist()
    lying = played(Liar(Config()), "predictive", waits, bank)
    ladder = played(None, "ladder", waits, bank)
    judged = len(waits) // 8
    assert np.mean(lying) <= np.mean(ladder) + regret_bound(judged)
    assert np.mean(lying[-100:]) <= np.mean(ladder[-100:]) + 0.1


@pytest.mark.parametrize("wait", [0.3, 1.0, 2.7, 9.0])
@pytest.mark.parametrize("replied", [True, False])
def test_a_rehearsal_costs_what_the_turn_did(wait: float, replied: bool, bank: ClipBank) -> None:
    """A turn played again under the policy that it had costs the same, and leaves no trace."""
    clock = VirtualClock()
    config = stopgap.load_config({"mode": "ladder", "seed": 1, "selection": {"order": "round_robin"}})
    with FillerManager(config, clock=clock, bank=bank) as manager, manager.session(SilentOutput()) as session:
        turn = session.begin(agent="a")
        clock.advance(wait / 2)
        turn.milestone("tool_started", tool="lookup")
        clock.advance(wait / 2)
        if replied:
            turn.write(REPLY)
            turn.finish()
        else:
            turn.cancel()
        clock.advance(10.0)
        record, before = turn.record, manager.statistics()
        seen = manager.predictor.waits_seen("speech_ended", Context("a"))
        engine = manager._engine
        again = Rehearsal(engine, random.Random(0)).cost(record, engine.mixture.policies[0], session.rate)
        assert manager.statistics() == before
        assert manager.predictor.waits_seen("speech_ended", Context("a")) == seen
    sounds = [Sound(s.kind, s.start_s, s.end_s or s.start_s, s.cut) for s in record.sounds]
    end = record.reply_heard_s if replied else wait
    assert end is not None
    cost = turn_cost(config.costs, sounds, end_s=end, reply_ready_s=wait if replied else None).total
    assert again == pytest.approx(cost, abs=1e-3)


@pytest.mark.parametrize(("mode", "share"), [("predictive", TRUST), ("ladder", 0.0), ("none", 0.0)])
def test_statistics_say_how_much_is_planned(mode: str, share: float, bank: ClipBank) -> None:
    """To begin with a predictive manager plans almost every turn; the other modes plan none."""
    config = stopgap.load_config({"mode": mode})
    with FillerManager(config, clock=VirtualClock(), bank=bank) as manager:
        found = manager.statistics()
    assert found["planned_share"] == pytest.approx(share)
    assert found["drifts"] == 0


def test_a_policy_of_one_s_own_decides(bank: ClipBank) -> None:
    """What `make_policy` returns decides alone, and its name is in the record."""

    class Quiet(NoFillers):
        name = "quiet"

    clock = VirtualClock()
    with FillerManager(clock=clock, bank=bank, make_policy=lambda config, predictor: Quiet()) as manager:
        turn = manager.session(SilentOutput()).begin()
        clock.advance(5.0)
        assert (turn.record.policy, turn.record.sounds) == ("quiet", ())
