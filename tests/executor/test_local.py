"""What only the in-process executor promises: its thread, its loop, and how they meet. Gates stand in for sleeps."""

import asyncio
import gc
import logging
import threading
import weakref
from collections.abc import AsyncIterator, Callable

import pytest
from blockbuster import BlockingError

from bot.engine.base import Engine
from bot.engine.fake import FakeEngine, Faults, Gate
from bot.errors import ExecutorClosedError, JobCancelledError, JobFailedError, NotReadyError, QueueFullError
from bot.executor.base import EngineState
from bot.executor.local import LocalExecutor
from bot.executor.queued import _span
from bot.executor.scheduler import Admission, Scheduler
from bot.requests import Progress, Queued, Started, Update
from bot.startup import StartUp

from .drive import PATIENCE_S, ask, at_gate, check_result, read, soon

pytestmark = pytest.mark.usefixtures("no_blocking_calls")


def local(factory: Callable[[], Engine], *, close_timeout_s: float = PATIENCE_S) -> LocalExecutor:
    return LocalExecutor(factory, max_jobs=64, max_jobs_per_user=16, chunk_tokens=4, close_timeout_s=close_timeout_s)


async def position(updates: AsyncIterator[Update]) -> int:
    """The one in the next update, which is a Queued."""
    update = await soon(anext(updates))
    assert isinstance(update, Queued)
    return update.position


async def test_an_engine_beyond_repair_ends_every_job_and_refuses_more() -> None:
    faults = Faults(raises={("step", 3): RuntimeError("boom"), ("reset", 1): RuntimeError("gone")})
    gate = Gate()  # holds the second chunk, so that both jobs are in when the third one fails
    async with local(lambda: FakeEngine(num_slots=1, faults=faults, gate=gate)) as executor:
        streams = [await executor.submit(ask(requester=name)) for name in ("ann", "bob")]
        gate.open()
        for stream in streams:
            outcome = await read(stream)
            assert isinstance(outcome.error, ExecutorClosedError)
            assert "restart the bot" in str(outcome.error)
        assert executor.status.state is EngineState.FAILED
        with pytest.raises(ExecutorClosedError, match="restart the bot"):
            await executor.submit(ask())


async def test_blocking_calls_are_caught() -> None:
    """Shows that the fixture which all tests here rely on works."""
    with pytest.raises(BlockingError):
        Gate().hold()


async def test_jobs_are_accepted_and_told_their_positions_while_the_engine_loads() -> None:
    may_load = threading.Event()

    def load() -> Engine:
        assert may_load.wait(PATIENCE_S)
        return FakeEngine(num_slots=1)

    async with local(load) as executor:
        streams = [await executor.submit(ask(requester=name)) for name in ("ann", "bob")]
        assert [await soon(anext(aiter(stream))) for stream in streams] == [Queued(1), Queued(2)]
        status = executor.status
        assert (status.state, status.num_queued, status.num_running, status.info) == (EngineState.LOADING, 2, 0, None)
        streams.append(await executor.submit(ask(requester="cyd")))
        may_load.set()
        assert await soon(anext(aiter(streams[0]))) == Started(), "an unchanged position is not told again"
        for stream in streams:
            assert (await read(stream)).error is None
        assert executor.status.state is EngineState.READY


async def test_a_text_is_refused_at_once_while_the_engine_loads() -> None:
    may_load = threading.Event()

    def load() -> Engine:
        assert may_load.wait(PATIENCE_S)
        return FakeEngine()

    async with local(load) as executor:
        with pytest.raises(NotReadyError, match="The model is still loading"):
            await executor.text_vector("a red circle", timeout_s=PATIENCE_S)
        may_load.set()


