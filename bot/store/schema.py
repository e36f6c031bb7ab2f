"""The tables as they are now. bot/store/migrations leads here from any older version; a test compares the two."""

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)


class UtcDateTime(TypeDecorator[datetime]):
    """Aware datetimes in UTC. SQLite keeps no time zone, so it is taken off on the way in and put back on the way out.

    Binding a naive datetime raises ValueError: it could mean any zone.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored time needs a time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# Names make constraints alterable on every database.
metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
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
    Column("interaction_id", BigInteger, nullable=False, unique=True),
    Column("locale", String(16)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("error", Text),
    Column("result", JSON(none_as_null=True)),
    Index(None, "state", "created_at"),
    Index(None, "user_id", "created_at"),
    Index(None, "message_id"),
)

settings: Final = Table(
    "settings",
    metadata,
    Column("key", String(100), primary_key=True),
    Column("value", Text, nullable=False),
)
