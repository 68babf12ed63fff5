"""The behaviours of one conversation: of each one the version that it was dealt."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Self

from ._override import Behavior, ConfiguredBehavior
from ._triggers import Patience, Signals


@dataclass(frozen=True, slots=True)
class Behaviors:
    """Behaviours in the order of their precedence."""

    rules: Mapping[str, Behavior] = field(default_factory=lambda: MappingProxyType({}))
    """By name."""
    assigned: tuple[tuple[str, int], ...] = ()
    """Name and version of those of which there were several versions to be dealt."""

    @classmethod
    def dealt(cls, configured: Mapping[str, ConfiguredBehavior], conversation: str) -> Self:
        """Return what *conversation* (its id) is dealt."""
        rules = {name: behavior.dealt(conversation, name=name) for name, behavior in configured.items()}
        assigned = ((name, rule.version) for name, rule in rules.items() if configured[name].alternatives)
        return cls(rules, tuple(assigned))

    def then(self, others: Self) -> Self:
        """Return these, and *others* behind them; of the same name only these."""
        if not others.rules:
            return self
        if not self.rules:
            return others
        later = tuple(pair for pair in others.assigned if pair[0] not in self.rules)
        behind = {name: rule for name, rule in others.rules.items() if name not in self.rules}
        return type(self)({**self.rules, **behind}, (*self.assigned, *later))

    @property
    def needs_wait(self) -> bool:
        """Whether a trigger asks for the predicted wait."""
        return any(rule.needs_wait for rule in self.rules.values())

    def triggered(self, signals: Signals) -> str | None:
        """Return the name of the first one that is triggered in a turn of which *signals* are known.

        It takes 0.1 s at most for the patterns of all of them: an event loop may be what waits.
        """
        patience = Patience()
        return next((name for name, rule in self.rules.items() if rule.fires(signals, patience)), None)
