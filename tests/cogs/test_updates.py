"""The reader of update streams: time limits lose nothing."""

import asyncio

import pytest

from bot.cogs.updates import UpdateReader
from bot.errors import JobFailedError
from bot.executor.stream import JobStream
from bot.requests import Progress, Queued, Started


async def test_updates_come_in_order() -> None:
    stream = JobStream()
    reader = UpdateReader(stream)
    stream.push(Queued(1))
    stream.push(Started())
    assert await reader.next(5) == Queued(1)
    assert await reader.next(5) == Started()


async def test_a_read_that_took_too_long_is_waited_for_again() -> None:
    stream = JobStream()
    reader = UpdateReader(stream)
    assert await reader.next(0) is None
    stream.push(Queued(1))
    assert await reader.next(5) == Queued(1)


async def test_another_event_ends_the_wait_early() -> None:
    closing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    stream = JobStream()
    reader = UpdateReader(stream)
    waiting = asyncio.create_task(reader.next(60, closing))
    await asyncio.sleep(0)
    closing.set_result(None)
    async with asyncio.timeout(5):
        assert await waiting is None
    stream.push(Progress(1, 2))
    assert await reader.next(5) == Progress(1, 2)


async def test_the_end_of_a_job_is_raised() -> None:
    stream = JobStream()
    reader = UpdateReader(stream)
    stream.fail(JobFailedError("It broke."))
    with pytest.raises(JobFailedError, match="It broke"):
        await reader.next(5)


async def test_closing_leaves_no_task_behind() -> None:
    reader = UpdateReader(JobStream())
    await reader.next(0)
    before = asyncio.all_tasks()
    await reader.aclose()
    assert asyncio.all_tasks() < before
    await reader.aclose()
