"""Draining: what has started ends, what waits is given back, and nothing new comes in."""

import asyncio
import threading

import pytest

from bot.engine.fake import FakeEngine, Gate
from bot.errors import ExecutorClosedError
from bot.executor.local import LocalExecutor

from .drive import ask, at_gate, check_result, read, soon

pytestmark = [pytest.mark.fault, pytest.mark.usefixtures("no_blocking_calls")]


async def test_running_jobs_end_and_waiting_ones_are_given_back() -> None:
    gate = Gate()
    engine = FakeEngine(num_slots=2, gate=gate)
    # Its third picture has no slot yet, but the job has started.
    running, waiting = ask(num_images=3), ask("waiting", requester="bob")
    async with LocalExecutor(lambda: engine, chunk_tokens=4) as executor:
        first = asyncio.create_task(read(await executor.submit(running)))
        await at_gate(gate, 1)
        second = asyncio.create_task(read(await executor.submit(waiting)))
        drain = asyncio.create_task(executor.drain())
        given_back = await soon(second)
        assert isinstance(given_back.error, ExecutorClosedError)
        assert not drain.done()
        for refused in (executor.submit(ask("late")), executor.check_room("ann", 0)):
            with pytest.raises(ExecutorClosedError, match="The bot is stopping: ask again when it is back"):
                await refused
        gate.open()
        check_result((await soon(first)).result, running, engine.info)
        await soon(drain)
        assert [a.seed for a in engine.assignments] == [0, 0, 0]


async def test_what_is_cancelled_meanwhile_is_not_waited_for() -> None:
    gate = Gate()
    request = ask()
    async with LocalExecutor(lambda: FakeEngine(gate=gate), chunk_tokens=4) as executor:
        stream = await executor.submit(request)
        await at_gate(gate, 1)
        drain = asyncio.create_task(executor.drain())
        await asyncio.sleep(0)
        assert await executor.cancel(request.job_id)
        await soon(drain)
        await soon(read(stream))
        gate.open()


async def test_there_is_nothing_to_wait_for_while_the_engine_loads() -> None:
    may_load = threading.Event()

    def load() -> FakeEngine:
        may_load.wait(20.0)
        return FakeEngine()

    async with LocalExecutor(load, chunk_tokens=4) as executor:
        stream = await executor.submit(ask())
        await soon(executor.drain())
        assert isinstance((await soon(read(stream))).error, ExecutorClosedError)
        may_load.set()
