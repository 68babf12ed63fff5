"""Rules, and what they have to deliver."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rules",
        sa.Column("id", sa.String(24), nullable=False),
        sa.Column("organization_id", sa.String(64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("behavior_id", sa.String(24), nullable=False),
        sa.Column("version", sa.Integer()),
        sa.Column("metric_ids", sa.JSON(), nullable=False),
        sa.Column("url", sa.Text()),
        sa.Column("host", sa.String(300), nullable=False),
        sa.Column("creator_id", sa.String(24), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("deleted_at", sa.Double()),
        sa.PrimaryKeyConstraint("id", name="pk_rules"),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name="fk_rules_organization_id"),
        sa.ForeignKeyConstraint(["creator_id"], ["users.id"], name="fk_rules_creator_id"),
    )
    op.create_index("ix_rules_organization_id_behavior_id", "rules", ["organization_id", "behavior_id"])
    op.create_index("ix_rules_organization_id_created_at_id", "rules", ["organization_id", "created_at", "id"])
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(24), nullable=False),
        sa.Column("organization_id", sa.String(64), nullable=False),
        sa.Column("rule_id", sa.String(24), nullable=False),
        sa.Column("conversation_id", sa.String(24), nullable=False),
        sa.Column("interaction_id", sa.String(24), nullable=False),
        sa.Column("behavior_version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("body", sa.Text()),
        sa.Column("last_status", sa.Integer()),
        sa.Column("last_problem", sa.Text()),
        sa.Column("ended_at", sa.Double()),
        sa.Column("lease_owner", sa.String(32)),
        sa.Column("lease_until", sa.Double()),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name="fk_deliveries_organization_id"),
        sa.ForeignKeyConstraint(["rule_id"], ["rules.id"], name="fk_deliveries_rule_id"),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name="fk_deliveries_conversation_id"),
        sa.ForeignKeyConstraint(["interaction_id"], ["interactions.id"], name="fk_deliveries_interaction_id"),
        sa.UniqueConstraint("rule_id", "interaction_id", name="uq_deliveries_rule_id_interaction_id"),
    )
    op.create_index("ix_deliveries_state_due_at", "deliveries", ["state", "due_at"])
    op.create_index("ix_deliveries_rule_id_created_at_id", "deliveries", ["rule_id", "created_at", "id"])
