"""Whose data is being deleted, so that a restart goes on with it."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates a table."""
    op.create_table(
        "erasures",
        sa.Column("user_id", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("locale", sa.String(16)),
        sa.Column("num_jobs", sa.Integer, nullable=False, server_default="0"),
        sa.Column("num_refused", sa.Integer, nullable=False, server_default="0"),
        sa.Column("refused", sa.JSON(none_as_null=True)),
        sa.PrimaryKeyConstraint("user_id", name="pk_erasures"),
    )


def downgrade() -> None:
    """Backups, not downgrades, lead to an older version."""
    raise NotImplementedError
