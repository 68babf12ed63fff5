"""Behavior sets: which services they apply to, whether they are active, and the shares of their versions."""

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
        sets.add_column(sa.Column("updated_by", sa.String(24), nullable=True))
        sets.add_column(sa.Column("updated_at", sa.Double(), nullable=True))
    op.execute("UPDATE behavior_sets SET updated_by = creator_id, updated_at = created_at")
    with op.batch_alter_table("behavior_sets") as sets:
        sets.alter_column("updated_by", existing_type=sa.String(24), nullable=False)
        sets.alter_column("updated_at", existing_type=sa.Double(), nullable=False)
        sets.create_foreign_key("fk_behavior_sets_updated_by", "users", ["updated_by"], ["id"])
