"""CLIP's vectors of past pictures, in pages, for searches by meaning. Used by the gallery, on the event loop."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import exists, select

from bot.store.database import Database
from bot.store.past import Scope, in_scope
from bot.store.schema import favourites, images, jobs

JOBS_PER_PAGE: Final = 250
"""At most nine pictures each: about 3 MB with vectors of 512 numbers."""


@dataclass(frozen=True, slots=True)
class VectorPlace:
    """The last job of a page."""

    created_at: datetime
    job_id: str


@dataclass(frozen=True, slots=True)
class VectorPage:
    """rows: job id, rank and float16 vector [projection_dim] as bytes of each picture, the pictures of a job together.

    last: where the next page goes on; None if this is the last one.
    """

    rows: Sequence[tuple[str, int, bytes]]
    last: VectorPlace | None


class VectorStore:
    """Every method may raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self,
        scope: Scope,
        *,
        model: str,
        is_favourites: bool = False,
        after: VectorPlace | None = None,
        num_jobs: int = JOBS_PER_PAGE,
    ) -> VectorPage:
        """The pictures in `scope` that `model` ranked, of the next `num_jobs` jobs, newest first.

        is_favourites: only those that whoever looks has marked. Vectors of other models can't be compared.
        """
        found = select(jobs.c.id, jobs.c.created_at).where(in_scope(scope))
        if after is not None:
            earlier = (jobs.c.created_at < after.created_at) | (jobs.c.id < after.job_id)
            found = found.where(jobs.c.created_at <= after.created_at, earlier)
        found = found.order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(num_jobs)
        async with self._database.reading() as connection:
            places = [VectorPlace(created_at, job_id) for job_id, created_at in await connection.execute(found)]
            vectors = select(images.c.job_id, images.c.rank, images.c.vector).where(
                images.c.job_id.in_([place.job_id for place in places]), images.c.model == model
            )
            if is_favourites:
                is_marked = (favourites.c.job_id == images.c.job_id) & (favourites.c.rank == images.c.rank)
                vectors = vectors.where(exists().where(is_marked, favourites.c.user_id == scope.user_id))
            read = await connection.execute(vectors.order_by(images.c.job_id, images.c.rank))
            rows = [(job_id, rank, vector) for job_id, rank, vector in read]
        return VectorPage(rows, places[-1] if len(places) == num_jobs else None)
