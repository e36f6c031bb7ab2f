import asyncio
from datetime import UTC, datetime

import pytest

from bot.store import Store
from tests.store.samples import SNOWFLAKE, new_job, picture

USER, OTHER = SNOWFLAKE, SNOWFLAKE + 1


@pytest.fixture
async def job_id(store: Store) -> str:
    """A job with nine kept pictures."""
    job = await store.jobs.create(new_job())
    await store.images.save(job.id, [picture(rank) for rank in range(1, 10)])
    return job.id


async def test_favourites_are_each_users_own_newest_first(store: Store, job_id: str) -> None:
    for user_id, rank in ((USER, 1), (OTHER, 1), (USER, 9), (USER, 4)):
        assert await store.favourites.add(user_id, job_id, rank)
    newest, *others = await store.favourites.of(USER, 10)
    assert (newest.user_id, newest.job_id, newest.rank) == (USER, job_id, 4)
    assert [favourite.rank for favourite in others] == [9, 1]
    assert newest.created_at <= datetime.now(UTC)
    assert [favourite.rank for favourite in await store.favourites.of(OTHER, 10)] == [1]


async def test_pages_go_on_where_the_last_one_ended(store: Store, job_id: str) -> None:
    for rank in range(1, 6):
        await store.favourites.add(USER, job_id, rank)
    first = await store.favourites.of(USER, 2)
    await store.favourites.add(USER, job_id, 6)
    second = await store.favourites.of(USER, 2, before=first[-1].id)
    assert [favourite.rank for favourite in first + second] == [5, 4, 3, 2]


async def test_adding_twice_makes_one(store: Store, job_id: str) -> None:
    added = await asyncio.gather(*(store.favourites.add(USER, job_id, 2) for _ in range(4)))
    assert all(added)
    assert len(await store.favourites.of(USER, 10)) == 1


async def test_a_picture_that_is_not_kept_can_not_be_added(store: Store, job_id: str) -> None:
    assert not await store.favourites.add(USER, job_id, 10)
    assert not await store.favourites.add(USER, "0123456789ab", 1)
    assert await store.favourites.of(USER, 10) == []


async def test_removing(store: Store, job_id: str) -> None:
    await store.favourites.add(USER, job_id, 1)
    assert not await store.favourites.remove(OTHER, job_id, 1)
    assert await store.favourites.remove(USER, job_id, 1)
    assert not await store.favourites.remove(USER, job_id, 1)
    assert await store.favourites.of(USER, 10) == []


async def test_deleted_pictures_are_nobodys_favourites(store: Store, job_id: str) -> None:
    await store.favourites.add(USER, job_id, 1)
    await store.images.delete(job_id)
    assert await store.favourites.of(USER, 10) == []