async def test_a_lost_engine_refuses_the_texts_that_wait() -> None:
    gate = Gate()
    faults = Faults(raises={("step", 3): RuntimeError("boom"), ("reset", 1): RuntimeError("gone")})
    async with local(lambda: FakeEngine(num_slots=1, image_length=16, gate=gate, faults=faults)) as executor:
        await executor.submit(ask())
        await at_gate(gate, 1)
        waiting = asyncio.create_task(executor.text_vector("a red circle", timeout_s=PATIENCE_S))
        await asyncio.sleep(0)
        gate.open()
        with pytest.raises(ExecutorClosedError, match="restart the bot"):
            await soon(waiting)
        with pytest.raises(ExecutorClosedError, match="restart the bot"):
            await soon(executor.text_vector("a red circle", timeout_s=PATIENCE_S))


async def test_a_factory_that_fails_ends_every_job_and_refuses_more() -> None:
    may_load = threading.Event()

    def fail() -> Engine:
        assert may_load.wait(PATIENCE_S)
        raise OSError("no such device")

    async with local(fail) as executor:
        stream = await executor.submit(ask())
        may_load.set()
        outcome = await read(stream)
        assert isinstance(outcome.error, ExecutorClosedError)
        assert executor.status.state is EngineState.FAILED
        with pytest.raises(ExecutorClosedError, match="The image model could not be loaded"):
            await executor.submit(ask())


async def test_the_next_chunk_is_dispatched_before_the_last_one_is_waited_for() -> None:
    gate = Gate()
    engine = FakeEngine(image_length=12, gate=gate)
    async with local(lambda: engine) as executor:
        stream = await executor.submit(ask())
        await at_gate(gate, 1)
        assert (engine.calls["step"], engine.calls["wait"]) == (2, 1)
        gate.let_pass()
        await at_gate(gate, 2)
        assert (engine.calls["step"], engine.calls["wait"]) == (3, 2)
        gate.open()
        await read(stream)
        assert engine.calls["step"] == 3


async def test_the_loop_is_free_while_the_engine_thread_is_not() -> None:
    gate = Gate()
    async with local(lambda: FakeEngine(num_slots=1, gate=gate)) as executor:
        stream = await executor.submit(ask())
        await at_gate(gate, 1)
        late = ask(requester="bob")
        late_stream = await executor.submit(late)
        assert (executor.status.num_queued, executor.status.num_running) == (1, 1)
        assert await executor.cancel(late.job_id)
        assert isinstance((await read(late_stream)).error, JobCancelledError)
        assert (executor.status.num_queued, executor.status.num_running) == (0, 1)
        gate.open()
        assert (await read(stream)).error is None


async def test_a_running_jobs_stream_ends_at_once_and_its_slots_are_reused_at_the_next_chunk() -> None:
    gate = Gate()
    engine = FakeEngine(num_slots=2, image_length=12, gate=gate)
    async with local(lambda: engine) as executor:
        cancelled, heir = ask("cancelled", 2), ask("heir", 2)
        stream = await executor.submit(cancelled)
        await at_gate(gate, 1)
        heir_stream = await executor.submit(heir)
        assert await executor.cancel(cancelled.job_id)
        assert isinstance((await read(stream)).error, JobCancelledError)
        assert len(engine.assignments) == 2
        gate.let_pass()
        await at_gate(gate, 2)
        assert [a.slot for a in engine.assignments] == [0, 1, 0, 1]
        gate.open()
        check_result((await read(heir_stream)).result, heir, engine.info)
        assert engine.num_occupied == 0


async def test_a_cancelled_job_may_be_submitted_again_while_its_old_chunk_is_under_way() -> None:
    gate = Gate()
    engine = FakeEngine(num_slots=1, image_length=12, gate=gate)
    async with local(lambda: engine) as executor:
        request = ask()
        await executor.submit(request)
        await at_gate(gate, 1)
        await executor.cancel(request.job_id)
        stream = await executor.submit(request)
        gate.open()
        outcome = await read(stream)
        check_result(outcome.result, request, engine.info)
        assert outcome.updates[:2] == [Queued(1), Started()]


