"""Kept results, favourites, styles and the settings of guilds; where a job comes from."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Adds columns to `jobs`, whose rows keep what they have, and creates five tables."""
    # SQLite changes a constraint by copying the table; later, dropping the old one would empty those that refer to it.
    with op.batch_alter_table("jobs") as jobs:
        jobs.add_column(sa.Column("interaction_part", sa.Integer, nullable=False, server_default="0"))
        jobs.drop_constraint("uq_jobs_interaction_id", type_="unique")
        jobs.create_unique_constraint("uq_jobs_interaction_id_interaction_part", ["interaction_id", "interaction_part"])
    op.add_column("jobs", sa.Column("kind", sa.String(16), nullable=False, server_default="imagine"))
    op.add_column("jobs", sa.Column("parent_id", sa.String(12)))
    op.add_column("jobs", sa.Column("parent_rank", sa.Integer))
    op.add_column("jobs", sa.Column("image_tokens", sa.LargeBinary))
    op.add_column("jobs", sa.Column("is_private", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("jobs", sa.Column("deleted_at", _TIME))
    op.create_index("ix_jobs_guild_id_created_at", "jobs", ["guild_id", "created_at"])
    op.create_table(
        "images",
        sa.Column("job_id", sa.String(12), nullable=False),
        sa.Column("rank", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("index", sa.Integer, nullable=False),
        sa.Column("score", sa.Float(53), nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("tokens", sa.LargeBinary, nullable=False),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("job_id", "rank", name="pk_images"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_images_job_id", ondelete="CASCADE"),
    )
    op.create_table(
        "favourites",
        sa.Column("id", _ROW_NUMBER, nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("job_id", sa.String(12), nullable=False),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_favourites"),
        sa.ForeignKeyConstraint(
            ["job_id", "rank"], ["images.job_id", "images.rank"], name="fk_favourites_job_id_rank", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("user_id", "job_id", "rank", name="uq_favourites_user_id_job_id_rank"),
    )
    op.create_index("ix_favourites_job_id_rank", "favourites", ["job_id", "rank"])
    op.create_table(
        "styles",
        sa.Column("guild_id", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("prompt", sa.Text, nullable=False),
        sa.Column("negative", sa.Text),
        sa.Column("created_by", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("guild_id", "name", name="pk_styles"),
    )
    op.create_table(
        "guilds",
        sa.Column("guild_id", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("settings", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("guild_id", name="pk_guilds"),
    )
    op.create_table(
        "setting_changes",
        sa.Column("id", _ROW_NUMBER, nullable=False),
        sa.Column("guild_id", sa.BigInteger, nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("key", sa.String(100), nullable=False),
        sa.Column("old", sa.JSON(none_as_null=True)),
        sa.Column("new", sa.JSON(none_as_null=True)),
        sa.Column("changed_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_setting_changes"),
    )
    op.create_index("ix_setting_changes_guild_id_id", "setting_changes", ["guild_id", "id"])


def downgrade() -> None:
    """Backups, not downgrades, lead to an older version."""
    raise NotImplementedError
