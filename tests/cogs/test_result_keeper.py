"""Results are kept before they are delivered; what fails there costs no delivery."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pytest
from blockbuster import blockbuster_ctx

from bot.cogs import result_keeper
from bot.cogs.picture_threads import PictureThreads
from bot.cogs.result_keeper import ResultKeeper
from bot.collage import read_metadata
from bot.engine.fake_pictures import expected_image
from bot.pictures import PictureFolder
from bot.requests import GenerationRequest, Result, Sampling
from bot.store import JobState, JobStore, NewJob, Store
from tests.store.samples import new_job

BLOCK = 4096
PNG_END = b"IEND\xaeB`\x82"
REQUEST = GenerationRequest("a red circle", 3, seed=5, requester="1", guild="7")


def result() -> Result:
    images = tuple(expected_image("a red circle", 5, index, image_length=16, image_size_px=8) for index in (2, 0, 1))
    return Result(REQUEST, "demo", Sampling(10.0, 50, 0.9, 1.0), images, (), 1.0)


async def keep(store: Store, pictures: PictureFolder, drawn: Result) -> bool:
    threads = PictureThreads()
    try:
        return await ResultKeeper(store.jobs, store.images, pictures, threads).keep(drawn)
    finally:
        threads.close()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store.open(f"sqlite+aiosqlite:///{tmp_path / 'store.sqlite3'}") as store:
        await store.jobs.create(
            NewJob(
                id=REQUEST.job_id,
                prompt="a red circle",
                num_images=3,
                seed=5,
                user_id=1,
                channel_id=2,
                interaction_id=3,
            )
        )
        yield store


@pytest.fixture
def pictures(tmp_path: Path) -> PictureFolder:
    return PictureFolder(tmp_path / "pictures", 2**30)


async def test_a_kept_result_has_files_that_tell_their_making_and_rows(store: Store, pictures: PictureFolder) -> None:
    drawn = result()
    with blockbuster_ctx():
        assert await keep(store, pictures, drawn)
    for rank, image in enumerate(drawn.images, 1):
        data = pictures.load(REQUEST.job_id, rank)
        assert data is not None
        metadata = read_metadata(data)
        assert (metadata["prompt"], metadata["seed"], metadata["job"]) == ("a red circle", "5", REQUEST.job_id)
        assert (metadata["rank"], metadata["index"]) == (str(rank), str(image.index))
    rows = await store.images.of(REQUEST.job_id)
    assert [(row.rank, row.index, row.score, row.model) for row in rows] == [
        (rank, image.index, image.score, "demo") for rank, image in enumerate(drawn.images, 1)
    ]
    for row, image in zip(rows, drawn.images, strict=True):
        np.testing.assert_array_equal(row.tokens, image.image_tokens)
        np.testing.assert_array_equal(row.vector, image.clip_vector)


async def test_pictures_of_jobs_that_have_not_ended_give_way_to_none(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pictures = PictureFolder(tmp_path / "pictures", 4 * BLOCK)
    held = await store.jobs.create(new_job(9))
    pictures.save(held.id, [b"held" + PNG_END])
    assert await keep(store, pictures, result())
    assert pictures.load(held.id, 1) is not None
    small = PictureFolder(tmp_path / "pictures", 2 * BLOCK)
    assert not await keep(store, small, result())
    assert "its pictures could not be kept: There is no room in" in caplog.text
    assert "Raise store.max_picture_bytes" in caplog.text
    assert small.load(held.id, 1) is not None
    await store.jobs.move(held.id, JobState.FAILED)
    assert await keep(store, PictureFolder(tmp_path / "pictures", 3 * BLOCK), result())
    assert pictures.load(held.id, 1) is None


async def test_no_job_is_kept_between_the_question_and_the_making_of_room(store: Store) -> None:
    under_way, most = 0, 0

    class Asked(JobStore):
        async def unfinished_ids(self) -> frozenset[str]:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            return frozenset()

    def save(*_: object, **__: object) -> None:
        nonlocal under_way
        under_way -= 1

    threads = PictureThreads()
    saving = MagicMock(spec=PictureFolder, save=save)
    keeper = ResultKeeper(Asked(MagicMock()), store.images, saving, threads)
    try:
        assert all(await asyncio.gather(*(keeper.keep(result()) for _ in range(5))))
    finally:
        threads.close()
    assert most == 1


async def test_a_folder_that_can_not_be_written_is_logged(
    store: Store, tmp_path: Path, pictures: PictureFolder, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "pictures").write_text("a file")
    assert not await keep(store, pictures, result())
    assert f"job {REQUEST.job_id}: its pictures could not be kept: The pictures in" in caplog.text
    assert await store.images.of(REQUEST.job_id) == []


async def test_a_job_that_the_store_does_not_know_is_logged(
    store: Store, pictures: PictureFolder, caplog: pytest.LogCaptureFixture
) -> None:
    unknown = GenerationRequest("a red circle", 3, seed=5, requester="1")
    drawn = result()
    drawn = Result(unknown, drawn.model, drawn.sampling, drawn.images, (), 1.0)
    assert not await keep(store, pictures, drawn)
    assert "does not hold the job that this belongs to" in caplog.text


async def test_a_disk_that_hangs_is_not_waited_for(
    store: Store, pictures: PictureFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(result_keeper, "KEEP_TIMEOUT_S", 0.0)
    assert not await keep(store, pictures, result())
    assert "could not be kept: That took longer than 0 s." in caplog.text


async def test_a_bug_is_logged_with_its_traceback(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    broken = MagicMock(spec=PictureFolder, save=MagicMock(side_effect=ZeroDivisionError("bug")))
    assert not await keep(store, broken, result())
    assert "ZeroDivisionError: bug" in caplog.text
