"""Which behaviour is in force in a turn."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..fillers import Behavior, Behaviors, Signals


@dataclass(frozen=True, slots=True)
class InForce:
    """A behaviour that was triggered."""

    name: str
    rule: Behavior
    """With what it has to say to the agent."""

    @property
    def key(self) -> tuple[str, int]:
        """Name and version: they tell all that it says."""
        return self.name, self.rule.version


class Behaving:
    """Takes in what is known of a turn, and chooses.

    The first behaviour that is triggered is in force. As more becomes known, an earlier one may
    take its place; it never ends before the turn.

    Args:
        behaviors: The conversation's.
        turn: The turn's number in its conversation, from 1.
    """

    def __init__(self, behaviors: Behaviors, turn: int) -> None:
        self.behaviors = behaviors
        self._signals = Signals(turn=turn)
        self.in_force: InForce | None = None
        """None: no behaviour is."""

    def begin(self, words: str, wait_s: float) -> bool:
        """Take in what the user said, if that is known, and the median of the wait as it is predicted.

        Returns:
            Whether another behaviour is in force now, as of all of these.
        """
        return self._choose(replace(self._signals, words=words, wait_s=wait_s))

    def heard(self, words: str) -> bool:
        """Take in what the user said in all of the turn."""
        return self._choose(replace(self._signals, words=words))

    def tool_started(self, name: str) -> bool:
        """Take in that a tool runs."""
        return self._choose(replace(self._signals, tools=self._signals.tools | {name}))

    def labelled(self, labels: Mapping[str, str]) -> bool:
        """Take in further labels."""
        return self._choose(replace(self._signals, labels={**self._signals.labels, **labels}))

    def _choose(self, signals: Signals) -> bool:
        self._signals = signals
        before, names = self.in_force, list(self.behaviors.rules)
        found = self.behaviors.triggered(signals)
        if found is not None and (before is None or names.index(found) < names.index(before.name)):
            self.in_force = InForce(found, self.behaviors.rules[found])
        return self.in_force is not before
