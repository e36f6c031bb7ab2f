"""Results are kept before they are delivered; what fails there costs no delivery."""

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
from bot.store import NewJob, Store

REQUEST = GenerationRequest("a red circle", 3, seed=5, requester="1", guild="7")


def result() -> Result:
    images = tuple(expected_image("a red circle", 5, index, image_length=16, image_size_px=8) for index in (2, 0, 1))
    return Result(REQUEST, "demo", Sampling(10.0, 50, 0.9, 1.0), images, (), 1.0)


async def keep(store: Store, pictures: PictureFolder, drawn: Result) -> bool:
    threads = PictureThreads()
    try:
        return await ResultKeeper(store.images, pictures, threads).keep(drawn)
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
    assert "could not be kept within 0 s" in caplog.text


async def test_a_bug_is_logged_with_its_traceback(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    broken = MagicMock(spec=PictureFolder, save=MagicMock(side_effect=ZeroDivisionError("bug")))
    assert not await keep(store, broken, result())
    assert "ZeroDivisionError: bug" in caplog.text
