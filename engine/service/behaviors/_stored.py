"""Stored behavior sets as they decide what plays: their versions as rules, read again every few seconds."""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from pydantic import ValidationError

from ....fillers import Behavior, Behaviors, ClipBank, Config, UsageError, absent_phrases, dealt
from ..storage import BehaviorSet, BehaviorSets, BehaviorVersion, NewBehavior

logger = logging.getLogger("stopgap.service")

FRESH_S = 2.0
"""s after which sets are read again: so long another process's change may go unnoticed."""
_WRITTEN = {"triggers": "conversation_triggers", "instruction": "actions", "tool_candidates": "actions"}
"""What a request calls the parts of a `Behavior`."""
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
        head, *rest = map(str, first["loc"])
        place = ".".join([_WRITTEN.get(head, head), *rest])
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
        self._known: dict[str, _Known] = {}
        self._reading: dict[str, asyncio.Lock] = {}
        self._changes = 0
        """How often `forget` was called."""

    def check(self, rule: Behavior) -> None:
        """Check that all of *rule* can be in force here: before it is stored.

        Raises:
            UsageError: if it changes a cost that there is not, or names a phrase that no clip has.
        """
        self._check_costs(rule)
        phrases = rule.fillers.phrases or ()
        absent = absent_phrases(self._bank.catalog, phrases)
        if absent:
            place = phrases.index(absent[0])
            raise UsageError(f"fillers.phrases[{place}] = {absent[0][:100]!r} is the text or id of no clip")

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
        self._changes += 1
        known = self._known.get(organization)
        if known is not None:
            self._known[organization] = replace(known, read_at=-math.inf)

    async def _current(self, organization: str) -> tuple[tuple[BehaviorSet, Rules], ...]:
        known = self._known.get(organization)
        if known is None or not self._is_fresh(known):
            lock = self._reading.setdefault(organization, asyncio.Lock())
            async with lock:  # of those who come meanwhile, only one reads
                known = self._known.get(organization, _Known())
                if not self._is_fresh(known):
                    began_at, changes = self._clock(), self._changes
                    known = await asyncio.to_thread(self._read, organization, known.rules)
                    # what was changed meanwhile may not be in it: whoever comes next reads again
                    known = replace(known, read_at=began_at if changes == self._changes else -math.inf)
                    self._known[organization] = known
        return known.sets

    def _is_fresh(self, known: "_Known") -> bool:
        return self._clock() - known.read_at <= FRESH_S

    def _read(self, organization: str, ready: Mapping[str, Behavior | None]) -> "_Known":
        """Read the organization's sets, in a thread. Versions never change: what is *ready* is not made anew."""
        stored = self._sets.in_force(organization)
        rules = {
            version.id: ready[version.id] if version.id in ready else self._rule(version)
            for _, versions in stored
            for version in versions
        }
        sets = (
            (one, {v.number: rule for v in versions if (rule := rules[v.id]) is not None}) for one, versions in stored
        )
        return _Known(tuple(sets), rules)

    def _check_costs(self, rule: Behavior) -> None:
        try:
            self._config.under(rule)
        except ValueError as exc:
            raise UsageError(str(exc)) from None

    def _rule(self, version: BehaviorVersion) -> Behavior | None:
        """Return a stored version as a rule; None: it is never in force. Phrases are not looked at: packs change."""
        try:
            rule = rule_of(version, version.number)
            self._check_costs(rule)
        except UsageError as exc:
            logger.warning("version %d of behavior set %s is never in force: %s", version.number, version.set, exc)
            return None
        return rule


@dataclass(frozen=True, slots=True)
class _Known:
    """An organization's sets, as they were read."""

    sets: tuple[tuple[BehaviorSet, Rules], ...] = ()
    rules: Mapping[str, Behavior | None] = field(default_factory=dict)
    """By the version's id; None: it cannot be in force."""
    read_at: float = -math.inf
    """s on the clock."""
