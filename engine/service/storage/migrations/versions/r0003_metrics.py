"""Metrics, and what they found."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "metrics",
        sa.Column("id", sa.String(24), nullable=False),
        sa.Column("organization_id", sa.String(64), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("definition", sa.JSON(), nullable=False),
        sa.Column("creator_id", sa.String(24), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_metrics"),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name="fk_metrics_organization_id"),
        sa.ForeignKeyConstraint(["creator_id"], ["users.id"], name="fk_metrics_creator_id"),
        sa.UniqueConstraint("organization_id", "name", name="uq_metrics_organization_id_name"),
        sa.UniqueConstraint("organization_id", "number", name="uq_metrics_organization_id_number"),
    )
    op.create_table(
        "metric_results",
        sa.Column("id", sa.String(24), nullable=False),
        sa.Column("organization_id", sa.String(64), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("metric_id", sa.String(24), nullable=False),
        sa.Column("conversation_id", sa.String(24), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("evaluate_to_interaction_id", sa.String(24)),
        sa.Column("invoked_by", sa.String(24)),
        sa.Column("value", sa.Double()),
        sa.Column("is_boolean", sa.Boolean(), nullable=False),
        sa.Column("category", sa.Text()),
        sa.Column("message_ids", sa.JSON(), nullable=False),
        sa.Column("justification", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_metric_results"),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name="fk_metric_results_organization_id"),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name="fk_metric_results_conversation_id"),
        sa.ForeignKeyConstraint(["invoked_by"], ["users.id"], name="fk_metric_results_invoked_by"),
        sa.UniqueConstraint(
            "conversation_id", "metric_id", "source", name="uq_metric_results_conversation_id_metric_id_source"
        ),
    )
    for name, *columns in (
        ("source", "source", "number"),
        ("metric", "metric_id", "source", "number"),
        ("time", "created_at", "number"),
    ):
        op.create_index(f"ix_metric_results_{name}", "metric_results", ["organization_id", *columns])
    op.create_table(
        "metric_counters",
        sa.Column("organization_id", sa.String(64), nullable=False),
        sa.Column("metrics", sa.BigInteger(), nullable=False),
        sa.Column("results", sa.BigInteger(), nullable=False),
        sa.Column("counted_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", name="pk_metric_counters"),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name="fk_metric_counters_organization_id"),
    )
