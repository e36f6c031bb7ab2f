"""Messages that show a past result again: who sees one may use its controls, and a deletion takes all of them along.

Used by the cogs, on the event loop.
"""

from dataclasses import asdict, dataclass
from typing import Final

from sqlalchemy import delete, exists, func, insert, literal, select

from bot.store.database import Database
from bot.store.schema import showings

MAX_SHOWINGS: Final = 20
"""Of one job, so that a deletion doesn't take for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Showing:
    """A message, which everybody in its channel can see. Ids are Discord's."""

    message_id: int
    channel_id: int
    job_id: str


class ShowingStore:
    """Every method may raise StoreError. What a method returned is committed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, showing: Showing) -> bool:
        """False if its job has MAX_SHOWINGS already."""
        values = asdict(showing)
        here = showings.c.job_id == showing.job_id
        number = select(func.count()).select_from(showings).where(here).scalar_subquery()
        row = select(*(literal(value, showings.c[name].type) for name, value in values.items()))
        async with self._database.transaction() as connection:
            query = insert(showings).from_select(list(values), row.where(number < MAX_SHOWINGS))
            return (await connection.execute(query)).rowcount == 1

    async def of(self, job_id: str) -> list[Showing]:
        """The messages that show a job again, at most MAX_SHOWINGS."""
        query = select(showings).where(showings.c.job_id == job_id).order_by(showings.c.message_id)
        async with self._database.reading() as connection:
            return [Showing(**row._mapping) for row in await connection.execute(query)]

    async def job_of(self, message_id: int) -> str | None:
        """The id of the job that a message shows again, or None."""
        async with self._database.reading() as connection:
            query = select(showings.c.job_id).where(showings.c.message_id == message_id)
            job_id: str | None = await connection.scalar(query)
            return job_id

    async def is_shown_in(self, job_id: str, channel_id: int) -> bool:
        """Whether a job has been shown again in a channel."""
        shown = (showings.c.job_id == job_id) & (showings.c.channel_id == channel_id)
        async with self._database.reading() as connection:
            return bool(await connection.scalar(select(exists().where(shown))))

    async def remove(self, message_id: int) -> None:
        """The message is gone; nothing happens if it isn't known."""
        async with self._database.transaction() as connection:
            await connection.execute(delete(showings).where(showings.c.message_id == message_id))
