"""Jobs that were being drawn whenever the bot ended."""

from pathlib import Path

import pytest

from bot.cogs.fatal_jobs import KEY, MAX_ENDS, fatal_jobs
from bot.config import Settings
from bot.errors import StoreError
from bot.store import JobState, Store
from bot.store.values import ValueStore
from tests.conftest import OpenStage
from tests.store.samples import new_job, url_of

pytestmark = pytest.mark.fault


async def drawing(store: Store, number: int, *, state: JobState = JobState.RUNNING, channel_id: int = 2) -> str:
    """number: of its message, too."""
    job = await store.jobs.create(new_job(number))
    await store.jobs.acknowledge(job.id, channel_id, number)
    for step in (JobState.QUEUED, JobState.RUNNING):
        await store.jobs.move(job.id, step)
        if step is state:
            break
    return job.id


async def counted(store: Store, *, are_left: bool = True) -> frozenset[str]:
    """A start. are_left: by the last run of this very process, whatever is unfinished."""
    unfinished = await store.jobs.outlines()
    return await fatal_jobs(store, unfinished, are_left={job.id for job in unfinished} if are_left else ())


async def test_a_job_is_given_up_after_too_many_ends_and_one_that_waits_is_not(tmp_path: Path) -> None:
    async with Store.open(url_of(tmp_path)) as store:
        fatal = await drawing(store, 1)
        await drawing(store, 2, state=JobState.QUEUED)
        for _ in range(MAX_ENDS):
            assert await counted(store) == frozenset()
        assert await counted(store) == {fatal}


async def test_what_has_ended_is_forgotten(tmp_path: Path) -> None:
    async with Store.open(url_of(tmp_path)) as store:
        job_id = await drawing(store, 1)
        await counted(store)
        await store.jobs.move(job_id, JobState.FAILED, error="It failed.")
        assert await counted(store) == frozenset()
        assert await store.values.get(KEY) == "{}"


async def test_what_another_process_draws_does_not_count_and_is_not_forgotten(tmp_path: Path) -> None:
    async with Store.open(url_of(tmp_path)) as store:
        job_id = await drawing(store, 1)
        for _ in range(MAX_ENDS):
            assert await counted(store) == frozenset()
            assert await counted(store, are_left=False) == frozenset()
        assert await counted(store) == {job_id}


async def test_a_store_that_can_not_say_gives_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def down(*_: object) -> None:
        raise StoreError("It is locked.")

    async with Store.open(url_of(tmp_path)) as store:
        await drawing(store, 1)
        monkeypatch.setattr(ValueStore, "get", down)
        assert await counted(store) == frozenset()


async def test_its_message_says_so(open_stage: OpenStage, settings: Settings) -> None:
    async with open_stage() as stage:
        await stage.play("/imagine prompt:a red circle images:1")
        delivered = await stage.job(JobState.DELIVERED)
    async with Store.open(settings.store_url) as store:
        assert delivered.message_id is not None
        job_id = await drawing(store, delivered.message_id, channel_id=delivered.channel_id)
        await store.values.set(KEY, f'{{"{job_id}": {MAX_ENDS}}}')
    async with open_stage() as stage:
        stage.job_ids.append(job_id)
        job = await stage.job(JobState.FAILED)
        assert job.error == "The bot ended again and again while it drew this. Ask for something else."
        edits = [request for request in stage.sandbox.requests if request.method == "PATCH"]
        assert edits[-1].payload["content"].endswith(job.error)
