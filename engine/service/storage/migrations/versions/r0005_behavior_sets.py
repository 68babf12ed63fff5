"""Behavior sets: where they apply, whether they are active, shares of their versions; who had which version."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("behavior_versions") as versions:
        versions.add_column(sa.Column("changes", sa.JSON(), nullable=False, server_default=sa.text("'{}'")))
    with op.batch_alter_table("behavior_sets") as sets:
        sets.add_column(sa.Column("services", sa.JSON(), nullable=False, server_default=sa.text("'[]'")))
        sets.add_column(sa.Column("tags", sa.JSON(), nullable=False, server_default=sa.text("'{}'")))
        # they have decided nothing so far
        sets.add_column(sa.Column("is_active", sa.Boolean(), nullable=False, server_default=sa.false()))
        sets.add_column(sa.Column("shares", sa.JSON(), nullable=True))
        sets.add_column(sa.Column("shares_since", sa.Double(), nullable=False, server_default=sa.text("0")))
        sets.add_column(sa.Column("updated_by", sa.String(24), nullable=True))
        sets.add_column(sa.Column("updated_at", sa.Double(), nullable=True))
    op.execute("UPDATE behavior_sets SET updated_by = creator_id, updated_at = created_at")
    with op.batch_alter_table("behavior_sets") as sets:
        sets.alter_column("updated_by", existing_type=sa.String(24), nullable=False)
        sets.alter_column("updated_at", existing_type=sa.Double(), nullable=False)
        sets.create_foreign_key("fk_behavior_sets_updated_by", "users", ["updated_by"], ["id"])
    op.create_table(
        "conversation_arms",
        sa.Column("organization_id", sa.String(64), nullable=False),
        sa.Column("behavior_id", sa.String(24), nullable=False),
        sa.Column("conversation_id", sa.String(24), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("dealt", sa.Boolean(), nullable=False),
        sa.Column("noted_at", sa.Double(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint(
            "organization_id", "behavior_id", "conversation_id", "version", name="pk_conversation_arms"
        ),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name="fk_conversation_arms_organization_id"),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name="fk_conversation_arms_conversation_id"),
    )
    op.create_index("ix_conversation_arms_due_at", "conversation_arms", ["due_at"])
