"""Private answers as their users meet them: the real client in a sandbox; and what goes to direct messages."""

from collections.abc import AsyncIterator
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import discord
import pytest

from bot.cogs.job_message import CANNOT_MESSAGE_USER, Shown
from bot.cogs.private_message import PrivateMessage
from bot.engine.fake import FakeEngine, Gate
from bot.errors import StoreError
from bot.executor.local import LocalExecutor
from bot.language import ENGLISH
from bot.render import Controls, Picture, Rendered, render_failure
from bot.sandbox import EventKind, Exchange, Refusal, Sandbox
from bot.sandbox.message_store import NONCE_LIFE_S
from bot.store import JobRecord, JobState, JobStore
from tests.cogs.desk import refusal
from tests.conftest import OpenStage, Stage, eventually

JOB_ID = "0123456789ab"
POST = ("POST", "/channels/{channel_id}/messages")
DRAW = "/imagine prompt:a red circle images:2 private:true"
RUNNING = Rendered("Drawing", Picture("a.webp", b"webp", "Unfinished"), Controls.RUNNING)
RESULT = Rendered("done", Picture(f"dalle-bot-{JOB_ID}.png", b"png", "A picture"))


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
        await stage.begin_running(DRAW)
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
        await stage.begin_running(DRAW)
        await stage.sandbox.advance_clock(16 * 60)
        gate.open()
        job = await stage.job(JobState.EXPIRED)
    assert job.error == "The private answer could not be edited any more, and its user takes no direct messages."
    assert f"job {job.id}: undelivered" in caplog.text


async def test_after_a_restart_the_pictures_come_as_a_direct_message(open_stage: OpenStage) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        await stage.leave_running(DRAW, gate)
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


def posts_with(stage: Stage, job: JobRecord) -> list[Exchange]:
    return [sent for sent in direct_messages(stage) if any(job.id in name for _, name, _ in sent.files)]


async def seen_by_user(stage: Stage, job: JobRecord) -> list[dict[str, Any]]:
    """The direct messages with a job's pictures."""
    channel_id = posts_with(stage, job)[0].path.split("/")[2]
    found = await stage.messages(channel_id)
    return [message for message in found if any(job.id in file["filename"] for file in message["attachments"])]


async def test_a_direct_message_whose_confirmation_was_lost_comes_once(open_stage: OpenStage) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        stage.app.bot.services.deliveries.words.pauses_s = (1.0,) * 3
        await stage.begin(DRAW)
        job = await stage.job(JobState.RUNNING)
        await stage.sandbox.advance_clock(16 * 60)
        await stage.sandbox.refuse(Refusal(*POST, 0, is_applied=True, is_reset=True))
        gate.open()
        await eventually(lambda: len(posts_with(stage, job)) == 1)
        # Discord has forgotten the nonce before the bot tries again.
        await stage.sandbox.advance_clock(NONCE_LIFE_S + 60)
        await stage.job(JobState.DELIVERED)
        assert len(await seen_by_user(stage, job)) == 1
        assert len(posts_with(stage, job)) == 1


