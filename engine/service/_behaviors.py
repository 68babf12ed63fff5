"""Dynamic behavior sets as requests and answers have them: field by field the forms of the API that is followed."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ._settings import Id
from .storage import BehaviorVersion, NewBehavior

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


class VersionRequest(Part):
    """What a version of a set says."""

    conversation_triggers: list[Text] = Field(min_length=1, max_length=50)
    actions: list[BehaviorAction]

    def behavior(self) -> NewBehavior:
        """Return it for storage.

        Raises:
            UsageError: if it is more than is stored.
        """
        return NewBehavior(tuple(self.conversation_triggers), tuple(action.model_dump() for action in self.actions))


class SetRequest(VersionRequest):
    """A set to create, with its first version."""

    name: Text


class SetCreated(BaseModel):
    dynamic_behavior_set_id: str


class VersionCreated(BaseModel):
    new_version_number: int


class Creator(BaseModel):
    org_id: str
    user_id: str


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
    creator: Creator

    @classmethod
    def of(cls, stored: BehaviorVersion) -> "Version":
        """Return what is told of a stored one."""
        at = datetime.fromtimestamp(stored.created_at, UTC)
        return cls(
            _id=stored.id,
            org_id=stored.organization,
            created_at=at,
            updated_at=at,
            dynamic_behavior_set_id=stored.set,
            version=stored.number,
            conversation_triggers=list(stored.conversation_triggers),
            actions=[dict(action) for action in stored.actions],  # type: ignore[misc]
            creator=Creator(org_id=stored.organization, user_id=stored.creator),
        )


class Versions(BaseModel):
    """A page of a set's versions."""

    dynamic_behavior_set_versions: list[Version]
    has_more: bool
    continuation_token: int | None
    """For the next page; null: this is the last one."""


def body(model: type[BaseModel]) -> dict[str, Any]:
    """Return the OpenAPI description of a body that FastAPI does not read; its parts are those that `Version` has."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
