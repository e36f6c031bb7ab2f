import numpy as np
import pytest
from blockbuster import blockbuster_ctx

from bot.errors import StoreError
from bot.store import JobRecord, Store
from tests.store.samples import SNOWFLAKE, new_job, picture

GUILD = SNOWFLAKE + 9


async def job_with_pictures(
    store: Store, number: int, *, ranks: int = 2, model: str = "demo", **job: object
) -> JobRecord:
    record = await store.jobs.create(new_job(number, **({"guild_id": GUILD} | job)))
    await store.images.save(record.id, [picture(rank, model=model) for rank in range(1, ranks + 1)])
    return record


async def test_pictures_come_back_best_first(store: Store) -> None:
    job = await store.jobs.create(new_job())
    assert await store.images.of(job.id) == []
    given = [picture(2), picture(1)]
    await store.images.save(job.id, given)
    best, second = await store.images.of(job.id)
    for kept, wanted in ((best, given[1]), (second, given[0])):
        assert (kept.rank, kept.index, kept.score, kept.model) == (wanted.rank, wanted.index, wanted.score, "demo")
        np.testing.assert_array_equal(kept.tokens, wanted.tokens)
        np.testing.assert_array_equal(kept.vector, wanted.vector)
        assert [str(array.dtype) for array in (kept.tokens, kept.vector)] == ["int32", "float32"]


async def test_a_vector_keeps_eleven_bits(store: Store) -> None:
    job = await store.jobs.create(new_job())
    exact = np.random.default_rng(0).standard_normal(512).astype(np.float32)
    exact /= np.linalg.norm(exact)
    await store.images.save(job.id, [picture(1, vector=exact)])
    (kept,) = await store.images.of(job.id)
    np.testing.assert_allclose(kept.vector, exact, rtol=2**-11, atol=1e-7)
    assert float(kept.vector @ exact) == pytest.approx(1, abs=1e-4)


async def test_a_job_that_is_drawn_again_replaces_its_pictures_and_keeps_who_liked_them(store: Store) -> None:
    job = await job_with_pictures(store, 1, ranks=3)
    for rank in (1, 3):
        assert await store.favourites.add(SNOWFLAKE, job.id, rank)
    await store.images.save(job.id, [picture(1, index=8), picture(2)])
    assert [(image.rank, image.index) for image in await store.images.of(job.id)] == [(1, 8), (2, 5)]
    assert [favourite.rank for favourite in await store.favourites.of(SNOWFLAKE, 10)] == [1]


async def test_pictures_of_an_unknown_job_are_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="does not hold the job that this belongs to"):
        await store.images.save("0123456789ab", [picture(1)])


async def test_deleting_takes_all_pictures_of_one_job(store: Store) -> None:
    first, second = [await job_with_pictures(store, number) for number in (1, 2)]
    await store.images.delete(first.id)
    await store.images.delete(first.id)
    assert await store.images.of(first.id) == []
    assert len(await store.images.of(second.id)) == 2


async def test_the_event_loop_is_never_blocked(store: Store) -> None:
    with blockbuster_ctx():
        job = await job_with_pictures(store, 1)
        assert len(await store.images.of(job.id)) == 2
