"""Calls that are made again until the store answers, or the bot closes."""

import asyncio
from itertools import islice

import pytest

from bot.cogs.store_patience import StorePatience, repeated
from bot.errors import ExecutorClosedError, StoreError
from tests.conftest import eventually


class Work:
    """Raises `faults` first. num_told: how often somebody was told of one."""

    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)
        self.num_calls = self.num_told = 0

    async def __call__(self) -> int:
        self.num_calls += 1
        if self.faults:
            raise self.faults.pop(0)
        return 7

    async def tell(self) -> None:
        self.num_told += 1

    async def done(self, patience: StorePatience) -> int:
        return await patience.wait_for(self, name="job 1", on_fault=self.tell)


def never() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()


def test_the_last_pause_comes_again_and_again() -> None:
    assert list(islice(repeated((1.0, 5.0)), 4)) == [1.0, 5.0, 5.0, 5.0]


async def test_a_fault_is_told_once_and_the_answer_comes_in_the_end(caplog: pytest.LogCaptureFixture) -> None:
    work = Work(StoreError("It is locked."), StoreError("It is locked."), StoreError("It is gone."))
    assert await work.done(StorePatience(never(), (0.0, 0.001))) == 7
    assert (work.num_calls, work.num_told) == (4, 1)
    assert caplog.text.count("job 1 waits for the database") == 1


async def test_what_is_no_fault_of_the_store_is_raised_at_once() -> None:
    work = Work(TimeoutError())
    with pytest.raises(TimeoutError):
        await work.done(StorePatience(never()))
    assert (work.num_calls, work.num_told) == (1, 0)


async def test_closing_ends_the_wait_after_a_last_attempt() -> None:
    closing = never()
    work = Work(*[StoreError("It is locked.")] * 5)
    waiting = asyncio.create_task(work.done(StorePatience(closing, (600.0,))))
    await eventually(lambda: work.num_told == 1)
    closing.set_result(None)
    with pytest.raises(ExecutorClosedError):
        await waiting
    assert work.num_calls == 2
    work.faults.clear()
    assert await work.done(StorePatience(closing)) == 7
