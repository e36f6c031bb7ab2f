import asyncio

import pytest

from bot.errors import StoreError
from bot.store import Showing, Store
from bot.store.showings import MAX_SHOWINGS
from tests.store.samples import SNOWFLAKE, new_job

CHANNEL = SNOWFLAKE + 5


def showing(job_id: str, number: int, channel_id: int = CHANNEL) -> Showing:
    return Showing(message_id=SNOWFLAKE + 100 + number, channel_id=channel_id, job_id=job_id)


async def test_where_a_result_was_shown_again(store: Store) -> None:
    job = await store.jobs.create(new_job())
    assert await store.showings.of(job.id) == []
    assert not await store.showings.is_shown_in(job.id, CHANNEL)
    first, second = showing(job.id, 1), showing(job.id, 2, CHANNEL + 1)
    for each in (first, second):
        assert await store.showings.add(each)
    assert await store.showings.of(job.id) == [first, second]
    assert await store.showings.is_shown_in(job.id, CHANNEL)
    assert not await store.showings.is_shown_in(job.id, CHANNEL + 2)
    assert not await store.showings.is_shown_in("0123456789ab", CHANNEL)
    for _ in range(2):
        await store.showings.remove(first.message_id)
    assert await store.showings.of(job.id) == [second]


async def test_no_more_than_so_many_even_at_once(store: Store) -> None:
    job, other = [await store.jobs.create(new_job(number)) for number in (1, 2)]
    added = await asyncio.gather(*(store.showings.add(showing(job.id, n)) for n in range(MAX_SHOWINGS + 5)))
    assert sum(added) == MAX_SHOWINGS
    assert await store.showings.add(showing(other.id, 100))


async def test_of_an_unknown_job(store: Store) -> None:
    with pytest.raises(StoreError, match="does not hold the job"):
        await store.showings.add(showing("0123456789ab", 1))
