"""A job that may end the process: the engine hears of it once it is announced, and of no other meanwhile."""

import asyncio
import threading

import pytest

from bot.engine.fake import FakeEngine, Faults
from bot.executor.events import AloneChanged
from bot.executor.local import LocalExecutor
from bot.executor.scheduler import Job

from .drive import ask, check_result, read, soon

pytestmark = [pytest.mark.fault, pytest.mark.usefixtures("no_blocking_calls")]


async def test_it_is_announced_before_the_engine_hears_of_it_and_is_drawn_by_itself() -> None:
    engine = FakeEngine(num_slots=4)
    is_asked, may_go_on = asyncio.Event(), asyncio.Event()
    told: list[tuple[bool, int]] = []

    async def announce(is_alone: bool) -> None:
        told.append((is_alone, engine.calls["prefill"]))
        is_asked.set()
        await may_go_on.wait()

    async with LocalExecutor(lambda: engine, chunk_tokens=4) as executor:
        suspect = ask("a star", num_images=2)
        alone = await executor.submit(suspect, alone=announce)
        beside = await executor.submit(ask("a ring", requester="bob"))
        await soon(is_asked.wait())
        assert engine.calls["prefill"] == 0
        may_go_on.set()
        outcome = await read(alone)
        await read(beside)
        info = executor.status.info
        assert info is not None
        check_result(outcome.result, suspect, info)
    assert told == [(True, 0), (False, 1)]
    assert [row.prompt for row in engine.prompts] == ["a star", "a ring"]
    first, second = (at for at, verb in enumerate(engine.log) if verb == "prefill")
    assert first < engine.log.index("wait for images") < second


async def test_it_is_announced_again_if_the_engine_loses_it() -> None:
    told: list[bool] = []

    async def announce(is_alone: bool) -> None:
        told.append(is_alone)

    faults = Faults(raises={("wait", 1): RuntimeError("boom")})
    async with LocalExecutor(lambda: FakeEngine(faults=faults), chunk_tokens=4) as executor:
        await read(await executor.submit(ask(), alone=announce))
    assert told == [True, True]


async def test_closing_does_not_wait_for_an_announcement() -> None:
    is_asked = asyncio.Event()

    async def announce(is_alone: bool) -> None:
        is_asked.set()
        await asyncio.Event().wait()

    async with LocalExecutor(FakeEngine, chunk_tokens=4) as executor:
        await executor.submit(ask(), alone=announce)
        await soon(is_asked.wait())
    assert not any(thread.name == "engine" for thread in threading.enumerate())


async def test_an_announcement_that_closing_forestalls_holds_nobody_up() -> None:
    """Its task is cancelled before its first step."""
    told: list[bool] = []

    async def announce(is_alone: bool) -> None:
        told.append(is_alone)

    async with LocalExecutor(FakeEngine, chunk_tokens=4) as executor:
        changed = AloneChanged(Job(ask(), announce), is_alone=True)
        executor._on_event(changed)
        await executor.aclose()
    assert changed.may_go_on.is_set()
    assert not told


async def test_closing_waits_until_an_announcement_has_ended() -> None:
    is_asked, has_ended = asyncio.Event(), asyncio.Event()

    async def announce(is_alone: bool) -> None:
        is_asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            # As long as it takes to let go of a database.
            await asyncio.sleep(0.2)
            has_ended.set()

    async with LocalExecutor(FakeEngine, chunk_tokens=4) as executor:
        executor._on_event(AloneChanged(Job(ask(), announce), is_alone=True))
        await soon(is_asked.wait())
        await executor.aclose()
        assert has_ended.is_set()
