from datetime import UTC, datetime, timedelta

import pytest

from bot.moderation.sweeping import SweepCriteria
from bot.store import AuditAction, AuditFilter, AuditRecord, JobRecord, JobState, NewSweep, Store, SweepState
from bot.store.sweeps import MAX_REMEMBERED
from tests.store.samples import SNOWFLAKE, new_job

USER, OTHER, GUILD, MODERATOR = SNOWFLAKE, SNOWFLAKE + 1, SNOWFLAKE + 9, SNOWFLAKE + 5
ALL = SweepCriteria(since=datetime(2020, 1, 1, tzinfo=UTC))
STARTED = AuditRecord(guild_id=GUILD, action=AuditAction.SWEEP_STARTED, actor_id=MODERATOR)
DONE = AuditRecord(guild_id=GUILD, action=AuditAction.SWEEP_DONE, actor_id=MODERATOR)


async def deliver(store: Store, number: int, user_id: int = USER, guild_id: int = GUILD) -> JobRecord:
    job = await store.jobs.create(new_job(number, user_id=user_id, guild_id=guild_id))
    await store.jobs.acknowledge(job.id, 2, number)
    for state in (JobState.QUEUED, JobState.RUNNING, JobState.DELIVERING):
        await store.jobs.move(job.id, state)
    return await store.jobs.move(job.id, JobState.DELIVERED)


def new_sweep(criteria: SweepCriteria = ALL) -> NewSweep:
    return NewSweep(guild_id=GUILD, actor_id=MODERATOR, locale="de", criteria=criteria, num_found=3)


async def found(store: Store, criteria: SweepCriteria, **options: object) -> list[str]:
    now = datetime.now(UTC)
    jobs = await store.sweeps.candidates(GUILD, criteria, 9, before=now, **options)  # type: ignore[arg-type]
    return [job.id for job in jobs]


async def test_a_sweep_comes_back_and_starts_once(store: Store) -> None:
    sweep, now = new_sweep(), datetime(2026, 3, 1, tzinfo=UTC)
    await store.sweeps.add(sweep, now)
    kept = await store.sweeps.get(sweep.id)
    assert kept is not None
    assert (kept.criteria, kept.state, kept.asked_at, kept.num_found) == (ALL, SweepState.ASKED, now, 3)
    assert (kept.cursor_at, kept.cursor_id, kept.num_deleted, kept.refused) == (None, None, 0, ())
    assert await store.sweeps.running() == []
    starts = [await store.sweeps.move(sweep.id, SweepState.ASKED, SweepState.RUNNING, STARTED) for _ in range(2)]
    assert starts == [True, False]
    assert [each.id for each in await store.sweeps.running()] == [sweep.id]
    assert await store.sweeps.num_running(GUILD) == 1
    assert await store.sweeps.num_running(GUILD + 1) == 0
    assert len(await store.audit.page(AuditFilter(guild_id=GUILD), 9)) == 1, "what did not happen leaves no record"
    assert await store.sweeps.get("0123456789ab") is None


async def test_what_may_be_meant(store: Store) -> None:
    old = await deliver(store, 1)
    theirs = await deliver(store, 2, OTHER)
    await deliver(store, 3, guild_id=GUILD + 1)
    deleted = await deliver(store, 4)
    await store.jobs.delete(deleted.id)
    await store.jobs.create(new_job(5, guild_id=GUILD))
    new = await deliver(store, 6)
    assert await found(store, ALL) == [new.id, theirs.id, old.id]
    assert await found(store, SweepCriteria(user_id=OTHER)) == [theirs.id]
    assert await found(store, SweepCriteria(since=theirs.created_at)) == [new.id, theirs.id]
    assert await found(store, SweepCriteria(until=theirs.created_at)) == [old.id]
    assert await found(store, ALL, cursor=(new.created_at, new.id)) == [theirs.id, old.id]
    before = await store.sweeps.candidates(GUILD, ALL, 9, before=theirs.created_at)
    assert [job.id for job in before] == [theirs.id, old.id]


async def test_progress_outlives_a_restart_and_is_told_of_a_stop(store: Store) -> None:
    jobs = [await deliver(store, number) for number in range(3)]
    sweep = new_sweep()
    await store.sweeps.add(sweep, datetime.now(UTC))
    await store.sweeps.move(sweep.id, SweepState.ASKED, SweepState.RUNNING, STARTED)
    assert await store.sweeps.advance(sweep.id, jobs[2], is_deleted=True, refused=("a",) * (MAX_REMEMBERED + 1))
    assert await store.sweeps.advance(sweep.id, jobs[1], is_deleted=False)
    (kept,) = await store.sweeps.running()
    assert (kept.cursor_at, kept.cursor_id) == (jobs[1].created_at, jobs[1].id)
    assert (kept.num_deleted, kept.num_refused, len(kept.refused)) == (1, MAX_REMEMBERED + 1, MAX_REMEMBERED)
    stopped = AuditRecord(guild_id=GUILD, action=AuditAction.SWEEP_STOPPED, actor_id=MODERATOR)
    assert await store.sweeps.move(sweep.id, SweepState.RUNNING, SweepState.CANCELLED, stopped)
    assert not await store.sweeps.advance(sweep.id, jobs[0], is_deleted=True)
    assert not await store.sweeps.move(sweep.id, SweepState.RUNNING, SweepState.DONE, DONE)
    ended = await store.sweeps.get(sweep.id)
    assert ended is not None
    assert (ended.state, ended.num_deleted) == (SweepState.CANCELLED, 2)


@pytest.mark.parametrize("hours", [0, 1])
async def test_jobs_of_the_same_moment_are_told_apart(store: Store, hours: int) -> None:
    jobs = [new_job(number, guild_id=GUILD) for number in range(4)]
    await store.jobs.create(*jobs)
    for job in jobs:
        await store.jobs.acknowledge(job.id, 2, int(job.id, 16))
        for state in (JobState.QUEUED, JobState.RUNNING, JobState.DELIVERING, JobState.DELIVERED):
            await store.jobs.move(job.id, state)
    seen: list[str] = []
    cursor = None
    before = datetime.now(UTC) + timedelta(hours=hours)
    while page := await store.sweeps.candidates(GUILD, ALL, 1, before=before, cursor=cursor):
        seen += [job.id for job in page]
        cursor = (page[-1].created_at, page[-1].id)
    assert seen == sorted((job.id for job in jobs), reverse=True)
