"""The cost model, against numbers worked out by hand from the table in the design."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stopgap.engine.planning import Sound, TurnCost, silence_cost, silent_gaps, spoken_cost, turn_cost
from stopgap.fillers import SPOKEN_KINDS, Costs, Kind

COSTS = Costs()
B, H, P, G = Kind.BACKCHANNEL, Kind.HESITATION, Kind.PHRASE, Kind.PROGRESS
A, T, M = Kind.AMBIENCE, Kind.TONE, Kind.HOLD


def parts(cost: TurnCost) -> tuple[float, ...]:
    return (cost.silence, cost.reply_delay, cost.spoken, cost.cuts, cost.beds)


# Silence -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gap", "cost"),
    [
        (0.0, 0.0),
        (0.3, 0.0),
        (0.4, 0.0),
        (0.5, 0.01),
        (0.9, 0.25),
        (1.15, 0.5625),
        (1.65, 0.5625 + 0.75),
        (3.15, 0.5625 + 3.0),
    ],
)
def test_silence_by_hand(gap: float, cost: float) -> None:
    """0 up to 0.4 s; (g - 0.4)^2 up to 1.15 s; from there 1.5 per s."""
    assert silence_cost(COSTS, np.array([gap])) == pytest.approx([cost])


ANY_COSTS = st.builds(Costs, silence_free_s=st.floats(0.0, 2.0), silence_slope=st.floats(0.0, 5.0))


@given(costs=ANY_COSTS, gap=st.floats(0.0, 20.0))
def test_silence_is_continuous(costs: Costs, gap: float) -> None:
    """No step anywhere: a moment more costs at most a moment's slope more, and never less."""
    one, other = silence_cost(costs, np.array([gap, gap + 1e-6]))
    assert -1e-12 <= other - one <= costs.silence_slope * 1e-6 + 1e-12


@given(costs=ANY_COSTS)
def test_silence_is_convex(costs: Costs) -> None:
    """Each further moment costs at least as much as the one before: two short gaps are better than a long one."""
    rises = np.diff(silence_cost(costs, np.linspace(0.0, 8.0, 801)))
    assert (np.diff(rises) >= -1e-12).all()
    assert rises[-1] == pytest.approx(costs.silence_slope * 0.01)


@given(costs=ANY_COSTS, one=st.floats(0.0, 10.0), other=st.floats(0.0, 10.0))
def test_breaking_a_gap_never_costs_more(costs: Costs, one: float, other: float) -> None:
    """A gap in two parts costs at most what it costs in one."""
    split, whole = silence_cost(costs, np.array([one, other])).sum(), silence_cost(costs, np.array([one + other]))[0]
    assert split <= whole + 1e-9


# Spoken fillers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "place", "recent", "cost"),
    [
        (B, 1, 0, 0.10),
        (H, 1, 0, 0.10),
        (P, 1, 0, 0.22),
        (G, 2, 0, 0.32),
        (H, 3, 0, 0.30),
        (H, 1, 5, 0.10),  # five a minute are free
        (H, 1, 6, 0.20),
        (P, 2, 8, 0.22 + 0.10 * (2 + 3 - 1)),
    ],
)
def test_spoken_by_hand(kind: Kind, place: int, recent: int, cost: float) -> None:
    """0.10 or 0.22, plus 0.10 for each earlier one of the turn, and for each beyond five in the 60 s before."""
    assert spoken_cost(COSTS, kind, place, recent) == pytest.approx(cost)


# Turns ---------------------------------------------------------------------------------------------------------


def test_plain_turn() -> None:
    """Nothing sounds and the reply comes at 1.65 s: only the silence costs."""
    cost = turn_cost(COSTS, [], end_s=1.65, reply_ready_s=1.65)
    assert parts(cost) == pytest.approx((1.3125, 0.0, 0.0, 0.0, 0.0))
    assert cost.total == pytest.approx(1.3125)


def test_turn_with_two_fillers_and_a_delay() -> None:
    """Gaps of 0.6, 1.15 and 0.5 s, a phrase finished 0.2 s into the reply's time."""
    sounds = [Sound(H, 0.6, 1.0), Sound(P, 2.15, 3.15), Sound(G, 3.65, 5.2)]
    cost = turn_cost(COSTS, sounds, end_s=5.2, reply_ready_s=5.0)
    assert parts(cost) == pytest.approx((0.04 + 0.5625 + 0.01, 0.3, 0.10 + 0.32 + 0.42, 0.0, 0.0))


