"""Dynamic behavior sets as requests and answers have them: field by field the forms of the API that is followed."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ....fillers import Kind
from .._settings import Id
from .._tags import Tags
from .._wire import told_time
from ..storage import BehaviorSet, BehaviorVersion, NewBehavior, NewSet

LONGEST = 100_000
"""Characters of a text."""
_OPERATOR, _RELEASE = "(~=|===?|!=|<=?|>=?)", "v?[0-9][0-9A-Za-z.!+*_-]*"
_CLAUSE = f"{_OPERATOR} *{_RELEASE}"
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST, pattern=r"\S")]
Constraint = Annotated[
    str,
    Field(
        pattern=f"^ *({_CLAUSE} *(, *{_CLAUSE} *)*)?$", max_length=200,
        description="Versions of the tool, as Python's packages constrain them, such as `>=1.2, <2`; empty: any.",
    ),
]  # fmt: skip
Services = Annotated[list[Id], Field(max_length=100)]


class Part(BaseModel):
    """A part of a request: what is of another type is refused, not converted."""

    model_config = ConfigDict(strict=True)


class ToolCallSpec(Part):
    """A tool that may be called, and what is said while it works."""

    tool_name: Text
    tool_id: Id
    version_constraint: Constraint
    additional_instruction: Text
    audio_fillers: list[Text] = Field(max_length=5)
    audio_filler_triggered_after: float = Field(gt=0, le=10, description="s.")
    result_persistence: Literal["ephemeral", "persisted-preferred", "persisted"]


class InjectInstruction(Part):
    type: Literal["inject-instruction"]
    instruction: Text
    overrides_instructions: bool


class ChangeToolCandidates(Part):
    type: Literal["change-tool-candidates"]
    tool_call_specs: list[ToolCallSpec]
    overrides_existing_tool_call_specs: bool


BehaviorAction = Annotated[InjectInstruction | ChangeToolCandidates, Field(discriminator="type")]


class OwnPart(Part):
    """A part that is this service's own: what it does not know is a slip, not a newer field of the API."""

    model_config = ConfigDict(extra="forbid")


class FillerChanges(OwnPart):
    """Which fillers may be heard."""

    silent: bool | None = None
    kinds: list[Kind] | None = Field(default=None, max_length=20, strict=False)
    phrases: list[Text] | None = Field(default=None, max_length=100, description="Texts or ids of clips.")
    after_s: float | None = Field(default=None, gt=0, le=10, description="s.")


Most = Annotated[int, Field(ge=0)] | Literal["unlimited"]


class LimitChanges(OwnPart):
    """How many fillers may be heard."""

    per_turn: Most | None = None
    per_minute: Most | None = None
    per_conversation: Most | None = None


class VersionRequest(Part):
    """What a version of a set says. What differs for fillers is this service's own: the API that it follows has no such
    fields."""

    conversation_triggers: list[Text] = Field(
        min_length=1, max_length=50,
        description="Any of these: words of the user, `/pattern/`, `tool:NAME`, `label:NAME=VALUE`, `wait>SECONDS`, "
        "`turn=N`, `turn>N`.",
    )  # fmt: skip
    actions: list[BehaviorAction]
    fillers: FillerChanges | None = None
    limits: LimitChanges | None = None
    costs: dict[str, float] | None = Field(default=None, max_length=50)

    def behavior(self) -> NewBehavior:
        """Return it for storage.

        Raises:
            UsageError: if it is more than is stored, or cannot be in force.
        """
        changes = self.model_dump(mode="json", include={"fillers", "limits", "costs"}, exclude_none=True)
        actions = tuple(action.model_dump() for action in self.actions)
        return NewBehavior(tuple(self.conversation_triggers), actions, changes)


class InitialVersion(VersionRequest):
    """A set's first version."""

    is_active: bool


