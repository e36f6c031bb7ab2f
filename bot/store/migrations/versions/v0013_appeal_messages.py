"""Where moderators see an appeal, so that one without a message is posted."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds columns to `sanctions`. Nobody knows which appeals were shown: those that wait are posted once more."""
    op.add_column("sanctions", sa.Column("appeal_channel_id", sa.BigInteger))
    op.add_column("sanctions", sa.Column("appeal_message_id", sa.BigInteger))


def downgrade() -> None:
    """Backups, not downgrades, lead to an older version."""
    raise NotImplementedError
