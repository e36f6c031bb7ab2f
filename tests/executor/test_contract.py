"""What every Executor does, seen through its protocol alone.

The engine is a FakeEngine described by its arguments, so that an implementation may build it in another process.
"""

import asyncio
from typing import Any

import numpy as np
import pytest

from bot.engine.fake import FakeEngine, Faults, Gate
from bot.engine.fake_pictures import expected_preview, expected_text_vector
from bot.errors import (
    ExecutorClosedError,
    JobCancelledError,
    JobFailedError,
    NotReadyError,
    QueueFullError,
    UserLimitError,
)
from bot.executor.base import EngineState, Executor
from bot.executor.questions import MAX_WAITING
from bot.requests import Preview, Progress, Queued, Started

from .conftest import ExecutorFactory
from .drive import PATIENCE_S, ask, at_gate, check_result, read, soon

pytestmark = pytest.mark.usefixtures("no_blocking_calls")

# A job of this length takes longer than any test waits; one that brings all tokens but the last takes one chunk.
ENDLESS: dict[str, Any] = {"num_slots": 1, "image_length": 40_000, "delay_s": 0.001}
NEARLY_DONE = (7,) * 39_999


async def test_a_job_is_queued_starts_progresses_and_finishes(executor_factory: ExecutorFactory) -> None:
    request = ask(num_images=3)
    async with executor_factory(num_slots=2, image_length=16) as executor:
        outcome = await read(await executor.submit(request))
        info = executor.status.info
    assert info == FakeEngine(num_slots=2, image_length=16).info
    check_result(outcome.result, request, info)
    kinds = [type(update) for update in outcome.updates]
    assert kinds[0] is Queued
    assert kinds.count(Started) == 1
    start = kinds.index(Started)
    assert set(kinds[:start]) == {Queued}
    progress = [update for update in outcome.updates[start + 1 : -1] if isinstance(update, Progress)]
    assert len(progress) == len(kinds) - start - 2 > 0
    assert progress == sorted(progress, key=lambda update: update.done_tokens)
    assert progress[-1] == Progress(48, 48)


async def test_a_job_that_wants_previews_is_seen_as_it_is_drawn(executor_factory: ExecutorFactory) -> None:
    request = ask(num_images=2, seed=5, preview_interval_s=0.1)
    async with executor_factory(num_slots=2, image_length=160, num_rows=20, delay_s=0.01) as executor:
        outcome = await read(await executor.submit(request))
        assert executor.status.info is not None
        check_result(outcome.result, request, executor.status.info)
    previews = [update for update in outcome.updates if isinstance(update, Preview)]
    assert previews
    for image in [image for preview in previews for image in preview.images]:
        size_px, num_rows = len(image.pixels), previews[0].total_rows
        expected = expected_preview(5, image.index, image.done_rows, num_rows=num_rows, image_size_px=size_px)
        np.testing.assert_array_equal(image.pixels, expected)


async def test_many_jobs_each_have_their_own_images(executor_factory: ExecutorFactory) -> None:
    requests = [
        ask(f"prompt {n}", 1 + n % 9, seed=n, requester=f"user {n % 3}", image_tokens=range(n)) for n in range(16)
    ]
    async with executor_factory(num_slots=4, image_length=16) as executor:
        outcomes = await asyncio.gather(*[read(await executor.submit(request)) for request in requests])
        assert executor.status.info is not None
        for request, outcome in zip(requests, outcomes, strict=True):
            check_result(outcome.result, request, executor.status.info)
        assert (executor.status.num_queued, executor.status.num_running) == (0, 0)


async def test_a_full_queue_is_refused_and_a_place_comes_free(executor_factory: ExecutorFactory) -> None:
    async with executor_factory(max_jobs=2, **ENDLESS) as executor:
        first, second = ask(requester="ann"), ask(requester="bob")
        await executor.submit(first)
        await executor.submit(second)
        with pytest.raises(QueueFullError, match="2 of 2 places are taken"):
            await executor.submit(ask(requester="eve"))
        assert await executor.cancel(first.job_id)
        await executor.submit(ask(requester="eve"))


async def test_a_user_at_the_limit_is_refused_and_others_are_not(executor_factory: ExecutorFactory) -> None:
    async with executor_factory(max_jobs_per_user=1, **ENDLESS) as executor:
        await executor.submit(ask(requester="ann"))
        with pytest.raises(UserLimitError, match="1 is the limit for one person"):
            await executor.submit(ask(requester="ann"))
        await executor.submit(ask(requester="bob"))