class SetRequest(Part):
    """A set to create."""

    name: Text
    tags: Tags
    applied_to_services: Services
    initial_version: InitialVersion

    def new(self) -> NewSet:
        """Return it for storage, without its version.

        Raises:
            UsageError: if it cannot be stored.
        """
        return NewSet(self.name, tuple(self.applied_to_services), self.tags, self.initial_version.is_active)


class SetUpdate(Part):
    """What is to be changed of a set; what is not said stays."""

    name: Text | None = None
    tags: Tags | None = None
    applied_to_services: Services | None = None
    is_active: bool | None = None
    shares: dict[Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,8}$")], float] | None = Field(
        default=None, max_length=20,
        description="By version: the share of conversations that are dealt it, adding up to 1. null: all have the "
        "latest one. This service's own.",
    )  # fmt: skip

    def changes(self) -> dict[str, Any]:
        """Return fields of `NewSet`."""
        names = {"applied_to_services": "services"}
        said = {names.get(name, name): getattr(self, name) for name in self.model_fields_set}
        found = {name: value for name, value in said.items() if value is not None or name == "shares"}
        if found.get("shares") is not None:
            found["shares"] = {int(version): share for version, share in found["shares"].items()}
        return {**found, "services": tuple(found["services"])} if "services" in found else found


class UserInfo(BaseModel):
    org_id: str
    user_id: str


class SetInstance(BaseModel):
    """A set."""

    id: str
    name: str
    is_active: bool
    applied_to_services: list[str]
    tags: dict[str, str | None]
    created_at: datetime
    creator: UserInfo
    updated_at: datetime
    updated_by: UserInfo
    shares: dict[str, float] | None
    version_count: int

    @classmethod
    def of(cls, stored: BehaviorSet) -> "SetInstance":
        """Return what is told of a stored one."""
        return cls(
            id=stored.id,
            name=stored.name,
            is_active=stored.is_active,
            applied_to_services=list(stored.services),
            tags=dict(stored.tags),
            created_at=told_time(stored.created_at),
            creator=UserInfo(org_id=stored.organization, user_id=stored.creator),
            updated_at=told_time(stored.updated_at),
            updated_by=UserInfo(org_id=stored.organization, user_id=stored.updated_by),
            shares=None if stored.shares is None else {str(version): share for version, share in stored.shares.items()},
            version_count=stored.version_count,
        )


class Sets(BaseModel):
    """A page of an organization's sets."""

    dynamic_behavior_sets: list[SetInstance]
    has_more: bool
    continuation_token: int | None
    """For the next page; null: this is the last one."""
    filter_values: None = None
    """Not told here."""


class SetCreated(BaseModel):
    dynamic_behavior_set_id: str


class VersionCreated(BaseModel):
    new_version_number: int


class Version(BaseModel):
    """One version of a set."""

    id: str = Field(alias="_id")
    org_id: str
    created_at: datetime
    updated_at: datetime
    """Versions do not change: *created_at*."""
    dynamic_behavior_set_id: str
    version: int
    conversation_triggers: list[str]
    actions: list[BehaviorAction]
    fillers: dict[str, Any] | None
    limits: dict[str, Any] | None
    costs: dict[str, float] | None
    creator: UserInfo

    @classmethod
    def of(cls, stored: BehaviorVersion) -> "Version":
        """Return what is told of a stored one."""
        at = told_time(stored.created_at)
        return cls(
            _id=stored.id,
            org_id=stored.organization,
            created_at=at,
            updated_at=at,
            dynamic_behavior_set_id=stored.set,
            version=stored.number,
            conversation_triggers=list(stored.conversation_triggers),
            actions=[dict(action) for action in stored.actions],  # type: ignore[misc]
            **{name: stored.changes.get(name) for name in ("fillers", "limits", "costs")},
            creator=UserInfo(org_id=stored.organization, user_id=stored.creator),
        )


class Versions(BaseModel):
    """A page of a set's versions."""

    dynamic_behavior_set_versions: list[Version]
    has_more: bool
    continuation_token: int | None
    """For the next page; null: this is the last one."""
