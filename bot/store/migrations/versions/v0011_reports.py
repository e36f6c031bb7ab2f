"""Who has reported which result, and which ones are hidden until moderators have decided."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates a table and adds a column to `jobs`."""
    op.add_column("jobs", sa.Column("hidden_at", sa.DateTime(timezone=True)))
    op.create_table(
        "reports",
        sa.Column("job_id", sa.String(12), nullable=False),
        sa.Column("reporter_id", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("guild_id", sa.BigInteger, nullable=False),
        sa.Column("case_number", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("locale", sa.String(16), nullable=False),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("job_id", "reporter_id", name="pk_reports"),
    )
    op.create_index("ix_reports_guild_id_case_number", "reports", ["guild_id", "case_number"])
    columns = ["guild_id", "reporter_id", "reported_at"]
    op.create_index("ix_reports_guild_id_reporter_id_reported_at", "reports", columns)


def downgrade() -> None:
    """Backups, not downgrades, lead to an older version."""
    raise NotImplementedError
