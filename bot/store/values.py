"""Small texts that the bot keeps between runs. Used by the client, on the event loop."""

from sqlalchemy import insert, select, update

from bot.store.database import Database
from bot.store.schema import settings


class ValueStore:
    """Every method may raise StoreError. What a method returned is committed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, key: str) -> str | None:
        """What `set` stored under this key, or None."""
        async with self._database.reading() as connection:
            value: str | None = await connection.scalar(select(settings.c.value).where(settings.c.key == key))
            return value

    async def set(self, key: str, value: str, *, is_urgent: bool = False) -> None:
        """Stores a text under a key of at most 100 characters, over what was there. is_urgent: as for a transaction."""
        async with self._database.transaction(is_urgent=is_urgent) as connection:
            changed = await connection.execute(update(settings).where(settings.c.key == key).values(value=value))
            if not changed.rowcount:
                await connection.execute(insert(settings).values(key=key, value=value))
