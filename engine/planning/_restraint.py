"""Keeping what fillers may do to replies on average: planning pays more for it while it is exceeded."""

import math

from ...fillers import Limits

NEEDLESS_S = 0.25
"""s. A first filler that starts less than this before the reply is available was needless."""
STEP = 0.01
"""How far one reply moves a price, for each time that it exceeds what is allowed: a steady excess of 100 % doubles the
price of delay within about 100 replies, and chance alone moves it by a third of that."""
DEAREST = 8.0
"""Where prices end, in their own steps: delay 2⁸ times its cost."""
NEEDLESS_PRICE_S = 0.1
"""s of plain waiting: the price of a needless first filler for each step."""


class Restraint:
    """Prices for held-back replies and needless first fillers, on top of their cost.

    Costs say what is felt; these prices see to it that ``limits.reply_delay_ms`` and ``limits.needless`` hold on
    average over the process's replies, whatever waits there are and however wrong predictions may be. With x the excess
    of a reply over what is allowed, as a share of that, a price moves by `STEP` x and never below 0 (projected dual
    ascent; Zinkevich 2003). So as long as it has not met its end `DEAREST`, the excess of T replies adds up to at most
    price / `STEP`, and their mean is at most the limit times 1 + price / (`STEP` T).

    Args:
        limits: The two numbers.
    """

    def __init__(self, limits: Limits) -> None:
        self._delay_s = math.inf if limits.reply_delay_ms == "unlimited" else limits.reply_delay_ms / 1000.0
        self._needless = 1.0 if limits.needless == "unlimited" else limits.needless
        self._delay, self._first = _Price(), _Price()

    def observe(self, held_back_s: float, *, needless: bool) -> None:
        """Take in a reply that was heard.

        Args:
            held_back_s: s by which fillers held it back.
            needless: Whether the turn's first filler began less than `NEEDLESS_S` before it was available.
        """
        self._delay.move(_excess(held_back_s, self._delay_s))
        self._first.move(_excess(float(needless), self._needless))

    @property
    def delay_factor(self) -> float:
        """By what to multiply the cost of a held-back reply, 1 or more; it takes few values, so plans can be kept."""
        return math.exp2(self._delay.posted)

    @property
    def needless_s(self) -> float:
        """s of plain waiting that a needless first filler costs; few values, too."""
        return NEEDLESS_PRICE_S * self._first.posted

    def surcharge(self, delay_cost: float, *, needless: bool) -> float:
        """Return what a turn costs on top, s of plain waiting: one whose delay costs *delay_cost*."""
        return (self.delay_factor - 1.0) * delay_cost + self.needless_s * needless


class _Price:
    """A price, and the rounded one that is asked: it follows by halves, and not each time to and fro."""

    def __init__(self) -> None:
        self._value = 0.0
        self.posted = 0.0

    def move(self, excess: float) -> None:
        self._value = min(max(self._value + STEP * excess, 0.0), DEAREST)
        if not self.posted - 0.25 <= self._value < self.posted + 0.5:
            self.posted = math.floor(2.0 * self._value) / 2.0


def _excess(value: float, allowed: float) -> float:
    """Return *value*'s excess over *allowed*, as a share of it; where nothing is allowed, of a thousandth."""
    return value / max(allowed, 0.001) - 1.0 if math.isfinite(allowed) else -1.0
