"""Three processes of one bot on one PostgreSQL, of which one is killed (kill -9) in the middle of its work, and one is
told to cancel what another one is to draw.

The processes, the database and the gateway are real; only Discord and the pictures are pretended.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from multiprocessing.context import ForkServerProcess
from multiprocessing.synchronize import Event as ReadyEvent
from pathlib import Path

import pytest

from bot.bench.chat_accounts import Outcome, judge, strays
from bot.shards import Shards, shard_of
from bot.store import FINAL_STATES, JobState
from tests.conftest import TIMEOUT_S
from tests.faults.lives import KILLED, PROCESSES, Order, live
from tests.faults.town import Town, town
from tests.invariants import check_store, states_of
from tests.store.postgres import PostgresServer
from tests.store.samples import let_leases_end, run_sql

pytestmark = pytest.mark.fault

COUNT = 3
KILLED_SHARD = 1
CANCELLED_SHARD = 2


class Bot:
    """The processes of a bot, by their names."""

    def __init__(self, town: Town, url: str, folder: Path) -> None:
        self._order = Order(folder, url, town.server.address, town.server.token, delay_s=0.15)
        self._url = url

    @asynccontextmanager
    async def process(self, shard: int) -> AsyncIterator[tuple[ForkServerProcess, ReadyEvent]]:
        """One with a shard, or one that waits for it."""
        order = replace(self._order, shards=Shards(COUNT, (shard,)))
        ready = PROCESSES.Event()
        process = PROCESSES.Process(target=live, args=(order, ready), daemon=True)
        process.start()
        try:
            yield process, ready
        finally:
            process.kill()
            await asyncio.to_thread(process.join, TIMEOUT_S)
            process.close()

    def owner_of(self, shard: int) -> str:
        rows = run_sql(self._url, "SELECT owner FROM shard_leases WHERE shard = :shard", shard=shard)
        return "" if not rows else str(rows[0][0])

    def states(self, shard: int) -> set[str]:
        """Those in which jobs of a shard are."""
        query = "SELECT DISTINCT state FROM jobs WHERE (guild_id >> 22) % :count = :shard"
        return {state for (state,) in run_sql(self._url, query, count=COUNT, shard=shard)}

    async def cancel_one(self, shard: int, town: Town) -> str:
        """Has a waiting job of a shard cancelled by another one's process; its id, once that is stored."""
        waiting = "SELECT id, user_id FROM jobs WHERE (guild_id >> 22) % :count = :shard AND state = 'queued' LIMIT 1"
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                for job_id, user_id in run_sql(self._url, waiting, count=COUNT, shard=shard):
                    await town.cancel_from(Shards(COUNT, ((shard + 1) % COUNT,)), user_id)
                    if states_of(self._url)[job_id] is JobState.CANCELLED:
                        return str(job_id)
                await asyncio.sleep(0.02)

    def let_leases_end(self, owner: str) -> None:
        """As thirty seconds do in which nobody renews them."""
        let_leases_end(self._url, owner)


async def set_soon(ready: ReadyEvent) -> None:
    assert await asyncio.to_thread(ready.wait, TIMEOUT_S)


async def test_one_of_three_processes_is_killed_and_one_cancels_for_another_and_no_job_is_lost_or_doubled(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    url = postgres.empty_database()
    with town() as there:
        async with AsyncExitStack() as stack:
            bot = Bot(there, url, tmp_path / "data")
            running = [await stack.enter_async_context(bot.process(shard)) for shard in range(COUNT)]
            for _, ready in running:
                await set_soon(ready)
            standby, is_ready = await stack.enter_async_context(bot.process(KILLED_SHARD))
            victim = bot.owner_of(KILLED_SHARD)

            there.begin()
            busy = asyncio.create_task(there.keep_busy(15))
            async with asyncio.timeout(TIMEOUT_S):
                while JobState.RUNNING not in bot.states(KILLED_SHARD):  # noqa: ASYNC110 - nothing announces it
                    await asyncio.sleep(0.02)
            running[KILLED_SHARD][0].kill()
            await asyncio.to_thread(running[KILLED_SHARD][0].join, TIMEOUT_S)
            assert running[KILLED_SHARD][0].exitcode == KILLED
            assert not bot.states(KILLED_SHARD) <= FINAL_STATES
            assert (bot.owner_of(KILLED_SHARD), is_ready.is_set()) == (victim, False)
            bot.let_leases_end(victim)
            await set_soon(is_ready)
            assert bot.owner_of(KILLED_SHARD) not in (victim, "")

            await busy
            busy = asyncio.create_task(there.keep_busy(25))
            cancelled = await bot.cancel_one(CANCELLED_SHARD, there)
            await busy
            record = await there.drain()
            assert all(process.is_alive() for process in (running[0][0], running[2][0], standby))
        accounts = judge(record)
        # Nobody answers while a shard has no process, and none in time on a machine that has too much to do.
        jobs = [account for account in accounts if account.outcome not in (Outcome.UNANSWERED, Outcome.REFUSED)]
        (ended,) = (account for account in jobs if account.outcome is not Outcome.DELIVERED)
        (*_, last) = (seen for seen in record.seen if seen.interaction_id == ended.sent.interaction_id)
        assert last.content == f"**{ended.sent.prompt}**\nCancelled by <@{ended.sent.user_id}>."
        assert len(jobs) >= 25
        assert [account for account in accounts if account.is_doubled or account.wrong] == []
        assert strays(record) == []
        channels = there.server.world.channels
        served = {shard_of(int(channels[job.sent.channel_id].guild_id or 0), COUNT) for job in jobs}
        assert served == set(range(COUNT))
        registered = [e for e in there.server.recorder.snapshot() if (e.method, e.path[-9:]) == ("PUT", "/commands")]
        assert len(registered) == 1
    check_store(url, is_settled=True)
    # What was stored and not yet answered when its process died was promised to nobody.
    states = Counter(states_of(url).values())
    assert (states[JobState.DELIVERED], states[JobState.CANCELLED]) == (len(jobs) - 1, 1)
    assert states_of(url)[cancelled] is JobState.CANCELLED
    assert set(states) <= {JobState.DELIVERED, JobState.CANCELLED, JobState.EXPIRED, JobState.FAILED}
