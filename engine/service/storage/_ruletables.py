"""The tables of rules and of what they have to deliver."""

from typing import Any, cast

from sqlalchemy import ForeignKey, Index, Integer, String, Table, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ._tables import Base, Id, Leased, OrganizationId

MOST_STATE = 16
"""Characters of a delivery's state."""
MOST_HOST = 300
"""Characters of a host with its port."""


class RuleRow(Base):
    """What follows when a behaviour was triggered. None is ever changed, except that it ends."""

    __tablename__ = "rules"
    __table_args__ = (Index(None, "organization_id", "behavior_id"), Index(None, "organization_id", "created_at", "id"))

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    organization_id: Mapped[str] = mapped_column(OrganizationId, ForeignKey("organizations.id"))
    name: Mapped[str]
    behavior_id: Mapped[str] = mapped_column(Id)
    """A stored set's, or a configured behaviour's, which is in no table: hence no foreign key."""
    version: Mapped[int | None] = mapped_column(Integer)
    metric_ids: Mapped[list[Any]]
    url: Mapped[str | None]
    host: Mapped[str] = mapped_column(String(MOST_HOST))
    """Of *url*, with its port; empty without one."""
    creator_id: Mapped[str] = mapped_column(Id, ForeignKey("users.id"))
    created_at: Mapped[float]
    deleted_at: Mapped[float | None] = mapped_column(default=None)


class DeliveryRow(Leased, Base):
    """What a rule has to deliver of one interaction. The lease is held while it is tried."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("rule_id", "interaction_id"),
        Index(None, "state", "due_at"),
        Index(None, "rule_id", "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    organization_id: Mapped[str] = mapped_column(OrganizationId, ForeignKey("organizations.id"))
    rule_id: Mapped[str] = mapped_column(Id, ForeignKey("rules.id"))
    conversation_id: Mapped[str] = mapped_column(Id, ForeignKey("conversations.id"))
    interaction_id: Mapped[str] = mapped_column(Id, ForeignKey("interactions.id"))
    behavior_version: Mapped[int] = mapped_column(Integer)
    """The version that was triggered."""
    state: Mapped[str] = mapped_column(String(MOST_STATE))
    attempts: Mapped[int] = mapped_column(Integer)
    due_at: Mapped[float]
    created_at: Mapped[float]
    body: Mapped[str | None] = mapped_column(default=None)
    """JSON; once it is there every try sends the same bytes."""
    last_status: Mapped[int | None] = mapped_column(Integer, default=None)
    last_problem: Mapped[str | None] = mapped_column(default=None)
    ended_at: Mapped[float | None] = mapped_column(default=None)


RULES = cast(Table, RuleRow.__table__)
DELIVERIES = cast(Table, DeliveryRow.__table__)
