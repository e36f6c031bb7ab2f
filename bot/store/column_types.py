"""How values that SQL has no portable type for are kept. Used by the schema and the parts of the store."""

from datetime import UTC, datetime
from typing import Final

import numpy as np
from sqlalchemy import DateTime, Dialect, LargeBinary, TypeDecorator

INT32: Final = np.dtype("<i4")


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


class TokenTuple(TypeDecorator[tuple[int, ...]]):
    """Image tokens, four bytes each, little end first. () is NULL."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: tuple[int, ...] | None, dialect: Dialect) -> bytes | None:
        return np.asarray(value, INT32).tobytes() if value else None

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> tuple[int, ...]:
        return tuple(np.frombuffer(value, INT32).tolist()) if value else ()
