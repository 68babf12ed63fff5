"""Stored behavior sets as they decide what plays: their versions as rules, read again every few seconds."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

from pydantic import ValidationError

from ....fillers import Behavior, Behaviors, ClipBank, Config, UsageError, dealt, matching_phrases
from ..storage import BehaviorSet, BehaviorSets, BehaviorVersion, NewBehavior

logger = logging.getLogger("stopgap.service")

FRESH_S = 2.0
"""s after which sets are read again: so long another process's change may go unnoticed."""
Rules = Mapping[int, Behavior]
"""By version."""


def rule_of(stored: NewBehavior | BehaviorVersion, number: int) -> Behavior:
    """Return a version as a rule.

    Raises:
        UsageError: if it cannot be one, which tells why.
    """
    actions = stored.actions
    instructions = [action["instruction"] for action in actions if "instruction" in action]
    try:
        return Behavior.model_validate(
            {
                "version": number, "triggers": stored.conversation_triggers, **stored.changes,
                "instruction": "\n\n".join(instructions) or None,
                "overrides_instructions": any(action.get("overrides_instructions", False) for action in actions),
                "tool_candidates": tuple(spec for action in actions for spec in action.get("tool_call_specs", ())),
                "overrides_tools": any(action.get("overrides_existing_tool_call_specs", False) for action in actions),
            }
        )  # fmt: skip
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])).replace("triggers", "conversation_triggers")
        raise UsageError(f"{place}: {first['msg'].removeprefix('Value error, ')}") from None


class StoredBehaviors:
    """What the active sets of organizations say. On one event loop.

    Args:
        sets: Where they are stored.
        config: Has limits and costs that they change.
        bank: Has the clips that they may name.
        clock: s.
    """

    def __init__(
        self, sets: BehaviorSets, config: Config, bank: ClipBank, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sets, self._config, self._bank, self._clock = sets, config, bank, clock
        self._known: dict[str, tuple[float, tuple[tuple[BehaviorSet, Rules], ...]]] = {}
        self._reading: dict[str, asyncio.Lock] = {}
        self._rules: dict[str, Behavior | None] = {}
        """By the version's id; None: it cannot be in force."""

    def check(self, rule: Behavior) -> None:
        """Check that *rule* can be in force here.

        Raises:
            UsageError: if it changes a cost that there is not, or names a phrase that no clip has.
        """
        try:
            self._config.under(rule)
        except ValueError as exc:
            raise UsageError(str(exc)) from None
        for place, phrase in enumerate(rule.fillers.phrases or ()):
            if not matching_phrases(self._bank.originals, (phrase,)):
                raise UsageError(f"fillers.phrases[{place}] = {phrase[:100]!r} is the text or id of no clip")

    async def of(self, organization: str, service: str, conversation: str) -> Behaviors:
        """Return what a conversation with *service* (their ids) is dealt.

        Raises:
            DatabaseError: if the database does not answer.
        """
        rules, assigned = {}, []
        for found, versions in await self._current(organization):
            if service not in found.services:
                continue
            number = found.version_count
            if found.shares is not None:
                number = dealt(found.shares, conversation, salt=found.id)
                assigned.append((found.id, number))
            if number in versions:
                rules[found.id] = versions[number]
        return Behaviors(rules, tuple(assigned))

    def forget(self, organization: str) -> None:
        """Read the organization's sets again before they are used next: they were changed."""
        self._known.pop(organization, None)

    async def _current(self, organization: str) -> tuple[tuple[BehaviorSet, Rules], ...]:
        known = self._known.get(organization)
        if known is None or self._clock() - known[0] > FRESH_S:
            lock = self._reading.setdefault(organization, asyncio.Lock())
            async with lock:  # of those who come meanwhile, only one reads
                known = self._known.get(organization)
                if known is None or self._clock() - known[0] > FRESH_S:
                    began_at = self._clock()
                    stored = await asyncio.to_thread(self._sets.in_force, organization)
                    found = tuple((one, self._as_rules(versions)) for one, versions in stored)
                    known = self._known[organization] = began_at, found
        return known[1]

    def _as_rules(self, versions: tuple[BehaviorVersion, ...]) -> Rules:
        rules = {version.number: self._rule(version) for version in versions}
        return {number: rule for number, rule in rules.items() if rule is not None}

    def _rule(self, version: BehaviorVersion) -> Behavior | None:
        if version.id not in self._rules:
            try:
                rule = rule_of(version, version.number)
                self.check(rule)
                self._rules[version.id] = rule
            except UsageError as exc:
                logger.warning("version %d of behavior set %s is never in force: %s", version.number, version.set, exc)
                self._rules[version.id] = None
        return self._rules[version.id]
