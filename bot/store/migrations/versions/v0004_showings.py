"""Messages that show a past result again."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates a table."""
    op.create_table(
        "showings",
        sa.Column("message_id", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("channel_id", sa.BigInteger, nullable=False),
        sa.Column("job_id", sa.String(12), nullable=False),
        sa.PrimaryKeyConstraint("message_id", name="pk_showings"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_showings_job_id", ondelete="CASCADE"),
    )
    op.create_index("ix_showings_job_id_channel_id", "showings", ["job_id", "channel_id"])


def downgrade() -> None:
    """Backups, not downgrades, lead to an older version."""
    raise NotImplementedError
