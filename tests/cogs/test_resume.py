"""Restarts: what becomes of the jobs that the last run left."""

from typing import Any
from unittest.mock import AsyncMock, MagicMock

import pytest

from bot.cogs.image_gate import ImageGate
from bot.cogs.job_message import JobMessage, Shown
from bot.cogs.resubmitting import Resubmitting
from bot.cogs.resume import Resuming
from bot.config import QueueSettings, Settings
from bot.engine.fake import FakeEngine, Gate
from bot.errors import ExecutorClosedError, InvalidPromptError, StoreError
from bot.executor.local import LocalExecutor
from bot.moderation.cases import CaseKind, Decision
from bot.render import Rendered
from bot.sandbox import Exchange, Sandbox
from bot.store import CaseRecord, JobRecord, JobState, JobStore, NewJob
from tests.conftest import OpenStage

pytestmark = pytest.mark.fault


def edits_by_bot(sandbox: Sandbox) -> list[Exchange]:
    template = "/channels/{channel_id}/messages/{message_id}"
    return [e for e in sandbox.requests if e.method == "PATCH" and e.path_template == template]


async def test_a_restart_resumes_the_job_in_the_same_message(open_stage: OpenStage) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        acknowledged = await stage.leave_running("/imagine prompt:a red circle images:2 seed:5", gate)
    async with open_stage() as stage:
        job = await stage.job(JobState.DELIVERED)
        contents = [exchange.payload["content"] for exchange in edits_by_bot(stage.sandbox)]
    assert str(job.message_id) == acknowledged.message_id
    assert contents[0] == "**a red circle**\nResumed: queued, place 1."
    assert "2 images" in contents[-1]
    assert "seed 5" in contents[-1]


