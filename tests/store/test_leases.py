"""Leases of shards, on a real PostgreSQL: who gets them, how long, and who is in the way."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bot.shards import Shards
from bot.store import LeaseStore, Store
from tests.store.postgres import PostgresServer
from tests.store.samples import let_leases_end

LEASE_S = 600.0
LOW, HIGH = Shards(4, (0, 1)), Shards(4, (2, 3))


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.empty_database()


@pytest.fixture
async def leases(url: str) -> AsyncIterator[LeaseStore]:
    async with Store.open(url) as store:
        yield store.leases


async def holders(leases: LeaseStore) -> dict[int, str]:
    return {lease.shard: lease.owner for lease in await leases.held()}


async def test_each_shard_has_one_owner(leases: LeaseStore) -> None:
    assert await leases.take("low", LOW, LEASE_S)
    assert await leases.take("high", HIGH, LEASE_S)
    assert not await leases.take("late", Shards(4, (1,)), LEASE_S)
    (in_the_way,) = await leases.in_the_way("late", Shards(4, (1,)))
    assert (in_the_way.shard, in_the_way.owner, in_the_way.count) == (1, "low", 4)
    assert await holders(leases) == {0: "low", 1: "low", 2: "high", 3: "high"}


async def test_all_shards_are_taken_or_none(leases: LeaseStore) -> None:
    await leases.take("high", HIGH, LEASE_S)
    assert not await leases.take("late", Shards(4, (1, 2)), LEASE_S)
    assert [each.shard for each in await leases.in_the_way("late", Shards(4, (1, 2)))] == [2]
    assert await leases.in_the_way("high", HIGH) == ()
    assert await holders(leases) == {2: "high", 3: "high"}


async def test_of_many_that_want_the_same_at_once_one_gets_it(url: str) -> None:
    async def ask(owner: str) -> bool:
        async with Store.open(url) as store:
            return await store.leases.take(owner, LOW, LEASE_S)

    assert sum(await asyncio.gather(*(ask(f"process {number}") for number in range(4)))) == 1


async def test_what_is_not_renewed_is_over_and_goes_to_others(leases: LeaseStore, url: str) -> None:
    await leases.take("low", LOW, LEASE_S)
    await leases.take("high", HIGH, LEASE_S)
    let_leases_end(url, "low")
    assert await leases.renew("low", LOW, LEASE_S, 0.0) is None
    assert await holders(leases) == {2: "high", 3: "high"}
    assert await leases.take("standby", LOW, LEASE_S)
    assert await leases.renew("low", LOW, LEASE_S, 0.0) is None
    assert await leases.renew("standby", LOW, LEASE_S, 0.0) == 0.0


async def test_renewing_puts_the_end_off_and_tells_what_others_want(leases: LeaseStore, url: str) -> None:
    await leases.take("low", LOW, 1.0)
    await leases.take("high", HIGH, LEASE_S)
    before = {lease.shard: lease.expires_at for lease in await leases.held()}
    assert await leases.renew("low", LOW, LEASE_S, 2.5) == 0.0
    after = {lease.shard: lease.expires_at for lease in await leases.held()}
    assert (after[1] - before[1]).total_seconds() > LEASE_S / 2
    assert after[2] == before[2]
    # A process with two shards wants it once.
    assert await leases.renew("high", HIGH, LEASE_S, 0.0) == 2.5
    let_leases_end(url, "low")
    assert await leases.renew("high", HIGH, LEASE_S, 0.0) == 0.0


async def test_what_is_given_back_is_free_at_once(leases: LeaseStore) -> None:
    await leases.take("low", LOW, LEASE_S)
    await leases.take("high", HIGH, LEASE_S)
    await leases.release("low")
    assert await leases.take("next", LOW, LEASE_S)
    assert await holders(leases) == {0: "next", 1: "next", 2: "high", 3: "high"}


async def test_another_number_of_shards_is_in_the_way(leases: LeaseStore, url: str) -> None:
    await leases.take("low", LOW, LEASE_S)
    assert not await leases.take("other", Shards(3, (2,)), LEASE_S)
    in_the_way = await leases.in_the_way("other", Shards(3, (2,)))
    assert {(each.owner, each.count) for each in in_the_way} == {("low", 4)}
    let_leases_end(url, "low")
    assert await leases.take("other", Shards(3, (2,)), LEASE_S)
