"""Where the file of a picture comes from once the folder has it no more."""

import asyncio
from dataclasses import replace
from pathlib import Path
from unittest.mock import AsyncMock, MagicMock

import discord
import pytest

from bot.cogs import picture_source
from bot.cogs.picture_source import PictureSource, check_model
from bot.cogs.results import KeptResult
from bot.cogs.updates import UpdateReader, submit_job
from bot.collage import read_metadata
from bot.errors import ExecutorClosedError, JobEndedError, StoreError
from bot.executor.base import EngineState, Executor, ExecutorStatus
from bot.pictures import PictureFolder
from bot.requests import GenerationRequest, Update
from bot.store import JobState
from tests.cogs.desk import Desk, open_desk
from tests.conftest import eventually


def make_interaction() -> MagicMock:
    interaction = MagicMock(spec=discord.Interaction, user=MagicMock(id=5))
    interaction.response = MagicMock(is_done=MagicMock(return_value=False), defer=AsyncMock())
    return interaction


async def kept_result(desk: Desk) -> KeptResult:
    job = await desk.wait_for(await desk.accept(), JobState.DELIVERED)
    return KeptResult(job, tuple(await desk.images.of(job.id)))


def make_source(desk: Desk, folder: PictureFolder | MagicMock) -> PictureSource:
    return PictureSource(folder, desk.executor, desk.deliveries)


async def test_a_kept_file_is_given_at_once(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        result = await kept_result(desk)
        folder = PictureFolder(tmp_path / "pictures", 2**30)
        interaction = make_interaction()
        png = await make_source(desk, folder).png(interaction, result, result.images[1])
        assert (png.data, png.is_redrawn) == (folder.load(result.job.id, 2), False)
    interaction.response.defer.assert_not_awaited()


@pytest.mark.parametrize("refusal", [None, StoreError("The disk has gone.")])
async def test_another_one_is_made_from_the_tokens_after_a_word(tmp_path: Path, refusal: StoreError | None) -> None:
    async with open_desk(tmp_path) as desk:
        result = await kept_result(desk)
        folder = MagicMock(spec=PictureFolder, load=MagicMock(return_value=None, side_effect=refusal))
        interaction = make_interaction()
        png = await make_source(desk, folder).png(interaction, result, result.images[1])
        kept = PictureFolder(tmp_path / "pictures", 2**30).load(result.job.id, 2)
    assert png.is_redrawn
    assert kept is not None
    assert read_metadata(png.data) == read_metadata(kept)
    interaction.response.defer.assert_awaited_once_with(ephemeral=True, thinking=True)


async def test_a_line_that_is_too_long_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_source, "REDRAW_TIMEOUT_S", 0.0)
    async with open_desk(tmp_path) as desk:
        result = await kept_result(desk)
        folder = MagicMock(spec=PictureFolder, load=MagicMock(return_value=None))
        with pytest.raises(JobEndedError, match="the line is too long"):
            await make_source(desk, folder).png(make_interaction(), result, result.images[0])
        await eventually(lambda: desk.executor.status.num_running == 0)
        assert desk.executor.status.num_queued == 0


async def test_nothing_is_drawn_while_the_bot_closes(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        result = await kept_result(desk)
        folder = MagicMock(spec=PictureFolder, load=MagicMock(return_value=None))
        await desk.deliveries.aclose()
        with pytest.raises(ExecutorClosedError, match="going offline"):
            await make_source(desk, folder).png(make_interaction(), result, result.images[0])


async def test_closing_waits_for_what_is_being_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, release = asyncio.Event(), asyncio.Event()

    async def held(executor: Executor, request: GenerationRequest) -> tuple[UpdateReader, Update]:
        begun.set()
        await release.wait()
        return await submit_job(executor, request)

    monkeypatch.setattr(picture_source, "submit_job", held)
    async with open_desk(tmp_path) as desk:
        result = await kept_result(desk)
        folder = MagicMock(spec=PictureFolder, load=MagicMock(return_value=None))
        drawing = asyncio.create_task(make_source(desk, folder).png(make_interaction(), result, result.images[0]))
        await begun.wait()
        closing = asyncio.create_task(desk.deliveries.aclose())
        await asyncio.sleep(0.05)
        assert not closing.done()
        release.set()
        await closing
        assert (await drawing).is_redrawn


async def test_the_model_must_be_there_and_the_same(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await kept_result(desk)
        status = desk.executor.status
    ready, loading = MagicMock(spec=Executor, status=status), MagicMock(spec=Executor)
    assert check_model(ready, "fake") == 1
    with pytest.raises(JobEndedError, match="drawn by the model mega, and the bot has fake now"):
        check_model(ready, "mega")
    assert status.info is not None
    ready.status = replace(status, others=(replace(status.info, name="mega", num_rows=16),))
    assert [check_model(ready, name) for name in ("fake", "mega")] == [1, 16]
    loading.status = replace(status, state=EngineState.LOADING, info=None)
    assert isinstance(loading.status, ExecutorStatus)
    with pytest.raises(JobEndedError, match="still loading"):
        check_model(loading, "fake")
