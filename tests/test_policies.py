"""Policies by name: what others do by default, and bounds that know more than production could."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from stopgap.benchmarks import NAMES, TraceTurn, benchmark_config, contender, read_trace, score, sounds_of
from stopgap.benchmarks.policies import LadderShape, marginal, missing_kinds
from stopgap.benchmarks.replays import ReplayedTurn, heard
from stopgap.benchmarks.traces import TraceNews
from stopgap.cli import main
from stopgap.fillers import ClipBank, Kind, UsageError

FRAME_MS = 1000.0 / 24_000
UM = LadderShape(500, Kind.HESITATION)


def turn(id: str, at: float, ready_ms: float | None, **changes: object) -> TraceTurn:
    plain = TraceTurn(id, f"call {id}", at, "agent", ready_ms, 900.0 if ready_ms is None else None)
    return replace(plain, **changes)  # type: ignore[arg-type]


def play(name: str, turns: list[TraceTurn], bank: ClipBank, **over: object) -> list[ReplayedTurn]:
    return contender(name, benchmark_config(None, over), UM).replay(turns, bank=bank)


def said(item: ReplayedTurn) -> list[tuple[Kind, float]]:
    """Return the kinds that were heard in a turn, and when they began (s)."""
    return [(sound.kind, round(sound.start_s, 3)) for sound in sounds_of(item)]


@pytest.fixture(scope="module")
def voice() -> list[TraceTurn]:
    """The first 130 turns of the voice trace: 21 calls with tools and cancellations."""
    return read_trace("voice_mixed_dev")[:130]


def test_an_unknown_policy_is_refused_with_those_there_are() -> None:
    """One sentence that names the wrong word and all right ones."""
    with pytest.raises(UsageError, match="policy 'voccode' is unknown; choose none, ladder, predictive, vocode, lex"):
        contender("voccode", benchmark_config())


@pytest.mark.parametrize(("name", "start_s"), [("vocode", 0.5), ("agora", 1.0)])
@pytest.mark.parametrize("after_ms", [10.0, 200.0, 500.0])
def test_the_reply_queues_behind_the_whole_phrase(name: str, start_s: float, after_ms: float, bank: ClipBank) -> None:
    """However early in the phrase the reply is there, every word is said first, cut marks or not."""
    ready_ms = 1000.0 * start_s + after_ms
    (item,) = play(name, [turn("a", 0.0, ready_ms)], bank)
    (sound,) = item.record.sounds
    whole = next(clip for clip in bank.originals if clip.id == sound.clip)
    assert said(item) == [(Kind.PHRASE, start_s)]
    assert not sound.cut
    assert item.reply_start_ms == pytest.approx(1000.0 * (start_s + whole.duration_s), abs=0.2)
    assert sound.text == whole.text


@pytest.mark.parametrize(("name", "start_s"), [("vocode", 0.5), ("agora", 1.0), ("short", 0.7)])
def test_a_timer_starts_once_at_its_time(name: str, start_s: float, bank: ClipBank) -> None:
    """A long wait hears the one filler and then silence; a reply before it hears none and is not held back."""
    long, soon = play(name, [turn("a", 0.0, 9000.0), turn("b", 20.0, 1000.0 * start_s - 50.0)], bank)
    assert [start for _, start in said(long)] == [start_s]
    assert said(soon) == []
    assert soon.reply_start_ms == pytest.approx(soon.turn.reply_ready_ms, abs=FRAME_MS)


@pytest.mark.parametrize(
    ("ready_ms", "heard_ms"), [(2490.0, 2490.0), (2510.0, 6000.0), (5000.0, 6000.0), (7000.0, 7520.0)]
)
def test_lex_holds_the_reply_for_its_minimum_play_and_gap(ready_ms: float, heard_ms: float, bank: ClipBank) -> None:
    """A reply at 2.51 s is heard at 2.5 + 3.0 + 0.5 = 6.0 s; later ones wait for 20 ms of fade and the gap."""
    (item,) = play("lex", [turn("a", 0.0, ready_ms)], bank)
    assert item.reply_start_ms == pytest.approx(heard_ms, abs=2 * FRAME_MS)
    assert said(item) == ([] if ready_ms < 2500.0 else [(Kind.HOLD, 2.5)])


def test_baselines_keep_what_the_configuration_says(bank: ClipBank) -> None:
    """Costs, limits and seed are the user's; only what makes the baseline is laid over them."""
    own = benchmark_config(None, {"seed": 7, "costs": {"ambience_credit": 0}, "limits": {"per_turn": 0}})
    laid = contender("vocode", own).config
    assert (laid.seed, laid.costs, laid.limits) == (own.seed, own.costs, own.limits)
    assert laid.handoff.hesitation == own.handoff.hesitation


def test_a_timer_without_its_clips_is_found_out(bank: ClipBank) -> None:
    """The bundled pack has what every baseline plays; where a kind is disabled its timer would stay silent."""
    config = benchmark_config()
    assert all(missing_kinds(name, config, bank) == () for name in NAMES)
    assert missing_kinds("lex", benchmark_config(None, {"kinds": {"hold": {"enabled": False}}}), bank) == (Kind.HOLD,)


def test_median_gate_is_silent_for_a_fast_agent_and_speaks_for_a_slow_one(bank: ClipBank) -> None:
    """The median of the waits that have ended decides, per agent; the first turn has none."""
    fast = [turn(f"f{n}", 20.0 * n, 900.0, agent="fast") for n in range(4)]
    slow = [turn(f"s{n}", 20.0 * n + 5.0, 2500.0, agent="slow") for n in range(4)]
    done = play("median-gate", sorted([*fast, *slow], key=lambda t: t.started_at), bank)
    starts = {item.turn.turn_id: said(item) for item in done}
    assert all(not starts[f"f{n}"] for n in range(4))
    assert starts["s0"] == []
    assert all(starts[f"s{n}"] == [(Kind.PHRASE, 0.3)] for n in (1, 2, 3))