async def test_a_direct_message_of_the_last_run_is_not_sent_again(
    open_stage: OpenStage, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = JobStore.move

    async def unless_delivered(store: JobStore, job_id: str, to: JobState, **others: Any) -> JobRecord:
        if to is JobState.DELIVERED:
            raise StoreError("killed")
        return await move(store, job_id, to, **others)

    gate = Gate()
    with monkeypatch.context() as patched:
        patched.setattr(JobStore, "move", unless_delivered)
        async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
            await stage.begin(DRAW)
            job = await stage.job(JobState.RUNNING)
            await stage.sandbox.advance_clock(16 * 60)
            gate.open()
            await eventually(lambda: bool(posts_with(stage, job)))
            await stage.job(JobState.DELIVERING)
    await sandbox.advance_clock(NONCE_LIFE_S + 60)
    async with open_stage() as stage:
        await stage.job(JobState.DELIVERED)
        assert len(await seen_by_user(stage, job)) == 1
        assert len(posts_with(stage, job)) == 1


class Channel:
    """A channel of direct messages. before: what the bot has written there already, newest first. faults: of sends to
    come, and of looks."""

    def __init__(self, *before: MagicMock) -> None:
        self.messages = list(before)
        self.faults: list[Exception] = []
        self.looks: list[Exception | None] = []
        self.sent: list[dict[str, Any]] = []

    async def send(self, content: str, **others: Any) -> MagicMock:
        if self.faults:
            raise self.faults.pop(0)
        self.sent.append({"content": content} | others)
        self.messages.insert(0, written(content, *(file.filename for file in others["files"])))
        return self.messages[0]

    async def history(self, *, limit: int, after: discord.Object, oldest_first: bool) -> AsyncIterator[MagicMock]:
        assert (after.id, oldest_first) == (99, False)
        error = self.looks.pop(0) if self.looks else None
        if error is not None:
            raise error
        for message in self.messages[:limit]:
            yield message

    def edits(self) -> list[int]:
        """How often each message was edited, newest first."""
        return [message.edit.await_count for message in self.messages]


def written(content: str, *filenames: str, author_id: int = 1) -> MagicMock:
    attachments = [MagicMock(filename=filename) for filename in filenames]
    author = MagicMock(id=author_id)
    return MagicMock(spec=discord.Message, content=content, attachments=attachments, author=author, edit=AsyncMock())


def make_message(channel: Channel, interaction: discord.Interaction | None = None) -> PrivateMessage:
    """One whose interaction was lost in a restart, if none is given."""
    client = MagicMock(spec=discord.Client, user=MagicMock(id=1))
    client.create_dm = AsyncMock(return_value=channel)
    partial = MagicMock(spec=discord.PartialMessage, id=99, edit=AsyncMock(side_effect=AssertionError))
    return PrivateMessage(client, 7, partial, JOB_ID, ENGLISH, interaction=interaction)


async def test_only_the_end_of_a_job_is_worth_a_direct_message() -> None:
    channel = Channel()
    message = make_message(channel)
    assert await message.show(RUNNING) is Shown.DONE
    assert await message.show(Rendered("The bot is going offline.")) is Shown.DONE
    assert channel.sent == []
    assert await message.show(render_failure("a star", "It failed.")) is Shown.DONE
    assert [sent["content"] for sent in channel.sent] == [f"**a star**\nIt failed.\n-# {JOB_ID}"]
    assert await message.show(RESULT) is Shown.DONE
    (shown,) = channel.messages
    assert [file.filename for file in shown.edit.await_args.kwargs["attachments"]] == [f"dalle-bot-{JOB_ID}.png"]


@pytest.mark.parametrize(
    "known", [written("done", f"SPOILER_dalle-bot-{JOB_ID}.webp"), written(f"It failed.\n-# {JOB_ID}")]
)
async def test_what_an_earlier_run_has_sent_is_edited(known: MagicMock) -> None:
    others = [
        written(f"Picture 1 of job `{JOB_ID}`", f"dalle-bot-{JOB_ID}-1.png"),
        written("done", "dalle-bot-ba9876543210.png"),
        written("mine", f"dalle-bot-{JOB_ID}.png", author_id=7),
        written("a copy", f"dalle-bot-{JOB_ID}.png"),
    ]
    channel = Channel(*others, known, written("about something else"))
    assert await make_message(channel).show(RESULT) is Shown.DONE
    assert channel.sent == []
    assert channel.edits() == [0, 0, 0, 0, 1, 0]


async def test_an_unconfirmed_direct_message_is_looked_for_before_the_next_try() -> None:
    interaction = MagicMock(spec=discord.Interaction, edit_original_response=AsyncMock(side_effect=refusal(401, 50027)))
    channel = Channel()
    message = make_message(channel, interaction)
    channel.looks = [AssertionError("nothing was sent yet")]
    channel.faults = [refusal(413, 40005)]
    assert await message.show(RESULT) is Shown.TOO_LARGE
    channel.faults = [OSError("reset")]
    assert await message.show(RESULT) is Shown.UNREACHED, "what was refused was not sent"
    channel.looks = [refusal(503, 0)]
    assert await message.show(RESULT) is Shown.UNREACHED
    assert channel.sent == [], "whether it is there is not known"
    channel.messages.append(written("done", f"dalle-bot-{JOB_ID}.png"))
    assert await message.show(RESULT) is Shown.DONE
    assert (channel.sent, channel.edits()) == ([], [1])


async def test_a_text_without_room_for_its_mark_is_shown_as_it_is() -> None:
    channel = Channel()
    assert await make_message(channel).show(Rendered("x" * 1990, drops_picture=True)) is Shown.DONE
    assert channel.sent[0]["content"] == "x" * 1990


async def test_a_passing_fault_does_not_send_the_pictures_elsewhere() -> None:
    channel = Channel()
    edit = AsyncMock(side_effect=[refusal(503, 0), None, refusal(401, 50027)])
    message = make_message(channel, MagicMock(spec=discord.Interaction, edit_original_response=edit))
    assert [await message.show(RESULT) for _ in range(2)] == [Shown.UNREACHED, Shown.DONE]
    assert channel.sent == []
    assert await message.show(RESULT) is Shown.DONE
    assert len(channel.sent) == 1


async def test_what_discord_says_to_a_direct_message() -> None:
    channel = Channel()
    channel.faults = [refusal(403, CANNOT_MESSAGE_USER), refusal(503, 0), refusal(413, 40005)]
    message = make_message(channel)
    shown = [await message.show(RESULT) for _ in range(3)]
    assert shown == [Shown.CLOSED, Shown.UNREACHED, Shown.TOO_LARGE]
