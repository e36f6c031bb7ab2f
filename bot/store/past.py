"""Past results for those who may see them: pages of pictures, newest first. Used by the gallery, on the event loop.

A result that was deleted or is hidden, that wasn't delivered or whose pictures aren't kept is never among them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Select, and_, or_, select, tuple_

from bot.store.database import Database
from bot.store.images import ImageKey
from bot.store.jobs import record_of
from bot.store.records import JobRecord
from bot.store.schema import favourites, images, jobs
from bot.store.states import JobState


@dataclass(frozen=True, slots=True)
class Scope:
    """What somebody may look back at in a guild: results in channels that they can see, and their own private ones.

    user_id: who looks. channel_ids: those channels. of_user_id: only results of this user.
    """

    guild_id: int
    user_id: int
    channel_ids: frozenset[int]
    of_user_id: int | None = None


@dataclass(frozen=True, slots=True)
class PastImage:
    """One picture of a past result. favourite_id: where it was read as a favourite."""

    job: JobRecord
    rank: int
    favourite_id: int | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page begins: next to what was shown last, a job's id or, among favourites, a favourite's.

    is_newer: whether the page is what came after that, instead of what was there before.
    """

    shown: str
    is_newer: bool = False


class PastStore:
    """Every method may raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def results(self, scope: Scope, limit: int, cursor: Cursor | None = None) -> list[PastImage]:
        """The best picture of each result, newest first: the `limit` nearest to the cursor, or the newest of all.

        The cursor's job may have been deleted meanwhile; [] if there is no such job.
        """
        query = _pictures(scope).where(images.c.rank == 1)
        is_newer = cursor is not None and cursor.is_newer
        async with self._database.reading() as connection:
            if cursor is not None:
                at = await connection.scalar(select(jobs.c.created_at).where(jobs.c.id == cursor.shown))
                if at is None:
                    return []
                # The first condition of each is for the index.
                if is_newer:
                    beyond = (jobs.c.created_at >= at) & ((jobs.c.created_at > at) | (jobs.c.id > cursor.shown))
                else:
                    beyond = (jobs.c.created_at <= at) & ((jobs.c.created_at < at) | (jobs.c.id < cursor.shown))
                query = query.where(beyond)
            rows = await connection.execute(_nearest(query, (jobs.c.created_at, jobs.c.id), limit, is_newer=is_newer))
            return _newest_first(rows, is_newer=is_newer)

    async def favourites(self, scope: Scope, limit: int, cursor: Cursor | None = None) -> list[PastImage]:
        """The favourites of whoever looks, by when they were marked; otherwise as `results`."""
        query = _pictures(scope, favourites.c.id.label(_FAVOURITE)).join(
            favourites, (favourites.c.job_id == images.c.job_id) & (favourites.c.rank == images.c.rank)
        )
        query = query.where(favourites.c.user_id == scope.user_id)
        is_newer = cursor is not None and cursor.is_newer
        if cursor is not None:
            shown = int(cursor.shown)
            query = query.where(favourites.c.id > shown if is_newer else favourites.c.id < shown)
        async with self._database.reading() as connection:
            rows = await connection.execute(_nearest(query, (favourites.c.id,), limit, is_newer=is_newer))
            return _newest_first(rows, is_newer=is_newer)

    async def these(self, scope: Scope, keys: Sequence[ImageKey]) -> list[PastImage]:
        """Those of the given pictures that are still there and may be seen, in the given order."""
        query = _pictures(scope).where(tuple_(images.c.job_id, images.c.rank).in_(keys))
        async with self._database.reading() as connection:
            found = [_past(row) for row in await connection.execute(query)]
        by_key = {(past.job.id, past.rank): past for past in found}
        return [by_key[key] for key in keys if key in by_key]


_RANK: Final = "picture_rank"
_FAVOURITE: Final = "favourite_id"


def in_scope(scope: Scope) -> ColumnElement[bool]:
    """Whether a row of `jobs` is a result that may be looked back at."""
    open_to_others = jobs.c.is_private.is_(False) & jobs.c.channel_id.in_(sorted(scope.channel_ids))
    ones_own = jobs.c.is_private.is_(True) & (jobs.c.user_id == scope.user_id)
    conditions = [
        jobs.c.guild_id == scope.guild_id,
        jobs.c.state == JobState.DELIVERED,
        jobs.c.deleted_at.is_(None),
        jobs.c.hidden_at.is_(None),
        or_(open_to_others, ones_own),
    ]
    if scope.of_user_id is not None:
        conditions.append(jobs.c.user_id == scope.of_user_id)
    return and_(*conditions)


def _pictures(scope: Scope, *columns: ColumnElement[Any]) -> Select[Any]:
    query = select(*jobs.c, images.c.rank.label(_RANK), *columns)
    return query.join(images, images.c.job_id == jobs.c.id).where(in_scope(scope))


def _nearest(query: Select[Any], order: Sequence[ColumnElement[Any]], limit: int, *, is_newer: bool) -> Select[Any]:
    return query.order_by(*(column.asc() if is_newer else column.desc() for column in order)).limit(limit)


def _newest_first(rows: Any, *, is_newer: bool) -> list[PastImage]:
    read = [_past(row) for row in rows]
    return read[::-1] if is_newer else read


def _past(row: Row[Any]) -> PastImage:
    values = dict(row._mapping)
    rank, favourite_id = values.pop(_RANK), values.pop(_FAVOURITE, None)
    return PastImage(record_of(values), rank, favourite_id)
