"""The simulation without sessions finds what replay finds."""

from dataclasses import replace

import numpy as np
import pytest
from stopgap.benchmarks import ReplayedTurn, TraceTurn, benchmark_config, read_trace, replay, score
from stopgap.benchmarks.replays import SimulatedTurn, Simulation, heard_on_paper, score_of, taught
from stopgap.benchmarks.traces import TraceNews
from stopgap.engine.planning import Planner
from stopgap.fillers import ClipBank, Config

NEAR_S = 0.002
NO_RESTRAINT = {"limits": {"reply_delay_ms": "unlimited", "needless": "unlimited"}}
LADDERS = [
    {},
    {"selection": {"order": "round_robin"}},
    {"ladder": [{"after_ms": 0, "kind": "backchannel"}, {"after_ms": 500, "kind": "phrase", "repeat_ms": 1500}]},
    {"ladder": [{"after_ms": 300, "kind": "ambience"}, {"after_ms": 900, "kind": "phrase"}]},
    {"ladder": [{"after_ms": 400, "kind": "phrase", "since": "tool_started"}], "handoff": {"phrase": {"gap_ms": -300}}},
    {"handoff": {"hesitation": {"gap_ms": 250}, "phrase": {"max_finish_ms": 0, "fade_ms": 90}}},
    {"tools": {"exa_deep": {"after_s": 0.5}}, "limits": {"per_turn": 2, "min_gap_ms": 900}},
]


def trace(count: int = 400) -> list[TraceTurn]:
    """Return a stretch of measured turns, every ninth of which is cancelled at some time before its reply."""
    turns = read_trace("voice_mixed_dev")[300 : 300 + count]
    return [cut_off(t, 0.13 * (n % 7)) if n % 9 == 0 else t for n, t in enumerate(turns)]


def cut_off(turn: TraceTurn, share: float) -> TraceTurn:
    at = share * turn.end_ms
    return replace(turn, reply_ready_ms=None, cancelled_ms=at, news=tuple(n for n in turn.news if n.at_ms < at))


def announced(turns: list[TraceTurn]) -> list[TraceTurn]:
    """Return *turns* with the milestone that announces the reply, 0.4 s before it."""
    return [
        replace(t, news=(*t.news, TraceNews("first_token", t.end_ms - 400.0)))
        if t.reply_ready_ms is not None and t.end_ms > 500.0 and all(n.at_ms < t.end_ms - 400.0 for n in t.news)
        else t
        for t in turns
    ]


def agree(simulated: SimulatedTurn, replayed: ReplayedTurn) -> bool:
    """Return whether both found the same clips at the same times, and the same start of the reply."""
    paper = simulated.sounds
    sounds = sorted(replayed.record.sounds, key=lambda sound: sound.start_s)
    starts = simulated.reply_start_ms, replayed.reply_start_ms
    if len(paper) != len(sounds) or (starts[0] is None) != (starts[1] is None):
        return False
    return abs((starts[0] or 0.0) - (starts[1] or 0.0)) <= 1000.0 * NEAR_S and all(
        (a.clip, a.text, a.sound.cut) == (b.clip, b.text, b.cut)
        and abs(a.sound.start_s - b.start_s) <= NEAR_S
        and abs(a.sound.end_s - (b.end_s or 0.0)) <= NEAR_S
        for a, b in zip(paper, sounds, strict=True)
    )


def both(
    turns: list[TraceTurn], config: Config, bank: ClipBank, *, planned: bool = False
) -> tuple[list[SimulatedTurn], list[ReplayedTurn]]:
    known = taught(turns, config)
    simulated = list(Simulation(config, known, bank).run(turns))
    return simulated, list(replay(turns, config, policy=Planner(config, known) if planned else None, bank=bank))


