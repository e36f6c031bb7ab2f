import asyncio
import sqlite3
from contextlib import closing
from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from blockbuster import blockbuster_ctx
from sqlalchemy import Engine, event

from bot.errors import IllegalMoveError, StoreError
from bot.store import JobOutline, JobRecord, JobState, JobStore, NewJob, Store, Usage, may_move
from bot.store.schema import jobs as jobs_table
from bot.store.states import TRANSITIONS
from tests.store.samples import SNOWFLAKE, new_job, run_sql, url_of

RUN_TO: dict[JobState, list[JobState]] = {
    JobState.RUNNING: [JobState.QUEUED, JobState.RUNNING],
    JobState.DELIVERED: [JobState.QUEUED, JobState.RUNNING, JobState.DELIVERING, JobState.DELIVERED],
}


@pytest.fixture
def jobs(store: Store) -> JobStore:
    return store.jobs


async def run_to(jobs: JobStore, job: NewJob, state: JobState) -> JobRecord:
    await jobs.create(job)
    record = await jobs.acknowledge(job.id, job.channel_id, SNOWFLAKE)
    for step in RUN_TO[state]:
        record = await jobs.move(job.id, step)
    return record


def test_records_have_the_fields_of_the_table() -> None:
    assert {field.name for field in fields(JobRecord)} == {column.name for column in jobs_table.columns}


async def test_create_keeps_every_field(jobs: JobStore) -> None:
    job = new_job(
        prompt="ein „Kreis“ 🔴",
        negative_prompt="blur",
        condition_scale=3.3,
        top_k=0,
        top_p=0.1,
        temperature=1.1,
        model="demo",
        guild_id=SNOWFLAKE + 5,
        locale="pt-BR",
        kind="vary",
        parent_id="0123456789ab",
        parent_rank=9,
        image_tokens=(0, 2**31 - 1, 5),
        is_private=True,
        weight=2.5,
        is_trusted=True,
        answer_token="aW50ZXJhY3Rpb24",
    )
    before = datetime.now(UTC)
    record = await jobs.create(job)
    assert {name: getattr(record, name) for name in asdict(job)} == asdict(job)
    assert (record.state, record.message_id, record.error, record.result) == (JobState.RECEIVED, None, None, None)
    assert record.deleted_at is None
    assert before <= record.created_at == record.updated_at <= datetime.now(UTC)
    assert record.created_at.utcoffset() == timedelta(0)
    assert await jobs.get(job.id) == record


async def test_get_of_an_unknown_job(jobs: JobStore) -> None:
    assert await jobs.get("0123456789ab") is None


async def test_acknowledge_stores_the_message(jobs: JobStore) -> None:
    job = new_job()
    created = await jobs.create(job)
    record = await jobs.acknowledge(job.id, SNOWFLAKE + 7, SNOWFLAKE + 8)
    assert (record.state, record.channel_id, record.message_id) == ("acknowledged", SNOWFLAKE + 7, SNOWFLAKE + 8)
    assert record.created_at == created.created_at
    assert record.updated_at > created.updated_at


async def test_move_stores_result_and_error(jobs: JobStore) -> None:
    await run_to(jobs, new_job(), JobState.RUNNING)
    (running,) = await jobs.unfinished()
    result = {"order": [2, 0, 1], "scores": [25.5, 24.0, -3.0], "seconds": 1.5, "sampling": {"top_k": 50}}
    delivering = await jobs.move(running.id, JobState.DELIVERING, result=result)
    assert delivering.result == result
    failed = await jobs.move(running.id, JobState.FAILED, error="The channel is gone.")
    assert (failed.error, failed.result) == ("The channel is gone.", result)


async def test_an_illegal_move_names_both_states_and_changes_nothing(jobs: JobStore) -> None:
    record = await jobs.create(new_job())
    with pytest.raises(StoreError) as caught:
        await jobs.move(record.id, JobState.DELIVERED, error="no")
    assert str(caught.value) == f"Job {record.id} is received; it can't become delivered."
    assert await jobs.get(record.id) == record


async def test_every_pair_of_states_moves_or_is_refused_with_both_names(jobs: JobStore, store_url: str) -> None:
    pairs = [(current, to) for current in JobState for to in JobState]
    made = [new_job(number, answer_token="secret") for number in range(len(pairs))]
    await jobs.create(*made)
    for state in JobState:
        ids = ", ".join(f"'{job.id}'" for job, (current, _) in zip(made, pairs, strict=True) if current is state)
        run_sql(store_url, f"UPDATE jobs SET state = :state WHERE id IN ({ids})", state=state)
    num_moved = 0
    for job, (current, to) in zip(made, pairs, strict=True):
        before = await jobs.get(job.id)
        assert before is not None
        assert before.state is current
        if may_move(current, to):
            after = await (jobs.acknowledge(job.id, 1, 2) if to is JobState.ACKNOWLEDGED else jobs.move(job.id, to))
            assert (after.state, after.answer_token) == (to, None)
            num_moved += 1
            continue
        with pytest.raises(IllegalMoveError) as caught:
            await (jobs.acknowledge(job.id, 1, 2) if to is JobState.ACKNOWLEDGED else jobs.move(job.id, to))
        assert str(caught.value) == f"Job {job.id} is {current}; it can't become {to}."
        assert await jobs.get(job.id) == before
    assert num_moved == sum(map(len, TRANSITIONS.values()))


