"""Jobs whose message only its interaction's token can edit, whether private or not."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds a column to `jobs`; so far, private ones were all there were of these."""
    op.add_column("jobs", sa.Column("is_short_lived", sa.Boolean, nullable=False, server_default=sa.false()))
    op.execute("UPDATE jobs SET is_short_lived = is_private")


def downgrade() -> None:
    """Backups, not downgrades, lead to an older version."""
    raise NotImplementedError
