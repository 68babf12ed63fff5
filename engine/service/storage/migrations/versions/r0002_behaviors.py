"""Dynamic behavior sets."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "behavior_sets",
        sa.Column("id", sa.String(24), nullable=False),
        sa.Column("organization_id", sa.String(64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("creator_id", sa.String(24), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("version_count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_behavior_sets"),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name="fk_behavior_sets_organization_id"),
        sa.ForeignKeyConstraint(["creator_id"], ["users.id"], name="fk_behavior_sets_creator_id"),
    )
    op.create_index("ix_behavior_sets_organization_id", "behavior_sets", ["organization_id"])
    op.create_table(
        "behavior_versions",
        sa.Column("id", sa.String(24), nullable=False),
        sa.Column("set_id", sa.String(24), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("conversation_triggers", sa.JSON(), nullable=False),
        sa.Column("actions", sa.JSON(), nullable=False),
        sa.Column("creator_id", sa.String(24), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_behavior_versions"),
        sa.ForeignKeyConstraint(["set_id"], ["behavior_sets.id"], name="fk_behavior_versions_set_id"),
        sa.ForeignKeyConstraint(["creator_id"], ["users.id"], name="fk_behavior_versions_creator_id"),
        sa.UniqueConstraint("set_id", "number", name="uq_behavior_versions_set_id_number"),
    )
