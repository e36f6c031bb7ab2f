"""Deliveries with the real executor and store, a fake engine and a recorded message."""

import asyncio
import threading
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import discord
import pytest

from bot.cogs.job_message import UNKNOWN_MESSAGE
from bot.engine.fake import FakeEngine, Faults, Gate
from bot.errors import ExecutorClosedError, JobEndedError, QueueFullError, StoreError
from bot.requests import GenerationRequest, new_job_id
from bot.store import JobRecord, JobState, JobStore
from tests.cogs.desk import TIMEOUT_S, Recorded, open_desk, refusal
from tests.conftest import eventually

JOB_ID = "0123456789ab"


async def test_a_job_ends_with_one_picture_and_a_record_of_it(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        job = await desk.wait_for(await desk.accept(num_images=3), JobState.DELIVERED)
    assert desk.recorded.num_files[-1] == 1
    assert sum(desk.recorded.num_files) == 1
    assert "3 images for <@1>" in desk.recorded.contents[-1]
    assert job.result is not None
    assert sorted(job.result["order"]) == [0, 1, 2]
    assert job.result["scores"] == sorted(job.result["scores"], reverse=True)
    assert job.result["sampling"] == {"condition_scale": 1.0, "top_k": 0, "top_p": 1.0, "temperature": 1.0}


async def test_a_result_is_kept_before_it_is_delivered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    when_shown: list[bool] = []
    edit = Recorded.edit

    async def looking(recorded: Recorded, *, attachments: list[discord.File], **others: Any) -> None:
        if attachments is not discord.utils.MISSING:
            when_shown.append(any((tmp_path / "pictures").glob("*/*/2.png")))
        await edit(recorded, attachments=attachments, **others)

    monkeypatch.setattr(Recorded, "edit", looking)
    async with open_desk(tmp_path) as desk:
        await desk.wait_for(await desk.accept(num_images=2), JobState.DELIVERED)
    assert when_shown == [True]


async def test_a_result_is_on_disk_and_described_before_its_state_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    move = JobStore.move

    async def moving(store: JobStore, job_id: str, to: JobState, **others: Any) -> JobRecord:
        done.append(to)
        return await move(store, job_id, to, **others)

    monkeypatch.setattr(JobStore, "move", moving)
    monkeypatch.setattr("bot.pictures.sync_folder", lambda folder: done.append(folder.name))
    async with open_desk(tmp_path, edit_interval_s=60.0, retry_pauses_s=(0.0,)) as desk:
        desk.recorded.refusals = [refusal(503, 0), refusal(503, 0)]
        request = await desk.accept(num_images=2)
        job = await desk.wait_for(request, JobState.DELIVERING)
        assert len(list((tmp_path / "pictures").glob("*/*/*.png"))) == 2
        assert len(await desk.images.of(request.job_id)) == 2
    assert job.result is not None
    assert done.index("pictures") < done.index(JobState.DELIVERING), "a power cut could still take them"
    assert sorted(job.result["order"]) == [0, 1]


@pytest.mark.fault
async def test_a_store_that_is_locked_for_a_while_loses_no_move(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[JobState] = []
    move = JobStore._move

    async def locked(store: JobStore, job_id: str, to: JobState, *others: Any, **more: Any) -> JobRecord:
        if len(refused) < 4:
            refused.append(to)
            raise StoreError("The database is locked by another program.")
        return await move(store, job_id, to, *others, **more)

    async with open_desk(tmp_path) as desk:
        request = await desk.accept()
        monkeypatch.setattr(JobStore, "_move", locked)
        job = await desk.wait_for(request, JobState.DELIVERED)
    assert job.result is not None
    assert refused[0] == "queued"
    assert desk.recorded.num_files[-1] == 1


@pytest.mark.fault
async def test_a_result_that_can_not_be_kept_is_delivered(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "pictures").write_text("a file")
    async with open_desk(tmp_path) as desk:
        await desk.wait_for(await desk.accept(), JobState.DELIVERED)
    assert desk.recorded.num_files[-1] == 1
    assert "its pictures could not be kept" in caplog.text


async def test_progress_is_shown_but_not_more_often_than_the_interval(tmp_path: Path) -> None:
    async with open_desk(tmp_path, lambda: FakeEngine(image_length=64, delay_s=0.02), edit_interval_s=0.1) as desk:
        await desk.wait_for(await desk.accept(), JobState.DELIVERED)
    progress = [content for content in desk.recorded.contents if "Drawing" in content]
    assert 1 <= len(progress) <= 5
    assert len(set(progress)) == len(progress)


async def test_a_job_that_waits_says_when_its_place_changes(tmp_path: Path) -> None:
    gate = Gate()
    async with open_desk(tmp_path, lambda: FakeEngine(num_slots=2, gate=gate)) as desk:
        first = await desk.accept("first")
        await asyncio.to_thread(gate.await_arrivals, 1)
        await desk.accept("second")
        third = await desk.accept("third", user_id=2)
        assert await desk.executor.cancel(first.job_id)
        await desk.wait_for(first, JobState.CANCELLED)
        gate.open()
        await desk.wait_for(third, JobState.DELIVERED)
    assert "**first**\nThe job was cancelled." in desk.recorded.contents


@pytest.mark.fault
async def test_a_failed_job_tells_why_and_others_go_on(tmp_path: Path) -> None:
    async with open_desk(tmp_path, lambda: FakeEngine(faults=Faults(refused_prompts={"bad"}))) as desk:
        bad, good = await desk.accept("bad"), await desk.accept("good")
        failed = await desk.wait_for(bad, JobState.FAILED)
        await desk.wait_for(good, JobState.DELIVERED)
    assert failed.error
    assert f"**bad**\n{failed.error}" in desk.recorded.contents


@pytest.mark.fault
async def test_an_engine_that_does_not_load_leaves_the_job_for_the_next_start(tmp_path: Path) -> None:
    accepted = threading.Event()

    def broken() -> FakeEngine:
        accepted.wait(TIMEOUT_S)
        raise OSError("no such device")

    async with open_desk(tmp_path, broken) as desk:
        request = await desk.accept()
        accepted.set()
        await eventually(lambda: bool(desk.recorded.contents))
        job = await desk.store.get(request.job_id)
    assert job is not None
    assert (job.state, job.error) == (JobState.QUEUED, None)
    assert desk.recorded.contents[-1].endswith("This job goes on when it is back.")


@pytest.mark.fault
async def test_a_deleted_message_ends_the_job(tmp_path: Path) -> None:
    gate = Gate()
    async with open_desk(tmp_path, lambda: FakeEngine(gate=gate)) as desk:
        desk.recorded.refusals = [refusal(404, UNKNOWN_MESSAGE)]
        request = await desk.accept()
        await asyncio.to_thread(gate.await_arrivals, 1)
        gate.let_pass()
        job = await desk.wait_for(request, JobState.CANCELLED)
        assert job.error == "Its message was deleted."
        assert desk.recorded.contents == []
        gate.open()
        await desk.wait_for(await desk.accept("next"), JobState.DELIVERED)


@pytest.mark.fault
async def test_a_result_that_discord_refuses_for_a_moment_is_sent_again(tmp_path: Path) -> None:
    async with open_desk(tmp_path, edit_interval_s=60.0) as desk:
        desk.recorded.refusals = [refusal(503, 0)]
        await desk.wait_for(await desk.accept(), JobState.DELIVERED)
    assert desk.recorded.num_files == [1]


@pytest.mark.fault
async def test_a_result_that_discord_never_takes_fails_and_the_message_tells_so(tmp_path: Path) -> None:
    async with open_desk(tmp_path, edit_interval_s=60.0) as desk:
        desk.recorded.refusals = [refusal(400, 50035)]
        job = await desk.wait_for(await desk.accept(), JobState.FAILED)
    assert job.error is not None
    assert "Discord did not take the pictures" in job.error
    assert not any((tmp_path / "pictures").glob("*/*/*.png")), "nothing waits on disk for a message that never comes"
    assert desk.recorded.contents == [f"**a red circle**\n{job.error}"]


@pytest.mark.fault
async def test_a_result_waits_on_disk_if_discord_is_away_for_too_long(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_desk(tmp_path, edit_interval_s=60.0, retry_pauses_s=(0.0, 0.0)) as desk:
        desk.recorded.refusals = [refusal(503, 0) for _ in range(3)]
        request = await desk.accept()
        await eventually(lambda: "so the result is delivered later" in caplog.text)
        job = await desk.store.get(request.job_id)
    assert job is not None
    assert job.state is JobState.DELIVERING
    assert desk.recorded.contents == []


async def test_closing_does_not_wait_for_the_pause_before_the_next_attempt(tmp_path: Path) -> None:
    async with open_desk(tmp_path, edit_interval_s=60.0, retry_pauses_s=(600.0,)) as desk:
        desk.recorded.refusals = [refusal(503, 0)]
        request = await desk.accept()
        await eventually(lambda: not desk.recorded.refusals)
        async with asyncio.timeout(5):
            await desk.deliveries.aclose()
        assert [(job.id, job.state) for job in await desk.store.unfinished()] == [(request.job_id, JobState.DELIVERING)]


@pytest.mark.fault
async def test_a_bug_while_rendering_gives_an_id_to_the_user_and_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bot.cogs.handing_over.render_result", MagicMock(side_effect=ZeroDivisionError("bug")))
    async with open_desk(tmp_path) as desk:
        job = await desk.wait_for(await desk.accept(), JobState.FAILED)
    assert job.error is not None
    assert "Something went wrong (id " in desk.recorded.contents[-1]
    assert "ZeroDivisionError: bug" in caplog.text
    assert job.error.split("(id ")[1][:6] in caplog.text


@pytest.mark.fault
async def test_a_store_that_fails_costs_the_record_and_not_the_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate()
    async with open_desk(tmp_path, lambda: FakeEngine(gate=gate)) as desk:
        request = await desk.accept()
        await desk.wait_for(request, JobState.RUNNING)
        monkeypatch.setattr(JobStore, "_move", AsyncMock(side_effect=StoreError("It is full.")))
        gate.open()
        async with asyncio.timeout(TIMEOUT_S):
            await desk.recorded.has_picture.wait()
        await desk.deliveries.aclose()
    assert f"job {request.job_id} could not be recorded as delivering yet: It is full." in caplog.text


async def test_a_cancelled_job_is_recorded_before_its_message_says_so(tmp_path: Path) -> None:
    gate = Gate()
    async with open_desk(tmp_path, lambda: FakeEngine(gate=gate), edit_interval_s=60.0) as desk:
        request = await desk.accept()
        await desk.wait_for(request, JobState.RUNNING)
        desk.recorded.refusals = [refusal(503, 0)]
        assert await desk.deliveries.cancel(request.job_id, 7) is True
        assert (await desk.wait_for(request, JobState.CANCELLED)).error == "Cancelled by <@7>."
        await eventually(lambda: bool(desk.recorded.contents))
        await eventually(lambda: desk.deliveries.standing(request.job_id) is None)
        assert await desk.deliveries.cancel(request.job_id, 7) is False
        gate.open()
    assert desk.recorded.contents == ["**a red circle**\nCancelled by <@7>."]


@pytest.mark.fault
async def test_a_job_that_is_cancelled_as_the_bot_closes_does_not_come_back(tmp_path: Path) -> None:
    gate = Gate()
    async with open_desk(tmp_path, lambda: FakeEngine(gate=gate), edit_interval_s=60.0) as desk:
        request = await desk.accept()
        await desk.wait_for(request, JobState.RUNNING)
        await desk.deliveries.cancel(request.job_id, 7)
        await desk.deliveries.aclose()
        assert await desk.store.unfinished() == []
        assert desk.recorded.contents == ["**a red circle**\nCancelled by <@7>."]
        gate.open()


@pytest.mark.fault
async def test_a_cancellation_that_fails_can_be_tried_again(tmp_path: Path) -> None:
    gate = Gate()
    async with open_desk(tmp_path, lambda: FakeEngine(gate=gate)) as desk:
        request = await desk.accept()
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(desk.executor, "cancel", AsyncMock(side_effect=TimeoutError))
            with pytest.raises(TimeoutError):
                await desk.deliveries.cancel(request.job_id, 7)
        assert await desk.deliveries.cancel(request.job_id, 8)
        with pytest.raises(JobEndedError, match="Somebody has just cancelled"):
            await desk.deliveries.cancel(request.job_id, 9)
        assert (await desk.wait_for(request, JobState.CANCELLED)).error == "Cancelled by <@8>."
        gate.open()


async def test_a_job_can_be_cancelled_while_it_is_being_accepted(tmp_path: Path) -> None:
    gate = Gate()
    async with open_desk(tmp_path, lambda: FakeEngine(gate=gate)) as desk:
        submit = desk.executor.submit

        async def submit_and_cancel(request: GenerationRequest) -> object:
            stream = await submit(request)
            assert await desk.deliveries.cancel(request.job_id, 7)
            return stream

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(desk.executor, "submit", submit_and_cancel)
            with desk.deliveries.accepting(JOB_ID):
                request = await desk.accept(job_id=JOB_ID)
        await desk.wait_for(request, JobState.CANCELLED)
        await eventually(lambda: desk.recorded.contents[-1:] == ["**a red circle**\nCancelled by <@7>."])
        gate.open()


async def test_a_job_that_was_not_accepted_in_the_end_is_forgotten(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        with pytest.raises(ZeroDivisionError), desk.deliveries.accepting(JOB_ID):
            raise ZeroDivisionError
        assert await desk.deliveries.cancel(JOB_ID, 7) is False
        assert desk.deliveries.standing(JOB_ID) is None


@pytest.mark.fault
async def test_closing_tells_the_user_and_leaves_the_job_unfinished(tmp_path: Path) -> None:
    gate = Gate()
    async with open_desk(tmp_path, lambda: FakeEngine(gate=gate), edit_interval_s=60.0) as desk:
        request = await desk.accept()
        await desk.wait_for(request, JobState.RUNNING)
        await desk.deliveries.aclose()
        assert [job.id for job in await desk.store.unfinished()] == [request.job_id]
        assert desk.recorded.contents == [
            "**a red circle**\nThe bot is going offline. This job goes on when it is back."
        ]
        with pytest.raises(ExecutorClosedError, match="going offline"), desk.deliveries.accepting(new_job_id()):
            pass
        gate.open()


async def test_closing_waits_for_a_job_that_is_being_accepted(tmp_path: Path) -> None:
    gate = Gate()
    async with open_desk(tmp_path, lambda: FakeEngine(gate=gate)) as desk:
        closing = asyncio.Event()

        async def accept() -> None:
            with desk.deliveries.accepting(new_job_id()):
                closing.set()
                await asyncio.sleep(0.05)
                await desk.accept()

        accepting = asyncio.create_task(accept())
        await closing.wait()
        await desk.deliveries.aclose()
        assert accepting.done()
        assert "going offline" in desk.recorded.contents[-1]
        gate.open()


async def test_the_number_of_deliveries_is_bounded(tmp_path: Path) -> None:
    gate = Gate()
    async with open_desk(tmp_path, lambda: FakeEngine(gate=gate), max_deliveries=1) as desk:
        request = await desk.accept()
        with pytest.raises(QueueFullError, match="1 jobs are under way"), desk.deliveries.accepting(new_job_id()):
            pass
        with pytest.raises(QueueFullError), desk.deliveries.accepting(new_job_id(), new_job_id()):
            pass
        with desk.deliveries.accepting(new_job_id(), accepted_before=True):
            second = await desk.accept()
        gate.open()
        await desk.wait_for(request, JobState.DELIVERED)
        await desk.wait_for(second, JobState.DELIVERED)


async def test_pictures_that_discord_does_not_take_keep_new_jobs_out(tmp_path: Path) -> None:
    """The first one's message is refused until it is tried again for the last time."""
    async with open_desk(tmp_path, max_picture_bytes=1, retry_pauses_s=(30.0,)) as desk:
        desk.recorded.refusals.extend(refusal(503, 0) for _ in range(20))
        await desk.accept()
        async with asyncio.timeout(TIMEOUT_S):
            while not desk.deliveries._has_too_many_bytes():  # noqa: ASYNC110 - nothing announces it
                await asyncio.sleep(0.01)
        with (
            pytest.raises(QueueFullError, match="Discord is slow to take finished pictures"),
            desk.deliveries.accepting(new_job_id()),
        ):
            pass
        with desk.deliveries.accepting(new_job_id(), accepted_before=True):
            pass