async def test_guilds_have_the_shares_that_they_were_given() -> None:
    gate = Gate()
    executor = LocalExecutor(
        lambda: FakeEngine(num_slots=1, image_length=4, gate=gate), chunk_tokens=4, guild_weights={"big": 9.0}
    )
    async with executor:
        await executor.submit(ask())
        await at_gate(gate, 1)
        await executor.submit(ask(num_images=2, guild="small"))
        big = await executor.submit(ask(num_images=9, guild="big"))
        big_position = await position(aiter(big))
        gate.open()
    assert big_position == 1


async def test_a_scheduler_of_ones_own_admits() -> None:
    class Closed(Scheduler):
        def admit(self, num_free: int) -> list[Admission]:
            return []

    gate = Gate()
    engine = FakeEngine(gate=gate)
    scheduler = Closed(max_jobs=1, max_jobs_per_user=1)
    async with LocalExecutor(lambda: engine, chunk_tokens=4, scheduler=scheduler) as executor:
        await executor.submit(ask())
        with pytest.raises(QueueFullError):
            await executor.submit(ask(requester="bob"))
        assert engine.calls["insert"] == 0


async def test_who_waits_is_told_when_to_start() -> None:
    gate = Gate()
    engine = FakeEngine(num_slots=1, image_length=16, gate=gate)
    async with local(lambda: engine) as executor:
        running = await executor.submit(ask(requester="ann"))
        await at_gate(gate, 1)
        early = await soon(anext(aiter(await executor.submit(ask(requester="bob")))))
        assert early == Queued(1, None)
        gate.let_pass()
        await at_gate(gate, 2)
        async for update in running:
            if isinstance(update, Progress):
                break
        late = await soon(anext(aiter(await executor.submit(ask(requester="cyd")))))
        assert isinstance(late, Queued)
        assert late.position == 2
        assert late.expected_start_s is not None
        gate.open()


async def test_positions_are_told_when_a_job_starts() -> None:
    gate = Gate()
    async with local(lambda: FakeEngine(num_slots=1, image_length=8, gate=gate)) as executor:
        first = await executor.submit(ask(requester="ann"))
        await at_gate(gate, 1)
        await executor.submit(ask(requester="bob"))
        third = aiter(await executor.submit(ask(requester="cyd")))
        assert await position(third) == 2
        gate.let_pass()
        assert await position(third) == 1
        gate.open()
        assert (await read(first)).error is None


async def test_positions_are_told_when_a_job_fails_before_it_starts() -> None:
    gate = Gate()
    faults = Faults(refused_prompts={"bad"})
    async with local(lambda: FakeEngine(num_slots=2, image_length=12, gate=gate, faults=faults)) as executor:
        running = await executor.submit(ask(requester="ann"))
        await at_gate(gate, 1)
        bad = await executor.submit(ask("bad", requester="bob"))
        behind = aiter(await executor.submit(ask(requester="cyd")))
        assert await position(behind) == 2
        gate.let_pass()
        assert isinstance((await read(bad)).error, JobFailedError)
        assert await position(behind) == 1
        gate.open()
        assert (await read(running)).error is None


async def test_a_slow_reader_finds_the_latest_of_each_kind() -> None:
    async with local(lambda: FakeEngine(image_length=16)) as executor:
        slow = await executor.submit(ask("slow"))
        await read(await executor.submit(ask("quick")))
        outcome = await read(slow)
        assert outcome.updates[:-1] == [Queued(1), Started(), Progress(16, 16)]


async def test_a_stream_that_nobody_reads_is_let_go() -> None:
    gate = Gate()
    async with local(lambda: FakeEngine(num_slots=1, gate=gate)) as executor:
        abandoned = weakref.ref(await executor.submit(ask("abandoned")))
        await at_gate(gate, 1)
        gate.open()
        assert (await read(await executor.submit(ask("read")))).error is None
        gc.collect()
        assert abandoned() is None
        assert executor.status.num_running == 0


async def test_closing_joins_the_thread() -> None:
    before = set(threading.enumerate())
    gate = Gate()
    executor = local(lambda: FakeEngine(gate=gate))
    await executor.start()
    (thread,) = set(threading.enumerate()) - before
    stream = await executor.submit(ask())
    await at_gate(gate, 1)
    closing = asyncio.create_task(executor.aclose())
    assert isinstance((await read(stream)).error, JobCancelledError)
    assert not closing.done()
    gate.open()
    await soon(closing)
    assert not thread.is_alive()


