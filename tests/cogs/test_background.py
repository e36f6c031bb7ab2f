"""Work beside the commands: when it is done, and that nothing ends it."""

import asyncio

import pytest

from bot.cogs.background import BackgroundLoop
from bot.errors import StoreError
from tests.conftest import eventually


class Work:
    """Counts its calls, and raises `faults` first."""

    def __init__(self, *faults: Exception) -> None:
        self.num_calls = 0
        self._faults = list(faults)

    async def __call__(self) -> None:
        self.num_calls += 1
        if self._faults:
            raise self._faults.pop(0)


async def test_it_works_at_the_start_and_when_it_is_woken() -> None:
    work = Work()
    loop = BackgroundLoop("a test", work, interval_s=60)
    loop.start()
    await eventually(lambda: work.num_calls == 1)
    loop.wake()
    await eventually(lambda: work.num_calls == 2)
    await asyncio.sleep(0.05)
    assert work.num_calls == 2
    await loop.aclose()


async def test_it_works_again_after_its_interval_whatever_happens(caplog: pytest.LogCaptureFixture) -> None:
    work = Work(StoreError("It is locked."), ZeroDivisionError("bug"), TimeoutError())
    loop = BackgroundLoop("a test", work, interval_s=0.01)
    loop.start()
    await eventually(lambda: work.num_calls > 4)
    await loop.aclose()
    assert "a test: It is locked." in caplog.text
    assert "ZeroDivisionError: bug" in caplog.text
    assert "a test: TimeoutError" in caplog.text


async def test_closing_stops_it_where_it_is() -> None:
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()
        await asyncio.sleep(60)

    loop = BackgroundLoop("a test", work, interval_s=60)
    await loop.aclose()
    loop.start()
    await asyncio.wait_for(begun.wait(), 5)
    await asyncio.wait_for(loop.aclose(), 5)
