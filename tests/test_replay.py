"""Replay: real waits through the real engine. It repeats itself, and never knows what is still to come."""

import io
import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from stopgap.benchmarks import (
    POLICIES,
    ReplayedTurn,
    Score,
    TraceTurn,
    benchmark_config,
    read_trace,
    replay,
    score,
    sounds_of,
    write_jsonl,
)
from stopgap.benchmarks.traces import TraceNews
from stopgap.fillers import ClipBank, Config, Costs, Kind, UsageError

FRAME_S = 1 / 24_000
"""s. Replay places sounds to a frame."""


@pytest.fixture(scope="module")
def voice() -> list[TraceTurn]:
    """The first 300 turns of the voice trace: 48 calls, with tools and cancellations."""
    return read_trace("voice_mixed_dev")[:300]


def run(
    turns: Sequence[TraceTurn],
    policy: str,
    bank: ClipBank,
    *,
    known_after_ms: float = 0.0,
    over: dict[str, object] | None = None,
) -> list[ReplayedTurn]:
    return list(replay(turns, benchmark_config(policy, over), bank=bank, known_after_ms=known_after_ms))


@pytest.fixture(scope="module")
def replayed(voice: list[TraceTurn], bank: ClipBank) -> dict[str, list[ReplayedTurn]]:
    """The voice turns under each policy."""
    return {policy: run(voice, policy, bank) for policy in POLICIES}


def jsonl(turns: Sequence[ReplayedTurn]) -> str:
    out = io.StringIO()
    write_jsonl(turns, out)
    return out.getvalue()


# Repeatable ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", POLICIES)
def test_same_seed_same_bytes(policy: str, voice: list[TraceTurn], bank: ClipBank) -> None:
    """Run twice, with clips of its own or shared ones, replay writes the same bytes."""
    once = jsonl(run(voice[:80], policy, bank))
    assert jsonl(list(replay(voice[:80], benchmark_config(policy)))) == once


def test_other_seed_other_clips(voice: list[TraceTurn], bank: ClipBank) -> None:
    """The seed changes which clips are said, not what is measured."""
    one, two = (run(voice[:80], "ladder", bank, over={"seed": seed}) for seed in (1, 2))
    assert jsonl(one) != jsonl(two)
    assert [item.record.prediction for item in one] == [item.record.prediction for item in two]


def test_lines(replayed: dict[str, list[ReplayedTurn]]) -> None:
    """Each line is a JSON object with the turn's identity, its times, its sounds and its prediction."""
    lines = jsonl(replayed["predictive"]).splitlines()
    for line, item in zip(lines, replayed["predictive"], strict=True):
        data = json.loads(line)
        assert list(data) == ["turn_id", "reply_ready_ms", "cancelled_ms", "reply_start_ms", "sounds", "prediction"]
        assert data["turn_id"] == item.turn.turn_id
        assert (data["reply_ready_ms"], data["cancelled_ms"]) == (item.turn.reply_ready_ms, item.turn.cancelled_ms)
        assert set(data["prediction"]) == {"q50_ms", "q80_ms", "q95_ms"}
        for sound in data["sounds"]:
            assert list(sound) == ["kind", "clip", "text", "start_ms", "end_ms", "cut"]
            assert sound["end_ms"] >= sound["start_ms"] >= 0.0


# What holds in every turn --------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", POLICIES)
def test_order_and_number(policy: str, voice: list[TraceTurn], replayed: dict[str, list[ReplayedTurn]]) -> None:
    """Every turn comes out once, in the trace's order, though they end in another."""
    assert [item.turn for item in replayed[policy]] == voice
    assert [item.record.id for item in replayed[policy]] == [turn.turn_id for turn in voice]
    ends = [turn.started_at + turn.end_ms / 1000.0 for turn in voice]
    assert ends != sorted(ends)


@pytest.mark.parametrize("policy", POLICIES)
def test_reply_is_heard_unless_cancelled(policy: str, replayed: dict[str, list[ReplayedTurn]]) -> None:
    """A reply starts when it is available or later, never in a cancelled turn."""
    for item in replayed[policy]:
        if item.turn.reply_ready_ms is None:
            assert item.reply_start_ms is None
            assert item.record.outcome == "cancelled"
        else:
            assert item.reply_start_ms is not None
            assert item.reply_start_ms >= item.turn.reply_ready_ms - 1e3 * FRAME_S
            assert item.record.outcome == "replied"


