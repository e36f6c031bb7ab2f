"""Signals, and how long what is being drawn has to end. test_app.py and sandbox/test_stopping.py stop whole bots."""

import asyncio
import os
import signal
import sys
from typing import Any
from unittest.mock import MagicMock

import pytest

from bot.stopping import Stop, drain, stop_signals
from tests.conftest import TIMEOUT_S


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGTERM")
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