@pytest.mark.parametrize("settings", LADDERS)
def test_ladders_sound_as_in_replay(settings: dict[str, object], bank: ClipBank) -> None:
    """The same clips at the same times, replies held back as long, and the same cost, turn by turn."""
    config = benchmark_config("ladder", settings)
    simulated, replayed = both(trace(), config, bank)
    assert np.mean([agree(a, b) for a, b in zip(simulated, replayed, strict=True)]) >= 0.99
    cost = score_of(heard_on_paper(simulated, config.costs)).cost
    assert cost == pytest.approx(score(replayed, config.costs).cost, rel=0.01)


def test_the_planner_plays_as_in_replay(bank: ClipBank) -> None:
    """Given the same knowledge of the waits, and no restraint, it plays almost the same and costs the same."""
    config = benchmark_config("predictive", NO_RESTRAINT)
    simulated, replayed = both(trace(), config, bank, planned=True)
    assert np.mean([agree(a, b) for a, b in zip(simulated, replayed, strict=True)]) >= 0.95
    cost = score_of(heard_on_paper(simulated, config.costs)).cost
    assert cost == pytest.approx(score(replayed, config.costs).cost, rel=0.01)


def test_long_waits_are_planned_on(bank: ClipBank) -> None:
    """A wait that outlasts the armed sheet goes on as in replay, up to the time after which nothing new starts."""
    turns = [
        replace(
            t,
            started_at=10.0 * t.started_at,  # else a turn would last until after its conversation's next one
            reply_ready_ms=t.end_ms + 1.0 + 20_000.0 * (n % 5 == 0),
            cancelled_ms=None,
        )
        for n, t in enumerate(trace(100))
    ]
    config = benchmark_config("predictive", {"limits": {**NO_RESTRAINT["limits"], "max_wait_s": 12.0, "per_turn": 9}})
    simulated, replayed = both(turns, config, bank, planned=True)
    assert np.mean([agree(a, b) for a, b in zip(simulated, replayed, strict=True)]) >= 0.9
    cost = score_of(heard_on_paper(simulated, config.costs)).cost
    assert cost == pytest.approx(score(replayed, config.costs).cost, rel=0.05)


def test_announced_replies_are_made_way_for(bank: ClipBank) -> None:
    """A filler ends at its next mark when the reply is announced, as often as in replay."""
    turns = announced(trace())
    config = benchmark_config("ladder", {"ladder": [{"after_ms": 600, "kind": "phrase", "repeat_ms": 2000}]})
    simulated, replayed = both(turns, config, bank)
    # replay learns on the way when announced replies come, so its first turns decide differently
    assert np.mean([agree(a, b) for a, b in zip(simulated[50:], replayed[50:], strict=True)]) >= 0.97


def test_restraint_holds_replies_back_less(bank: ClipBank) -> None:
    """The limit on delay is kept on average, in the simulation as in replay."""
    turns = read_trace("voice_mixed_dev")
    free, strict = (
        score_of(heard_on_paper(Simulation(config, taught(turns, config), bank).run(turns), config.costs))
        for config in (
            benchmark_config("predictive", NO_RESTRAINT),
            benchmark_config("predictive", {"limits": {"reply_delay_ms": 1.0}}),
        )
    )
    assert strict.reply_delay_mean < 0.7 * free.reply_delay_mean
    assert strict.reply_delay_mean < 0.004


def test_no_fillers_are_silence(bank: ClipBank) -> None:
    """Without fillers a turn is one silence, and no reply is held back."""
    turns = trace(50)
    config = benchmark_config("none")
    found = list(Simulation(config, taught(turns, config), bank).run(turns))
    assert all(not item.sounds and item.reply_start_ms == item.turn.reply_ready_ms for item in found)
    heard = heard_on_paper(found, config.costs)
    assert heard.gap == pytest.approx([turn.end_ms / 1000.0 for turn in turns])


def test_simulating_teaches_nothing(bank: ClipBank) -> None:
    """The same simulation twice finds the same."""
    turns = trace(100)
    config = benchmark_config("predictive")
    known = taught(turns, config)
    assert list(Simulation(config, known, bank).run(turns)) == list(Simulation(config, known, bank).run(turns))
    assert known.learned == taught(turns, config).learned
