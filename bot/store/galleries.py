"""What people look back at: one row for each gallery that they opened, so that its pages can be turned. Event loop."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import delete, insert, select

from bot.requests import new_job_id
from bot.store.database import Database
from bot.store.images import ImageKey
from bot.store.schema import galleries

MAX_KEPT: Final = 20
"""Galleries of one user; the oldest are forgotten beyond that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gallery:
    """What somebody looks back at in a guild.

    user_id: who looks. of_user_id: whose results alone. is_favourites: only the pictures that user_id has marked.
    prompt, found: what was searched for, and the pictures that were found, best first; None and () without a search.
    """

    id: str = field(default_factory=new_job_id)
    user_id: int
    guild_id: int
    of_user_id: int | None = None
    is_favourites: bool = False
    prompt: str | None = None
    found: tuple[ImageKey, ...] = ()


class GalleryStore:
    """Every method may raise StoreError. What a method returned is committed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, gallery: Gallery) -> None:
        """Keeps a gallery, and no more than the MAX_KEPT newest ones of its user."""
        values = {column.name: getattr(gallery, column.name) for column in _COLUMNS}
        of_user = galleries.c.user_id == gallery.user_id
        newest = select(galleries.c.id).where(of_user).order_by(galleries.c.created_at.desc(), galleries.c.id)
        kept = newest.limit(MAX_KEPT).subquery()
        async with self._database.transaction() as connection:
            await connection.execute(insert(galleries).values(values | {"created_at": datetime.now(UTC)}))
            await connection.execute(delete(galleries).where(of_user, galleries.c.id.not_in(select(kept.c.id))))

    async def get(self, gallery_id: str) -> Gallery | None:
        """The gallery with this id; None if it is forgotten."""
        async with self._database.reading() as connection:
            found = await connection.execute(select(*_COLUMNS).where(galleries.c.id == gallery_id))
            row = found.one_or_none()
        if row is None:
            return None
        return Gallery(**{**row._mapping, "found": tuple((job_id, rank) for job_id, rank in row.found)})


_COLUMNS: Final = [column for column in galleries.columns if column is not galleries.c.created_at]
