import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from blockbuster import blockbuster_ctx

from bot.errors import StoreError
from bot.store import JobRecord, JobState, JobStore, NewJob
from bot.store.schema import jobs

SNOWFLAKE = 2**62 + 1
RUN_TO: dict[JobState, list[JobState]] = {
    JobState.RUNNING: [JobState.QUEUED, JobState.RUNNING],
    JobState.DELIVERED: [JobState.QUEUED, JobState.RUNNING, JobState.DELIVERING, JobState.DELIVERED],
}


def url_of(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder / 'data' / 'bot.sqlite3'}"


def new_job(number: int = 1, **changes: Any) -> NewJob:
    values: dict[str, Any] = {
        "prompt": "a red circle",
        "num_images": 9,
        "seed": 2**32 - 1,
        "user_id": SNOWFLAKE,
        "channel_id": SNOWFLAKE + 1,
        "interaction_id": SNOWFLAKE + number,
    }
    return NewJob(**(values | changes))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[JobStore]:
    async with JobStore.open(url_of(tmp_path)) as opened:
        yield opened


async def run_to(store: JobStore, job: NewJob, state: JobState) -> JobRecord:
    await store.create(job)
    record = await store.acknowledge(job.id, job.channel_id, SNOWFLAKE)
    for step in RUN_TO[state]:
        record = await store.move(job.id, step)
    return record


def test_records_have_the_fields_of_the_table() -> None:
    assert {field.name for field in fields(JobRecord)} == {column.name for column in jobs.columns}


async def test_create_keeps_every_field(store: JobStore) -> None:
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
    )
    before = datetime.now(UTC)
    record = await store.create(job)
    assert {name: getattr(record, name) for name in asdict(job)} == asdict(job)
    assert (record.state, record.message_id, record.error, record.result) == (JobState.RECEIVED, None, None, None)
    assert before <= record.created_at == record.updated_at <= datetime.now(UTC)
    assert record.created_at.utcoffset() == timedelta(0)
    assert await store.get(job.id) == record


async def test_get_of_an_unknown_job(store: JobStore) -> None:
    assert await store.get("0123456789ab") is None


async def test_acknowledge_stores_the_message(store: JobStore) -> None:
    job = new_job()
    created = await store.create(job)
    record = await store.acknowledge(job.id, SNOWFLAKE + 7, SNOWFLAKE + 8)
    assert (record.state, record.channel_id, record.message_id) == ("acknowledged", SNOWFLAKE + 7, SNOWFLAKE + 8)
    assert record.created_at == created.created_at
    assert record.updated_at > created.updated_at


async def test_move_stores_result_and_error(store: JobStore) -> None:
    await run_to(store, new_job(), JobState.RUNNING)
    (running,) = await store.unfinished()
    result = {"order": [2, 0, 1], "scores": [25.5, 24.0, -3.0], "seconds": 1.5, "sampling": {"top_k": 50}}
    delivering = await store.move(running.id, JobState.DELIVERING, result=result)
    assert delivering.result == result
    failed = await store.move(running.id, JobState.FAILED, error="The channel is gone.")
    assert (failed.error, failed.result) == ("The channel is gone.", result)


async def test_an_illegal_move_names_both_states_and_changes_nothing(store: JobStore) -> None:
    record = await store.create(new_job())
    with pytest.raises(StoreError) as caught:
        await store.move(record.id, JobState.DELIVERED, error="no")
    assert str(caught.value) == f"Job {record.id} is received; it can't become delivered."
    assert await store.get(record.id) == record


async def test_a_finished_job_stays_finished(store: JobStore) -> None:
    record = await run_to(store, new_job(), JobState.DELIVERED)
    for state in JobState:
        with pytest.raises(StoreError, match="is delivered; it can't become"):
            await store.move(record.id, state)


async def test_moving_an_unknown_job(store: JobStore) -> None:
    with pytest.raises(StoreError, match="There is no job 0123456789ab"):
        await store.move("0123456789ab", JobState.QUEUED)


async def test_of_concurrent_moves_one_wins(store: JobStore) -> None:
    record = await run_to(store, new_job(), JobState.RUNNING)
    moves = [JobState.DELIVERING, JobState.CANCELLED] * 6
    outcomes = await asyncio.gather(*(store.move(record.id, to) for to in moves), return_exceptions=True)
    won = [outcome for outcome in outcomes if isinstance(outcome, JobRecord)]
    lost = [outcome for outcome in outcomes if isinstance(outcome, StoreError)]
    assert (len(won), len(lost)) == (1, len(moves) - 1)
    assert await store.get(record.id) == won[0]


async def test_one_interaction_makes_one_job(store: JobStore) -> None:
    await store.create(new_job())
    with pytest.raises(StoreError, match="already holds a job of this interaction"):
        await store.create(new_job())
    assert len(await store.unfinished()) == 1


async def test_an_id_is_taken_once(store: JobStore) -> None:
    await store.create(new_job(1, id="0123456789ab"))
    with pytest.raises(StoreError, match="already holds a job with this id"):
        await store.create(new_job(2, id="0123456789ab"))


async def test_unfinished_is_oldest_first_and_bounded(store: JobStore) -> None:
    created = [await store.create(new_job(number)) for number in range(5)]
    await store.move(created[1].id, JobState.CANCELLED)
    ids = [record.id for record in created if record is not created[1]]
    assert [record.id for record in await store.unfinished()] == ids
    assert [record.id for record in await store.unfinished(limit=2)] == ids[:2]


async def test_latest_of_is_newest_first_and_of_one_user(store: JobStore) -> None:
    created = [await store.create(new_job(number, user_id=SNOWFLAKE + number % 2)) for number in range(6)]
    assert await store.latest_of(SNOWFLAKE, limit=2) == [created[4], created[2]]
    assert await store.latest_of(1) == []


async def test_values(store: JobStore) -> None:
    assert await store.get_value("commands") is None
    await store.set_value("commands", "one")
    await store.set_value("commands", "two")
    await store.set_value("other", "ß")
    assert [await store.get_value(key) for key in ("commands", "other")] == ["two", "ß"]


async def test_reopening_keeps_everything(tmp_path: Path) -> None:
    async with JobStore.open(url_of(tmp_path)) as store:
        record = await run_to(store, new_job(), JobState.RUNNING)
        await store.set_value("commands", "hash")
    async with JobStore.open(url_of(tmp_path)) as store:
        assert await store.unfinished() == [record]
        assert await store.get_value("commands") == "hash"


async def test_two_stores_share_one_file(tmp_path: Path) -> None:
    async with JobStore.open(url_of(tmp_path)) as one, JobStore.open(url_of(tmp_path)) as other:
        records = await asyncio.gather(
            *(store.create(new_job(2 * n + m)) for n in range(8) for m, store in enumerate((one, other)))
        )
        assert {record.id for record in await one.unfinished()} == {record.id for record in records}


async def test_the_event_loop_is_never_blocked(tmp_path: Path) -> None:
    with blockbuster_ctx():
        async with JobStore.open(url_of(tmp_path)) as store:
            record = await run_to(store, new_job(), JobState.RUNNING)
            assert await store.unfinished() == [record]
