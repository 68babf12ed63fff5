"""Rules as requests and answers have them."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from .._settings import Id
from .._wire import told_time
from ..behaviors._forms import LONGEST, OwnPart, Text
from ..storage import MOST_RULE_METRICS, MOST_VERSION, Delivery, Rule
from ._webhooks import MOST_URL

State = Literal["pending", "delivered", "failed"]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s#]+$", max_length=MOST_URL)]


class RuleRequest(OwnPart):
    """A rule to create."""

    name: Text = Field(max_length=LONGEST)
    behavior_id: Id
    version: int | None = Field(default=None, ge=1, le=MOST_VERSION, description="Null: any.")
    metric_ids: list[Id] = Field(
        default=[], max_length=MOST_RULE_METRICS, description="Evaluated in this order.",
        json_schema_extra={"uniqueItems": True},
    )  # fmt: skip
    url: Url | None = Field(
        default=None,
        description="Called with what they came to; null: nothing is. Its host must be in `webhook_hosts`.",
    )


class RuleCreated(BaseModel):
    id: str
    secret: str
    """What the rule's webhooks are signed with."""


class RuleSecret(BaseModel):
    secret: str


class RuleTold(BaseModel):
    """A rule."""

    id: str
    org_id: str
    name: str
    behavior_id: str
    version: int | None
    metric_ids: list[str]
    url: str | None
    created_at: datetime
    created_by: str

    @classmethod
    def of(cls, rule: Rule) -> "RuleTold":
        """Return what is told of a stored one."""
        return cls(
            id=rule.id,
            org_id=rule.organization,
            name=rule.name,
            behavior_id=rule.behavior,
            version=rule.version,
            metric_ids=list(rule.metrics),
            url=rule.url,
            created_at=told_time(rule.created_at),
            created_by=rule.creator,
        )


class RulesTold(BaseModel):
    """A page of rules, the newest first."""

    rules: list[RuleTold]
    has_more: bool
    continuation_token: str | None
    """For the next page; null: this is the last one."""


class BehaviorTold(BaseModel):
    id: str
    version: int


class DeliveryTold(BaseModel):
    """What a rule delivered of one interaction, or will."""

    id: str
    rule_id: str
    behavior: BehaviorTold
    conversation_id: str
    interaction_id: str
    state: State
    attempts: int
    next_attempt_at: datetime | None
    """Null: there is none."""
    last_status: int | None
    """HTTP status of the last try; null: there was no answer."""
    last_problem: str | None
    created_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, delivery: Delivery) -> "DeliveryTold":
        """Return what is told of a stored one."""
        return cls(
            id=delivery.id,
            rule_id=delivery.rule,
            behavior=BehaviorTold(id=delivery.behavior, version=delivery.version),
            conversation_id=delivery.conversation,
            interaction_id=delivery.interaction,
            state=delivery.state,
            attempts=delivery.attempts,
            next_attempt_at=told_time(delivery.due_at) if delivery.state == "pending" else None,
            last_status=delivery.last_status,
            last_problem=delivery.last_problem,
            created_at=told_time(delivery.created_at),
            ended_at=None if delivery.ended_at is None else told_time(delivery.ended_at),
        )


class DeliveriesTold(BaseModel):
    """A page of a rule's deliveries, the newest first."""

    deliveries: list[DeliveryTold]
    has_more: bool
    continuation_token: str | None
    """For the next page; null: this is the last one."""
