"""How a process gets its shards, keeps them and loses them, over leases in memory whose clock a test moves."""

import asyncio
import logging
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from bot.errors import ConfigError, StartCancelledError, StoreError
from bot.executor.queued import QueuedExecutor
from bot.fence import Fence
from bot.shard_owner import LEASE_S, MARGIN_S, ShardOwner
from bot.shards import Shards
from bot.store import LeaseStore, ShardLease
from tests.conftest import TIMEOUT_S, eventually

SHARDS = Shards(4, (0, 1))


@dataclass
class Leases:
    """Those of all processes. error: what every call raises. others: their demand."""

    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    held: list[ShardLease] = field(default_factory=list)
    others: float = 0.0
    error: Exception | None = None
    demands: list[float] = field(default_factory=list)
    num_looks: int = 0

    def give(self, owner: str, shards: Shards, lease_s: float = LEASE_S) -> None:
        until = self.now + timedelta(seconds=lease_s)
        self.held = [each for each in self.held if each.owner != owner]
        self.held += [ShardLease(shard, shards.count, owner, until, 0.0) for shard in shards.ids]

    async def in_the_way(self, owner: str, shards: Shards) -> tuple[ShardLease, ...]:
        self.num_looks += 1
        if self.error is not None:
            raise self.error
        living = [each for each in self.held if each.owner != owner and each.expires_at > self.now]
        return tuple(each for each in living if each.count != shards.count or each.shard in shards.ids)

    async def take(self, owner: str, shards: Shards, lease_s: float) -> bool:
        if await self.in_the_way(owner, shards):
            return False
        self.give(owner, shards, lease_s)
        return True

    async def renew(self, owner: str, shards: Shards, lease_s: float, demand: float) -> float | None:
        if self.error is not None:
            raise self.error
        if not any(each.owner == owner and each.expires_at > self.now for each in self.held):
            return None
        self.demands.append(demand)
        self.give(owner, shards, lease_s)
        return self.others

    async def release(self, owner: str) -> None:
        self.held = [each for each in self.held if each.owner != owner]


@dataclass
class Slots:
    """Of an executor whose slots are shared."""

    demand: float = 1.5
    others: list[float] = field(default_factory=list)

    def share_with(self, others: float) -> None:
        self.others.append(others)


def owner_of(leases: Leases, fence: Fence | None = None, shards: Shards = SHARDS, **options: Any) -> ShardOwner:
    options = {"poll_s": 0.01, "renew_s": TIMEOUT_S} | options
    return ShardOwner(cast(LeaseStore, leases), shards, fence or Fence(), **options)


async def test_free_shards_are_taken_at_once_and_given_back() -> None:
    leases = Leases()
    async with owner_of(leases) as owner:
        assert {(each.shard, each.owner) for each in leases.held} == {(0, owner.name), (1, owner.name)}
    assert leases.held == []


