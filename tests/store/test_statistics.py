"""What is counted for whom, and that no question grows with the store."""

from dataclasses import replace

import pytest

from bot.store import Store, statistics
from bot.store.statistics import Statistics
from tests.store.test_past import ASKER, OTHER, SCOPE, UNSEEN, delivered


async def test_nothing(store: Store) -> None:
    assert await store.statistics.of(SCOPE) == Statistics(0, 0, 0, [], [])


async def test_what_the_asker_may_see(store: Store) -> None:
    first = await delivered(store, 1, ranks=3, prompt="first")
    second = await delivered(store, 2, ranks=2, prompt="second", user_id=ASKER)
    await delivered(store, 3, channel_id=UNSEEN)
    await delivered(store, 4, is_private=True)
    for user_id, job, rank in ((ASKER, first, 1), (OTHER, first, 1), (OTHER, second, 2)):
        await store.favourites.add(user_id, job.id, rank)
    told = await store.statistics.of(SCOPE)
    assert (told.num_results, told.num_pictures, told.num_favourites) == (2, 5, 3)
    assert told.prompts == ["second", "first"]
    assert told.waits_s == [(job.updated_at - job.created_at).total_seconds() for job in (second, first)]
    assert not told.is_cut
    of_one = await store.statistics.of(replace(SCOPE, of_user_id=ASKER))
    assert (of_one.num_results, of_one.num_pictures, of_one.num_favourites) == (1, 2, 1)


async def test_only_the_newest_are_counted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "MAX_COUNTED", 2)
    monkeypatch.setattr(statistics, "MAX_SAMPLED", 1)
    for number in range(3):
        await delivered(store, number, prompt=str(number), ranks=number + 1)
    told = await store.statistics.of(SCOPE)
    assert (told.num_results, told.num_pictures, told.prompts, len(told.waits_s)) == (2, 5, ["2"], 1)
    assert told.is_cut