async def test_closing_cancels_a_start(caplog: pytest.LogCaptureFixture) -> None:
    start_up = StartUp()
    is_loading = threading.Event()

    def load() -> Engine:
        is_loading.set()
        start_up.pause(10 * PATIENCE_S)
        raise AssertionError("nobody cancelled")

    executor = LocalExecutor(load, max_jobs=1, max_jobs_per_user=1, chunk_tokens=4, start_up=start_up)
    await executor.start()
    stream = await executor.submit(ask())
    await asyncio.to_thread(is_loading.wait, PATIENCE_S)
    await soon(executor.aclose())
    assert isinstance((await read(stream)).error, JobCancelledError)
    assert caplog.messages == []


async def test_closing_does_not_wait_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    may_load, has_loaded = threading.Event(), threading.Event()

    def load() -> Engine:
        assert may_load.wait(PATIENCE_S)
        has_loaded.set()
        return FakeEngine()

    executor = local(load, close_timeout_s=0.01)
    await executor.start()
    stream = await executor.submit(ask())
    with caplog.at_level(logging.WARNING):
        await soon(executor.aclose())
    assert "has not ended within 0.01 s" in caplog.text
    assert isinstance((await read(stream)).error, JobCancelledError)
    may_load.set()
    assert await asyncio.to_thread(has_loaded.wait, PATIENCE_S)
    assert executor.status.state is EngineState.CLOSED


async def test_closing_before_the_start_is_allowed() -> None:
    executor = local(FakeEngine)
    await executor.aclose()
    with pytest.raises(ExecutorClosedError):
        await executor.submit(ask())
    with pytest.raises(RuntimeError, match="build a new one"):
        await executor.start()


async def test_wrong_order_of_calls_is_named() -> None:
    executor = local(FakeEngine)
    with pytest.raises(RuntimeError, match=r"await start\(\) first"):
        await executor.submit(ask())
    async with executor:
        with pytest.raises(RuntimeError, match="started already"):
            await executor.start()


def test_a_chunk_of_no_tokens_is_refused() -> None:
    with pytest.raises(ValueError, match="chunk_tokens must be at least 1, not 0"):
        LocalExecutor(FakeEngine, max_jobs=1, max_jobs_per_user=1, chunk_tokens=0)


def test_a_loop_that_is_closed_under_the_executor_ends_the_thread() -> None:
    before = set(threading.enumerate())
    gate = Gate()

    async def forget_to_close() -> list[threading.Thread]:
        executor = local(lambda: FakeEngine(gate=gate))
        await executor.start()
        await executor.submit(ask())
        await at_gate(gate, 1)
        return [each for each in threading.enumerate() if each.name == "engine" and each not in before]

    (thread,) = asyncio.run(forget_to_close())
    gate.open()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


async def test_a_full_queue_says_when_to_come_back() -> None:
    engine = FakeEngine(num_slots=1, image_length=16, delay_s=0.05)
    async with LocalExecutor(lambda: engine, chunk_tokens=4, max_jobs=1) as executor:
        await read(await executor.submit(ask()))
        stream = await executor.submit(ask())
        async with asyncio.timeout(PATIENCE_S):
            async for update in stream:
                if isinstance(update, Progress):
                    break
        sentence = (
            r"^The queue is full: 1 of 1 places are taken\. The next picture is done in about 5 seconds: "
            r"try again then\.$"
        )
        with pytest.raises(QueueFullError, match=sentence):
            await executor.check_room("bob", 1)
        with pytest.raises(QueueFullError, match=sentence):
            await executor.submit(ask(requester="bob"))


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.0, "5 seconds"), (5.1, "10 seconds"), (55.0, "55 seconds"), (55.1, "1 minute"), (61, "2 minutes")],
)
def test_spans_are_rounded_up(seconds: float, told: str) -> None:
    assert str(_span(seconds)) == told