@pytest.mark.parametrize("policy", POLICIES)
def test_fillers_step_aside(policy: str, replayed: dict[str, list[ReplayedTurn]]) -> None:
    """Under the default handoff no word sounds into the reply, and 20 ms later, or after a cancellation, no bed."""
    for item in replayed[policy]:
        assert all(sound.end_s is not None for sound in item.record.sounds)
        end = (item.reply_start_ms if item.reply_start_ms is not None else item.turn.end_ms) / 1000.0
        for sound in sounds_of(item):
            assert sound.start_s * 1000.0 < item.turn.end_ms + 1e3 * FRAME_S
            fades = item.reply_start_ms is None or not sound.kind.spoken
            assert sound.end_s <= end + 0.02 * fades + 2 * FRAME_S


@pytest.mark.parametrize("policy", ["ladder", "predictive"])
def test_spoken_fillers_keep_their_distance(policy: str, replayed: dict[str, list[ReplayedTurn]]) -> None:
    """Spoken fillers of a turn are 300 ms apart, at most five, and only while a tool runs do they claim work."""
    claims = {clip.id for clip in ClipBank().originals if clip.claims_work}
    for item in replayed[policy]:
        spoken = [sound for sound in item.record.sounds if sound.kind.spoken]
        assert len(spoken) <= 5
        for before, after in itertools.pairwise(spoken):
            assert before.end_s is not None
            assert after.start_s - before.end_s >= 0.3 - 2 * FRAME_S
        for sound in spoken:
            if sound.clip in claims:
                assert any(
                    news.name == "tool_started" and news.at_ms <= 1e3 * (sound.start_s + FRAME_S)
                    for news in item.turn.news
                )


def test_policy_none_plays_nothing(replayed: dict[str, list[ReplayedTurn]]) -> None:
    """Without fillers there are no sounds, and the reply is heard when it is available."""
    for item in replayed["none"]:
        assert item.record.sounds == ()
        if item.reply_start_ms is not None:
            assert item.reply_start_ms == pytest.approx(item.turn.reply_ready_ms, abs=1e3 * FRAME_S)


def test_policies_in_order_of_cost(replayed: dict[str, list[ReplayedTurn]]) -> None:
    """On the first 300 voice turns the planner beats the default ladder, which beats silence."""
    costs = benchmark_config().costs
    none, ladder, predictive = (score(replayed[policy], costs) for policy in POLICIES)
    assert predictive.cost < ladder.cost < none.cost
    assert predictive.gap_over_1s < ladder.gap_over_1s < none.gap_over_1s


def test_limit_per_minute(bank: ClipBank) -> None:
    """With a limit of two a minute no conversation hears three within 60 s, under any policy."""
    turns = [replace(plain_turn(str(n), 10.0 * n, 4000.0), conversation_id="one") for n in range(30)]
    for policy in ("ladder", "predictive"):
        done = run(turns, policy, bank, over={"limits": {"per_minute": 2}, "costs": {"ambience_credit": 0}})
        times = [item.turn.started_at + sound.start_s for item in done for sound in item.record.sounds]
        assert len(times) >= 8
        assert all(third - first >= 60.0 for first, third in zip(times, times[2:], strict=False))


# Overlapping turns ---------------------------------------------------------------------------------------------


def test_overlapping_conversations(bank: ClipBank) -> None:
    """A trace whose conversations overlap with themselves, measured side by side, completes."""
    turns = read_trace("web_search_dev")
    advanced: list[int] = []
    done = list(replay(turns, benchmark_config("predictive"), bank=bank, advance=advanced.append))
    assert [item.turn for item in done] == turns
    assert advanced == [1] * len(turns)
    assert all(item.reply_start_ms is not None for item in done)


def plain_turn(
    id: str, at: float, ready_ms: float | None, *, cancelled_ms: float | None = None, news: tuple[TraceNews, ...] = ()
) -> TraceTurn:
    return TraceTurn(id, f"call {id}", at, "agent", ready_ms, cancelled_ms, news)


@pytest.mark.parametrize("cancelled", [False, True])
def test_lessons_are_known_from_the_end_on(cancelled: bool, bank: ClipBank) -> None:
    """Turns that begin while another is open predict as if it were not there; those after its end know it."""
    slow = plain_turn("slow", 1.0, None if cancelled else 40_000.0, cancelled_ms=40_000.0 if cancelled else None)
    others = [plain_turn(str(at), at, 900_000.0) for at in (0.0, 1.0, 20.0, 40.999, 41.001, 60.0)]
    turns = sorted([slow, *others], key=lambda turn: turn.started_at)
    q95 = {item.turn.turn_id: item.record.prediction.q95_s for item in run(turns, "predictive", bank)}
    assert q95["0.0"] == q95["1.0"] == q95["20.0"] == q95["40.999"]
    assert q95["40.999"] < q95["41.001"] == q95["60.0"]


