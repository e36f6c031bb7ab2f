"""A database that is locked, full or moved away under the real client in a sandbox: sentences, and nothing lost."""

from typing import Any

import pytest

from bot.config import STORE_FILE, Settings
from bot.engine.fake import FakeEngine, Gate
from bot.errors import StoreError
from bot.sandbox import Sandbox
from bot.store import JobState, JobStore, NewJob
from tests.conftest import OpenStage, eventually
from tests.store.full_disk import full_disk
from tests.store.samples import locked

pytestmark = pytest.mark.fault

PROBLEM = "The bot's database has a problem (id "


def num_pictures(sandbox: Sandbox) -> int:
    """Edits that showed some."""
    return sum(bool(e.method == "PATCH" and e.answer and e.answer.get("attachments")) for e in sandbox.requests)


@pytest.mark.true_limits
async def test_a_locked_database_refuses_new_jobs_and_loses_no_old_one(
    open_stage: OpenStage, sandbox: Sandbox, settings: Settings
) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        await stage.begin_running("/imagine prompt:a red circle images:2", player="first")
        with locked(settings.data_dir / STORE_FILE):
            gate.open()
            assert (await stage.answer("/imagine prompt:a blue star")).text.startswith(PROBLEM)
            await eventually(lambda: num_pictures(sandbox) > 0)
            assert (await stage.job(JobState.RUNNING, index=0)).error is None
        job = await stage.job(JobState.DELIVERED, index=0)
        assert job.result is not None
        assert len(await stage.app.store.jobs.unfinished()) == 0
    async with open_stage():
        pass
    assert num_pictures(sandbox) == 1


async def test_a_full_disk_refuses_new_jobs_with_a_sentence(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        with full_disk(stage.app.store):
            await fill(stage.app.store.jobs)
            answer = await stage.answer("/imagine prompt:a red circle images:1")
            assert answer.text.startswith(PROBLEM)
            assert answer.is_ephemeral
        assert (await stage.play("/imagine prompt:a red circle images:1"))[-1].files


async def fill(jobs: JobStore) -> None:
    """Takes the room that is left in the database's pages, down to less than a job needs."""
    for size in (2000, 400, 1):
        with pytest.raises(StoreError, match="the disk is full"):
            await create_many(jobs, size)


async def create_many(jobs: JobStore, size: int) -> None:
    """Jobs of at least so many bytes."""
    asked: dict[str, Any] = {"prompt": "x" * size, "num_images": 1, "seed": 1, "user_id": 1, "channel_id": 2}
    for number in range(1000):
        await jobs.create(NewJob(interaction_id=10_000 * size + number, **asked))
