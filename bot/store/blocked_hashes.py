"""The hashes of pictures that a guild's moderators rejected. Used by the cogs, on the event loop.

A guild has at most MAX_HASHES; the oldest give way. They are read all at once, for bot.moderation.likeness.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import delete, exists, func, insert, literal, select

from bot.moderation.likeness import PictureHash
from bot.store.audit import AuditAction, AuditRecord, write_audit
from bot.store.database import Database
from bot.store.schema import blocked_hashes

MAX_HASHES: Final = 100_000


@dataclass(frozen=True, slots=True)
class BlockedCase:
    """What a case has blocked. blocked_at: aware, in UTC."""

    case_number: int
    num_hashes: int
    blocked_at: datetime


class BlockedHashStore:
    """Every method may raise StoreError. What a method returned is committed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, guild_id: int) -> list[PictureHash]:
        """All hashes of a guild."""
        query = select(blocked_hashes.c.shape, blocked_hashes.c.colours).where(blocked_hashes.c.guild_id == guild_id)
        async with self._database.reading() as connection:
            return [PictureHash(shape, colours) for shape, colours in await connection.execute(query)]

    async def has_any(self, guild_id: int) -> bool:
        """Whether a guild blocks any pictures."""
        query = select(exists().where(blocked_hashes.c.guild_id == guild_id))
        async with self._database.reading() as connection:
            return bool(await connection.scalar(query))

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

    async def cases(self, guild_id: int, limit: int) -> list[BlockedCase]:
        """What cases have blocked, the newest first, at most `limit`."""
        types = blocked_hashes.c
        newest = func.max(types.blocked_at)
        query = select(types.case_number, func.count().label("num_hashes"), newest.label("blocked_at"))
        query = query.where(types.guild_id == guild_id, types.case_number.is_not(None)).group_by(types.case_number)
        async with self._database.reading() as connection:
            rows = await connection.execute(query.order_by(newest.desc(), types.case_number.desc()).limit(limit))
            return [BlockedCase(**row._mapping) for row in rows]

    async def forget(self, guild_id: int, case_number: int, actor_id: int) -> int:
        """Unblocks what a case blocked, and says how many that were; the audit gets its record with it."""
        of_case = (blocked_hashes.c.guild_id == guild_id) & (blocked_hashes.c.case_number == case_number)
        async with self._database.transaction() as connection:
            number = (await connection.execute(delete(blocked_hashes).where(of_case))).rowcount
            if number:
                record = AuditRecord(
                    guild_id=guild_id,
                    action=AuditAction.PICTURES_UNBLOCKED,
                    actor_id=actor_id,
                    case_number=case_number,
                    details={"hashes": number},
                )
                await write_audit(connection, record)
            return number