def test_median_gate_speaks_when_the_median_passes_its_limit(bank: ClipBank) -> None:
    """Waits of 1.0 and 1.9 s have the median 1.45 s: silent; with another of 1.9 s it is 1.9 s. Cancelled waits and
    those that still last do not count."""
    waits = [1000.0, 1900.0, None, 1900.0, 3000.0]
    turns = [turn(str(n), 20.0 * n, ready) for n, ready in enumerate(waits)]
    still = turn("still", 0.5, 600_000.0)
    done = {
        item.turn.turn_id: said(item)
        for item in play("median-gate", sorted([*turns, still], key=lambda t: t.started_at), bank)
    }
    assert [bool(done[str(n)]) for n in range(5)] == [False, False, False, False, True]


def test_median_gate_knows_slow_tools_of_a_fast_agent(bank: ClipBank) -> None:
    """A tool's own median counts from its start; the phrase comes 0.3 s into its run, once."""
    plain = [turn(f"p{n}", 30.0 * n, 800.0) for n in range(3)]
    tools = [turn(f"t{n}", 30.0 * n + 10.0, 4500.0, news=(TraceNews("tool_started", 500.0, "look"),)) for n in range(3)]
    done = play("median-gate", sorted([*plain, *tools], key=lambda t: t.started_at), bank)
    starts = {item.turn.turn_id: said(item) for item in done}
    assert starts["t0"] == []
    assert starts["t2"] == [(Kind.PHRASE, 0.8)]


@pytest.mark.parametrize("name", ["vocode", "median-gate", "best-sheet", "oracle"])
def test_replay_takes_every_name(name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The command replays what the module replays, and says which policy it was."""
    trace = tmp_path / "trace.csv"
    rows = [f"t{n},c{n % 2},{20 * n},a,,,,{700 + 400 * n}," for n in range(5)]
    header = "turn_id,conversation_id,started_at,agent,tool,tool_started_ms,tool_ended_ms,reply_ready_ms,cancelled_ms"
    trace.write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    with pytest.raises(SystemExit, match="0"):
        main(["replay", str(trace), "--policy", name, "--json"])
    report = json.loads(capsys.readouterr().out)
    config = benchmark_config()
    replayed = contender(name, config).replay(read_trace(trace), bank=ClipBank(config.packs))
    assert report["policy"] == name
    assert report["score"]["cost"] == pytest.approx(score(replayed, config.costs).cost)


def test_one_sheet_plays_the_same_in_every_turn(voice: list[TraceTurn], bank: ClipBank) -> None:
    """It hears of no agent, tool or earlier turn: kinds and starts are the same as far as the wait goes, but for
    the lengths of the clips, which put off what follows."""
    done = play("best-sheet", voice, bank)
    firsts = {said(item)[0] for item in done if item.turn.end_ms > 1500.0}
    assert len(firsts) == 1
    assert {len(item.record.sounds) for item in done if item.turn.end_ms > 8000.0} <= {4, 5, 6}


def test_the_marginal_is_that_of_all_turns() -> None:
    """Half of the answered waits are within its median, to the width of a bucket (5 %)."""
    turns = [turn(str(n), 10.0 * n, 1000.0 + 20.0 * n) for n in range(101)]
    wait = marginal(turns)
    assert wait.quantile(0.5) == pytest.approx(2.0, rel=0.05)
    assert float(wait.survival(0.9)) == pytest.approx(1.0)
    assert float(wait.survival(3.2)) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("credit", [0.0, 0.5])
def test_the_oracle_costs_less_than_every_policy(credit: float, voice: list[TraceTurn], bank: ClipBank) -> None:
    """On real turns, with and without credit for beds, nobody who does not know the waits does better."""
    over = {"costs": {"ambience_credit": credit}}
    costs = benchmark_config(None, over).costs
    reached = {name: score(play(name, voice, bank, **over), costs).cost for name in NAMES}
    assert min(reached, key=lambda name: reached[name]) == "oracle"
    assert reached["predictive"] < reached["ladder"] < reached["none"]


@pytest.mark.parametrize("ready_ms", [0.0, 30.0, 300.0, 450.0, 900.0, 1170.0, 2340.0, 7777.0, 31_000.0, 400_000.0])
def test_the_oracle_keeps_out_of_the_reply_s_way(ready_ms: float, bank: ClipBank) -> None:
    """It never costs more than silence, whatever the wait, and holds the reply back by less than a grid step."""
    turns = [turn("a", 0.0, ready_ms)]
    costs = benchmark_config().costs
    oracle, silence = (heard(play(name, turns, bank), costs) for name in ("oracle", "none"))
    assert oracle.cost[0] <= silence.cost[0]
    assert oracle.reply_delay[0] < 0.05


@pytest.mark.parametrize("name", NAMES)
def test_every_policy_takes_turns_that_are_all_cancelled(name: str, bank: ClipBank) -> None:
    """Where no reply ever came nothing is learned, and fillers end with the turn."""
    turns = [turn(str(n), 5.0 * n, None) for n in range(4)]
    for item in play(name, turns, bank):
        assert item.reply_start_ms is None
        assert all(sound.end_s <= 0.9 + 0.03 for sound in sounds_of(item) if sound.kind.spoken)