def test_empty_trace(bank: ClipBank) -> None:
    """No turns give no turns, and figures that are not numbers."""
    assert run([], "predictive", bank) == []
    figures = score([], Costs())
    assert figures.turns == 0
    assert math.isnan(figures.cost)


# No peeking ----------------------------------------------------------------------------------------------------


def heard_before(turns: Sequence[ReplayedTurn], at: float) -> list[tuple[str, str, float]]:
    """Return every sound that started before *at* (s of the trace): its turn, its clip and its start."""
    return [
        (item.turn.turn_id, sound.clip, sound.start_s)
        for item in turns
        for sound in item.record.sounds
        if item.turn.started_at + sound.start_s < at - FRAME_S
    ]


def predicted_before(turns: Sequence[ReplayedTurn], at: float) -> list[object]:
    return [item.record.prediction for item in turns if item.turn.started_at < at]


CALL = read_trace("voice_mixed_dev")[:70]
WITH_TOOL = [n for n, turn in enumerate(CALL) if turn.news][:8]
LONG = [n for n, turn in enumerate(CALL) if turn.reply_ready_ms is not None and turn.reply_ready_ms > 1500][:8]


def changed(turn: TraceTurn, how: str) -> tuple[TraceTurn, float]:
    """Return *turn* with another future, and from when on (ms from its time 0) it differs."""
    end = turn.end_ms
    if how == "later":
        return replace(turn, reply_ready_ms=end + 7000.0, cancelled_ms=None), end
    if how == "earlier":
        news = tuple(news for news in turn.news if news.at_ms < end / 2)
        return replace(turn, reply_ready_ms=end / 2, cancelled_ms=None, news=news), end / 2
    if how == "cancelled":
        return replace(turn, reply_ready_ms=None, cancelled_ms=end), end
    (first, *rest) = turn.news
    if how == "other tool":
        return replace(turn, news=(replace(first, tool="unheard_of"), *rest)), first.at_ms
    if how == "no tool":
        return replace(turn, news=()), first.at_ms
    assert how == "later tool"
    return replace(turn, news=(replace(first, at_ms=(first.at_ms + end) / 2),)), first.at_ms


@pytest.fixture(scope="module")
def call(bank: ClipBank) -> list[ReplayedTurn]:
    return run(CALL, "predictive", bank)


@pytest.mark.parametrize("how", ["later", "earlier", "cancelled", "other tool", "no tool", "later tool"])
@pytest.mark.parametrize("pick", [1, 4, 7])
def test_the_future_changes_nothing_before(how: str, pick: int, call: list[ReplayedTurn], bank: ClipBank) -> None:
    """What happens to a turn later on, its reply, its end, its tool, changes no sound that started before, in any
    turn; nor any prediction."""
    number = (WITH_TOOL if "tool" in how else LONG)[pick]
    turn, from_ms = changed(CALL[number], how)
    other = run([*CALL[:number], turn, *CALL[number + 1 :]], "predictive", bank)
    at = turn.started_at + from_ms / 1000.0
    assert heard_before(other, at) == heard_before(call, at)
    assert predicted_before(other, at) == predicted_before(call, at)
    if how in ("later", "cancelled"):
        assert turn.turn_id in {name for name, _, _ in heard_before(call, at)}  # there was something to compare


def test_later_turns_change_nothing_before(call: list[ReplayedTurn], bank: ClipBank) -> None:
    """A trace that ends sooner sounds the same up to there."""
    short = run(CALL[:35], "predictive", bank)
    assert jsonl(short) == jsonl(call[:35])


# Time 0 becomes known late -------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["ladder", "predictive"])
@pytest.mark.parametrize("known_after_ms", [300.0, 1200.0])
def test_known_after(policy: str, known_after_ms: float, voice: list[TraceTurn], bank: ClipBank) -> None:
    """No sound starts before the end of speech is known; times still count from it, and the reply does not wait."""
    done = run(voice[:100], policy, bank, known_after_ms=known_after_ms)
    assert [item.turn for item in done] == voice[:100]
    starts = [1000.0 * sound.start_s for item in done for sound in item.record.sounds]
    assert min(starts) >= known_after_ms - 1e3 * FRAME_S
    for item in done:
        assert item.record.began_s == pytest.approx(min(known_after_ms, item.turn.end_ms) / 1000.0, abs=1e-6)
        if item.turn.end_ms <= known_after_ms:
            assert item.record.sounds == ()
            if item.reply_start_ms is not None:
                assert item.reply_start_ms == pytest.approx(item.turn.reply_ready_ms, abs=1e3 * FRAME_S)


