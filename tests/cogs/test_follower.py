"""How often a job's message is edited while it waits, and what a close finds, with updates made by hand."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from unittest.mock import AsyncMock, MagicMock

import pytest

from bot.cogs.follower import AcceptedJob, Follower
from bot.cogs.job_message import JobMessage, Shown
from bot.cogs.picture_threads import PictureThreads
from bot.cogs.updates import UpdateReader
from bot.executor.base import EngineState, Executor, ExecutorStatus
from bot.executor.stream import JobStream
from bot.language import ENGLISH
from bot.requests import Finished, GenerationRequest, Queued, Result, Started
from bot.store import JobState
from tests.conftest import TIMEOUT_S, eventually

INTERVAL_S = 0.05


@dataclass
class Followed:
    """A job that waits, far from its start. contents: what its message said."""

    stream: JobStream = field(default_factory=JobStream)
    contents: list[str] = field(default_factory=list)
    closing: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @asynccontextmanager
    async def follower(self) -> AsyncIterator[Follower]:
        async def show(rendered: MagicMock) -> Shown:
            self.contents.append(rendered.content)
            return Shown.DONE

        job = AcceptedJob(
            request=GenerationRequest("a red circle", 1, seed=1, requester="1"),
            user_id=1,
            message=MagicMock(spec=JobMessage, show=show),
            updates=UpdateReader(self.stream),
            first=Queued(9, 110.0),
            language=ENGLISH,
            stored=JobState.ACKNOWLEDGED,
            max_bytes=1000,
        )
        threads = PictureThreads()
        yield Follower(
            job,
            executor=MagicMock(spec=Executor, status=ExecutorStatus(EngineState.READY, 9, 1, None)),
            closing=self.closing,
            record=AsyncMock(),
            tell=lambda _: None,
            threads=threads,
            clock=time.monotonic,
            edit_interval_s=INTERVAL_S,
        )
        await job.updates.aclose()
        threads.close()


async def test_a_far_start_is_told_rarely_and_the_start_itself_at_once() -> None:
    followed = Followed()
    stream, contents = followed.stream, followed.contents
    async with followed.follower() as follower:
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
        followed.closing.set_result(None)
        assert await asyncio.wait_for(following, 10.0) is None


@pytest.mark.parametrize("is_read", [False, True], ids=["before the first update", "while the end arrives"])
async def test_what_is_drawn_when_the_bot_closes_is_a_result(is_read: bool) -> None:
    """A drain ends with the drawing: who follows it may not have heard of it yet."""
    followed, result = Followed(), MagicMock(spec=Result)
    async with followed.follower() as follower:
        following = asyncio.create_task(follower.follow())
        if is_read:
            await asyncio.sleep(INTERVAL_S)
        followed.stream.push(Started())
        followed.stream.push(Finished(result))
        followed.closing.set_result(None)
        assert await asyncio.wait_for(following, TIMEOUT_S) is result
    assert followed.contents == []
