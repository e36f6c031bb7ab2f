import asyncio

import pytest

from bot.errors import JobCancelledError
from bot.executor.stream import JobStream
from bot.requests import Finished, Progress, Queued, Result, Sampling, Started, Update

from .drive import ask, read, soon

FINISHED = Finished(Result(ask(), "fake", Sampling(1.0, 0, 1.0, 1.0), (), (), 0.0))


async def test_unread_updates_of_a_kind_are_replaced_and_started_and_the_last_are_kept() -> None:
    stream = JobStream()
    for update in (Queued(3), Queued(2), Queued(1), Started(), Progress(1, 9), Progress(5, 9), FINISHED):
        stream.push(update)
    outcome = await read(stream)
    assert outcome.updates == [Queued(1), Started(), Progress(5, 9), FINISHED]


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