# Figures -------------------------------------------------------------------------------------------------------


def scored(turns: list[TraceTurn], policy: str, bank: ClipBank, **over: object) -> Score:
    config = benchmark_config(policy, over)
    return score(list(replay(turns, config, bank=bank)), config.costs)


def test_score_of_silence(bank: ClipBank) -> None:
    """Without fillers the cost is that of the plain waits; a cancelled turn has no reply delay and no prediction."""
    turns = [
        plain_turn("a", 0.0, 500.0),
        plain_turn("b", 10.0, 1150.0),
        plain_turn("c", 20.0, None, cancelled_ms=1650.0),
    ]
    figures = scored(turns, "none", bank)
    assert figures.turns == 3
    assert figures.cost == figures.cost_silence == pytest.approx((0.01 + 0.5625 + 1.3125) / 3, abs=1e-4)
    assert figures.first_sound_p50 == figures.longest_gap_p50 == pytest.approx(1.15, abs=1e-3)
    assert figures.gap_over_1s == pytest.approx(2 / 3)
    assert figures.reply_delay_mean == pytest.approx(0.0, abs=1e-4)
    assert (figures.needless, figures.spoken_per_turn) == (0.0, 0.0)
    assert (figures.coverage_q50, figures.coverage_q80, figures.coverage_q95) == (1.0, 1.0, 1.0)


def test_score_of_a_ladder(bank: ClipBank) -> None:
    """One "um" at 1.3 s: what it costs, and that it came less than 250 ms before one of the replies."""
    turns = [plain_turn("a", 0.0, 1400.0), plain_turn("b", 10.0, 3000.0)]
    ladder = [{"after_ms": 1300, "kind": "hesitation", "phrases": ["um"]}]
    um = next(clip for clip in bank.originals if clip.id == "um").duration_s
    figures = scored(turns, "ladder", bank, ladder=ladder)
    second = 0.5625 + 1.5 * (1.7 - um - 1.15)
    assert figures.cost_silence == pytest.approx(0.5625 + 1.5 * 0.15 + second / 2, abs=1e-3)
    assert figures.cost_spoken == pytest.approx(0.10)
    assert figures.cost_reply_delay == pytest.approx(1.5 * 0.140 / 2, abs=1e-3)  # at least 200 ms, then 40 of fade
    assert figures.needless == 0.5
    assert figures.spoken_per_turn == 1.0
    assert figures.spoken_per_waiting_minute == pytest.approx(60 * 2 / 4.4)


def test_score_counts_the_last_minute(bank: ClipBank) -> None:
    """Beyond five fillers in the 60 s before, each further one costs like one more of its turn, per conversation."""
    ladder = [{"after_ms": 100, "kind": "hesitation"}]
    same = [replace(plain_turn(str(n), 5.0 * n, 700.0), conversation_id="one") for n in range(8)]
    apart = [plain_turn(str(n), 5.0 * n, 700.0) for n in range(8)]
    rare = [replace(plain_turn(str(n), 61.0 * n, 700.0), conversation_id="one") for n in range(8)]
    limits = {"per_minute": "unlimited"}
    assert scored(apart, "ladder", bank, ladder=ladder, limits=limits).cost_spoken == pytest.approx(0.10)
    assert scored(rare, "ladder", bank, ladder=ladder, limits=limits).cost_spoken == pytest.approx(0.10)
    assert scored(same, "ladder", bank, ladder=ladder, limits=limits).cost_spoken == pytest.approx(
        (0.8 + 0.1 + 0.2) / 8
    )


# Its configuration ---------------------------------------------------------------------------------------------


def test_benchmark_config() -> None:
    """The defaults without limits per minute and conversation, a seed, and what is laid over them."""
    config = benchmark_config("ladder", {"limits": {"per_turn": 2}, "costs": {"ambience_credit": 0}})
    assert (config.mode, config.seed) == ("ladder", 0)
    assert config.limits == Config().limits.model_copy(update={"per_turn": 2, "per_minute": "unlimited"})
    assert config.costs == Costs(ambience_credit=0)
    assert benchmark_config().mode == "predictive"


def test_unknown_policy() -> None:
    """Another policy is refused, with those there are."""
    with pytest.raises(UsageError, match="policy 'best' is unknown; choose none, ladder, predictive"):
        benchmark_config("best")


def test_known_kinds_only(replayed: dict[str, list[ReplayedTurn]]) -> None:
    """The planner plays no tones, which are off by default."""
    kinds = {sound.kind for item in replayed["predictive"] for sound in item.record.sounds}
    assert Kind.TONE not in kinds
    assert {Kind.HESITATION, Kind.PHRASE} <= kinds
