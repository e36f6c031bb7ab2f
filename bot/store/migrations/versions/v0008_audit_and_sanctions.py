"""What moderators did, which nobody changes afterwards, and what was imposed on whom."""

import sqlalchemy as sa
from alembic import op

from bot.store.audit_guard import GUARDS

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
# SQLite numbers rows by itself only where the key is INTEGER, which holds 64 bits there.
_ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Creates two tables, and the triggers that keep one of them as it was written."""
    op.create_table(
        "audit",
        sa.Column("id", _ROW_NUMBER, nullable=False),
        sa.Column("guild_id", sa.BigInteger, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("actor_id", sa.BigInteger),
        sa.Column("action", sa.String(24), nullable=False),
        sa.Column("user_id", sa.BigInteger),
        sa.Column("job_id", sa.String(12)),
        sa.Column("case_number", sa.Integer),
        sa.Column("reason", sa.Text),
        sa.Column("details", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_guild_id_id", "audit", ["guild_id", "id"])
    op.create_index("ix_audit_guild_id_user_id", "audit", ["guild_id", "user_id"])
    for statement in GUARDS[op.get_bind().dialect.name]:
        op.execute(statement)
    op.create_table(
        "sanctions",
        sa.Column("id", _ROW_NUMBER, nullable=False),
        sa.Column("guild_id", sa.BigInteger, nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("given_by", sa.BigInteger),
        sa.Column("given_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME),
        sa.Column("case_number", sa.Integer),
        sa.Column("cause_id", sa.BigInteger),
        sa.Column("revoked_at", _TIME),
        sa.Column("revoked_by", sa.BigInteger),
        sa.Column("appealed_at", _TIME),
        sa.Column("appeal", sa.Text),
        sa.Column("appeal_locale", sa.String(16)),
        sa.Column("appeal_decision", sa.String(16)),
        sa.Column("appeal_decided_by", sa.BigInteger),
        sa.Column("appeal_decided_at", _TIME),
        sa.PrimaryKeyConstraint("id", name="pk_sanctions"),
    )
    op.create_index("ix_sanctions_guild_id_user_id", "sanctions", ["guild_id", "user_id"])
    op.create_index("ix_sanctions_cause_id", "sanctions", ["cause_id"])


def downgrade() -> None:
    """Backups, not downgrades, lead to an older version."""
    raise NotImplementedError
