"""Versions are dealt to conversations by hash and share."""

import os
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stopgap.fillers import UsageError, checked_shares, dealt

NAMES = [f"call-{number}" for number in range(4000)]


def split_of(parts: int) -> st.SearchStrategy[dict[int, float]]:
    """Return shares of *parts* versions, in 64ths so that their sums are exact."""
    bounds = st.lists(st.integers(1, 63), min_size=parts - 1, max_size=parts - 1, unique=True).map(sorted)
    return bounds.map(
        lambda at: {n: (b - a) / 64.0 for n, (a, b) in enumerate(zip([0, *at], [*at, 64], strict=True), 1)}
    )


@pytest.mark.parametrize(
    ("conversation", "salt", "expected"),
    [
        ("call-1", "refund", 1), ("call-4", "refund", 1), ("a", "refund", 1), ("a", "x", 1), ("", "refund", 1),
        ("", "x", 2), ("ü\ud800", "refund", 3), ("ü\ud800", "x", 2),
    ],
)  # fmt: skip
def test_what_is_dealt_stays(conversation: str, salt: str, expected: int) -> None:
    """Golden values: another hash, or another order, would move conversations that are under way."""
    assert dealt({1: 0.5, 2: 0.3, 3: 0.2}, conversation, salt=salt) == expected
    assert dealt({3: 0.2, 1: 0.5, 2: 0.3}, conversation, salt=salt) == expected


@pytest.mark.parametrize("seed", ["0", "4711"])
def test_every_process_deals_the_same(seed: str) -> None:
    """Python's own hash differs between processes; ours does not."""
    code = "from stopgap.fillers import dealt; print(*(dealt({1: .5, 2: .5}, f'c{n}', salt='s') for n in range(50)))"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True,
        check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.split() == [str(dealt({1: 0.5, 2: 0.5}, f"c{n}", salt="s")) for n in range(50)]


@pytest.mark.parametrize("shares", [{1: 0.5, 2: 0.5}, {1: 0.9, 2: 0.1}, {4: 0.2, 7: 0.3, 9: 0.5}, {1: 0.99, 2: 0.01}])
@pytest.mark.parametrize("salt", ["refund", "0123456789abcdef01234567", ""])
def test_shares_are_reached(shares: dict[int, float], salt: str) -> None:
    """By a chi-square test at 1e-4, always of the same conversations."""
    counts = Counter(dealt(shares, name, salt=salt) for name in NAMES)
    found = sum((counts[v] - share * len(NAMES)) ** 2 / (share * len(NAMES)) for v, share in shares.items())
    assert found < {1: 15.14, 2: 18.42}[len(shares) - 1]


def test_salts_are_independent() -> None:
    """Who is dealt what under one salt says nothing of another: all pairs are equally frequent (chi-square, 1e-4)."""
    halves = {1: 0.5, 2: 0.5}
    pairs = Counter((dealt(halves, name, salt="a"), dealt(halves, name, salt="b")) for name in NAMES)
    assert sum((count - 1000.0) ** 2 / 1000.0 for count in pairs.values()) < 21.11
    assert dealt(halves, "bc", salt="a") in halves  # where the salt ends is part of what is hashed:
    assert any(dealt(halves, f"b{n}", salt="a") != dealt(halves, f"{n}", salt="ab") for n in range(64))


@given(split_of(4), split_of(2))
def test_a_split_of_the_last_two_moves_nobody_else(shares: dict[int, float], split: dict[int, float]) -> None:
    """What the last two share between them concerns only their conversations."""
    both = shares[3] + shares[4]
    changed = {**shares, 3: both * split[1], 4: both * split[2]}
    for name in NAMES[:200]:
        before, after = dealt(shares, name, salt="s"), dealt(changed, name, salt="s")
        assert before == after or {before, after} == {3, 4}


@given(split_of(3), st.sampled_from([(1, 2), (2, 3)]), st.floats(0.05, 0.95))
def test_growing_at_a_neighbours_expense(shares: dict[int, float], pair: tuple[int, int], taken: float) -> None:
    """Conversations move from the one that shrinks to the one that grows, and no others move."""
    grown, shrunk = pair
    moved = round(taken * shares[shrunk] * 2**20) / 2**20
    changed = {**shares, grown: shares[grown] + moved, shrunk: shares[shrunk] - moved}
    for name in NAMES[:200]:
        before, after = dealt(shares, name, salt="s"), dealt(changed, name, salt="s")
        assert before == after or (before, after) == (shrunk, grown)


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ({}, "shares are empty; give each version a share"),
        ({1: 0.5, 2: 0.4}, "the shares add up to 0.9; they must add up to 1"),
        ({1: 1.0, 2: 0.0}, "version 2 has the share 0; give one above 0, up to 1, or leave it out"),
        ({1: 1.5, 2: -0.5}, "version 1 has the share 1.5"),
        ({1: float("nan")}, "version 1 has the share nan"),
    ],
)
def test_shares_that_cannot_be(shares: dict[int, float], said: str) -> None:
    """One sentence says what is wrong with them."""
    with pytest.raises(UsageError, match=said):
        dealt(shares, "call", salt="s")
    with pytest.raises(UsageError, match=said):
        checked_shares(shares)


def test_rounded_shares_will_do() -> None:
    """Thirds and tenths, which no sum of floats makes 1, are dealt to the last conversation."""
    assert checked_shares({2: 1 / 3, 1: 1 / 3, 3: 1 / 3}) == {1: 1 / 3, 2: 1 / 3, 3: 1 / 3}
    tenths = dict.fromkeys(range(10), 0.1)
    assert {dealt(tenths, name, salt="s") for name in NAMES} == set(tenths)
