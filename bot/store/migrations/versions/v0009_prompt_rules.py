"""Rules for prompts, and what each guild chose of the starter list."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates two tables."""
    op.create_table(
        "prompt_rules",
        sa.Column("guild_id", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("text", sa.String(500), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("created_by", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("guild_id", "text", name="pk_prompt_rules"),
    )
    op.create_table(
        "rule_choices",
        sa.Column("guild_id", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("choices", sa.JSON(none_as_null=True), nullable=False),
        sa.PrimaryKeyConstraint("guild_id", name="pk_rule_choices"),
    )


def downgrade() -> None:
    """Backups, not downgrades, lead to an older version."""
    raise NotImplementedError
