"""Metrics as requests and answers have them: field by field the forms of the API that is followed, where it has one."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, Field
from pydantic_core import PydanticCustomError

from ....fillers import ConfigError, UsageError
from ...metrics import Metric, MetricDefinition, TurnFacts, defined_metric
from .._settings import Id, Name
from .._wire import told_time
from ..behaviors._forms import Part, UserInfo
from ..storage import StoredMetric, StoredResult
from ._evaluating import MOST_EVALUATED, Evaluated

Value = bool | float | str | None
"""None: not applicable."""
NOBODY = "stopgap"
"""UserInfo of the metrics that are built in."""
VERSION = 1
"""Of every metric: none changes."""

_ORDINARY = TurnFacts(
    id="example", conversation="example", started_at=0.0, agent="agent", tool="tool", outcome="replied", heard=True,
    waits=1, wait_s=1.5, end_s=1.5, prompt_tokens=1000, first_sound_s=0.75, reply_heard_s=1.5, answer_heard_s=1.5,
    dead_air_s=1.0, longest_dead_air_s=0.75, reply_delay_s=0.0, needless=False, fillers=1, spoken=1, cuts=0,
)  # fmt: skip


def _each_once(ids: list[str]) -> list[str]:
    if len(set(ids)) < len(ids):
        raise PydanticCustomError("unique", "a metric is named twice; name each once")
    return ids


class EvaluateRequest(Part):
    """Metrics to evaluate of a conversation."""

    metric_ids: Annotated[list[Id], AfterValidator(_each_once)] = Field(
        min_length=1, max_length=MOST_EVALUATED, json_schema_extra={"uniqueItems": True}
    )
    conversation_id: Id
    evaluate_to_interaction_id: Id | None = None
    """The last interaction to look at; left out: all."""


class EvaluatedMetric(BaseModel):
    metric_id: str
    name: str
    value: Value
    references: list[str]
    """Ids of the agent's messages that the value rests on most, the foremost first."""
    justification: str

    @classmethod
    def of(cls, found: Evaluated) -> Self:
        """Return what is told of what was found."""
        return cls(
            metric_id=found.metric, name=found.name, value=found.value, references=list(found.references),
            justification=found.justification,
        )  # fmt: skip


class EvaluatedMetrics(BaseModel):
    metrics: list[EvaluatedMetric]
    """In the order in which they were asked for."""


class PostSession(BaseModel):
    """Evaluated by itself."""

    type: Literal["post-session"] = "post-session"
    conversation_id: str
    references: list[str]


class Manual(BaseModel):
    """Evaluated because somebody asked for it."""

    type: Literal["manual"] = "manual"
    conversation_id: str
    evaluate_to_interaction_id: str | None
    invoked_by: UserInfo
    references: list[str]


class MetricResult(BaseModel):
    """What a metric found in a conversation, the last time that it was evaluated."""

    id: str
    org_id: str
    created_at: datetime
    updated_at: datetime
    metric_id: str
    metric_version: int
    result: Value
    justification: str
    source: PostSession | Manual

    @classmethod
    def of(cls, stored: StoredResult) -> Self:
        """Return what is told of a stored one."""
        references = list(stored.messages)
        source: PostSession | Manual = PostSession(conversation_id=stored.conversation, references=references)
        if stored.source == "manual":
            source = Manual(
                conversation_id=stored.conversation,
                evaluate_to_interaction_id=stored.up_to,
                invoked_by=UserInfo(org_id=stored.organization, user_id=stored.invoked_by or ""),
                references=references,
            )
        return cls(
            id=stored.id, org_id=stored.organization, created_at=told_time(stored.created_at),
            updated_at=told_time(stored.updated_at), metric_id=stored.metric, metric_version=VERSION,
            result=stored.value, justification=stored.justification, source=source,
        )  # fmt: skip


class FilterValues(BaseModel):
    metric_ids: list[str]
    """Of which the organization has results."""


class MetricResults(BaseModel):
    """A page of results."""

    metric_evaluation_results: list[MetricResult]
    has_more: bool
    continuation_token: int | None
    """For the next page; null: this is the last one."""
    filter_values: FilterValues | None
    """On the first page."""


class MetricRequest(MetricDefinition):
    """A metric to define: a name that the organization does not use yet, and what a file of metrics says of one."""

    name: Name

    def check(self) -> None:
        """Check that its expressions can be read, and give on an ordinary turn what the aggregate needs.

        Raises:
            UsageError: if not, or simpleeval is missing.
        """
        definition = MetricDefinition.model_validate(self.definition())
        try:
            defined_metric(self.name, definition, where="the request").evaluate([_ORDINARY])
        except ConfigError as exc:
            raise UsageError(str(exc)) from None

    def definition(self) -> dict[str, Any]:
        """Return it for storage."""
        return self.model_dump(exclude={"name"}, exclude_none=True)


class MetricCreated(BaseModel):
    id: str


class BooleanType(BaseModel):
    type: Literal["boolean"]


class NumericalType(BaseModel):
    type: Literal["numerical"]
    lower_bound: float
    upper_bound: float


class CategoricalType(BaseModel):
    type: Literal["categorical"]
    categories: list[str]
    """The best one first."""


class MetricInstance(BaseModel):
    """A metric, with what this service knows of it beyond the form that is followed."""

    id: str
    org_id: str
    name: str
    applied_to_services: list[str]
    """Empty: to every one."""
    additional_notes: str | None
    """What it says, for people."""
    tags: list[Any]
    creator: UserInfo
    updated_by: UserInfo
    metric_value_type: Literal["boolean", "numerical", "categorical"]
    is_deleted: bool
    created_at: datetime
    """Of a built-in one 1970."""
    updated_at: datetime
    built_in: bool
    metric_value: BooleanType | NumericalType | CategoricalType
    unit: str
    better: Literal["low", "high"]
    """Which values are good."""
    definition: dict[str, Any] | None
    """What it was defined with; null: it is built in."""

    @classmethod
    def of(cls, id: str, metric: Metric, organization: str, stored: StoredMetric | None = None) -> Self:
        """Return what is told of *metric*; without *stored*, a built-in one."""
        creator = UserInfo(org_id=organization, user_id=NOBODY if stored is None else stored.creator)
        at = told_time(0.0 if stored is None else stored.created_at)
        told = metric.as_dict()
        return cls(
            id=id, org_id=organization, name=metric.name, applied_to_services=[], additional_notes=metric.title,
            tags=[], creator=creator, updated_by=creator, metric_value_type=told["value_type"]["type"],
            is_deleted=False, created_at=at, updated_at=at, built_in=stored is None, metric_value=told["value_type"],
            unit=metric.unit, better=metric.better,
            definition=None if stored is None else dict(stored.definition),
        )  # fmt: skip


class MetricList(BaseModel):
    """A page of metrics, the built-in ones first."""

    metrics: list[MetricInstance]
    has_more: bool
    continuation_token: int | None
    """For the next page; null: this is the last one."""
    filter_values: None = None
