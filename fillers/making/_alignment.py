"""Where the pieces of a reading and the lines of its script most probably part, by how long each should take."""

import math
import statistics
from collections.abc import Sequence

import numpy as np

ODD = math.log(3.0)
"""A piece this many times (3) longer or shorter than its line should take is probably another line."""

Times = tuple[float, float]


def clock(seconds: float) -> str:
    """Return *seconds* as minutes and seconds: ``1:02.3``."""
    tenths = round(10 * seconds)
    return f"{tenths // 600}:{tenths % 600 // 10:02d}.{tenths % 10}"


def expected_s(text: str) -> float:
    """Return about how long *text* takes to say, s, with what is kept of the silence around it."""
    letters = sum(3 if ord(letter) >= 0x2E80 else 1 for letter in text if letter.isalnum())  # a sign is a syllable
    return 0.5 + 0.06 * letters


def odd_pieces(pieces: Sequence[Times], lines: Sequence[str]) -> set[int]:
    """Return the places of the pieces that do not last as their lines should; there is one for each line."""
    ratios = [(end - start) / expected_s(line) for (start, end), line in zip(pieces, lines, strict=True)]
    usual = statistics.median(ratios)
    return {place for place, ratio in enumerate(ratios) if abs(math.log(ratio / usual)) > ODD}


def probable_mistake(pieces: Sequence[Times], lines: Sequence[str]) -> str | None:
    """Return what is probably wrong if there is one piece more, or one less, than lines; else None.

    Args:
        pieces: Start and end of each, s.
        lines: What should be said, in this order.
    """
    if abs(len(pieces) - len(lines)) != 1 or not pieces or not lines:
        return None
    lasting, wanted = [end - start for start, end in pieces], [expected_s(line) for line in lines]
    more = len(pieces) > len(lines)
    guesses: list[tuple[float, bool, int]] = []
    for place in range(max(len(pieces), len(lines))):
        rest = slice(place + 1, None)
        if more:
            guesses.append((_misfit([*lasting[:place], *lasting[rest]], wanted), False, place))
        else:
            guesses.append((_misfit(lasting, [*wanted[:place], *wanted[rest]]), False, place))
    for place in range(min(len(pieces), len(lines))):
        after = slice(place + 2, None)
        if more:
            whole = pieces[place + 1][1] - pieces[place][0]
            guesses.append((_misfit([*lasting[:place], whole, *lasting[after]], wanted), True, place))
        else:
            both = wanted[place] + wanted[place + 1]
            guesses.append((_misfit(lasting, [*wanted[:place], both, *wanted[after]]), True, place))
    _, pair, place = min(guesses)
    return _told(pieces, lines, place, more, pair=pair)


def _misfit(lasting: Sequence[float], wanted: Sequence[float]) -> float:
    """Return how much the ratios of the two differ from their median: a slow speaker is as good as a quick one."""
    ratios = np.log(np.asarray(lasting) / np.asarray(wanted))
    return float(np.abs(ratios - np.median(ratios)).sum())


def _told(pieces: Sequence[Times], lines: Sequence[str], place: int, more: bool, *, pair: bool) -> str:
    if more and pair:
        return (f"pieces {place + 1} and {place + 2} (from {clock(pieces[place][0])}) are probably one line, "
                f"{lines[place]!r}, with a pause in it: give a longer --silence-ms")  # fmt: skip
    if more:
        return (f"piece {place + 1} (at {clock(pieces[place][0])}) is probably no line of the script: "
                "cut it out of the recording")  # fmt: skip
    if pair:
        return (f"piece {place + 1} (at {clock(pieces[place][0])}) is probably both {lines[place]!r} and "
                f"{lines[place + 1]!r}: give a shorter --silence-ms, or leave a longer pause")  # fmt: skip
    where = f"before piece {place + 1} (at {clock(pieces[place][0])})" if place < len(pieces) else "at the end"
    return (
        f"reading {place + 1}, {lines[place]!r}, is probably missing {where}: record it, or take it out of the script"
    )
