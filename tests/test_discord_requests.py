"""What discord.py lacks: the real client in a sandbox whose answers are late, lost, or come with a fault."""

import asyncio
import io
from functools import partial

import discord
import pytest

from bot import client
from bot.discord_requests import AnswerRequests
from bot.fence import FenceClosedError
from bot.sandbox import Refusal
from bot.sandbox.fault_plan import CALLBACK, EDIT_BY_TOKEN
from tests.conftest import OpenStage, Stage, eventually

POST = ("POST", "/channels/{channel_id}/messages")


def general(stage: Stage) -> discord.TextChannel:
    (guild,) = stage.app.bot.guilds
    return next(channel for channel in guild.text_channels if channel.name == "general")


@pytest.mark.parametrize("has_file", [False, True])
async def test_a_message_is_posted_once(open_stage: OpenStage, has_file: bool) -> None:
    """discord.py gives each a nonce, by which Discord knows the second attempt."""
    async with open_stage() as stage:
        await eventually(lambda: bool(stage.app.bot.guilds))
        await stage.sandbox.refuse(Refusal(*POST, 500, is_applied=True))
        file = (
            discord.File(io.BytesIO(b"text"), "text.txt", description="a text") if has_file else discord.utils.MISSING
        )
        channel = general(stage)
        sent = await channel.send("hello", file=file)
        again = await channel.send("hello")
        assert [message.id async for message in channel.history()] == [again.id, sent.id]


async def test_a_nonce_of_ones_own_stays(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await eventually(lambda: bool(stage.app.bot.guilds))
        sent = [await general(stage).send("hello", nonce="mine") for _ in range(2)]
        assert sent[0].id == sent[1].id


async def test_behind_a_closed_fence_nothing_reaches_discord(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await eventually(lambda: bool(stage.app.bot.guilds))
        message = await general(stage).send("hello")
        num_requests = len(stage.sandbox.requests)
        stage.app.fence.close_at(asyncio.get_running_loop().time())
        with pytest.raises(FenceClosedError):
            await message.edit(content="too late")
        assert len(stage.sandbox.requests) == num_requests


async def test_an_answer_has_a_time_limit(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(client, "AnswerRequests", partial(AnswerRequests, answer_timeout_s=0.2))
    async with open_stage() as stage:
        await stage.sandbox.refuse(Refusal(*CALLBACK, 0, is_applied=True, delay_s=30.0))
        await stage.begin("/about")
        await eventually(lambda: "/about failed" in caplog.text)
    assert "TimeoutError" in caplog.text


async def test_so_has_an_edit(open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "AnswerRequests", partial(AnswerRequests, edit_timeout_s=0.3))
    async with open_stage() as stage:
        stage.app.bot.services.deliveries.words.pauses_s = (0.01,)
        await stage.sandbox.refuse(Refusal(*EDIT_BY_TOKEN, 0, is_applied=True, delay_s=30.0, min_bytes=1))
        assert (await stage.play("/imagine prompt:a red circle images:1"))[-1].files
        await eventually(lambda: not stage.app.bot.services.deliveries._tasks)
        edits = [e for e in stage.sandbox.requests if e.path_template == EDIT_BY_TOKEN[1] and e.files]
    assert len(edits) == 2
