"""The table of which version of a behaviour conversations had."""

from typing import cast

from sqlalchemy import ForeignKey, Index, Integer, Table
from sqlalchemy.orm import Mapped, mapped_column

from ._tables import Base, Id, OrganizationId


class ConversationArmRow(Base):
    """That a conversation was dealt a version of a behaviour, or saw it in force."""

    __tablename__ = "conversation_arms"
    __table_args__ = (
        Index("ix_conversation_arms_due_at", "due_at"),
        {"sqlite_with_rowid": False},  # rows lie in the key's order there: a report reads a hundred thousand of them
    )

    # the key's order is that in which a report reads
    organization_id: Mapped[str] = mapped_column(OrganizationId, ForeignKey("organizations.id"), primary_key=True)
    behavior_id: Mapped[str] = mapped_column(Id, primary_key=True)
    """A stored set's, or a configured behaviour's, which is in no table: hence no foreign key."""
    conversation_id: Mapped[str] = mapped_column(Id, ForeignKey("conversations.id"), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    dealt: Mapped[bool]
    noted_at: Mapped[float]
    """When that was first noted."""
    due_at: Mapped[float | None]
    """s since the epoch: when the conversation's metrics are to be evaluated again. None: nothing has changed."""


CONVERSATION_ARMS = cast(Table, ConversationArmRow.__table__)