async def test_jobs_that_were_accepted_before_are_taken_over_the_limits(executor_factory: ExecutorFactory) -> None:
    requests = [ask(requester="ann") for _ in range(3)]
    async with executor_factory(max_jobs=1, max_jobs_per_user=1) as executor:
        streams = [await executor.submit(request, accepted_before=True) for request in requests]
        for request, stream in zip(requests, streams, strict=True):
            assert (await read(stream)).result.request is request


async def test_whoever_has_read_the_end_may_submit_again(executor_factory: ExecutorFactory) -> None:
    request = ask()
    async with executor_factory(max_jobs=1, max_jobs_per_user=1) as executor:
        for _ in range(5):
            assert (await read(await executor.submit(request))).result.request is request


async def test_an_unfinished_job_id_is_refused(executor_factory: ExecutorFactory) -> None:
    request = ask()
    async with executor_factory(**ENDLESS) as executor:
        await executor.submit(request)
        with pytest.raises(ValueError, match=f"Job {request.job_id} is unfinished"):
            await executor.submit(request)


async def test_a_cancelled_running_job_frees_its_slot(executor_factory: ExecutorFactory) -> None:
    endless, quick = ask("endless"), ask("quick", image_tokens=NEARLY_DONE)
    async with executor_factory(**ENDLESS) as executor:
        stream = await executor.submit(endless)
        async for update in stream:
            if isinstance(update, Progress):
                break
        assert await executor.cancel(endless.job_id)
        assert isinstance((await read(stream)).error, JobCancelledError)
        assert executor.status.info is not None
        check_result((await read(await executor.submit(quick))).result, quick, executor.status.info)


async def test_a_cancelled_waiting_job_ends_and_those_behind_it_move_up(executor_factory: ExecutorFactory) -> None:
    async with executor_factory(**ENDLESS) as executor:
        running = await executor.submit(ask(requester="ann"))
        async for update in running:
            if isinstance(update, Started):
                break
        waiting = ask(requester="bob")
        stream = await executor.submit(waiting)
        behind = await executor.submit(ask(requester="cyd"))
        updates = aiter(behind)
        queued = await anext(updates)
        assert isinstance(queued, Queued)
        assert queued.position == 2
        assert await executor.cancel(waiting.job_id)
        async for update in updates:
            assert isinstance(update, Queued)
            if update.position == 1:
                break
        assert isinstance((await read(stream)).error, JobCancelledError)


async def test_only_a_known_job_can_be_cancelled_and_only_once(executor_factory: ExecutorFactory) -> None:
    request = ask()
    async with executor_factory(**ENDLESS) as executor:
        assert not await executor.cancel(request.job_id)
        await executor.submit(request)
        assert await executor.cancel(request.job_id)
        assert not await executor.cancel(request.job_id)


async def test_a_failure_reaches_exactly_its_job(executor_factory: ExecutorFactory) -> None:
    faults = Faults(refused_prompts=["unreadable"], not_finite=[(5, 1)])
    good, unreadable, not_finite = ask("good", 2), ask("unreadable", requester="bob"), ask("three", 2, seed=5)
    async with executor_factory(num_slots=8, faults=faults) as executor:
        streams = [await executor.submit(request) for request in (good, unreadable, not_finite)]
        outcomes = [await read(stream) for stream in streams]
        assert executor.status.info is not None
        check_result(outcomes[0].result, good, executor.status.info)
        assert executor.status.state is EngineState.READY
    for outcome in outcomes[1:]:
        assert isinstance(outcome.error, JobFailedError)
    assert "Image 2 could not be drawn" in str(outcomes[2].error)


async def test_closing_ends_every_job_and_refuses_more(executor_factory: ExecutorFactory) -> None:
    async with executor_factory(**ENDLESS) as executor:
        streams = [await executor.submit(ask(requester=name)) for name in ("ann", "bob")]
        await executor.aclose()
        for stream in streams:
            assert isinstance((await read(stream)).error, JobCancelledError)
        assert executor.status.state is EngineState.CLOSED
        assert (executor.status.num_queued, executor.status.num_running) == (0, 0)
        with pytest.raises(ExecutorClosedError, match="The bot is stopping"):
            await executor.submit(ask())
        await executor.aclose()


