"""Phrases that behaviours name: packs change, and no clip may have them any more, or not yet."""

import logging
from collections.abc import Sequence

from ..fillers import Behavior, Clip, absent_phrases
from ._behaving import InForce

logger = logging.getLogger("stopgap")

MOST = 1024
"""Phrases that are remembered as warned of."""


class NamedPhrases:
    """Finds which of a behaviour's phrases can be said, and warns of each other one once. Any thread may ask."""

    def __init__(self) -> None:
        self._warned: dict[tuple[str, int, str], object] = {}

    def present(self, behavior: InForce, clips: Sequence[Clip]) -> Behavior:
        """Return the rule of *behavior* as if it did not name the phrases that none of *clips* has."""
        rule = behavior.rule
        phrases = rule.fillers.phrases or ()
        absent = absent_phrases(clips, phrases)
        for phrase in phrases:
            if phrase in absent:
                self._warn(behavior, phrase)
            else:
                self._warned.pop((*behavior.key, phrase), None)
        return rule.without(absent) if absent else rule

    def _warn(self, behavior: InForce, phrase: str) -> None:
        if len(self._warned) > MOST:
            self._warned.clear()
        mine = object()
        if self._warned.setdefault((*behavior.key, phrase), mine) is mine:  # of several threads only one warns
            logger.warning(
                "version %d of behavior %s names the phrase %r, which no clip has, and goes on as if it did not; "
                "add a clip that says it, or name another one",
                behavior.rule.version, behavior.name, phrase,
            )  # fmt: skip