def test_order_of_the_sounds_does_not_matter() -> None:
    """Sounds may come in any order."""
    sounds = [Sound(P, 2.15, 3.15), Sound(A, 0.2, 5.0), Sound(H, 0.6, 1.0)]
    assert turn_cost(COSTS, sounds, end_s=5.0, reply_ready_s=5.0) == turn_cost(
        COSTS, sounds[::-1], end_s=5.0, reply_ready_s=5.0
    )


def test_bed_credit() -> None:
    """A bed from 1 s on: of the 3 s of waiting, 2 count half; the bed costs 0.05 and 0.08 a second."""
    cost = turn_cost(COSTS, [Sound(A, 1.0, 3.02)], end_s=3.02, reply_ready_s=3.0)
    gap = 3.02 - 0.5 * 2.02
    assert parts(cost) == pytest.approx((0.5625 + 1.5 * (gap - 1.15), 0.03, 0.0, 0.0, 0.05 + 0.08 * 2.02))


def test_bed_without_credit() -> None:
    """With a credit of 0 a bed only costs."""
    costs = Costs(ambience_credit=0)
    with_bed = turn_cost(costs, [Sound(M, 1.0, 3.0)], end_s=3.0, reply_ready_s=3.0)
    without = turn_cost(costs, [], end_s=3.0, reply_ready_s=3.0)
    assert with_bed.silence == without.silence
    assert with_bed.total - without.total == pytest.approx(0.05 + 0.16)


def test_bed_with_full_credit() -> None:
    """With a credit of 1 only the silence before the bed counts."""
    cost = turn_cost(Costs(ambience_credit=1), [Sound(A, 0.9, 9.0)], end_s=9.0, reply_ready_s=9.0)
    assert cost.silence == pytest.approx(0.25)


def test_bed_under_speech() -> None:
    """Where a spoken filler sounds there is no silence that a bed could shorten."""
    sounds = [Sound(A, 0.5, 4.0), Sound(P, 1.0, 3.0)]
    cost = turn_cost(COSTS, sounds, end_s=4.0, reply_ready_s=4.0)
    assert cost.silence == pytest.approx((1.0 - 0.5 * 0.5 - 0.4) ** 2 + (0.5 - 0.4) ** 2)
    assert cost.beds == pytest.approx(0.05 + 0.08 * 3.5)


def test_two_beds_cover_once() -> None:
    """Two beds at once cost twice and count once."""
    cost = turn_cost(COSTS, [Sound(A, 0.0, 2.0), Sound(T, 1.0, 2.0)], end_s=2.0, reply_ready_s=2.0)
    assert cost.silence == pytest.approx(0.6**2)
    assert cost.beds == pytest.approx(0.05 * 2 + 0.08 * 3.0)


def test_cut_lines() -> None:
    """A phrase or progress line that is cut costs 0.15; a hesitation or a bed that fades does not."""
    sounds = [Sound(H, 0.0, 0.3, cut=True), Sound(P, 0.4, 0.8, cut=True), Sound(G, 1.0, 1.2, cut=True)]
    cost = turn_cost(COSTS, [*sounds, Sound(A, 0.0, 1.2, cut=True)], end_s=1.2, reply_ready_s=1.2)
    assert cost.cuts == pytest.approx(0.30)


def test_repeats_of_the_last_minute() -> None:
    """Seven fillers in the minute before: the first of this turn costs like the third, the second like the fourth;
    when three of them are more than 60 s ago the fourth costs like the fourth of any turn."""
    sounds = [Sound(H, 0.1 * n, 0.1 * n + 0.1) for n in range(4)]
    cost = turn_cost(COSTS, sounds, end_s=0.5, reply_ready_s=0.5, recent=[7, 7, 7, 4])
    assert cost.spoken == pytest.approx((0.1 + 0.2) + (0.1 + 0.3) + (0.1 + 0.4) + (0.1 + 0.3))


def test_recent_counts_may_be_missing() -> None:
    """Without counts nothing was heard before."""
    sounds = [Sound(H, 0.1, 0.2), Sound(H, 0.3, 0.4)]
    assert turn_cost(COSTS, sounds, end_s=0.5, reply_ready_s=0.5, recent=[9]).spoken == pytest.approx(0.5 + 0.2)


