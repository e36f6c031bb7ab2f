"""What comes back from a thread that nobody waits for at the end."""

import asyncio
import threading

import pytest

from bot.lone_thread import in_thread
from tests.conftest import eventually


async def test_what_it_returns_and_raises_comes_back() -> None:
    def work() -> None:
        raise OSError("no disk")

    with pytest.raises(OSError, match="no disk"):
        await in_thread(work, name="disk")
    this = await in_thread(threading.current_thread, name="disk")
    assert (this.name, this.daemon) == ("disk", True)


async def test_whoever_gives_up_is_not_held_and_what_comes_later_disturbs_nobody() -> None:
    may_end, has_ended = threading.Event(), threading.Event()

    def work() -> None:
        may_end.wait(30.0)
        has_ended.set()

    waiting = asyncio.create_task(in_thread(work, name="slow"))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    may_end.set()
    await eventually(lambda: not any(thread.name == "slow" for thread in threading.enumerate()))
    await asyncio.sleep(0)
    assert has_ended.is_set()
