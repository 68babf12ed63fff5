"""One number a turn, one number a conversation: how most metrics are made."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ._facts import TurnFacts
from ._metric import Finding
from ._values import Value

Aggregate = Literal["mean", "median", "p95", "max", "min", "sum", "share", "count", "all", "any"]
Of = Callable[[TurnFacts], float | bool | None]
"""What is taken of each turn; None: the turn does not say."""

NUMBERS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "mean": lambda values: float(np.mean(values)),
    "median": lambda values: float(np.quantile(values, 0.5)),
    "p95": lambda values: float(np.quantile(values, 0.95)),
    "max": max,
    "min": min,
    "sum": lambda values: float(np.sum(values)),
}
"""Aggregates of numbers; the others count turns for which something is true."""
VERDICTS = ("all", "any")
"""Those of which the value is true or false."""
CONDITIONS = ("share", "count", *VERDICTS)
WORDS = {"p95": "95 % quantile", "max": "highest", "min": "lowest"}


@dataclass(frozen=True, slots=True)
class Aggregated:
    """Measures a conversation by one value of each turn and an aggregate of them."""

    aggregate: Aggregate
    of: Of
    what: str
    """What is taken, for the justification: "the longest dead air"."""
    unit: str = ""
    better: Literal["low", "high"] = "low"
    needs_heard: bool = False
    """Whether only a turn tells it of which it is known what was heard."""
    where: Of | None = None
    """Which turns count; None: all."""

    def __call__(self, turns: Sequence[TurnFacts]) -> Finding:
        chosen = [turn for turn in turns if self.where is None or self.where(turn)]
        told = [(turn, value) for turn in chosen if (value := self.of(turn)) is not None]
        if not told:
            return Finding(None, (), self._not_applicable(turns, chosen))
        silent = len(chosen) - len(told)
        rest = f" ({silent} more turn{'s do' if silent > 1 else ' does'} not tell)" if silent else ""
        if self.aggregate in CONDITIONS:
            return self._counted(told, rest)
        value = NUMBERS[self.aggregate]([float(found) for _, found in told])
        ranked = self._ranked(told)
        turn, foremost = ranked[0]
        number = f"{len(told)} turn{'s' if len(told) > 1 else ''}"
        itself = self.aggregate in ("max", "min")
        return Finding(
            value,
            tuple(turn for turn, _ in ranked),
            f"The {WORDS.get(self.aggregate, self.aggregate)} of {self.what} over {number}{rest} is "
            f"{self._written(value)}, {'' if itself else f'with {self._written(foremost)} '}in turn {turn.id}.",
        )

    def _ranked(self, told: Sequence[tuple[TurnFacts, float | bool]]) -> list[tuple[TurnFacts, float | bool]]:
        """Return the turns with those first that decide a highest or lowest value, or are the worst ones."""
        match self.aggregate:
            case "max":
                highest = True
            case "min":
                highest = False
            case _:
                highest = self.better == "low"
        return sorted(told, key=lambda item: item[1], reverse=highest)

    def _counted(self, told: Sequence[tuple[TurnFacts, float | bool]], rest: str) -> Finding:
        true = tuple(turn for turn, found in told if found)
        false = tuple(turn for turn, found in told if not found)
        value: Value
        match self.aggregate:
            case "share":
                value = len(true) / len(told)
            case "count":
                value = float(len(true))
            case "all":
                value = not false
            case _:
                value = bool(true)
        shown = false if self.aggregate == "all" or (self.aggregate != "any" and self.better == "high") else true
        but = "so" if shown is true else "but not"
        named = f", {but} in turn {shown[0].id}" if shown else ""
        share = 100.0 * len(true) / len(told)
        turns = f"{len(true)} of {len(told)} turn{'s' if len(told) > 1 else ''}"
        return Finding(value, shown, f"{turns}, {share:.1f} %{rest}: {self.what}{named}.")

    def _not_applicable(self, turns: Sequence[TurnFacts], chosen: Sequence[TurnFacts]) -> str:
        if not turns:
            return "Not applicable: the conversation has no turns."
        number = f"{len(turns)} turn{'s' if len(turns) > 1 else ''}"
        if self.needs_heard and not any(turn.heard for turn in turns):
            return f"Not applicable: a log holds the waits of {number}, not what was heard; give records of the turns."
        if not chosen:
            return f"Not applicable: none of {number} is one of those that count."
        return f"Not applicable: none of {number} tells {self.what}."

    def _written(self, value: float) -> str:
        return f"{float(value):.3g}{' ' if self.unit else ''}{self.unit}"
