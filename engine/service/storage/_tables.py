"""The tables. No object of these leaves storage: callers get the frozen records of `_records`.

Times are s since the epoch as floats: SQLite knows no time zones, and these compare alike in every database.
"""

from typing import Any, cast

from sqlalchemy import (
    JSON,
    BigInteger,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

from ._ids import ID_DIGITS, MOST_ORGANIZATION

Id = String(ID_DIGITS)
OrganizationId = String(MOST_ORGANIZATION)


class Base(MappedAsDataclass, DeclarativeBase):
    """All tables. Constraints have names, so that a migration can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {float: Double(), int: BigInteger(), str: Text(), dict[str, Any]: JSON(), list[Any]: JSON()}


class Leased(MappedAsDataclass):
    """A row that one process at a time may have to itself."""

    lease_owner: Mapped[str | None] = mapped_column(String(32), default=None, kw_only=True)
    """Whoever knows this holds the lease."""
    lease_until: Mapped[float | None] = mapped_column(default=None, kw_only=True)
    """From then on anybody may take it."""


class OrganizationRow(Base):
    __tablename__ = "organizations"

    id: Mapped[str] = mapped_column(OrganizationId, primary_key=True)
    created_at: Mapped[float]


class UserRow(Leased, Base):
    """The lease is held while the user's next conversation is being created."""

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    organization_id: Mapped[str] = mapped_column(OrganizationId, ForeignKey("organizations.id"), index=True)
    permissions: Mapped[list[Any]]
    created_at: Mapped[float]
    disabled_at: Mapped[float | None] = mapped_column(default=None)


class ApiKeyRow(Base):
    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    user_id: Mapped[str] = mapped_column(Id, ForeignKey("users.id"), index=True)
    hash: Mapped[str] = mapped_column(String(255), repr=False)
    created_at: Mapped[float]
    last_used_at: Mapped[float | None] = mapped_column(default=None)
    revoked_at: Mapped[float | None] = mapped_column(default=None)


class ConversationRow(Leased, Base):
    """The lease is held while an interaction is under way."""

    __tablename__ = "conversations"
    __table_args__ = (
        Index(None, "organization_id", "user_id", "finished_at"),
        Index(None, "organization_id", "created_at", "id"),
        Index(None, "organization_id", "user_id", "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    organization_id: Mapped[str] = mapped_column(OrganizationId, ForeignKey("organizations.id"))
    user_id: Mapped[str] = mapped_column(Id, ForeignKey("users.id"), index=True)
    service_id: Mapped[str] = mapped_column(Id)
    created_at: Mapped[float]
    tags: Mapped[dict[str, Any]]
    is_test: Mapped[bool]
    interaction_count: Mapped[int] = mapped_column(Integer)
    """Interactions completed; the last one's number."""
    finished_at: Mapped[float | None] = mapped_column(default=None)


class InteractionRow(Base):
    __tablename__ = "interactions"
    __table_args__ = (UniqueConstraint("conversation_id", "number"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    conversation_id: Mapped[str] = mapped_column(Id, ForeignKey("conversations.id"))
    number: Mapped[int] = mapped_column(Integer)
    started_at: Mapped[float]
    completed_at: Mapped[float]
    user_message_id: Mapped[str | None] = mapped_column(Id)
    user_message: Mapped[str | None]
    agent_message_id: Mapped[str] = mapped_column(Id)
    agent_message: Mapped[str]
    actions: Mapped[list[Any]]
    record: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class WaitsRow(Base):
    """One generation of one life table (see `engine.prediction`): only its writer adds to it, and it only grows."""

    __tablename__ = "waits"

    layout: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Names the buckets: counts in others cannot be compared."""
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of *key*, which may be longer than an index takes."""
    writer: Mapped[str] = mapped_column(String(64), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str]
    """The table's key, a JSON list of names."""
    born: Mapped[int]
    scale: Mapped[int] = mapped_column(Integer)
    waits: Mapped[int]
    """Waits counted: what it adds to the age of older ones."""
    total: Mapped[int]
    """All counts together: as they only grow, two copies with the same total are the same."""
    counts: Mapped[dict[str, Any]]


class WaitScaleRow(Base):
    """By how much one writer has found the waits of one life table changed."""

    __tablename__ = "wait_scales"

    layout: Mapped[str] = mapped_column(String(64), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    writer: Mapped[str] = mapped_column(String(64), primary_key=True)
    changes: Mapped[int]
    scale: Mapped[int] = mapped_column(Integer)


class BehaviorSetRow(Base):
    """A dynamic behavior set; what it says is in its versions."""

    __tablename__ = "behavior_sets"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    organization_id: Mapped[str] = mapped_column(OrganizationId, ForeignKey("organizations.id"), index=True)
    name: Mapped[str]
    creator_id: Mapped[str] = mapped_column(Id, ForeignKey("users.id"))
    created_at: Mapped[float]
    version_count: Mapped[int] = mapped_column(Integer)
    """Versions there are; the latest one's number."""
    services: Mapped[list[Any]]
    tags: Mapped[dict[str, Any]]
    is_active: Mapped[bool]
    shares: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """By version, as text."""
    shares_since: Mapped[float]
    updated_by: Mapped[str] = mapped_column(Id, ForeignKey("users.id"))
    updated_at: Mapped[float]


class BehaviorVersionRow(Base):
    """One version of a set. None is ever changed or removed: numbers have no gaps. Their index is what pages follow."""

    __tablename__ = "behavior_versions"
    __table_args__ = (UniqueConstraint("set_id", "number"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    set_id: Mapped[str] = mapped_column(Id, ForeignKey("behavior_sets.id"))
    number: Mapped[int] = mapped_column(Integer)
    conversation_triggers: Mapped[list[Any]]
    actions: Mapped[list[Any]]
    creator_id: Mapped[str] = mapped_column(Id, ForeignKey("users.id"))
    created_at: Mapped[float]
    changes: Mapped[dict[str, Any]]


USERS = cast(Table, UserRow.__table__)
CONVERSATIONS = cast(Table, ConversationRow.__table__)
INTERACTIONS = cast(Table, InteractionRow.__table__)
BEHAVIOR_SETS = cast(Table, BehaviorSetRow.__table__)
BEHAVIOR_VERSIONS = cast(Table, BehaviorVersionRow.__table__)
