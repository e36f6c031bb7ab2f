"""Which process has which shard, for a while that it renews. PostgreSQL only: SQLite serves one process.

Used by the process's ShardOwner, on the event loop. The server's clock counts, and one writer at a time: of two
processes that want the same shard one gets it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, DateTime, Select, delete, func, insert, select, update

from bot.shards import Shards
from bot.store.database import Database
from bot.store.schema import shard_leases

# Not now(), which is when the transaction began: it may have waited for its turn since.
_NOW: Final = func.clock_timestamp(type_=DateTime(timezone=True))


@dataclass(frozen=True, slots=True)
class ShardLease:
    """A shard that a process has. count: of the shards, as that process sees it. expires_at: aware. demand: see
    `LeaseStore.renew`."""

    shard: int
    count: int
    owner: str
    expires_at: datetime
    demand: float


class LeaseStore:
    """Every method may raise StoreError. owner: a name that no other process has, now or later."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def in_the_way(self, owner: str, shards: Shards) -> tuple[ShardLease, ...]:
        """Leases of others that keep the owner from taking the shards, by shard: they are of the same ones, or of
        another number of shards in all."""
        return tuple(each for each in await self.held() if each.owner != owner and _collides(each, shards))

    async def take(self, owner: str, shards: Shards, lease_s: float) -> bool:
        """Takes all of the shards, or none: then something is in the way."""
        async with self._database.transaction(is_urgent=True) as connection:
            others = await connection.execute(select(shard_leases).where(shard_leases.c.owner != owner, _holds()))
            if any(_collides(ShardLease(**row._mapping), shards) for row in others):
                return False
            gone = ~_holds() | (shard_leases.c.owner == owner)
            await connection.execute(delete(shard_leases).where(gone))
            until = _NOW + timedelta(seconds=lease_s)
            rows = [
                {"shard": shard, "count": shards.count, "owner": owner, "expires_at": until, "demand": 0.0}
                for shard in shards.ids
            ]
            await connection.execute(insert(shard_leases).values(rows))
        return True

    async def renew(self, owner: str, shards: Shards, lease_s: float, demand: float) -> float | None:
        """Has the leases hold for `lease_s` from now; the demand of all other processes together. None if one of them
        is over or somebody else's: then nothing is renewed.

        demand: for slots that the processes share; 0.0 if nothing waits for them.
        """
        mine = shard_leases.c.owner == owner
        changes = {"expires_at": _NOW + timedelta(seconds=lease_s), "demand": demand}
        async with self._database.transaction(is_urgent=True) as connection:
            num_held = await connection.scalar(select(func.count()).select_from(shard_leases).where(mine, _holds()))
            if num_held != len(shards.ids):
                return None
            await connection.execute(update(shard_leases).where(mine).values(changes))
            others = select(func.max(shard_leases.c.demand)).where(~mine, _holds()).group_by(shard_leases.c.owner)
            return sum((await connection.scalars(others)).all(), 0.0)

    async def release(self, owner: str) -> None:
        """Gives back what a process has."""
        async with self._database.transaction(is_urgent=True) as connection:
            await connection.execute(delete(shard_leases).where(shard_leases.c.owner == owner))

    async def held(self) -> list[ShardLease]:
        """All that hold now, by shard."""
        query: Select[Any] = select(shard_leases).where(_holds()).order_by(shard_leases.c.shard)
        async with self._database.reading() as connection:
            return [ShardLease(**row._mapping) for row in await connection.execute(query)]


def _collides(lease: ShardLease, shards: Shards) -> bool:
    return lease.count != shards.count or lease.shard in shards.ids


def _holds() -> ColumnElement[bool]:
    return shard_leases.c.expires_at > _NOW
