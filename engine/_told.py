"""Turns that are told what the user said, and what to make of it."""

from collections.abc import Mapping

from ..fillers import UsageError
from ._behaving import InForce
from ._offering import OfferedTurn


class ToldTurn(OfferedTurn):
    """A turn in which behaviours are triggered."""

    @property
    def behavior(self) -> InForce | None:
        """The behaviour that is in force, for the agent: its instruction and tools are in ``behavior.rule``."""
        return self._behaving.in_force

    def begin_behaving(self, user_said: str | None) -> None:
        """Choose a behaviour by what is known at the beginning. Called once, by `Session.begin`."""
        wait_s = self.predict().quantiles[0] if self._behaving.behaviors.needs_wait else 0.0
        self._behaving.begin(user_said or "", wait_s)

    def user_said(self, words: str) -> None:
        """Tell what the user said in this turn, all of it: behaviours may be triggered, and what is to come changes.

        Args:
            words: The transcript so far. It is kept nowhere.
        """
        if not isinstance(words, str):
            raise UsageError(f"user_said takes the transcript, not {type(words).__name__}")
        with self._line.lock:
            self._line.sync()
            self._behave(self._behaving.heard(words))

    def label(self, labels: Mapping[str, str]) -> None:
        """Attach what the agent found out, such as ``{"sentiment": "negative"}``: behaviours may be triggered.

        Args:
            labels: Values by name; what was attached before stays.
        """
        given = labels.items() if isinstance(labels, Mapping) else [(labels, None)]
        if any(not isinstance(text, str) for pair in given for text in pair):
            raise UsageError('label takes texts by name; write turn.label({"sentiment": "negative"})')
        with self._line.lock:
            self._line.sync()
            self._behave(self._behaving.labelled(labels))

    def _behave(self, changed: bool) -> None:
        if changed and self._state.open:
            self.plan()
