"""How often a job's message is edited while it waits, with updates made by hand."""

import asyncio
import time
from unittest.mock import AsyncMock, MagicMock

from bot.cogs.follower import AcceptedJob, Follower
from bot.cogs.job_message import JobMessage, Shown
from bot.cogs.picture_threads import PictureThreads
from bot.cogs.updates import UpdateReader
from bot.executor.base import EngineState, Executor, ExecutorStatus
from bot.executor.stream import JobStream
from bot.language import ENGLISH
from bot.requests import GenerationRequest, Queued, Started
from bot.store import JobState
from tests.conftest import eventually

INTERVAL_S = 0.05


async def test_a_far_start_is_told_rarely_and_the_start_itself_at_once() -> None:
    stream, contents = JobStream(), list[str]()

    async def show(rendered: MagicMock) -> Shown:
        contents.append(rendered.content)
        return Shown.DONE

    job = AcceptedJob(
        request=GenerationRequest("a red circle", 1, seed=1, requester="1"),
        user_id=1,
        message=MagicMock(spec=JobMessage, show=show),
        updates=UpdateReader(stream),
        first=Queued(9, 110.0),
        language=ENGLISH,
        stored=JobState.ACKNOWLEDGED,
        max_bytes=1000,
    )
    closing, threads = asyncio.get_running_loop().create_future(), PictureThreads()
    follower = Follower(
        job,
        executor=MagicMock(spec=Executor, status=ExecutorStatus(EngineState.READY, 9, 1, None)),
        closing=closing,
        record=AsyncMock(),
        tell=lambda _: None,
        threads=threads,
        clock=time.monotonic,
        edit_interval_s=INTERVAL_S,
    )
    following = asyncio.create_task(follower.follow())
    for place in (8, 7, 6):
        stream.push(Queued(place, 100.0))
        await asyncio.sleep(2 * INTERVAL_S)
    assert contents == []
    stream.push(Queued(1, 0.1))
    await eventually(lambda: len(contents) == 1)
    assert "place 1, starts in a moment" in contents[0]
    stream.push(Started())
    await eventually(lambda: len(contents) == 2)
    assert "Drawing 1 image" in contents[1]
    closing.set_result(None)
    assert await asyncio.wait_for(following, 10.0) is None
    await job.updates.aclose()
    threads.close()
