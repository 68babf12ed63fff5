"""The tables of metrics and of what they found."""

from typing import Any, cast

from sqlalchemy import Boolean, ForeignKey, Index, String, Table, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ._tables import Base, Id, OrganizationId


class MetricRow(Base):
    """A metric that an organization has defined. None is ever changed or removed."""

    __tablename__ = "metrics"
    __table_args__ = (UniqueConstraint("organization_id", "name"), UniqueConstraint("organization_id", "number"))

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    organization_id: Mapped[str] = mapped_column(OrganizationId, ForeignKey("organizations.id"))
    number: Mapped[int]
    """From 1, within the organization, without gaps: what pages follow."""
    name: Mapped[str] = mapped_column(String(64))
    definition: Mapped[dict[str, Any]]
    creator_id: Mapped[str] = mapped_column(Id, ForeignKey("users.id"))
    created_at: Mapped[float]


class MetricResultRow(Base):
    """What a metric found in a conversation; found again, it is overwritten in its place.

    Pages follow *number*: a filter's values are each read by one of the indexes, in order, from where a page ends.
    """

    __tablename__ = "metric_results"
    __table_args__ = (
        UniqueConstraint("conversation_id", "metric_id", "source"),
        Index("ix_metric_results_source", "organization_id", "source", "number"),
        Index("ix_metric_results_metric", "organization_id", "metric_id", "source", "number"),
        Index("ix_metric_results_time", "organization_id", "created_at", "number"),
        # holds all that a report adds up, so that it reads no row; with the metric last SQLite reads a conversation's
        # results in one go, which takes less than to look up each metric's
        Index("ix_metric_results_report", "conversation_id", "source", "value", "category", "metric_id"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    organization_id: Mapped[str] = mapped_column(OrganizationId, ForeignKey("organizations.id"))
    number: Mapped[int]
    """Grows with each result of the organization, and so with *created_at*; there are gaps."""
    metric_id: Mapped[str] = mapped_column(Id)
    """A built-in one's is in no table."""
    conversation_id: Mapped[str] = mapped_column(Id, ForeignKey("conversations.id"))
    source: Mapped[str] = mapped_column(String(16))
    evaluate_to_interaction_id: Mapped[str | None] = mapped_column(Id)
    invoked_by: Mapped[str | None] = mapped_column(Id, ForeignKey("users.id"))
    value: Mapped[float | None]
    """A number, or 1 for true and 0 for false. Without a category, either: not applicable."""
    is_boolean: Mapped[bool] = mapped_column(Boolean)
    category: Mapped[str | None]
    message_ids: Mapped[list[Any]]
    """Of the turns that the value rests on most."""
    justification: Mapped[str]
    created_at: Mapped[float]
    updated_at: Mapped[float]


class MetricCounterRow(Base):
    """What an organization has. Whoever counts up holds the row until the commit: what was numbered first is there
    first, and a page leaves out nothing that comes later."""

    __tablename__ = "metric_counters"

    organization_id: Mapped[str] = mapped_column(OrganizationId, ForeignKey("organizations.id"), primary_key=True)
    metrics: Mapped[int]
    """The latest metric's number."""
    results: Mapped[int]
    """The latest result's number."""
    counted_at: Mapped[float]
    """When that was, by a clock that is never put back."""


METRICS = cast(Table, MetricRow.__table__)
METRIC_RESULTS = cast(Table, MetricResultRow.__table__)
METRIC_COUNTERS = cast(Table, MetricCounterRow.__table__)
