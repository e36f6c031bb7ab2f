"""What moderators want to be deleted, and how far that is."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates a table."""
    op.create_table(
        "sweeps",
        sa.Column("id", sa.String(12), nullable=False),
        sa.Column("guild_id", sa.BigInteger, nullable=False),
        sa.Column("actor_id", sa.BigInteger, nullable=False),
        sa.Column("locale", sa.String(16), nullable=False),
        sa.Column("criteria", sa.JSON, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cursor_at", sa.DateTime(timezone=True)),
        sa.Column("cursor_id", sa.String(12)),
        sa.Column("num_found", sa.Integer, nullable=False),
        sa.Column("num_deleted", sa.Integer, nullable=False, server_default="0"),
        sa.Column("num_refused", sa.Integer, nullable=False, server_default="0"),
        sa.Column("refused", sa.JSON(none_as_null=True)),
        sa.PrimaryKeyConstraint("id", name="pk_sweeps"),
    )
    op.create_index("ix_sweeps_state_guild_id", "sweeps", ["state", "guild_id"])


def downgrade() -> None:
    """Backups, not downgrades, lead to an older version."""
    raise NotImplementedError