async def test_a_job_that_was_never_acknowledged_expires_at_the_restart(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.app.store.jobs.create(
            NewJob(prompt="lost", num_images=1, seed=1, user_id=1, channel_id=2, interaction_id=3)
        )
    async with open_stage() as stage:
        assert (await stage.job(JobState.EXPIRED)).error == "Nobody could be answered."


async def test_an_answer_that_discord_took_before_the_store_knew_is_found(
    open_stage: OpenStage, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    with monkeypatch.context() as patched:
        patched.setattr(JobStore, "acknowledge", AsyncMock(side_effect=StoreError("It is locked.")))
        async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
            acknowledged = await stage.begin("/imagine prompt:a red circle images:2")
            job = await stage.job(JobState.RECEIVED)
            assert job.answer_token is not None
            await stage.app.bot.close()
            gate.open()
    async with open_stage() as stage:
        job = await stage.job(JobState.DELIVERED)
    assert (str(job.message_id), job.answer_token) == (acknowledged.message_id, None)
    assert "2 images" in edits_by_bot(sandbox)[-1].payload["content"]


async def test_pictures_that_were_on_their_way_come_from_disk(
    open_stage: OpenStage, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    show = JobMessage.show

    async def lost(message: JobMessage, rendered: Rendered) -> Shown:
        return await show(message, rendered) if rendered.picture is None else Shown.UNREACHED

    with monkeypatch.context() as patched:
        patched.setattr(JobMessage, "show", lost)
        async with open_stage() as stage:
            await stage.begin("/imagine prompt:a red circle images:2")
            await stage.job(JobState.DELIVERING)
    monkeypatch.setattr(LocalExecutor, "submit", AsyncMock(side_effect=AssertionError("drawn again")))
    async with open_stage() as stage:
        job = await stage.job(JobState.DELIVERED)
        assert len(await stage.app.store.images.of(job.id)) == 2
    told = edits_by_bot(sandbox)[-1]
    assert told.answer["id"] == str(job.message_id)
    assert len(told.answer["attachments"]) == 1
    assert "2 images" in told.payload["content"]


async def test_pictures_that_are_gone_from_disk_are_drawn_again(open_stage: OpenStage) -> None:
    job = NewJob(prompt="gone", num_images=1, seed=1, user_id=1, channel_id=2, interaction_id=3)
    async with open_stage() as stage:
        await stage.play("/imagine prompt:a red circle images:1")
        shown = await stage.job(JobState.DELIVERED)
        assert shown.message_id is not None
        jobs = stage.app.store.jobs
        await jobs.create(job)
        await jobs.acknowledge(job.id, shown.channel_id, shown.message_id)
        for state in (JobState.QUEUED, JobState.RUNNING):
            await jobs.move(job.id, state)
        await jobs.move(job.id, JobState.DELIVERING, result=shown.result)
    async with open_stage() as stage:
        await stage.job(JobState.DELIVERED)


@pytest.mark.parametrize(
    ("decisions", "redrawn_after", "is_spoiler"),
    [
        ((), None, False),
        ((Decision.APPROVE,), 1, False),
        ((Decision.APPROVE_SPOILER, Decision.APPROVE), 2, False),
        ((Decision.APPROVE, Decision.APPROVE_SPOILER), 2, True),
        ((Decision.APPROVE, None), 1, False),
    ],
)
async def test_what_is_drawn_again_nobody_has_approved(
    decisions: tuple[Decision | None, ...], redrawn_after: int | None, is_spoiler: bool
) -> None:
    resubmitting = MagicMock(spec=Resubmitting, finished=AsyncMock(return_value=None), submit=AsyncMock())
    oldest_first: list[Any] = [
        MagicMock(spec=CaseRecord, kind=CaseKind.HELD_PICTURES, decision=decision, number=number)
        for number, decision in enumerate(decisions, 1)
    ]
    job, message = MagicMock(spec=JobRecord, state=JobState.DELIVERING), MagicMock(spec=JobMessage)
    parts: dict[str, Any] = dict.fromkeys(("store", "deliveries", "languages"), MagicMock())
    await Resuming(resubmitting=resubmitting, **parts)._accepted(job, message, oldest_first[::-1])
    resubmitting.submit.assert_awaited_once_with(job, message, redrawn_after=redrawn_after, is_spoiler=is_spoiler)


async def test_shares_and_trust_outlive_a_restart(open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch) -> None:
    job = NewJob(
        prompt="x", num_images=1, seed=1, user_id=1, channel_id=2, interaction_id=3, weight=2.5, is_trusted=True
    )
    async with open_stage() as stage:
        await stage.app.store.jobs.create(job)
        await stage.app.store.jobs.acknowledge(job.id, 2, 4)
    submit = AsyncMock(side_effect=ExecutorClosedError("No model."))
    monkeypatch.setattr(LocalExecutor, "submit", submit)
    rules = MagicMock(return_value=())
    monkeypatch.setattr(ImageGate, "rules", rules)
    async with open_stage():
        pass
    (request,) = submit.call_args.args
    assert request.weight == 2.5
    assert rules.call_args.kwargs == {"is_trusted": True}


async def test_a_variation_starts_with_the_same_tokens_after_a_restart(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = NewJob(
        prompt="varied",
        num_images=1,
        seed=1,
        user_id=1,
        channel_id=2,
        interaction_id=3,
        kind="vary",
        image_tokens=(200, 201, 202),
    )
    async with open_stage() as stage:
        await stage.app.store.jobs.create(job)
        await stage.app.store.jobs.acknowledge(job.id, 2, 4)
    submit = AsyncMock(side_effect=ExecutorClosedError("No model."))
    monkeypatch.setattr(LocalExecutor, "submit", submit)
    async with open_stage():
        pass
    (request,) = submit.call_args.args
    assert (request.job_id, request.image_tokens) == (job.id, (200, 201, 202))


async def test_a_variation_names_the_picture_that_it_comes_from_after_a_restart(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.play("/imagine prompt:a red circle images:2")
        first = await stage.job(JobState.DELIVERED)
        resumed = NewJob(
            prompt="varied",
            num_images=1,
            seed=1,
            user_id=first.user_id,
            guild_id=first.guild_id,
            channel_id=first.channel_id,
            interaction_id=3,
            kind="vary",
            parent_id=first.id,
            parent_rank=2,
        )
        await stage.app.store.jobs.create(resumed)
        assert first.message_id is not None
        await stage.app.store.jobs.acknowledge(resumed.id, first.channel_id, first.message_id)
    async with open_stage() as stage:
        await stage.job(JobState.DELIVERED)
        assert f"Varied from picture 2 of job [{first.id}](" in edits_by_bot(stage.sandbox)[-1].payload["content"]


async def test_a_result_that_was_deleted_on_its_way_is_not_drawn_again(open_stage: OpenStage) -> None:
    job = NewJob(prompt="gone", num_images=1, seed=1, user_id=1, channel_id=2, interaction_id=3)
    async with open_stage() as stage:
        jobs = stage.app.store.jobs
        await jobs.create(job)
        await jobs.acknowledge(job.id, 2, 4)
        for state in (JobState.QUEUED, JobState.RUNNING, JobState.DELIVERING):
            await jobs.move(job.id, state)
        assert await jobs.delete(job.id)
    async with open_stage() as stage:
        assert (await stage.job(JobState.FAILED)).error == "Its pictures were deleted."
        assert edits_by_bot(stage.sandbox) == []


async def test_limits_that_are_lower_now_refuse_no_job_that_was_accepted(
    open_stage: OpenStage, settings: Settings
) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(num_slots=1, gate=gate)) as stage:
        for player in ("first", "second"):
            await stage.begin("/imagine prompt:a red circle", player=player)
        await stage.job(JobState.QUEUED)
        await stage.app.bot.close()
        gate.open()
    smaller = settings.model_copy(update={"queue": QueueSettings(max_jobs=1, max_jobs_per_user=1)})
    gate = Gate()
    async with open_stage(lambda: FakeEngine(num_slots=1, gate=gate), settings=smaller) as stage:
        assert (await stage.answer("/imagine prompt:a newcomer")).is_ephemeral
        gate.open()
        for index in range(2):
            await stage.job(JobState.DELIVERED, index=index)


async def test_a_job_that_can_not_be_taken_up_tells_its_message(
    open_stage: OpenStage, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        acknowledged = await stage.leave_running("/imagine prompt:one", gate)
    monkeypatch.setattr(LocalExecutor, "submit", AsyncMock(side_effect=InvalidPromptError("No words.")))
    async with open_stage() as stage:
        failed = await stage.job(JobState.FAILED)
    told = [e for e in edits_by_bot(sandbox) if e.answer["id"] == acknowledged.message_id][-1]
    assert failed.error == "This job could not be taken up again. No words."
    assert told.payload["content"] == f"**one**\n{failed.error}"


async def test_a_job_stays_for_the_next_start_if_the_engine_is_gone(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        await stage.leave_running("/imagine prompt:one", gate)
    with monkeypatch.context() as patched:
        patched.setattr(LocalExecutor, "submit", AsyncMock(side_effect=ExecutorClosedError("No model.")))
        async with open_stage():
            pass
    assert "waits to be taken up: No model." in caplog.text
    async with open_stage() as stage:
        await stage.job(JobState.DELIVERED)


async def test_a_store_that_can_not_say_leaves_the_bot_online(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def down(*_: object, **__: object) -> None:
        raise StoreError("It is locked.")

    monkeypatch.setattr(JobStore, "unfinished", down)
    async with open_stage() as stage:
        assert (await stage.play("/imagine prompt:a red circle"))[-1].files
    assert "unfinished jobs could not be read, and are later: It is locked." in caplog.text
