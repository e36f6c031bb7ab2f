"""A device that stops answering: what the executor says, keeps and gives up."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bot.engine.fake import FakeEngine, Faults, Verb
from bot.errors import ExecutorClosedError
from bot.executor.base import EngineState
from bot.executor.local import LocalExecutor
from bot.executor.pulse import Pulse
from bot.startup import StartUp
from tests.conftest import eventually

from .drive import ask, check_result, read, soon
from .play import FakeClock

pytestmark = [pytest.mark.fault, pytest.mark.usefixtures("no_blocking_calls")]

LIMIT_S = 0.2


@asynccontextmanager
async def open_hanging(verb: Verb, call: int = 1) -> AsyncIterator[tuple[LocalExecutor, Faults]]:
    faults = Faults(hangs={(verb, call)})
    engine = FakeEngine(num_slots=1, faults=faults)
    async with LocalExecutor(lambda: engine, chunk_tokens=4, hang_timeout_s=LIMIT_S) as executor:
        try:
            yield executor, faults
        finally:
            faults.released.set()


def test_a_pulse_tells_how_long_a_round_has_taken() -> None:
    clock = FakeClock()
    pulse = Pulse(clock)
    clock.sleep(5.0)
    assert pulse.busy_s == 0.0
    pulse.beat()
    clock.sleep(2.0)
    assert pulse.busy_s == 2.0
    pulse.rest()
    clock.sleep(1.0)
    assert pulse.busy_s == 0.0


@pytest.mark.parametrize("verb", ["prefill", "insert", "step", "wait", "collect", "wait for images", "free"])
async def test_a_call_that_does_not_return_ends_the_executor(verb: Verb, caplog: pytest.LogCaptureFixture) -> None:
    async with open_hanging(verb) as (executor, _):
        running = await executor.submit(ask())
        waiting = await executor.submit(ask(requester="bob"))
        for stream in (running, waiting):
            outcome = await soon(read(stream))
            assert isinstance(outcome.error, ExecutorClosedError)
            assert "does not answer any more" in str(outcome.error)
        status = executor.status
        assert (status.state, status.hung_because) == (EngineState.FAILED, "The device did not answer for 0.2 s.")
        with pytest.raises(ExecutorClosedError, match="does not answer any more"):
            await executor.submit(ask("too late"))
        (record,) = [record for record in caplog.records if record.levelno == logging.CRITICAL]
        # Where the thread is says which call it was.
        assert "fake.py" in record.getMessage()


async def test_a_text_that_is_never_read_ends_the_executor() -> None:
    async with open_hanging("wait for text") as (executor, _):
        await eventually(lambda: executor.status.state is EngineState.READY)
        with pytest.raises(ExecutorClosedError, match="does not answer any more"):
            await soon(executor.text_vector("a red circle", timeout_s=30.0))
        assert executor.status.hung_because is not None


async def test_closing_does_not_wait_for_what_hangs() -> None:
    async with open_hanging("wait") as (executor, faults):
        await soon(read(await executor.submit(ask())))
        async with asyncio.timeout(5.0):
            await executor.aclose()
        assert any(thread.name == "engine" for thread in threading.enumerate())
        faults.released.set()
        await eventually(lambda: not any(thread.name == "engine" for thread in threading.enumerate()))


async def test_a_device_that_answers_late_is_not_believed_any_more() -> None:
    """The job is the next process's: two results of it would be one too many."""
    async with open_hanging("wait") as (executor, faults):
        outcome = await soon(read(await executor.submit(ask())))
        faults.released.set()
        await eventually(lambda: not any(thread.name == "engine" for thread in threading.enumerate()))
        assert isinstance(outcome.error, ExecutorClosedError)
        assert executor.status.state is EngineState.FAILED


async def test_a_model_that_does_not_load_ends_the_executor(caplog: pytest.LogCaptureFixture) -> None:
    may_load, clock = threading.Event(), FakeClock()
    start_up = StartUp(clock=clock)

    def load() -> FakeEngine:
        may_load.wait(20.0)
        return FakeEngine()

    async with LocalExecutor(load, chunk_tokens=4, start_up=start_up, load_timeout_s=LIMIT_S) as executor:
        waiting = await executor.submit(ask())
        for _ in range(3):
            clock.sleep(0.9 * LIMIT_S)
            await asyncio.sleep(LIMIT_S)
            assert executor.status.state is EngineState.LOADING
            # It makes progress.
            start_up.pause(0.0)
        clock.sleep(1.1 * LIMIT_S)
        outcome = await soon(read(waiting))
        assert isinstance(outcome.error, ExecutorClosedError)
        assert "does not load" in str(outcome.error)
        may_load.set()
        await eventually(lambda: not any(thread.name == "engine" for thread in threading.enumerate()))
        assert executor.status.state is EngineState.FAILED
        assert "nothing was heard of it for 0.2 s" in str(executor.status.hung_because)
        assert executor.status.info is None
        (record,) = [record for record in caplog.records if record.levelno == logging.CRITICAL]
        assert "may_load.wait" in record.getMessage()


async def test_what_was_waited_for_before_the_start_does_not_count() -> None:
    """A standby is made long before it takes over."""
    may_load, clock = threading.Event(), FakeClock()
    start_up = StartUp(clock=clock)

    def load() -> FakeEngine:
        may_load.wait(20.0)
        return FakeEngine()

    clock.sleep(100 * LIMIT_S)
    async with LocalExecutor(load, chunk_tokens=4, start_up=start_up, load_timeout_s=LIMIT_S) as executor:
        await asyncio.sleep(LIMIT_S)
        assert executor.status.state is EngineState.LOADING
        may_load.set()
        await eventually(lambda: executor.status.state is EngineState.READY)


async def test_a_model_that_has_loaded_is_not_waited_for_any_more() -> None:
    clock = FakeClock()
    start_up = StartUp(clock=clock)
    async with LocalExecutor(FakeEngine, chunk_tokens=4, start_up=start_up, load_timeout_s=LIMIT_S) as executor:
        await eventually(lambda: executor.status.state is EngineState.READY)
        clock.sleep(100 * LIMIT_S)
        await asyncio.sleep(LIMIT_S)
        assert executor.status.state is EngineState.READY


async def test_neither_an_idle_engine_nor_one_that_loads_counts_as_hung() -> None:
    may_load = threading.Event()

    def load() -> FakeEngine:
        may_load.wait(20.0)
        return FakeEngine()

    async with LocalExecutor(load, chunk_tokens=4, hang_timeout_s=LIMIT_S) as executor:
        await asyncio.sleep(2 * LIMIT_S)
        assert executor.status.state is EngineState.LOADING
        may_load.set()
        await eventually(lambda: executor.status.state is EngineState.READY)
        await asyncio.sleep(2 * LIMIT_S)
        request = ask()
        outcome = await soon(read(await executor.submit(request)))
        info = executor.status.info
        assert info is not None
        check_result(outcome.result, request, info)
        assert executor.status.hung_because is None
