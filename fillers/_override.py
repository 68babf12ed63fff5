"""What differs for an agent, a tool, or a behaviour that was triggered."""

from collections.abc import Collection
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from ._assignment import dealt
from ._kinds import Kind
from ._triggers import Patience, Signals, Trigger, parsed_trigger
from ._validation import Section

Count = Annotated[int, Field(ge=0, strict=True)] | Literal["unlimited"]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class FillerOverride(Section):
    """Which fillers may be heard."""

    kinds: tuple[Kind, ...] | None = None
    """Only these kinds."""
    phrases: tuple[Text, ...] | None = Field(default=None, max_length=100)
    """Texts or ids of clips; only these are said."""
    after_s: float | None = Field(default=None, gt=0, le=10)
    """s, 0 < x <= 10. No filler earlier than this; in ladder mode a phrase exactly then. From the tool's start."""
    silent: bool = False
    """Play nothing."""


class Override(FillerOverride):
    """What differs for one agent or one tool (a state of the agent counts as a tool)."""

    expected_ms: float | None = Field(default=None, gt=0, le=600_000)
    """ms. Typical wait before anything was learned: the prior's median."""


class LimitsOverride(Section):
    """Limits that a behaviour changes."""

    per_turn: Count | None = None
    per_minute: Count | None = None
    per_conversation: Count | None = None


class Behavior(Section):
    """A version of a rule: in turns that a trigger speaks for, other fillers play, and the agent is told something.

    A version does not change: whoever changes what it says gives it the next number, so that records tell which one
    was in force.
    """

    version: int = Field(default=1, ge=1)
    triggers: tuple[Text, ...] = Field(min_length=1, max_length=50)
    """Any of these will do: words of the user, ``/pattern/``, ``tool:NAME``, ``label:NAME=VALUE``, ``wait>SECONDS``,
    ``turn=N``, ``turn>N``."""
    fillers: FillerOverride = FillerOverride()
    """Goes before what agent and tool say."""
    limits: LimitsOverride = LimitsOverride()
    costs: dict[str, float] = {}
    """Keys of ``[costs]``."""
    instruction: str | None = Field(default=None, min_length=1, max_length=1_000_000)
    """For the agent, which is handed it (`Turn.behavior`); stopgap does nothing with it."""
    overrides_instructions: bool = False
    """Whether the agent is to follow it instead of its other instructions."""
    tool_candidates: tuple[dict[str, Any], ...] = Field(default=(), max_length=1000)
    """Tools that the agent may use, likewise handed on."""
    overrides_tools: bool = False
    """Whether it may use only these."""

    @field_validator("triggers")
    @classmethod
    def _can_be_read(cls, triggers: tuple[str, ...]) -> tuple[str, ...]:
        for text in triggers:
            parsed_trigger(text)
        return triggers

    @cached_property
    def _parsed(self) -> tuple[Trigger, ...]:
        return tuple(parsed_trigger(text) for text in self.triggers)

    @property
    def needs_wait(self) -> bool:
        """Whether a trigger asks for the predicted wait."""
        return any(trigger.needs_wait for trigger in self._parsed)

    def fires(self, signals: Signals, patience: Patience | None = None) -> bool:
        """Return whether any trigger speaks for a turn of which *signals* are known.

        Args:
            signals: Of the turn.
            patience: What is left of it, where other behaviours were asked before; None: all.
        """
        left = Patience() if patience is None else patience
        return any(trigger.fires(signals, left) for trigger in self._parsed)

    def without(self, phrases: Collection[str]) -> "Behavior":
        """Return it as if it did not name *phrases*; where it names no others, as if it named none at all."""
        fillers = self.fillers.model_dump(exclude_unset=True)
        left = tuple(phrase for phrase in fillers.pop("phrases", None) or () if phrase not in phrases)
        if left:
            fillers["phrases"] = left
        return self.model_copy(update={"fillers": FillerOverride(**fillers)})


class Alternative(Behavior):
    """Another version, which some conversations are dealt instead."""

    share: float = Field(gt=0, lt=1)
    """Share of the conversations, 0 < x < 1."""


class ConfiguredBehavior(Behavior):
    """A ``[behaviors.NAME]`` table."""

    alternatives: tuple[Alternative, ...] = Field(default=(), max_length=20)
    """Other versions, to compare with this one: each conversation is dealt one of them all, by the hash of its id; this
    one has the share that they leave."""

    @model_validator(mode="after")
    def _can_be_dealt(self) -> Self:
        numbers = [self.version, *(other.version for other in self.alternatives)]
        for number in numbers:
            if numbers.count(number) > 1:
                raise ValueError(f"two versions are {number}; give each a number of its own")
        shared = sum(other.share for other in self.alternatives)
        if shared >= 1.0:
            raise ValueError(f"the alternatives' shares add up to {shared:g}; leave some for version {self.version}")
        return self

    def dealt(self, conversation: str, *, name: str) -> Behavior:
        """Return the version that *conversation* is dealt.

        Args:
            conversation: Its id.
            name: The behaviour's.
        """
        if not self.alternatives:
            return self
        versions: dict[int, Behavior] = {self.version: self, **{other.version: other for other in self.alternatives}}
        shares = {other.version: other.share for other in self.alternatives}
        shares[self.version] = 1.0 - sum(shares.values())
        return versions[dealt(shares, conversation, salt=name)]
