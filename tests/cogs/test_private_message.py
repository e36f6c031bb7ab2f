"""Private answers as their users meet them: the real client in a sandbox; and what goes to direct messages."""

from unittest.mock import AsyncMock, MagicMock

import discord
import pytest

from bot.cogs.job_message import CANNOT_MESSAGE_USER, Shown
from bot.cogs.private_message import PrivateMessage
from bot.engine.fake import FakeEngine, Gate
from bot.executor.local import LocalExecutor
from bot.language import ENGLISH
from bot.render import Controls, Picture, Rendered, render_failure
from bot.sandbox import EventKind, Exchange
from bot.store import JobState
from tests.cogs.desk import refusal
from tests.conftest import OpenStage, Stage

DRAW = "/imagine prompt:a red circle images:2 private:true"
RUNNING = Rendered("Drawing", Picture("a.webp", b"webp", "Unfinished"), Controls.RUNNING)
RESULT = Rendered("done", Picture("a.png", b"png", "A picture"))


def direct_messages(stage: Stage) -> list[Exchange]:
    """What the bot posted with its own token."""
    template = "/channels/{channel_id}/messages"
    return [e for e in stage.sandbox.requests if e.method == "POST" and e.path_template == template]


async def test_only_its_user_sees_a_private_job(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        _, acknowledged, *_, done = await stage.play(f"{DRAW} prompt2:a blue star")
        jobs = [await stage.job(JobState.DELIVERED, index=index) for index in (0, 1)]
        assert acknowledged.kind is EventKind.ACK
        assert acknowledged.is_ephemeral
        assert done.is_ephemeral
        assert done.files
        assert [job.is_private for job in jobs] == [True, True]
        assert direct_messages(stage) == []
        await stage.play("/again private:false")
        assert not (await stage.job(JobState.DELIVERED)).is_private


async def test_a_repeated_job_stays_private(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.play(DRAW)
        assert (await stage.play("/again"))[-1].is_ephemeral
        assert (await stage.job(JobState.DELIVERED)).is_private


async def test_after_fifteen_minutes_the_pictures_come_as_a_direct_message(open_stage: OpenStage) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        await stage.begin(DRAW)
        await stage.job(JobState.RUNNING)
        await stage.sandbox.advance_clock(16 * 60)
        gate.open()
        job = await stage.job(JobState.DELIVERED)
        (sent,) = direct_messages(stage)
    assert sent.status == 200
    assert len(sent.files) == 1
    assert sent.payload["nonce"] == job.id
    assert sent.payload["content"].startswith("**a red circle**\n2 images for ")


async def test_closed_direct_messages_are_recorded(open_stage: OpenStage, caplog: pytest.LogCaptureFixture) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        await stage.play("as hermit")
        await stage.begin(DRAW)
        await stage.job(JobState.RUNNING)
        await stage.sandbox.advance_clock(16 * 60)
        gate.open()
        job = await stage.job(JobState.EXPIRED)
    assert job.error == "The private answer could not be edited any more, and its user takes no direct messages."
    assert f"job {job.id}: undelivered" in caplog.text


async def test_after_a_restart_the_pictures_come_as_a_direct_message(open_stage: OpenStage) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        await stage.begin(DRAW)
        await stage.job(JobState.RUNNING)
        await stage.app.bot.close()
        gate.open()
    async with open_stage() as stage:
        await stage.job(JobState.DELIVERED)
        (sent,) = direct_messages(stage)
    assert len(sent.files) == 1


async def test_a_long_wait_is_refused_with_the_expected_time(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_stage() as stage:
        await stage.play("/imagine prompt:measured images:1")
        monkeypatch.setattr(LocalExecutor, "drawing_s", lambda *_: 1200.0)
        answer = await stage.answer(DRAW)
        assert answer.is_ephemeral
        assert answer.text.startswith("This would be done in about 20 min, and Discord lets me write into an answer")
        assert (await stage.job(JobState.FAILED)).error == answer.text
        assert stage.app.executor.status.num_queued == 0
        assert (await stage.play("/imagine prompt:for all images:1"))[-1].files


def make_message(send: AsyncMock, interaction: discord.Interaction | None = None) -> PrivateMessage:
    """One whose interaction was lost in a restart, if none is given."""
    client = MagicMock(spec=discord.Client)
    client.create_dm = AsyncMock(return_value=MagicMock(send=send))
    partial = MagicMock(spec=discord.PartialMessage, id=99, edit=AsyncMock(side_effect=AssertionError))
    return PrivateMessage(client, 7, partial, "0123456789ab", ENGLISH, interaction=interaction)


async def test_only_the_end_of_a_job_is_worth_a_direct_message() -> None:
    send = AsyncMock()
    message = make_message(send)
    assert await message.show(RUNNING) is Shown.DONE
    assert await message.show(Rendered("The bot is going offline.")) is Shown.DONE
    assert send.await_count == 0
    assert await message.show(render_failure("a star", "It failed.")) is Shown.DONE
    assert send.await_args_list[0].args == ("**a star**\nIt failed.",)
    assert await message.show(RESULT) is Shown.DONE
    assert [file.filename for file in send.await_args_list[1].kwargs["files"]] == ["a.png"]


async def test_a_passing_fault_does_not_send_the_pictures_elsewhere() -> None:
    send = AsyncMock()
    edit = AsyncMock(side_effect=[refusal(503, 0), None, refusal(401, 50027)])
    message = make_message(send, MagicMock(spec=discord.Interaction, edit_original_response=edit))
    assert [await message.show(RESULT) for _ in range(2)] == [Shown.UNREACHED, Shown.DONE]
    assert send.await_count == 0
    assert await message.show(RESULT) is Shown.DONE
    assert send.await_count == 1


async def test_what_discord_says_to_a_direct_message() -> None:
    refusals = [refusal(403, CANNOT_MESSAGE_USER), refusal(503, 0), refusal(413, 40005)]
    message = make_message(AsyncMock(side_effect=refusals))
    shown = [await message.show(RESULT) for _ in refusals]
    assert shown == [Shown.CLOSED, Shown.UNREACHED, Shown.TOO_LARGE]