async def ready(executor: Executor) -> Executor:
    """The executor, once its model is loaded."""
    await read(await executor.submit(ask()))
    return executor


async def test_a_text_has_the_vector_that_pictures_are_compared_with(executor_factory: ExecutorFactory) -> None:
    texts = [f"a text {'x' * n}" for n in range(9)]
    async with executor_factory() as started:
        executor = await ready(started)
        vectors = await soon(asyncio.gather(*(executor.text_vector(text, timeout_s=PATIENCE_S) for text in texts)))
    for text, vector in zip(texts, vectors, strict=True):
        assert (vector.model, str(vector.vector.dtype)) == ("fake", "float32")
        np.testing.assert_array_equal(vector.vector, expected_text_vector(text))


async def test_a_text_is_read_while_every_slot_is_busy_and_disturbs_nobody(executor_factory: ExecutorFactory) -> None:
    request = ask(num_images=2, seed=3)
    async with executor_factory(**ENDLESS | {"image_length": 400}) as executor:
        stream = await executor.submit(request)
        updates = aiter(stream)
        while not isinstance(await anext(updates), Progress):
            pass
        vector = await soon(executor.text_vector("a red circle", timeout_s=PATIENCE_S))
        np.testing.assert_array_equal(vector.vector, expected_text_vector("a red circle"))
        assert executor.status.num_running == 1
        assert executor.status.info is not None
        check_result((await read(stream)).result, request, executor.status.info)


async def test_a_text_that_can_not_be_read_is_refused_alone(executor_factory: ExecutorFactory) -> None:
    faults = Faults(refused_prompts=["unreadable"], raises={("wait for text", 1): RuntimeError("boom")})
    async with executor_factory(faults=faults) as started:
        executor = await ready(started)
        for text in ("unreadable", "lost on the way"):
            with pytest.raises(JobFailedError, match="could not read the text"):
                await soon(executor.text_vector(text, timeout_s=PATIENCE_S))
        await soon(executor.text_vector("a red circle", timeout_s=PATIENCE_S))
        assert (await read(await executor.submit(ask()))).error is None


async def test_a_text_waits_so_long_and_no_longer(executor_factory: ExecutorFactory) -> None:
    gate = Gate()
    async with executor_factory(gate=gate, num_slots=1) as executor:
        stream = await executor.submit(ask())
        await at_gate(gate, 1)
        with pytest.raises(NotReadyError, match="too busy to read this now"):
            await executor.text_vector("a red circle", timeout_s=0.01)
        gate.open()
        assert (await read(stream)).error is None
        await soon(executor.text_vector("a red circle", timeout_s=PATIENCE_S))


async def test_only_so_many_texts_wait(executor_factory: ExecutorFactory) -> None:
    gate = Gate()
    async with executor_factory(gate=gate, num_slots=1) as executor:
        stream = await executor.submit(ask())
        await at_gate(gate, 1)
        read_text = executor.text_vector
        waiting = [asyncio.create_task(read_text("one of many", timeout_s=PATIENCE_S)) for _ in range(MAX_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(NotReadyError, match="Too many searches are waiting"):
            await executor.text_vector("one too many", timeout_s=PATIENCE_S)
        waiting[0].cancel()
        await asyncio.gather(waiting[0], return_exceptions=True)
        waiting.append(asyncio.create_task(executor.text_vector("in its place", timeout_s=PATIENCE_S)))
        gate.open()
        await soon(asyncio.gather(*waiting[1:]))
        assert (await read(stream)).error is None


async def test_closing_and_failing_refuse_the_texts_that_wait(executor_factory: ExecutorFactory) -> None:
    gate = Gate()
    async with executor_factory(gate=gate, num_slots=1) as executor:
        await executor.submit(ask())
        await at_gate(gate, 1)
        waiting = asyncio.create_task(executor.text_vector("a red circle", timeout_s=PATIENCE_S))
        await asyncio.sleep(0)
        gate.open()
        await executor.aclose()
        with pytest.raises(ExecutorClosedError, match="The bot is stopping"):
            await soon(waiting)
        with pytest.raises(ExecutorClosedError, match="The bot is stopping"):
            await executor.text_vector("a red circle", timeout_s=PATIENCE_S)