async def test_a_standby_waits_until_the_owner_has_ended_and_names_it(caplog: pytest.LogCaptureFixture) -> None:
    leases = Leases()
    leases.give("host a, process 7 (abc)", Shards(4, (1, 2)))
    told: list[bool] = []
    standby = owner_of(leases, stands_by=told.append)
    waiting = asyncio.create_task(standby.__aenter__())
    await eventually(lambda: leases.num_looks > 3)
    assert not waiting.done()
    (said,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert said == "waiting for the shards 0-1 of 4: host a, process 7 (abc) has 1, until it ends"
    assert told == [True]
    leases.now += timedelta(seconds=LEASE_S)
    await asyncio.wait_for(waiting, TIMEOUT_S)
    assert told == [True, False]
    await standby.__aexit__(None, None, None)


async def test_whoever_waits_for_several_processes_names_what_each_has(caplog: pytest.LogCaptureFixture) -> None:
    leases, stop = Leases(), asyncio.Event()
    leases.give("process 7", Shards(4, (0, 2)))
    leases.give("process 8", Shards(4, (1,)))
    leases.held.sort(key=lambda lease: lease.shard)
    waiting = asyncio.create_task(owner_of(leases, shards=Shards(4, (0, 1, 2)), stop=stop).__aenter__())
    await eventually(lambda: leases.num_looks > 1)
    stop.set()
    with pytest.raises(StartCancelledError):
        await asyncio.wait_for(waiting, TIMEOUT_S)
    (said,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert said == "waiting for the shards 0-2 of 4: process 7 has 0,2; process 8 has 1, until they end"


async def test_a_database_that_is_away_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    leases = Leases(error=StoreError("The database is away."))
    told: list[bool] = []
    async with asyncio.timeout(TIMEOUT_S):
        waiting = asyncio.create_task(owner_of(leases, stands_by=told.append).__aenter__())
        for error in (leases.error, TimeoutError()):
            leases.error, seen = error, leases.num_looks
            await eventually(lambda seen=seen: leases.num_looks > seen + 2)  # type: ignore[misc]
        leases.error = None
        owner = await waiting
    assert {each.owner for each in leases.held} == {owner.name}
    await owner.__aexit__(None, None, None)
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert said == [
        "waiting for the shards 0-1 of 4: The database is away.",
        "waiting for the shards 0-1 of 4: the database did not answer in time",
    ]
    assert told == [False, False, False], "no other process has them"


async def test_a_standby_whose_database_goes_away_is_none_meanwhile() -> None:
    leases, told = Leases(), list[bool]()
    leases.give("another", SHARDS)
    async with asyncio.timeout(TIMEOUT_S):
        waiting = asyncio.create_task(owner_of(leases, stands_by=told.append).__aenter__())
        for error in (None, StoreError("The database is away."), None):
            leases.error, seen = error, leases.num_looks
            await eventually(lambda seen=seen: leases.num_looks > seen + 2)  # type: ignore[misc]
        leases.now += timedelta(seconds=LEASE_S)
        owner = await waiting
    assert told == [True, False, True, False]
    await owner.__aexit__(None, None, None)


async def test_whoever_waits_can_be_stopped() -> None:
    leases, stop = Leases(), asyncio.Event()
    leases.give("another", SHARDS)
    waiting = asyncio.create_task(owner_of(leases, stop=stop).__aenter__())
    await eventually(lambda: leases.num_looks > 1)
    stop.set()
    with pytest.raises(StartCancelledError):
        await asyncio.wait_for(waiting, TIMEOUT_S)


async def test_a_living_process_with_another_count_is_a_wrong_setting() -> None:
    leases = Leases()
    leases.give("host a", Shards(3, (2,)))
    starting = asyncio.create_task(owner_of(leases).__aenter__())
    await eventually(lambda: leases.num_looks > 3)
    assert not starting.done(), "a dead one's leases end by themselves"
    leases.now += timedelta(seconds=5)
    leases.give("host a", Shards(3, (2,)))
    with pytest.raises(ConfigError, match=r"sharding\.count is 4 here and 3 in another process of this bot \(host a\)"):
        await asyncio.wait_for(starting, TIMEOUT_S)


async def test_a_dead_process_with_another_count_is_waited_for() -> None:
    leases = Leases()
    leases.give("host a", Shards(3, (2,)))
    starting = asyncio.create_task(owner_of(leases).__aenter__())
    await eventually(lambda: leases.num_looks > 3)
    leases.now += timedelta(seconds=LEASE_S)
    owner = await asyncio.wait_for(starting, TIMEOUT_S)
    await owner.__aexit__(None, None, None)


async def test_renewing_tells_what_waits_here_and_hears_what_waits_elsewhere() -> None:
    leases, slots = Leases(others=2.5), Slots()
    async with owner_of(leases) as owner:
        owner.sharing(cast(QueuedExecutor, slots))
        before = leases.held[0].expires_at
        leases.now += timedelta(seconds=5)
        await owner.renew()
        assert leases.held[0].expires_at > before
    assert leases.demands[-1] == 1.5
    assert slots.others[-1] == 2.5


async def test_leases_that_somebody_else_has_close_the_fence_at_once() -> None:
    leases, fence = Leases(), Fence()
    async with owner_of(leases, fence) as owner:
        assert not fence.is_closed
        leases.held = [replace(each, owner="another") for each in leases.held]
        await owner.renew()
        assert fence.is_closed
        await owner.renew()
    assert {each.owner for each in leases.held} == {"another"}


async def test_a_database_that_does_not_answer_closes_the_fence_before_the_leases_end() -> None:
    leases, fence, loop = Leases(), Fence(), asyncio.get_running_loop()
    began_s = loop.time()
    async with owner_of(leases, fence) as owner:
        await eventually(lambda: bool(leases.demands))
        closes_s = fence._closes_s
        assert began_s + LEASE_S - MARGIN_S <= closes_s <= loop.time() + LEASE_S - MARGIN_S
        leases.error = StoreError("It is away.")
        with pytest.raises(StoreError):
            await owner.renew()
        assert fence._closes_s == closes_s


async def test_what_is_closed_is_not_renewed_any_more() -> None:
    leases, fence = Leases(), Fence()
    async with owner_of(leases, fence, lease_s=MARGIN_S) as owner:
        await asyncio.wait_for(fence.closed(), TIMEOUT_S)
        held = list(leases.held)
        leases.now += timedelta(seconds=1)
        await owner.renew()
        assert fence.is_closed
        assert leases.held == held
