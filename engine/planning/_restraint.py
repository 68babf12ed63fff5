"""Keeping what fillers may do to replies on average: planning pays more for it while it is exceeded."""

import math
from dataclasses import dataclass

from ...fillers import Limits

NEEDLESS_S = 0.25
"""s. A first filler that starts less than this before the reply is available was needless."""
STEP = 0.01
"""How far one reply moves a price, for each time that it exceeds what is allowed: a steady excess of 100 % doubles the
price of delay within about 100 replies. Delays are rare and long, so the price walks by chance, too: with traffic just
at the limit delay is nearly twice as dear in the median, which keeps the mean below what is allowed."""
DEAREST_DELAY = 4.0
"""Where the price of delay ends: at 16 times its cost. Limits must not make planning dearer than it is worth."""
DEAREST_FIRST = 8.0
"""Where that of a needless first filler ends: at 0.8 s."""
NEEDLESS_PRICE_S = 0.1
"""s of plain waiting: the price of a needless first filler for each step."""


class Restraint:
    """Prices for held-back replies and needless first fillers, on top of their cost.

    Costs say what is felt; these prices see to it that ``limits.reply_delay_ms`` and ``limits.needless`` hold on
    average over the replies that the planner was in charge of, whatever waits there are and however wrong predictions
    may be. With x the excess of a reply over what is allowed, as a share of that, a price moves by `STEP` x and never
    below 0 (projected dual ascent; Zinkevich 2003). So as long as it has not met its end, the excess of T replies adds
    up to at most price / `STEP`, and their mean is at most the limit times 1 + price / (`STEP` T).

    Args:
        limits: The two numbers.
    """

    def __init__(self, limits: Limits) -> None:
        self._delay_s = math.inf if limits.reply_delay_ms == "unlimited" else limits.reply_delay_ms / 1000.0
        self._needless = 1.0 if limits.needless == "unlimited" else limits.needless
        self._delay, self._first = _Price(DEAREST_DELAY), _Price(DEAREST_FIRST)

    def observe(self, held_back_s: float, *, needless: bool) -> None:
        """Take in a reply that was heard.

        Args:
            held_back_s: s by which fillers held it back.
            needless: Whether the turn's first filler began less than `NEEDLESS_S` before it was available.
        """
        self._delay.move(_excess(held_back_s, self._delay_s))
        self._first.move(_excess(float(needless), self._needless))

    @property
    def prices(self) -> "Prices":
        """What is asked at present, rounded, so that plans can be kept."""
        return Prices(round(2.0 * self._delay.value) / 2.0, round(2.0 * self._first.value) / 2.0)


@dataclass(frozen=True, slots=True)
class Prices:
    """What planning pays beside the cost of delay and of fillers, in steps; 0: nothing."""

    delay: float = 0.0
    first: float = 0.0

    @property
    def delay_factor(self) -> float:
        """By what to multiply the cost of a held-back reply, 1 or more."""
        return math.exp2(self.delay)

    @property
    def needless_s(self) -> float:
        """s of plain waiting that a needless first filler costs."""
        return NEEDLESS_PRICE_S * self.first

    def near(self, other: "Prices") -> bool:
        """Return whether a plan that was made at *other* still does."""
        return abs(self.delay - other.delay) < 1.0 and abs(self.first - other.first) < 1.0

    def surcharge(self, delay_cost: float, *, needless: bool) -> float:
        """Return what a turn costs on top, s of plain waiting: one whose delay costs *delay_cost*."""
        return (self.delay_factor - 1.0) * delay_cost + self.needless_s * needless


@dataclass(slots=True)
class _Price:
    dearest: float
    value: float = 0.0

    def move(self, excess: float) -> None:
        self.value = min(max(self.value + STEP * excess, 0.0), self.dearest)


def _excess(value: float, allowed: float) -> float:
    """Return *value*'s excess over *allowed*, as a share of it; where nothing is allowed, of a thousandth."""
    return value / max(allowed, 0.001) - 1.0 if math.isfinite(allowed) else -1.0
