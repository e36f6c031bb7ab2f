import asyncio

import numpy as np
import pytest

from bot.errors import JobCancelledError
from bot.executor.stream import JobStream
from bot.requests import Finished, Preview, PreviewImage, Progress, Queued, Result, Sampling, Started, Update

from .drive import ask, read, soon

FINISHED = Finished(Result(ask(), "fake", Sampling(1.0, 0, 1.0, 1.0), (), (), 0.0))


async def test_unread_updates_of_a_kind_are_replaced_and_started_and_the_last_are_kept() -> None:
    stream = JobStream()
    for update in (Queued(3), Queued(2), Queued(1), Started(), Progress(1, 9), Progress(5, 9), FINISHED):
        stream.push(update)
    outcome = await read(stream)
    assert outcome.updates == [Queued(1), Started(), Progress(5, 9), FINISHED]


def preview(shade: int, *indices: int) -> Preview:
    pixels = np.full((1, 1, 3), shade, np.uint8)
    return Preview(tuple(PreviewImage(index, pixels, done_rows=shade) for index in indices), total_rows=9)


async def test_an_unread_preview_adds_the_pictures_that_the_newer_one_does_not_have() -> None:
    stream = JobStream()
    for update in (Started(), preview(1, 0, 1), Progress(1, 9), preview(2, 2), preview(3, 1, 3), Progress(2, 9)):
        stream.push(update)
    stream.push(FINISHED)
    started, progress, merged, finished = (await read(stream)).updates
    assert (started, progress, finished) == (Started(), Progress(2, 9), FINISHED)
    assert isinstance(merged, Preview)
    assert [(image.index, image.done_rows) for image in merged.images] == [(0, 1), (1, 3), (2, 2), (3, 3)]
    assert [int(image.pixels[0, 0, 0]) for image in merged.images] == [1, 3, 2, 3]


async def test_a_preview_that_was_read_is_not_shown_again() -> None:
    stream = JobStream()
    stream.push(preview(1, 0))
    await soon(anext(aiter(stream)))
    stream.push(preview(2, 1))
    again = await soon(anext(aiter(stream)))
    assert isinstance(again, Preview)
    assert [image.index for image in again.images] == [1]


async def test_a_quick_reader_sees_every_update() -> None:
    stream = JobStream()
    reader = asyncio.create_task(read(stream))
    pushed: list[Update] = [Queued(2), Queued(1), Started(), Progress(1, 2), Progress(2, 2), FINISHED]
    for update in pushed:
        stream.push(update)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert (await reader).updates == pushed


async def test_an_error_comes_after_the_unread_updates_and_again_at_later_reads() -> None:
    stream = JobStream()
    stream.push(Queued(1))
    error = JobCancelledError("The job was cancelled.")
    stream.fail(error)
    outcome = await read(stream)
    assert outcome.updates == [Queued(1)]
    assert outcome.error is error
    with pytest.raises(JobCancelledError):
        await anext(aiter(stream))


async def test_a_finished_stream_stays_at_its_end() -> None:
    stream = JobStream()
    stream.push(FINISHED)
    await read(stream)
    assert [update async for update in stream] == []


async def test_a_reader_that_gave_up_misses_nothing() -> None:
    stream = JobStream()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(aiter(stream)), timeout=0.001)
    stream.push(Started())
    assert await soon(anext(aiter(stream))) == Started()
