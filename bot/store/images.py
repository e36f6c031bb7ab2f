"""What is kept of each picture beside its file: tokens to vary it, a vector to find it. Used on the event loop."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from sqlalchemy import Row, delete, insert, select, update

from bot.store.column_types import INT32
from bot.store.database import Database
from bot.store.records import StoredImage
from bot.store.schema import images

FLOAT16: Final = np.dtype("<f2")

ImageKey = tuple[str, int]  # job id and rank


class ImageStore:
    """Every method may raise StoreError. What a method returned is committed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, job_id: str, pictures: Sequence[StoredImage]) -> None:
        """Stores the pictures of a job that is in the store, over those that a job drawn twice has already.

        Favourites of the same rank stay.
        """
        of_job = images.c.job_id == job_id
        given = {picture.rank: _values(picture) for picture in pictures}
        async with self._database.transaction() as connection:
            await connection.execute(delete(images).where(of_job, images.c.rank.not_in(given)))
            there = set(await connection.scalars(select(images.c.rank).where(of_job)))
            for rank in there:
                await connection.execute(update(images).where(of_job, images.c.rank == rank).values(given[rank]))
            new = [values | {"job_id": job_id} for rank, values in given.items() if rank not in there]
            if new:
                await connection.execute(insert(images), new)

    async def of(self, job_id: str) -> list[StoredImage]:
        """The pictures of a job by rank, best first; [] if none are kept."""
        async with self._database.reading() as connection:
            rows = await connection.execute(select(images).where(images.c.job_id == job_id).order_by(images.c.rank))
            return [_image(row) for row in rows]

    async def delete(self, job_id: str) -> None:
        """Forgets the pictures of a job, and who liked them."""
        async with self._database.transaction() as connection:
            await connection.execute(delete(images).where(images.c.job_id == job_id))


def _values(picture: StoredImage) -> dict[str, Any]:
    return {
        "rank": picture.rank,
        "index": picture.index,
        "score": picture.score,
        "model": picture.model,
        "tokens": picture.tokens.astype(INT32).tobytes(),
        "vector": picture.vector.astype(FLOAT16).tobytes(),
    }


def _image(row: Row[Any]) -> StoredImage:
    values = {name: value for name, value in row._mapping.items() if name != "job_id"}
    values["tokens"] = np.frombuffer(row.tokens, INT32).astype(np.int32)
    values["vector"] = np.frombuffer(row.vector, FLOAT16).astype(np.float32)
    return StoredImage(**values)
