"""Cases for moderators, jobs that wait for them, pictures like rejected ones."""

import sqlalchemy as sa
from alembic import op

_TIME = sa.DateTime(timezone=True)

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates two tables and adds a column to `jobs`."""
    op.create_table(
        "cases",
        sa.Column("guild_id", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("job_id", sa.String(12), nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("opened_at", _TIME, nullable=False),
        sa.Column("deadline_at", _TIME),
        sa.Column("details", sa.JSON, nullable=False),
        sa.Column("decision", sa.String(16)),
        sa.Column("decided_by", sa.BigInteger),
        sa.Column("decided_at", _TIME),
        sa.Column("channel_id", sa.BigInteger),
        sa.Column("message_id", sa.BigInteger),
        sa.PrimaryKeyConstraint("guild_id", "number", name="pk_cases"),
    )
    op.create_index("ix_cases_job_id", "cases", ["job_id"])
    op.create_index("ix_cases_guild_id_user_id", "cases", ["guild_id", "user_id"])
    op.create_index("ix_cases_decision_deadline_at", "cases", ["decision", "deadline_at"])
    op.create_table(
        "blocked_hashes",
        sa.Column("guild_id", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("shape", sa.LargeBinary, nullable=False),
        sa.Column("colours", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("case_number", sa.Integer),
        sa.Column("blocked_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("guild_id", "shape", "colours", name="pk_blocked_hashes"),
    )
    op.add_column("jobs", sa.Column("is_spoiler", sa.Boolean, nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """Backups, not downgrades, lead to an older version."""
    raise NotImplementedError
