"""Which process has which shard, while several of them run."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates a table."""
    op.create_table(
        "shard_leases",
        sa.Column("shard", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("demand", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("shard", name="pk_shard_leases"),
    )


def downgrade() -> None:
    """Backups, not downgrades, lead to an older version."""
    raise NotImplementedError
