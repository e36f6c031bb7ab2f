"""Threads for pictures: few at once, patient in line, impatient at work, and not those of the event loop."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from bot.cogs.picture_threads import PictureThreads

TIMEOUT_S = 20.0


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """What blocked functions wait for; set at the end, so that no thread stays behind."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
async def threads() -> AsyncIterator[PictureThreads]:
    threads = PictureThreads(1)
    yield threads
    threads.close()


async def test_it_returns_and_raises_what_the_function_does(threads: PictureThreads) -> None:
    assert await threads.run(TIMEOUT_S, divmod, 7, 2) == (3, 1)
    assert await threads.run(TIMEOUT_S, sorted, [2, 3], reverse=True) == [3, 2]
    with pytest.raises(ZeroDivisionError):
        await threads.run(TIMEOUT_S, divmod, 1, 0)
    name = await threads.run(TIMEOUT_S, lambda: threading.current_thread().name)
    assert name.startswith("pictures")


async def test_those_in_line_are_not_timed(threads: PictureThreads, release: threading.Event) -> None:
    first = asyncio.create_task(threads.run(TIMEOUT_S, release.wait, TIMEOUT_S))
    await asyncio.sleep(0)
    second = asyncio.create_task(threads.run(1.0, str, 2))
    done, _ = await asyncio.wait({second}, timeout=1.2)
    assert not done
    # The loop's own threads are free all the same.
    assert await asyncio.wait_for(asyncio.to_thread(str, 3), TIMEOUT_S) == "3"
    release.set()
    assert await first
    assert await second == "2"


async def test_one_that_hangs_is_not_waited_for(threads: PictureThreads, release: threading.Event) -> None:
    with pytest.raises(TimeoutError):
        await threads.run(0.01, release.wait, TIMEOUT_S)


async def test_closing_drops_what_has_not_begun(threads: PictureThreads, release: threading.Event) -> None:
    with pytest.raises(TimeoutError):
        await threads.run(0.01, release.wait, TIMEOUT_S)
    behind = asyncio.create_task(threads.run(TIMEOUT_S, str, 1))
    await asyncio.sleep(0.01)
    threads.close()
    with pytest.raises(asyncio.CancelledError):
        await behind
