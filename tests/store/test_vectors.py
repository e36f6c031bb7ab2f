"""Pages of vectors: which pictures they hold, and how they follow each other."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from blockbuster import blockbuster_ctx

from bot.store import Store
from bot.store.images import FLOAT16
from tests.store.samples import picture
from tests.store.test_past import ASKER, GUILD, OTHER, SCOPE, UNSEEN, delivered


async def keys(store: Store, model: str = "demo") -> set[tuple[str, int]]:
    page = await store.vectors.page(SCOPE, model=model)
    return {(job_id, rank) for job_id, rank, _ in page.rows}


async def test_vectors_come_as_they_are_kept(store: Store) -> None:
    job = await delivered(store, 1)
    page = await store.vectors.page(SCOPE, model="demo")
    assert [row[:2] for row in page.rows] == [(job.id, 1), (job.id, 2)]
    np.testing.assert_array_equal(np.frombuffer(page.rows[1][2], FLOAT16), [0.5, -0.5])
    assert page.last is None


async def test_pages_hold_whole_jobs_newest_first_and_end(store: Store) -> None:
    jobs = [await delivered(store, number, ranks=2) for number in range(4)]
    seen, after = [], None
    for _ in range(3):
        page = await store.vectors.page(SCOPE, model="demo", after=after, num_jobs=2)
        seen.append([row[:2] for row in page.rows])
        after = page.last
        if after is None:
            break
    first, second, last = seen
    assert sorted(first) == sorted((job.id, rank) for job in jobs[2:] for rank in (1, 2))
    assert sorted(second) == sorted((job.id, rank) for job in jobs[:2] for rank in (1, 2))
    assert (last, after) == ([], None)


async def test_vectors_of_another_model_are_left_out_and_the_pages_go_on(store: Store) -> None:
    old = await delivered(store, 1)
    new = await delivered(store, 2)
    await store.images.save(new.id, [picture(1, model="mega")])
    assert await keys(store) == {(old.id, 1), (old.id, 2)}
    page = await store.vectors.page(SCOPE, model="demo", num_jobs=1)
    assert page.rows == []
    assert page.last is not None
    page = await store.vectors.page(SCOPE, model="demo", num_jobs=1, after=page.last)
    assert {row[0] for row in page.rows} == {old.id}


@pytest.mark.parametrize(
    "job", [{"channel_id": UNSEEN}, {"is_private": True}, {"guild_id": GUILD + 9}, {"guild_id": None}], ids=str
)
async def test_what_the_asker_may_not_see(store: Store, job: dict[str, Any]) -> None:
    await delivered(store, 1, **job)
    assert await keys(store) == set()


async def test_deleted_results_are_gone(store: Store) -> None:
    job = await delivered(store, 1)
    await store.jobs.delete(job.id)
    assert await keys(store) == set()


async def test_only_favourites_of_whoever_looks(store: Store) -> None:
    job = await delivered(store, 1, ranks=3)
    await store.favourites.add(ASKER, job.id, 2)
    await store.favourites.add(OTHER, job.id, 3)
    page = await store.vectors.page(SCOPE, model="demo", is_favourites=True)
    assert [row[:2] for row in page.rows] == [(job.id, 2)]
    page = await store.vectors.page(replace(SCOPE, of_user_id=ASKER), model="demo", is_favourites=True)
    assert page.rows == []


async def test_the_event_loop_is_never_blocked(store: Store) -> None:
    await delivered(store, 1)
    with blockbuster_ctx():
        assert len(await keys(store)) == 2
