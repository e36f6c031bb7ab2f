"""Deleting when Discord or the disk refuse."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from unittest.mock import AsyncMock, MagicMock

import aiohttp
import discord
import pytest

from bot.catalogues import Languages
from bot.cogs.deleting import Deleting
from bot.cogs.message_removal import MessageRemoval
from bot.cogs.results import Results
from bot.errors import JobEndedError, StoreError
from bot.pictures import PictureFolder
from bot.store import JobState, NewJob, Store
from bot.views.custom_id import Action, CustomId
from tests.cogs.desk import refusal

JOB = NewJob(prompt="a red circle", num_images=1, seed=1, user_id=5, guild_id=7, channel_id=2, interaction_id=3)
PRESSED = CustomId(Action.DELETE_CONFIRMED, JOB.id)
KEPT = "The pictures are deleted, but Discord did not let me delete the message. Ask a moderator to do it."


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store.open(f"sqlite+aiosqlite:///{tmp_path / 'store.sqlite3'}") as store:
        await store.jobs.create(JOB)
        await store.jobs.acknowledge(JOB.id, 2, 4)
        yield store


async def finish(store: Store) -> None:
    for state in (JobState.QUEUED, JobState.RUNNING, JobState.DELIVERING, JobState.DELIVERED):
        await store.jobs.move(JOB.id, state)


def make_deleting(store: Store, folder: Path, *, outcome: Exception | None = None) -> Deleting:
    """outcome: what Discord answers to the deletion of the message."""
    message = MagicMock(spec=discord.PartialMessage, delete=AsyncMock(side_effect=outcome))
    channel = MagicMock(spec=discord.PartialMessageable)
    channel.get_partial_message.return_value = message
    client = MagicMock(spec=discord.Client)
    client.get_partial_messageable.return_value = channel
    pictures = PictureFolder(folder, 2**30)
    removal = MessageRemoval(client, store.showings)
    return Deleting(
        results=Results(store),
        removal=removal,
        store=store,
        pictures=pictures,
        languages=Languages({}),
        on_kept=AsyncMock(),
    )


async def confirm(deleting: Deleting) -> str:
    """What the requester is told."""
    interaction = MagicMock(spec=discord.Interaction, locale="en-US", channel_id=2, guild_id=7, user=MagicMock(id=5))
    interaction.response = MagicMock(defer=AsyncMock())
    interaction.edit_original_response = AsyncMock()
    await deleting.confirmed(interaction, PRESSED)
    content = interaction.edit_original_response.await_args.kwargs["content"]
    assert isinstance(content, str)
    return content


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (None, "Deleted."),
        (refusal(404, 10008), "Deleted."),
        (refusal(404, 10003), "Deleted."),
        (refusal(404, 0), KEPT),
        (refusal(403, 50001), KEPT),
        (refusal(500, 0), KEPT),
        (aiohttp.ClientConnectionError(), KEPT),
        (TimeoutError(), KEPT),
    ],
)
async def test_what_discord_answers(store: Store, tmp_path: Path, outcome: Exception | None, said: str) -> None:
    await finish(store)
    assert await confirm(make_deleting(store, tmp_path, outcome=outcome)) == said
    job = await store.jobs.get(JOB.id)
    assert job is not None
    assert job.deleted_at is not None


async def test_a_job_that_is_not_finished_is_not_deleted(store: Store, tmp_path: Path) -> None:
    with pytest.raises(JobEndedError, match="not finished yet"):
        await confirm(make_deleting(store, tmp_path))
    await store.jobs.move(JOB.id, JobState.FAILED)
    with pytest.raises(JobEndedError, match="without pictures"):
        await confirm(make_deleting(store, tmp_path))


async def test_after_a_failure_of_the_disk_the_next_press_goes_on(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await finish(store)
    folder = tmp_path / "pictures"
    await asyncio.to_thread(PictureFolder(folder, 2**30).save, JOB.id, [b"a picture"])
    deleting = make_deleting(store, folder)
    with monkeypatch.context() as patched:
        patched.setattr(PictureFolder, "delete", MagicMock(side_effect=StoreError("The disk has gone.")))
        with pytest.raises(StoreError):
            await confirm(deleting)
    assert await confirm(deleting) == "The pictures of this job were deleted."
    assert list(folder.glob("*/*/*.png")) == []
