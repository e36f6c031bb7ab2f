"""Signals cut short what is opened, and give what is being drawn some time. test_app.py and sandbox/test_stopping.py
stop whole bots."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import MagicMock

import pytest

from bot.errors import StartCancelledError
from bot.stopping import Stop, drain, opened, stop_signals
from tests.conftest import TIMEOUT_S

needs_sigterm = pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGTERM")


@needs_sigterm
async def test_the_first_signal_asks_and_the_second_one_presses() -> None:
    with stop_signals() as stop:
        assert not stop.asked.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(stop.asked.wait(), TIMEOUT_S)
        assert (stop.number, stop.at_once.is_set()) == (signal.SIGTERM, False)
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.wait_for(stop.at_once.wait(), TIMEOUT_S)
        assert stop.number is signal.SIGTERM
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL, "a third one would end the process"


class Draining:
    """An executor that drains until it is told that all is drawn."""

    def __init__(self) -> None:
        self.is_drawn = asyncio.Event()
        self.began = asyncio.Event()
        self.was_given_up = False

    async def drain(self) -> None:
        self.began.set()
        try:
            await self.is_drawn.wait()
        except asyncio.CancelledError:
            self.was_given_up = True
            raise


@pytest.mark.parametrize("reason", ["drawn", "second signal", "end", "time"])
async def test_what_ends_a_drain(reason: str) -> None:
    executor, stop, end = Draining(), Stop(), asyncio.Event()
    ending: asyncio.Task[Any] = asyncio.create_task(end.wait())
    drain_s = 0.01 if reason == "time" else 100 * TIMEOUT_S
    executor_as_seen = MagicMock(drain=executor.drain)
    draining = asyncio.create_task(drain(executor_as_seen, drain_s, stop, ending))
    await asyncio.wait_for(executor.began.wait(), TIMEOUT_S)
    assert not draining.done()
    {"drawn": executor.is_drawn, "second signal": stop.at_once, "end": end, "time": asyncio.Event()}[reason].set()
    await asyncio.wait_for(draining, TIMEOUT_S)
    await asyncio.sleep(0)
    assert executor.was_given_up is (reason != "drawn")
    ending.cancel()


class Door:
    """Opens once it is `let_open`; is_closed: it was open and is no longer."""

    def __init__(self) -> None:
        self.let_open = asyncio.Event()
        self.is_closed = False

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[str]:
        await self.let_open.wait()
        try:
            yield "inside"
        finally:
            self.is_closed = True


@needs_sigterm
async def test_an_opening_that_takes_long_ends_at_the_first_signal() -> None:
    door = Door()
    with stop_signals() as stop:
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
        with pytest.raises(StartCancelledError):
            async with asyncio.timeout(TIMEOUT_S), opened(door(), stop):
                pytest.fail("it never opens")
        with pytest.raises(StartCancelledError):
            async with opened(door(), stop):
                pytest.fail("it was told to stop before")
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()


@needs_sigterm
async def test_what_is_open_is_not_ended_by_a_signal() -> None:
    door = Door()
    door.let_open.set()
    with stop_signals() as stop:
        async with opened(door(), stop) as said:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait_for(stop.asked.wait(), TIMEOUT_S)
            await asyncio.sleep(0)
            assert (said, door.is_closed) == ("inside", False)
        assert door.is_closed


async def test_another_cancellation_stays_one() -> None:
    door = Door()
    with stop_signals() as stop:
        opening = asyncio.create_task(opened(door(), stop).__aenter__())
        await asyncio.sleep(0)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
