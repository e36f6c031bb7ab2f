"""Outages that are longer than anybody waits, under the real client in a sandbox: jobs go on without a restart."""

from typing import Any

import pytest

from bot.engine.fake import FakeEngine, Gate
from bot.errors import StoreError
from bot.executor.local import LocalExecutor
from bot.sandbox import Exchange, Refusal
from bot.store import JobState, JobStore
from bot.store.blocked_hashes import BlockedHashStore
from tests.conftest import OpenStage, Stage, eventually

pytestmark = pytest.mark.fault

DRAW = "/imagine prompt:a red circle images:2"
BY_TOKEN = "/webhooks/{webhook_id}/{webhook_token}/messages/@original"
BY_BOT = "/channels/{channel_id}/messages/{message_id}"


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.cogs.unfinished_jobs.INTERVAL_S", 0.1)


def shown(stage: Stage) -> list[Exchange]:
    """The edits that brought pictures."""
    return [e for e in stage.sandbox.requests if e.method == "PATCH" and e.status == 200 and e.files]


async def test_a_result_comes_once_discord_is_back(open_stage: OpenStage, caplog: pytest.LogCaptureFixture) -> None:
    async with open_stage() as stage:
        stage.app.bot.services.deliveries.words.pauses_s = (0.01,)
        stage.app.bot.services.unfinished._pauses_s = (0.2,)
        await stage.sandbox.refuse(Refusal("PATCH", BY_TOKEN, 404, 10015, min_bytes=1))
        await stage.sandbox.refuse(Refusal("PATCH", BY_BOT, 503, times=5, min_bytes=1))
        await stage.begin(DRAW)
        job = await stage.job(JobState.DELIVERED)
        assert "so the result is delivered later" in caplog.text
        (edit,) = shown(stage)
        assert edit.answer["id"] == str(job.message_id)
        assert len(await stage.app.store.images.of(job.id)) == 2
        assert not stage.app.bot.services.deliveries.is_under_way(job.id)


async def test_pictures_come_once_the_database_can_say_whether_they_may(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    of, faults = BlockedHashStore.of, [StoreError("It is gone.")]

    async def gone(store: BlockedHashStore, guild_id: int) -> Any:
        if faults:
            raise faults.pop()
        return await of(store, guild_id)

    monkeypatch.setattr(BlockedHashStore, "of", gone)
    async with open_stage() as stage:
        assert (await stage.play(DRAW))[-1].files
        await stage.job(JobState.DELIVERED)
    assert not faults


async def test_what_a_start_could_not_read_is_read_later(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        await stage.leave_running(DRAW, gate)
    outlines, faults = JobStore.outlines, [StoreError("It is locked.")] * 3

    async def locked(store: JobStore) -> Any:
        if faults:
            raise faults.pop()
        return await outlines(store)

    monkeypatch.setattr(JobStore, "outlines", locked)
    async with open_stage() as stage:
        await stage.job(JobState.DELIVERED)
        assert len(shown(stage)) == 1
    assert not faults


async def test_what_fails_after_it_was_stored_takes_nobodys_place(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_stage() as stage:
        with monkeypatch.context() as patched:

            async def broken(*_: Any, **__: Any) -> None:
                raise ZeroDivisionError("bug")

            patched.setattr(LocalExecutor, "submit", broken)
            assert "Something went wrong (id " in (await stage.answer(DRAW)).text
            assert (await stage.job(JobState.FAILED)).error == "Something went wrong before it could begin."
        with monkeypatch.context() as patched:
            patched.setattr("bot.cogs.acknowledging.send_job_message", broken)
            assert "Something went wrong (id " in (await stage.answer(DRAW)).text
            await stage.job(JobState.FAILED)
        await eventually(lambda: stage.app.executor.status.num_queued + stage.app.executor.status.num_running == 0)
        assert await stage.app.store.jobs.unfinished() == []
