"""Recorders with a store that refuses what it is told to refuse."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest

from bot.cogs.job_recorder import JobRecorder
from bot.errors import ExecutorClosedError, JobCancelledError, StoreError
from bot.store import JobRecord, JobState, JobStore, NewJob, Store

pytestmark = pytest.mark.fault

JOB = NewJob(prompt="a red circle", num_images=1, seed=1, user_id=1, channel_id=2, interaction_id=3)


class Failing(JobStore):
    """refusals: how many calls from now on fail. states: what it took, in order."""

    refusals = 0
    states: list[JobState]

    async def _move(self, job_id: str, to: JobState, values: dict[str, Any], *, is_urgent: bool = False) -> JobRecord:
        if self.refusals:
            self.refusals -= 1
            raise StoreError("The database x is locked by another program.")
        record = await super()._move(job_id, to, values, is_urgent=is_urgent)
        self.states.append(to)
        return record


@asynccontextmanager
async def failing_store(folder: Path) -> AsyncIterator[Failing]:
    async with Store.open(f"sqlite+aiosqlite:///{folder / 'store.sqlite3'}") as store:
        jobs = Failing(store.jobs._database)
        jobs.states = []
        await jobs.create(JOB)
        yield jobs


def recorder(store: JobStore, state: JobState | None = JobState.RECEIVED, **more: Any) -> JobRecorder:
    more = {"message": (20, 30), "pauses_s": (0.0,), "closing": asyncio.get_running_loop().create_future()} | more
    return JobRecorder(store, JOB.id, state, **more)


async def test_what_the_store_refused_comes_first_the_next_time(tmp_path: Path) -> None:
    async with failing_store(tmp_path) as jobs:
        recording = recorder(jobs)
        jobs.refusals = 2
        await recording.record(JobState.QUEUED)
        await recording.record(JobState.RUNNING)
        assert jobs.states == []
        await recording.record(JobState.DELIVERING, result={"order": [0]}, is_spoiler=True)
        assert jobs.states == ["acknowledged", "queued", "running", "delivering"]
        job = await jobs.get(JOB.id)
    assert job is not None
    assert (job.channel_id, job.message_id, job.result, job.is_spoiler) == (20, 30, {"order": [0]}, True)


async def test_the_end_of_a_job_is_recorded_however_long_it_takes(tmp_path: Path) -> None:
    async with failing_store(tmp_path) as jobs:
        jobs.refusals = 7
        await recorder(jobs).record(JobState.FAILED, error="The channel is gone.")
        job = await jobs.get(JOB.id)
    assert jobs.states == ["acknowledged", "failed"]
    assert job is not None
    assert job.error == "The channel is gone."


@pytest.mark.parametrize(("refusals", "num_told"), [(0, 0), (1, 1), (7, 1)])
async def test_that_it_takes_long_is_told_once(tmp_path: Path, refusals: int, num_told: int) -> None:
    tell = AsyncMock()
    async with failing_store(tmp_path) as jobs:
        jobs.refusals = refusals
        await recorder(jobs).record(JobState.QUEUED, is_final=True, on_fault=tell)
        assert jobs.states == ["acknowledged", "queued"]
    assert tell.await_count == num_told


async def test_closing_ends_the_attempts_after_a_last_one(tmp_path: Path) -> None:
    async with failing_store(tmp_path) as jobs:
        closing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        jobs.refusals = 100
        recording = asyncio.create_task(recorder(jobs, closing=closing, pauses_s=(600.0,)).record(JobState.FAILED))
        await asyncio.sleep(0.02)
        jobs.refusals = 0
        closing.set_result(None)
        async with asyncio.timeout(5):
            await recording
    assert jobs.states == ["acknowledged", "failed"]


async def test_a_move_that_was_made_already_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with failing_store(tmp_path) as jobs:
        await jobs.acknowledge(JOB.id, 20, 30)
        await recorder(jobs).record(JobState.QUEUED)
        assert jobs.states == ["acknowledged", "queued"]
        await recorder(jobs, JobState.QUEUED).record(JobState.QUEUED)
        assert jobs.states == ["acknowledged", "queued"]
    assert f"Job {JOB.id} is acknowledged; it can't become acknowledged." in caplog.text


async def test_a_job_that_somebody_else_has_ended_stays_ended(tmp_path: Path) -> None:
    async with failing_store(tmp_path) as jobs:
        await jobs.move(JOB.id, JobState.CANCELLED)
        await recorder(jobs, None).record(JobState.FAILED)
        job = await jobs.get(JOB.id)
    assert job is not None
    assert job.state is JobState.CANCELLED


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.DELIVERING])
async def test_a_job_that_another_process_has_cancelled_is_not_gone_on_with(tmp_path: Path, state: JobState) -> None:
    async with failing_store(tmp_path) as jobs:
        recording = recorder(jobs, JobState.ACKNOWLEDGED)
        await jobs.move(JOB.id, JobState.CANCELLED, error="Cancelled by <@7>.")
        recording.check()
        await recording.record(state)
        with pytest.raises(JobCancelledError, match=r"Cancelled by <@7>\."):
            recording.check()
        job = await jobs.get(JOB.id)
    assert job is not None
    assert job.state is JobState.CANCELLED


async def test_nor_is_one_that_is_gone(tmp_path: Path) -> None:
    async with failing_store(tmp_path) as jobs:
        recording = JobRecorder(jobs, "0" * 12, JobState.QUEUED, closing=asyncio.get_running_loop().create_future())
        await recording.record(JobState.RUNNING)
        with pytest.raises(JobCancelledError, match=r"The job was cancelled\."):
            recording.check()


async def test_whether_it_was_cancelled_is_asked_again_if_the_store_does_not_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with failing_store(tmp_path) as jobs:
        await jobs.move(JOB.id, JobState.CANCELLED)
        recording = recorder(jobs, JobState.ACKNOWLEDGED)
        with monkeypatch.context() as patched:
            patched.setattr(jobs, "get", AsyncMock(side_effect=StoreError("It is locked.")))
            await recording.record(JobState.QUEUED)
            recording.check()
        await recording.record(JobState.RUNNING)
        with pytest.raises(JobCancelledError):
            recording.check()


async def test_what_must_be_stored_first_is_not_done_if_the_bot_closes_before(tmp_path: Path) -> None:
    async with failing_store(tmp_path) as jobs:
        closing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        closing.set_result(None)
        recording = recorder(jobs, JobState.ACKNOWLEDGED, closing=closing)
        jobs.refusals = 2
        await recording.record(JobState.QUEUED, is_final=True)
        recording.check()
        with pytest.raises(ExecutorClosedError):
            recording.check(is_stored=True)
        await recording.catch_up()
        recording.check(is_stored=True)
