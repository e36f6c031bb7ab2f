"""Galleries that people have opened, for turning their pages."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates a table."""
    op.create_table(
        "galleries",
        sa.Column("id", sa.String(12), nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("guild_id", sa.BigInteger, nullable=False),
        sa.Column("of_user_id", sa.BigInteger),
        sa.Column("is_favourites", sa.Boolean, nullable=False),
        sa.Column("prompt", sa.Text),
        sa.Column("found", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_galleries"),
    )
    op.create_index("ix_galleries_user_id_created_at", "galleries", ["user_id", "created_at"])


def downgrade() -> None:
    """Backups, not downgrades, lead to an older version."""
    raise NotImplementedError
