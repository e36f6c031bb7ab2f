"""What a restart needs: a job's share, whether its user is trusted, how to find its answer; what decisions are done."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds columns to `jobs` and `cases`. Of earlier decisions only those are not done whose jobs still wait."""
    op.add_column("jobs", sa.Column("weight", sa.Float(53), nullable=False, server_default="1"))
    op.add_column("jobs", sa.Column("is_trusted", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("jobs", sa.Column("answer_token", sa.Text))
    op.add_column("cases", sa.Column("applied_at", sa.DateTime(timezone=True)))
    op.execute(
        "UPDATE cases SET applied_at = decided_at WHERE kind = 'report' OR NOT EXISTS "
        "(SELECT 1 FROM jobs WHERE jobs.id = cases.job_id AND jobs.state = 'in_review')"
    )


def downgrade() -> None:
    """Backups, not downgrades, lead to an older version."""
    raise NotImplementedError
