"""Numbers of what somebody may look back at, from a bounded number of rows. Used by /stats, on the event loop."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select

from bot.store.database import Database
from bot.store.past import Scope, in_scope
from bot.store.schema import favourites, jobs

MAX_COUNTED: Final = 10_000
MAX_SAMPLED: Final = 1000


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of the newest MAX_COUNTED results in a scope.

    num_favourites: how often somebody has marked one of their pictures. waits_s: from the question to the pictures, of
    the newest MAX_SAMPLED; prompts: theirs.
    """

    num_results: int
    num_pictures: int
    num_favourites: int
    waits_s: Sequence[float]
    prompts: Sequence[str]

    @property
    def is_cut(self) -> bool:
        """Whether there may be more."""
        return self.num_results == MAX_COUNTED


class StatisticsStore:
    """Every method may raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, scope: Scope) -> Statistics:
        """What there is in a scope."""
        newest = select(jobs.c.id, jobs.c.num_images).where(in_scope(scope)).order_by(jobs.c.created_at.desc())
        counted = newest.limit(MAX_COUNTED).subquery()
        totals = select(func.count(), func.coalesce(func.sum(counted.c.num_images), 0)).select_from(counted)
        marked = select(func.count()).select_from(favourites.join(counted, counted.c.id == favourites.c.job_id))
        sampled = select(jobs.c.created_at, jobs.c.updated_at, jobs.c.prompt).where(in_scope(scope))
        sampled = sampled.order_by(jobs.c.created_at.desc()).limit(MAX_SAMPLED)
        async with self._database.reading() as connection:
            num_results, num_pictures = (await connection.execute(totals)).one()
            num_favourites = await connection.scalar(marked) or 0
            rows = (await connection.execute(sampled)).all()
        # A delivered job is never changed again.
        waits_s = [(delivered - asked).total_seconds() for asked, delivered, _ in rows]
        return Statistics(num_results, int(num_pictures), num_favourites, waits_s, [prompt for *_, prompt in rows])