def test_cancelled_turn() -> None:
    """A cancelled turn has its silence and its fillers, and no reply that was held back."""
    cost = turn_cost(COSTS, [Sound(H, 0.9, 1.2)], end_s=1.7, reply_ready_s=None)
    assert parts(cost) == pytest.approx((0.25 + 0.01, 0.0, 0.10, 0.0, 0.0))


def test_filler_that_fades_after_the_cancellation() -> None:
    """The 20 ms of fade after a barge-in leave no gap."""
    cost = turn_cost(COSTS, [Sound(P, 0.4, 1.22, cut=True)], end_s=1.2, reply_ready_s=None)
    assert parts(cost) == pytest.approx((0.0, 0.0, 0.22, 0.15, 0.0))


def test_overlapping_fillers_leave_one_gap() -> None:
    """A short filler within a long one ends no silence and begins none."""
    cost = turn_cost(COSTS, [Sound(P, 0.4, 2.0), Sound(H, 0.5, 0.8)], end_s=2.5, reply_ready_s=2.5)
    assert cost.silence == pytest.approx(0.01)


def test_overlapping_reply_is_earlier() -> None:
    """A handoff with a negative gap lets the reply start before the filler's end: no gap, no negative one."""
    cost = turn_cost(COSTS, [Sound(P, 0.4, 1.6)], end_s=1.5, reply_ready_s=1.4)
    assert parts(cost) == pytest.approx((0.0, 0.15, 0.22, 0.0, 0.0))


# Properties ----------------------------------------------------------------------------------------------------


@st.composite
def turns(draw: st.DrawFn) -> tuple[list[Sound], float, float]:
    """Return spoken sounds one after the other, the end, and when the reply was ready."""
    at, sounds = 0.0, []
    for _ in range(draw(st.integers(0, 4))):
        start = at + draw(st.floats(0.05, 3.0))
        at = start + draw(st.floats(0.05, 2.0))
        sounds.append(Sound(draw(st.sampled_from(SPOKEN_KINDS)), start, at, draw(st.booleans())))
    end = at + draw(st.floats(0.0, 3.0))
    return sounds, end, end * draw(st.floats(0.5, 1.0))


@given(turns())
def test_parts_are_never_negative_and_sum_up(turn: tuple[list[Sound], float, float]) -> None:
    """The total is the sum of its parts."""
    sounds, end, ready = turn
    cost = turn_cost(COSTS, sounds, end_s=end, reply_ready_s=ready)
    assert min(parts(cost)) >= 0.0
    assert cost.total == pytest.approx(math.fsum(parts(cost)))


@given(turns(), st.floats(0.0, 5.0), st.floats(0.0, 5.0))
def test_a_bed_never_adds_silence(turn: tuple[list[Sound], float, float], start: float, length: float) -> None:
    """A bed can only take away from the cost of silence, at most half of it under the default credit."""
    sounds, end, ready = turn
    plain = turn_cost(COSTS, sounds, end_s=end, reply_ready_s=ready)
    covered = turn_cost(COSTS, [*sounds, Sound(A, start, start + length)], end_s=end, reply_ready_s=ready)
    assert covered.silence <= plain.silence + 1e-9
    assert (covered.reply_delay, covered.spoken, covered.cuts) == (plain.reply_delay, plain.spoken, plain.cuts)


@given(turns())
def test_gaps_and_sounds_fill_the_wait(turn: tuple[list[Sound], float, float]) -> None:
    """Silent gaps and sounds together are the whole wait."""
    sounds, end, _ = turn
    gaps = silent_gaps(sounds, end_s=end)
    assert sum(gaps) + sum(sound.end_s - sound.start_s for sound in sounds) == pytest.approx(end)
    assert all(gap > 0.0 for gap in gaps)


def test_silent_gaps_with_beds() -> None:
    """A bed is sound or silence, as the question asks; nothing counts after the end."""
    sounds = [Sound(H, 0.5, 1.0), Sound(A, 1.5, 3.0), Sound(P, 2.0, 2.5), Sound(H, 9.0, 9.5)]
    assert silent_gaps(sounds, end_s=4.0) == pytest.approx([0.5, 0.5, 1.0])
    assert silent_gaps(sounds, end_s=4.0, beds_are_sound=False) == pytest.approx([0.5, 1.0, 1.5])
    assert silent_gaps([], end_s=0.0) == []
