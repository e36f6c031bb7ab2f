"""What the store has of one person, as JSON, page by page. Used by /privacy export, on the event loop.

Not in it: pictures that nobody may see (yet), and what only moderators are told (bot/store/personal.py).
"""

from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, select, tuple_

from bot.store.database import Database
from bot.store.personal import PERSONAL, Personal

PAGE_ROWS: Final = 200
_SAFE_IN_JSON: Final = 2**53  # beyond that, many programs that read JSON round


@dataclass(frozen=True, slots=True)
class ExportPage:
    """table: its name. number: of this page among the table's, from 1. rows: column → JSON value."""

    table: str
    number: int
    rows: list[dict[str, Any]]


class ExportStore:
    """Every method may raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pages(self, user_id: int) -> AsyncIterator[ExportPage]:
        """The rows that are this person's to see, PAGE_ROWS at once at most; between pages no transaction is open."""
        for personal in PERSONAL:
            if personal.is_exported:
                async for page in self._pages_of(personal, user_id):
                    yield page

    async def _pages_of(self, personal: Personal, user_id: int) -> AsyncIterator[ExportPage]:
        key = list(personal.table.primary_key.columns)
        columns = [column for column in personal.table.columns if column.name not in personal.leaves_out]
        query = select(*columns).where(personal.of(user_id)).order_by(*key).limit(PAGE_ROWS)
        if personal.exports_only is not None:
            query = query.where(personal.exports_only)
        number, last = 1, None
        while True:
            after = query if last is None else query.where(tuple_(*key) > tuple_(*last))
            async with self._database.reading() as connection:
                rows = (await connection.execute(after)).all()
            if rows:
                yield ExportPage(personal.name, number, [_as_json(row) for row in rows])
            if len(rows) < PAGE_ROWS:
                return
            number, last = number + 1, [rows[-1]._mapping[column] for column in key]


def _as_json(row: Row[Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in row._mapping.items()}


def _value(value: Any) -> Any:
    """Bytes as base64, times as ISO 8601, ids of Discord's as text, as Discord itself writes them."""
    match value:
        case bytes():
            return b64encode(value).decode()
        case datetime():
            return value.isoformat()
        case tuple():
            return list(value)
        case int() if abs(value) > _SAFE_IN_JSON:
            return str(value)
        case _:
            return value
