"""Which past results a store gives to whom, and how pages follow each other."""

from dataclasses import replace
from typing import Any

import pytest

from bot.store import Cursor, JobRecord, JobState, PastImage, Scope, Store
from tests.store.samples import SNOWFLAKE, new_job, picture

GUILD, ASKER, OTHER, SEEN, UNSEEN = (SNOWFLAKE + n for n in range(5))
SCOPE = Scope(GUILD, ASKER, frozenset({SEEN}))
STEPS = (JobState.QUEUED, JobState.RUNNING, JobState.DELIVERING, JobState.DELIVERED)


async def delivered(store: Store, number: int, *, ranks: int = 2, to: JobState = STEPS[-1], **job: Any) -> JobRecord:
    """A job of OTHER in a channel that the asker can see."""
    values = {"guild_id": GUILD, "channel_id": SEEN, "user_id": OTHER, "num_images": ranks} | job
    record = await store.jobs.create(new_job(number, **values))
    await store.images.save(record.id, [picture(rank) for rank in range(1, ranks + 1)])
    await store.jobs.acknowledge(record.id, values["channel_id"], number)
    for state in STEPS[: STEPS.index(to) + 1]:
        record = await store.jobs.move(record.id, state)
    return record


def ids(past: list[PastImage]) -> list[str]:
    return [image.job.id for image in past]


async def test_the_best_picture_of_each_result_newest_first(store: Store) -> None:
    jobs = [await delivered(store, number) for number in range(3)]
    past = await store.past.results(SCOPE, 10)
    assert past == [PastImage(job, 1) for job in reversed(jobs)]
    assert ids(await store.past.results(SCOPE, 2)) == ids(past)[:2]


@pytest.mark.parametrize(
    "job",
    [
        {"channel_id": UNSEEN},
        {"is_private": True},
        {"guild_id": GUILD + 9},
        {"guild_id": None},
        {"to": JobState.DELIVERING},
        {"ranks": 0},
        {"channel_id": UNSEEN, "user_id": ASKER},
        {"is_private": True, "user_id": ASKER, "guild_id": GUILD + 9},
    ],
    ids=str,
)
async def test_what_the_asker_may_not_see(store: Store, job: dict[str, Any]) -> None:
    record = await delivered(store, 1, **job)
    await store.favourites.add(ASKER, record.id, 1)
    assert await store.past.results(SCOPE, 10) == []
    assert await store.past.favourites(SCOPE, 10) == []
    assert await store.past.these(SCOPE, [(record.id, 1)]) == []


async def test_ones_own_private_results_are_there(store: Store) -> None:
    job = await delivered(store, 1, is_private=True, user_id=ASKER, channel_id=UNSEEN)
    assert ids(await store.past.results(SCOPE, 10)) == [job.id]
    assert await store.past.results(replace(SCOPE, user_id=OTHER), 10) == []


async def test_deleted_results_are_gone(store: Store) -> None:
    job = await delivered(store, 1)
    assert await store.jobs.delete(job.id)
    assert await store.past.results(SCOPE, 10) == []
    assert await store.past.these(SCOPE, [(job.id, 1)]) == []


async def test_of_one_user(store: Store) -> None:
    jobs = [await delivered(store, number, user_id=user) for number, user in enumerate((ASKER, OTHER))]
    assert ids(await store.past.results(replace(SCOPE, of_user_id=OTHER), 10)) == [jobs[1].id]
    for job in jobs:
        await store.favourites.add(ASKER, job.id, 2)
    (favourite,) = await store.past.favourites(replace(SCOPE, of_user_id=ASKER), 10)
    assert (favourite.job.id, favourite.rank) == (jobs[0].id, 2)


async def test_pages_in_both_directions(store: Store) -> None:
    jobs = [await delivered(store, number) for number in range(5)]
    oldest, second, third, fourth, newest = (job.id for job in jobs)
    assert ids(await store.past.results(SCOPE, 2, Cursor(fourth))) == [third, second]
    assert ids(await store.past.results(SCOPE, 9, Cursor(oldest))) == []
    assert ids(await store.past.results(SCOPE, 2, Cursor(oldest, is_newer=True))) == [third, second]
    assert ids(await store.past.results(SCOPE, 9, Cursor(third, is_newer=True))) == [newest, fourth]
    await store.jobs.delete(third)
    assert ids(await store.past.results(SCOPE, 9, Cursor(third))) == [second, oldest]
    assert await store.past.results(SCOPE, 9, Cursor("0123456789ab")) == []


async def test_results_of_the_same_moment_are_each_shown_once(store: Store) -> None:
    parts = [new_job(1, guild_id=GUILD, channel_id=SEEN, num_images=1, interaction_part=part) for part in range(4)]
    await store.jobs.create(*parts)
    for part in parts:
        await store.images.save(part.id, [picture(1)])
        await store.jobs.acknowledge(part.id, SEEN, 5)
        for state in STEPS:
            await store.jobs.move(part.id, state)
    first = await store.past.results(SCOPE, 2)
    second = await store.past.results(SCOPE, 2, Cursor(first[-1].job.id))
    assert sorted(ids(first + second)) == sorted(part.id for part in parts)
    assert await store.past.results(SCOPE, 2, Cursor(second[0].job.id, is_newer=True)) == first


async def test_pages_of_favourites(store: Store) -> None:
    job = await delivered(store, 1, ranks=4)
    for rank in (3, 1, 4, 2):
        assert await store.favourites.add(ASKER, job.id, rank)
    assert await store.favourites.add(OTHER, job.id, 4)
    first = await store.past.favourites(SCOPE, 3)
    assert [favourite.rank for favourite in first] == [2, 4, 1]
    shown = str(first[1].favourite_id)
    assert [favourite.rank for favourite in await store.past.favourites(SCOPE, 3, Cursor(shown))] == [1, 3]
    newer = await store.past.favourites(SCOPE, 3, Cursor(shown, is_newer=True))
    assert [favourite.rank for favourite in newer] == [2]


async def test_given_pictures_keep_their_order(store: Store) -> None:
    first, second = [await delivered(store, number) for number in range(2)]
    keys = [(first.id, 2), ("0123456789ab", 1), (second.id, 1), (first.id, 1), (first.id, 7)]
    found = await store.past.these(SCOPE, keys)
    assert [(past.job.id, past.rank) for past in found] == [keys[0], keys[2], keys[3]]
    assert await store.past.these(SCOPE, []) == []