async def test_a_finished_job_stays_finished(jobs: JobStore) -> None:
    record = await run_to(jobs, new_job(), JobState.DELIVERED)
    for state in JobState:
        with pytest.raises(StoreError, match="is delivered; it can't become"):
            await jobs.move(record.id, state)


async def test_moving_an_unknown_job(jobs: JobStore) -> None:
    with pytest.raises(StoreError, match="There is no job 0123456789ab"):
        await jobs.move("0123456789ab", JobState.QUEUED)


async def test_of_concurrent_moves_one_wins(jobs: JobStore) -> None:
    record = await run_to(jobs, new_job(), JobState.RUNNING)
    moves = [JobState.DELIVERING, JobState.CANCELLED] * 6
    outcomes = await asyncio.gather(*(jobs.move(record.id, to) for to in moves), return_exceptions=True)
    won = [outcome for outcome in outcomes if isinstance(outcome, JobRecord)]
    lost = [outcome for outcome in outcomes if isinstance(outcome, StoreError)]
    assert (len(won), len(lost)) == (1, len(moves) - 1)
    assert await jobs.get(record.id) == won[0]


async def test_one_interaction_makes_one_job(jobs: JobStore) -> None:
    await jobs.create(new_job())
    with pytest.raises(StoreError, match="already holds a job of this interaction"):
        await jobs.create(new_job())
    assert len(await jobs.unfinished()) == 1


async def test_the_parts_of_an_interaction_are_stored_together_or_not_at_all(jobs: JobStore) -> None:
    first, second, third = (new_job(interaction_part=part) for part in range(3))
    record = await jobs.create(first, second)
    assert record.id == first.id
    assert [job.id for job in await jobs.unfinished()] == [first.id, second.id]
    with pytest.raises(StoreError, match="already holds a job of this interaction"):
        await jobs.create(third, new_job(interaction_part=1))
    assert await jobs.get(third.id) is None
    assert [job.id for job in await jobs.latest_of(SNOWFLAKE)] == [second.id, first.id]


async def test_an_id_is_taken_once(jobs: JobStore) -> None:
    await jobs.create(new_job(1, id="0123456789ab"))
    with pytest.raises(StoreError, match="already holds a job with this id"):
        await jobs.create(new_job(2, id="0123456789ab"))


async def test_the_ids_of_all_that_have_not_ended(jobs: JobStore) -> None:
    ids = [(await jobs.create(new_job(number))).id for number in range(3)]
    await jobs.move(ids[0], JobState.FAILED)
    assert await jobs.unfinished_ids() == {*ids[1:]}


async def test_those_that_have_ended_are_not_looked_through_for_the_others(tmp_path: Path) -> None:
    """There may be a million of them, and the question comes with each result."""
    asked: list[tuple[str, Any]] = []

    def note(connection: object, cursor: object, statement: str, parameters: Any, *_: object) -> None:
        asked.append((statement, parameters))

    async with Store.open(url_of(tmp_path)) as store:
        event.listen(Engine, "before_cursor_execute", note)
        try:
            await store.jobs.unfinished_ids()
        finally:
            event.remove(Engine, "before_cursor_execute", note)
    statement, parameters = next((text, values) for text, values in asked if "FROM jobs" in text)
    with closing(sqlite3.connect(tmp_path / "data" / "bot.sqlite3")) as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
    assert plan == ["SEARCH jobs USING INDEX ix_jobs_state_created_at (state=?)"]


async def test_unfinished_is_oldest_first_and_bounded(jobs: JobStore) -> None:
    created = [await jobs.create(new_job(number)) for number in range(5)]
    await jobs.move(created[1].id, JobState.CANCELLED)
    ids = [record.id for record in created if record is not created[1]]
    assert [record.id for record in await jobs.unfinished()] == ids
    assert [record.id for record in await jobs.unfinished(limit=2)] == ids[:2]
    await jobs.acknowledge(ids[0], 1, 2)
    assert [record.id for record in await jobs.unfinished(but=JobState.ACKNOWLEDGED)] == ids[1:]


