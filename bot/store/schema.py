"""The tables as they are now. bot/store/migrations leads here from any older version; a test compares the two."""

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from bot.store.column_types import TokenTuple, UtcDateTime

# Names make constraints alterable on every database.
metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)

# Discord's ids need 64 bits, a seed needs 32 without a sign.
jobs: Final = Table(
    "jobs",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("prompt", Text, nullable=False),
    Column("negative_prompt", Text),
    Column("num_images", Integer, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("condition_scale", Float(53)),
    Column("top_k", Integer),
    Column("top_p", Float(53)),
    Column("temperature", Float(53)),
    Column("model", Text),
    Column("user_id", BigInteger, nullable=False),
    Column("guild_id", BigInteger),
    Column("channel_id", BigInteger, nullable=False),
    Column("message_id", BigInteger),
    Column("interaction_id", BigInteger, nullable=False),
    Column("locale", String(16)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("error", Text),
    Column("result", JSON(none_as_null=True)),
    Column("kind", String(16), nullable=False, server_default="imagine"),
    Column("parent_id", String(12)),
    Column("parent_rank", Integer),
    Column("image_tokens", TokenTuple),
    Column("is_private", Boolean, nullable=False, server_default=false()),
    Column("deleted_at", UtcDateTime),
    Column("interaction_part", Integer, nullable=False, server_default="0"),
    Column("is_short_lived", Boolean, nullable=False, server_default=false()),
    Column("hidden_at", UtcDateTime),
    Column("is_spoiler", Boolean, nullable=False, server_default=false()),
    Column("weight", Float(53), nullable=False, server_default="1"),
    Column("is_trusted", Boolean, nullable=False, server_default=false()),
    Column("answer_token", Text),
    UniqueConstraint("interaction_id", "interaction_part"),
    Index(None, "state", "created_at"),
    Index(None, "user_id", "created_at"),
    Index(None, "guild_id", "created_at"),
    Index(None, "message_id"),
)

settings: Final = Table(
    "settings",
    metadata,
    Column("key", String(100), primary_key=True),
    Column("value", Text, nullable=False),
)

# SQLite numbers rows by itself only where the key is INTEGER, which holds 64 bits there.
_RowNumber: Final = BigInteger().with_variant(Integer, "sqlite")

images: Final = Table(
    "images",
    metadata,
    Column("job_id", String(12), primary_key=True),
    Column("rank", Integer, primary_key=True, autoincrement=False),
    Column("index", Integer, nullable=False),
    Column("score", Float(53), nullable=False),
    Column("model", Text, nullable=False),
    Column("tokens", LargeBinary, nullable=False),
    Column("vector", LargeBinary, nullable=False),
    ForeignKeyConstraint(["job_id"], ["jobs.id"], ondelete="CASCADE"),
)

favourites: Final = Table(
    "favourites",
    metadata,
    Column("id", _RowNumber, primary_key=True),
    Column("user_id", BigInteger, nullable=False),
    Column("job_id", String(12), nullable=False),
    Column("rank", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    ForeignKeyConstraint(["job_id", "rank"], ["images.job_id", "images.rank"], ondelete="CASCADE"),
    UniqueConstraint("user_id", "job_id", "rank"),
    Index(None, "job_id", "rank"),
)

galleries: Final = Table(
    "galleries",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("user_id", BigInteger, nullable=False),
    Column("guild_id", BigInteger, nullable=False),
    Column("of_user_id", BigInteger),
    Column("is_favourites", Boolean, nullable=False),
    Column("prompt", Text),
    Column("found", JSON(none_as_null=True), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index(None, "user_id", "created_at"),
)

showings: Final = Table(
    "showings",
    metadata,
    Column("message_id", BigInteger, primary_key=True, autoincrement=False),
    Column("channel_id", BigInteger, nullable=False),
    Column("job_id", String(12), nullable=False),
    ForeignKeyConstraint(["job_id"], ["jobs.id"], ondelete="CASCADE"),
    Index(None, "job_id", "channel_id"),
)

styles: Final = Table(
    "styles",
    metadata,
    Column("guild_id", BigInteger, primary_key=True, autoincrement=False),
    Column("name", String(32), primary_key=True),
    Column("prompt", Text, nullable=False),
    Column("negative", Text),
    Column("created_by", BigInteger, nullable=False),
)

guilds: Final = Table(
    "guilds",
    metadata,
    Column("guild_id", BigInteger, primary_key=True, autoincrement=False),
    Column("settings", Text, nullable=False),
)

setting_changes: Final = Table(
    "setting_changes",
    metadata,
    Column("id", _RowNumber, primary_key=True),
    Column("guild_id", BigInteger, nullable=False),
    Column("user_id", BigInteger, nullable=False),
    Column("key", String(100), nullable=False),
    Column("old", JSON(none_as_null=True)),
    Column("new", JSON(none_as_null=True)),
    Column("changed_at", UtcDateTime, nullable=False),
    Index(None, "guild_id", "id"),
)

cases: Final = Table(
    "cases",
    metadata,
    Column("guild_id", BigInteger, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),
    Column("job_id", String(12), nullable=False),
    Column("user_id", BigInteger, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("deadline_at", UtcDateTime),
    Column("details", JSON, nullable=False),
    Column("decision", String(16)),
    Column("decided_by", BigInteger),
    Column("decided_at", UtcDateTime),
    Column("channel_id", BigInteger),
    Column("message_id", BigInteger),
    Column("applied_at", UtcDateTime),
    Index(None, "job_id"),
    Index(None, "guild_id", "user_id"),
    Index(None, "decision", "deadline_at"),
)

blocked_hashes: Final = Table(
    "blocked_hashes",
    metadata,
    Column("guild_id", BigInteger, primary_key=True, autoincrement=False),
    Column("shape", LargeBinary, primary_key=True),
    Column("colours", BigInteger, primary_key=True, autoincrement=False),
    Column("case_number", Integer),
    Column("blocked_at", UtcDateTime, nullable=False),
)

# Whose data is being deleted; a row lasts as long as that.
erasures: Final = Table(
    "erasures",
    metadata,
    Column("user_id", BigInteger, primary_key=True, autoincrement=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("locale", String(16)),
    Column("num_jobs", Integer, nullable=False, server_default="0"),
    Column("num_refused", Integer, nullable=False, server_default="0"),
    Column("refused", JSON(none_as_null=True)),
)

audit: Final = Table(
    "audit",
    metadata,
    Column("id", _RowNumber, primary_key=True),
    Column("guild_id", BigInteger, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("actor_id", BigInteger),
    Column("action", String(24), nullable=False),
    Column("user_id", BigInteger),
    Column("job_id", String(12)),
    Column("case_number", Integer),
    Column("reason", Text),
    Column("details", JSON, nullable=False),
    Index(None, "guild_id", "id"),
    Index(None, "guild_id", "user_id"),
)

sanctions: Final = Table(
    "sanctions",
    metadata,
    Column("id", _RowNumber, primary_key=True),
    Column("guild_id", BigInteger, nullable=False),
    Column("user_id", BigInteger, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("reason", Text),
    Column("given_by", BigInteger),
    Column("given_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("case_number", Integer),
    Column("cause_id", BigInteger),
    Column("revoked_at", UtcDateTime),
    Column("revoked_by", BigInteger),
    Column("appealed_at", UtcDateTime),
    Column("appeal", Text),
    Column("appeal_locale", String(16)),
    Column("appeal_decision", String(16)),
    Column("appeal_decided_by", BigInteger),
    Column("appeal_decided_at", UtcDateTime),
    Column("appeal_channel_id", BigInteger),
    Column("appeal_message_id", BigInteger),
    Index(None, "guild_id", "user_id"),
    Index(None, "cause_id"),
)

prompt_rules: Final = Table(
    "prompt_rules",
    metadata,
    Column("guild_id", BigInteger, primary_key=True, autoincrement=False),
    Column("text", String(500), primary_key=True),
    Column("action", String(16), nullable=False),
    Column("created_by", BigInteger, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

rule_choices: Final = Table(
    "rule_choices",
    metadata,
    Column("guild_id", BigInteger, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    Column("choices", JSON(none_as_null=True), nullable=False),
)

# What moderators want to be deleted, and how far that is.
sweeps: Final = Table(
    "sweeps",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("guild_id", BigInteger, nullable=False),
    Column("actor_id", BigInteger, nullable=False),
    Column("locale", String(16), nullable=False),
    Column("criteria", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("cursor_at", UtcDateTime),
    Column("cursor_id", String(12)),
    Column("num_found", Integer, nullable=False),
    Column("num_deleted", Integer, nullable=False, server_default="0"),
    Column("num_refused", Integer, nullable=False, server_default="0"),
    Column("refused", JSON(none_as_null=True)),
    Index(None, "state", "guild_id"),
)

reports: Final = Table(
    "reports",
    metadata,
    Column("job_id", String(12), primary_key=True),
    Column("reporter_id", BigInteger, primary_key=True, autoincrement=False),
    Column("guild_id", BigInteger, nullable=False),
    Column("case_number", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("locale", String(16), nullable=False),
    Column("reported_at", UtcDateTime, nullable=False),
    Column("told_at", UtcDateTime),
    Index(None, "guild_id", "case_number"),
    Index(None, "guild_id", "reporter_id", "reported_at"),
)

# Which process has which shard, while several of them run. demand: of that process, for slots that all of them share.
shard_leases: Final = Table(
    "shard_leases",
    metadata,
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("count", Integer, nullable=False),
    Column("owner", Text, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("demand", Float(53), nullable=False),
)
