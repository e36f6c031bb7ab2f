"""The hashes of pictures that a guild's moderators rejected. Used by the cogs, on the event loop.

A guild has at most MAX_HASHES; the oldest give way. They are read all at once, for bot.moderation.likeness.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import delete, exists, func, insert, literal, select

from bot.moderation.likeness import PictureHash
from bot.store.database import Database
from bot.store.schema import blocked_hashes

MAX_HASHES: Final = 100_000


class BlockedHashStore:
    """Every method may raise StoreError. What a method returned is committed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, guild_id: int) -> list[PictureHash]:
        """All hashes of a guild."""
        query = select(blocked_hashes.c.shape, blocked_hashes.c.colours).where(blocked_hashes.c.guild_id == guild_id)
        async with self._database.reading() as connection:
            return [PictureHash(shape, colours) for shape, colours in await connection.execute(query)]

    async def add(
        self, guild_id: int, hashes: Sequence[PictureHash], *, case_number: int | None, limit: int = MAX_HASHES
    ) -> None:
        """Blocks pictures like these; those that are there already stay as they are. case_number: why."""
        here = blocked_hashes.c.guild_id == guild_id
        types = blocked_hashes.c
        async with self._database.transaction() as connection:
            for each in dict.fromkeys(hashes):
                values = {
                    "guild_id": guild_id,
                    "shape": each.shape,
                    "colours": each.colours,
                    "case_number": case_number,
                    "blocked_at": datetime.now(UTC),
                }
                same = here & (types.shape == each.shape) & (types.colours == each.colours)
                row = select(*(literal(value, types[name].type) for name, value in values.items()))
                await connection.execute(
                    insert(blocked_hashes).from_select(list(values), row.where(~exists().where(same)))
                )
            number = await connection.scalar(select(func.count()).select_from(blocked_hashes).where(here)) or 0
            if number > limit:
                oldest = select(types.blocked_at).where(here).order_by(types.blocked_at).offset(number - limit).limit(1)
                await connection.execute(
                    delete(blocked_hashes).where(here, types.blocked_at < oldest.scalar_subquery())
                )

    async def forget(self, guild_id: int, case_number: int) -> int:
        """Unblocks what a case blocked, and says how many that were."""
        of_case = (blocked_hashes.c.guild_id == guild_id) & (blocked_hashes.c.case_number == case_number)
        async with self._database.transaction() as connection:
            return (await connection.execute(delete(blocked_hashes).where(of_case))).rowcount
