import asyncio

import pytest

from bot.sandbox.clock import DISCORD_EPOCH_S, Clock, Snowflakes, iso
from bot.shards import shard_of


async def test_sleepers_wake_when_time_is_moved() -> None:
    clock = Clock(lambda: 1000.0)
    asleep = asyncio.create_task(clock.sleep_until(1900))
    await asyncio.sleep(0)
    clock.advance(899)
    await asyncio.sleep(0.01)
    assert not asleep.done()
    clock.advance(1)
    await asyncio.wait_for(asleep, 1)
    assert clock.now() == 1900


async def test_sleepers_wake_by_themselves() -> None:
    clock = Clock()
    await asyncio.wait_for(clock.sleep_until(clock.now() + 0.01), 1)


@pytest.mark.parametrize("seconds", [-1.0, float("nan")])
def test_time_never_goes_back(seconds: float) -> None:
    with pytest.raises(ValueError, match="only moves forward"):
        Clock().advance(seconds)


def test_snowflakes_grow_and_tell_the_time() -> None:
    clock = Clock(lambda: 1_700_000_000.0)
    ids = Snowflakes(clock)
    first, second = int(ids.new()), int(ids.new())
    assert first < second
    assert (second >> 22) / 1000 + 1_420_070_400 == 1_700_000_000
    clock.advance(1)
    assert (int(ids.new()) >> 22) - (first >> 22) == 1000


def test_iso() -> None:
    assert iso(1_700_000_000.25) == "2023-11-14T22:13:20.250000+00:00"


def test_ids_of_later_milliseconds_go_through_all_shards() -> None:
    snowflakes = Snowflakes(Clock(lambda: DISCORD_EPOCH_S + 1000.0))
    before = int(snowflakes.new())
    ids = [int(snowflakes.later()) for _ in range(3)]
    assert {shard_of(guild_id, 3) for guild_id in ids} == {0, 1, 2}
    assert before < ids[0] < ids[1] < ids[2] < int(snowflakes.new())
