"""What reports of a behaviour's versions read: results in one index, and on SQLite arms in the order of their key."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_metric_results_report", "metric_results", ["conversation_id", "source", "value", "category", "metric_id"]
    )
    if op.get_bind().dialect.name == "sqlite":
        with op.batch_alter_table("conversation_arms", recreate="always", table_kwargs={"sqlite_with_rowid": False}):
            pass
