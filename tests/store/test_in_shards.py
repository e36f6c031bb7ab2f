"""What a process is given to see to in the background, where others have guilds of their own. Of what somebody asks for
each process finds everything."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from unittest.mock import MagicMock

from bot.cogs.fatal_jobs import FatalJobs
from bot.errors import UserLimitError
from bot.executor.base import Executor
from bot.fence import Fence
from bot.moderation.cases import CaseKind, Decision
from bot.shards import Shards
from bot.store import JobState, NewCase, Store
from tests.store.postgres import PostgresServer
from tests.store.samples import SNOWFLAKE, new_job, run_sql

GUILDS = {0: 6 << 22, 1: (7 << 22) + 9, 2: 8 << 22}
"""One of each of three shards."""


@dataclass
class Processes:
    """each: a store as the process with that shard sees it. of_all: as the only one does."""

    each: dict[int, Store]
    of_all: Store


async def opened(stack: AsyncExitStack, url: str) -> Processes:
    of_all = await stack.enter_async_context(Store.open(url))
    stores = [await stack.enter_async_context(Store.open(url, shards=Shards(3, (shard,)))) for shard in GUILDS]
    return Processes(dict(enumerate(stores)), of_all)


async def test_unfinished_jobs_belong_to_one_process_each(store_url: str) -> None:
    async with AsyncExitStack() as stack:
        processes = await opened(stack, store_url)
        for shard, guild_id in GUILDS.items():
            await processes.of_all.jobs.create(new_job(shard, guild_id=guild_id))
        await processes.of_all.jobs.create(new_job(3, guild_id=None))
        for shard, store in processes.each.items():
            found = {job.guild_id for job in await store.jobs.unfinished()}
            assert found == ({GUILDS[shard], None} if shard == 0 else {GUILDS[shard]})
        assert len(await processes.of_all.jobs.unfinished()) == 4


async def test_so_do_jobs_that_were_just_cancelled(store_url: str) -> None:
    async with AsyncExitStack() as stack:
        processes = await opened(stack, store_url)
        for shard in (1, 2):
            job = await processes.of_all.jobs.create(new_job(shard, guild_id=GUILDS[shard]))
            await processes.of_all.jobs.move(job.id, JobState.CANCELLED, error="It was cancelled.")
        found = [await store.jobs.just_cancelled(timedelta(minutes=1)) for store in processes.each.values()]
        assert [[job.guild_id for job in jobs] for jobs in found] == [[], [GUILDS[1]], [GUILDS[2]]]


async def test_each_process_sees_which_of_its_jobs_another_one_has_cancelled(store_url: str) -> None:
    async with AsyncExitStack() as stack:
        processes = await opened(stack, store_url)
        ids = [(await processes.of_all.jobs.create(new_job(number, guild_id=GUILDS[1]))).id for number in range(3)]
        await processes.each[0].jobs.move(ids[0], JobState.CANCELLED, error="It was cancelled.")
        await processes.each[2].jobs.move(ids[1], JobState.FAILED, error="It failed.")
        gone = "0" * 12
        assert await processes.each[1].jobs.cancelled([*ids, gone]) == {ids[0]: "It was cancelled.", gone: None}
        many = [f"{number:012x}" for number in range(1200)]
        assert await processes.each[1].jobs.cancelled([ids[2], *many]) == dict.fromkeys(many)


async def test_so_do_cases_and_guilds(store_url: str) -> None:
    now = datetime.now(UTC)
    async with AsyncExitStack() as stack:
        processes = await opened(stack, store_url)
        for shard, guild_id in GUILDS.items():
            await processes.of_all.guilds.change(guild_id, 1, retention_days=1)
            job = await processes.of_all.jobs.create(new_job(shard, guild_id=guild_id))
            await processes.of_all.jobs.acknowledge(job.id, 1, shard + 1)
            new = NewCase(guild_id=guild_id, kind=CaseKind.HELD_PROMPT, job_id=job.id, user_id=2, deadline_at=now)
            await processes.of_all.cases.open(new)
            await processes.of_all.jobs.move(job.id, JobState.IN_REVIEW)
        later = now + timedelta(seconds=1)
        for shard, store in processes.each.items():
            mine = [GUILDS[shard]]
            assert await store.guilds.ids() == mine
            assert [case.guild_id for case in await store.cases.due(later, 9)] == mine
            assert [case.guild_id for case in await store.cases.unposted(9)] == mine
            assert (await store.cases.backlog()).num_open == 1
            await store.cases.decide(GUILDS[shard], 1, Decision.APPROVE, by=1, at=later)
        for shard, store in processes.each.items():
            assert [case.guild_id for case in await store.cases.unapplied(now, 9)] == [GUILDS[shard]]
        assert len(await processes.of_all.cases.unapplied(now, 9)) == 3


async def test_a_deletion_is_divided_and_one_process_ends_it(store_url: str) -> None:
    async with AsyncExitStack() as stack:
        processes = await opened(stack, store_url)
        for shard in (1, 2):
            job = await processes.of_all.jobs.create(new_job(shard, guild_id=GUILDS[shard]))
            await processes.of_all.jobs.move(job.id, JobState.FAILED, error="It failed.")
        await processes.each[1].erasures.begin(SNOWFLAKE, "de")
        (erasure,) = await processes.each[2].erasures.under_way()
        assert [job.guild_id for job in await processes.each[2].erasures.jobs(erasure, 9)] == [GUILDS[2]]
        assert await processes.each[2].erasures.count(erasure) == 2
        finished = [await processes.each[shard].erasures.finish(erasure, datetime.now(UTC)) for shard in (1, 2)]
        assert [erasure is None for erasure in finished] == [False, True]


async def suspects(store: Store) -> frozenset[str]:
    """At a start of this process."""
    fatal, unfinished = FatalJobs(store, MagicMock(spec=Executor), Fence()), await store.jobs.outlines()
    await fatal.count(unfinished)
    return frozenset(job.id for job in unfinished if fatal.alone(job.id))


async def test_each_process_counts_by_itself_which_jobs_it_did_not_survive(store_url: str) -> None:
    async with AsyncExitStack() as stack:
        processes = await opened(stack, store_url)
        for shard in (1, 2):
            job = await processes.of_all.jobs.create(new_job(shard, guild_id=GUILDS[shard]))
            await processes.of_all.jobs.acknowledge(job.id, 1, shard)
            for state in (JobState.QUEUED, JobState.RUNNING):
                await processes.of_all.jobs.move(job.id, state)
        for shard in (1, 2):
            assert not await suspects(processes.each[shard])
        for shard in (1, 2):
            (job,) = await processes.each[shard].jobs.unfinished()
            assert await suspects(processes.each[shard]) == {job.id}


async def test_two_processes_that_accept_jobs_of_one_user_at_once_keep_to_the_limit(postgres: PostgresServer) -> None:
    url = postgres.empty_database()

    def check(num_drawn: int) -> None:
        if num_drawn >= 2:
            raise UserLimitError("Two are enough.")

    async with AsyncExitStack() as stack:
        processes = await opened(stack, url)

        async def ask(number: int) -> bool:
            shard = number % 3
            try:
                await processes.each[shard].jobs.create(new_job(number, guild_id=GUILDS[shard]), check=check)
            except UserLimitError:
                return False
            return True

        assert sum(await asyncio.gather(*(ask(number) for number in range(9)))) == 2
        assert run_sql(url, "SELECT count(*) FROM jobs")[0][0] == 2
        await processes.of_all.jobs.create(new_job(9), check=check)
        (job, *_) = await processes.of_all.jobs.unfinished()
        await processes.of_all.jobs.move(job.id, JobState.FAILED, error="It failed.")
        assert not await ask(10), "what nobody counts in one process counts for all others"
        (job, *_) = await processes.of_all.jobs.unfinished()
        await processes.of_all.jobs.move(job.id, JobState.FAILED, error="It failed.")
        assert await ask(11)
