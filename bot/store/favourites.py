"""Who likes which picture. Used by the views and the gallery, on the event loop."""

from datetime import UTC, datetime

from sqlalchemy import ColumnElement, delete, exists, insert, literal, select

from bot.store.database import Database
from bot.store.records import Favourite
from bot.store.schema import favourites, images


class FavouriteStore:
    """Every method may raise StoreError. What a method returned is committed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, user_id: int, job_id: str, rank: int) -> bool:
        """Makes a kept picture a favourite; nothing changes if it is one. False if no such picture is kept."""
        picture = (images.c.job_id == job_id) & (images.c.rank == rank)
        columns = ["user_id", "job_id", "rank", "created_at"]
        values = select(
            literal(user_id, favourites.c.user_id.type),
            images.c.job_id,
            images.c.rank,
            literal(datetime.now(UTC), favourites.c.created_at.type),
        ).where(picture, ~exists().where(_is(user_id, job_id, rank)))
        async with self._database.transaction() as connection:
            added = await connection.execute(insert(favourites).from_select(columns, values))
            if added.rowcount:
                return True
            return bool(await connection.scalar(select(exists().where(picture))))

    async def remove(self, user_id: int, job_id: str, rank: int) -> bool:
        """Whether it was a favourite; it is none any more."""
        async with self._database.transaction() as connection:
            removed = await connection.execute(delete(favourites).where(_is(user_id, job_id, rank)))
            return removed.rowcount == 1

    async def of(self, user_id: int, limit: int, before: int | None = None) -> list[Favourite]:
        """The favourites of one user, newest first, at most `limit`. before: the id of a favourite, to go on after."""
        query = select(favourites).where(favourites.c.user_id == user_id)
        if before is not None:
            query = query.where(favourites.c.id < before)
        async with self._database.reading() as connection:
            rows = await connection.execute(query.order_by(favourites.c.id.desc()).limit(limit))
            return [Favourite(**row._mapping) for row in rows]


def _is(user_id: int, job_id: str, rank: int) -> ColumnElement[bool]:
    return (favourites.c.user_id == user_id) & (favourites.c.job_id == job_id) & (favourites.c.rank == rank)
