"""Indexes that pages of conversations follow: an organization's, and one user's."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_conversations_organization_id_created_at_id", "conversations", ["organization_id", "created_at", "id"]
    )
    op.create_index(
        "ix_conversations_organization_id_user_id_created_at_id",
        "conversations",
        ["organization_id", "user_id", "created_at", "id"],
    )