async def test_pages_of_unfinished_jobs_have_each_of_them_once(jobs: JobStore) -> None:
    created = [(await jobs.create(new_job(number))).id for number in range(2)]
    at_once = [new_job(7, interaction_part=part % 2, interaction_id=SNOWFLAKE + 100 + part // 2) for part in range(6)]
    await jobs.create(*at_once)
    ids, page = list[str](), await jobs.unfinished(3)
    while page:
        ids += [job.id for job in page]
        # What has ended meanwhile is still where the next page begins.
        await jobs.move(page[-1].id, JobState.CANCELLED)
        page = await jobs.unfinished(3, after=page[-1])
    assert ids == created + [job.id for job in sorted(at_once, key=lambda job: (job.interaction_part, job.id))]


async def test_outlines_are_of_unfinished_jobs_that_no_moderator_has_to_see(jobs: JobStore) -> None:
    running = await run_to(jobs, new_job(1, guild_id=7), JobState.RUNNING)
    held = await run_to(jobs, new_job(2), JobState.RUNNING)
    await jobs.move(held.id, JobState.IN_REVIEW)
    await run_to(jobs, new_job(3), JobState.DELIVERED)
    received = await jobs.create(new_job(4))
    assert set(await jobs.outlines()) == {
        JobOutline(running.id, JobState.RUNNING),
        JobOutline(received.id, JobState.RECEIVED),
    }


async def test_latest_of_is_newest_first_and_of_one_user(jobs: JobStore) -> None:
    created = [await jobs.create(new_job(number, user_id=SNOWFLAKE + number % 2)) for number in range(6)]
    assert await jobs.latest_of(SNOWFLAKE, limit=2) == [created[4], created[2]]
    elsewhere = await jobs.create(new_job(6, guild_id=7))
    await jobs.create(new_job(7, guild_id=8))
    assert await jobs.latest_of(SNOWFLAKE, guild_id=7) == [elsewhere]
    assert await jobs.latest_of(1) == []


async def test_of_several_who_delete_one_is_told_so(jobs: JobStore) -> None:
    record = await run_to(jobs, new_job(), JobState.DELIVERED)
    assert sorted(await asyncio.gather(*(jobs.delete(record.id) for _ in range(3)))) == [False, False, True]
    deleted = await jobs.get(record.id)
    assert deleted is not None
    assert deleted.deleted_at is not None
    assert (deleted.state, deleted.prompt) == (JobState.DELIVERED, record.prompt)
    assert not await jobs.delete("0123456789ab")


async def test_reopening_keeps_everything(store_url: str) -> None:
    async with Store.open(store_url) as store:
        record = await run_to(store.jobs, new_job(), JobState.RUNNING)
        await store.values.set("commands", "hash")
    async with Store.open(store_url) as store:
        assert await store.jobs.unfinished() == [record]
        assert await store.values.get("commands") == "hash"


async def test_two_stores_share_one_database(store_url: str) -> None:
    async with Store.open(store_url) as one, Store.open(store_url) as other:
        records = await asyncio.gather(
            *(store.jobs.create(new_job(2 * n + m)) for n in range(8) for m, store in enumerate((one, other)))
        )
        assert {record.id for record in await one.jobs.unfinished()} == {record.id for record in records}


async def test_the_event_loop_is_never_blocked(store_url: str) -> None:
    with blockbuster_ctx():
        async with Store.open(store_url) as store:
            record = await run_to(store.jobs, new_job(), JobState.RUNNING)
            assert await store.jobs.unfinished() == [record]


async def test_usage_counts_what_one_user_asked_of_one_guild(jobs: JobStore) -> None:
    guild, user = SNOWFLAKE + 5, SNOWFLAKE
    since = datetime.now(UTC)
    assert await jobs.usage(user, guild, since) == Usage()
    states = (None, JobState.RUNNING, JobState.DELIVERED, JobState.CANCELLED, JobState.FAILED)
    records = []
    for number, state in enumerate(states, 1):
        job = new_job(number, guild_id=guild, num_images=number)
        if state in RUN_TO:
            records.append(await run_to(jobs, job, state))
            continue
        records.append(await jobs.create(job))
        if state is not None:
            await jobs.move(job.id, state)
    await jobs.create(new_job(8, guild_id=guild + 1))
    await jobs.create(new_job(9, guild_id=guild, user_id=user + 1))
    assert await jobs.usage(user, guild, since) == Usage(
        last_asked_at=records[3].created_at,
        num_unfinished=2,
        images=tuple((record.created_at, record.num_images) for record in records[:3]),
    )
    later = await jobs.usage(user, guild, datetime.now(UTC))
    assert later == Usage(num_unfinished=2), "an unfinished job takes its place however old it is"


async def test_what_nobody_was_answered_about_counts_for_a_moment_only(
    jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    guild = SNOWFLAKE + 5
    unanswered = await jobs.create(new_job(1, guild_id=guild))
    since = unanswered.created_at
    assert (await jobs.usage(SNOWFLAKE, guild, since)).num_unfinished == 1
    monkeypatch.setattr("bot.store.jobs.UNANSWERED_FOR", timedelta())
    assert await jobs.usage(SNOWFLAKE, guild, since) == Usage()
    assert await jobs.usage(None, guild, since) == Usage()
    await jobs.acknowledge(unanswered.id, 1, 2)
    assert (await jobs.usage(SNOWFLAKE, guild, since)).num_unfinished == 1
