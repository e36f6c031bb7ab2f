"""${message}."""

import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this change."""
    ${upgrades if upgrades else "raise NotImplementedError"}


def downgrade() -> None:
    """Backups, not downgrades, lead to an older version."""
    raise NotImplementedError
