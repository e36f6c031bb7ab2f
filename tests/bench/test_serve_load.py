"""The load generator: its plan, and that whatever holds it up makes latencies longer."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Final

import numpy as np
import pytest

from bot.bench.serve_load import NUM_GUILDS, Arrival, at_rate, plan_arrivals, serve_arrivals
from bot.errors import JobFailedError, NotReadyError
from bot.executor.base import EngineState, ExecutorStatus, TextVector
from bot.requests import Finished, GenerationRequest, Queued, Result, Sampling, Started, Update

MOMENT_S: Final = 0.04


class SlowExecutor:
    """Takes one request at a time and needs MOMENT_S for each. blocks: the event loop with it."""

    def __init__(self, *, blocks: bool = False, fails: bool = False) -> None:
        self._turn = asyncio.Lock()
        self._blocks = blocks
        self._fails = fails
        self.num_queued = 0
        self.num_submitted = 0

    @property
    def status(self) -> ExecutorStatus:
        return ExecutorStatus(EngineState.READY, self.num_queued, 0, None)

    async def submit(self, request: GenerationRequest, **_: object) -> AsyncIterator[Update]:
        self.num_submitted += 1
        async with self._turn:
            if self._blocks:
                time.sleep(MOMENT_S)  # noqa: ASYNC251 - a loop that hangs is what this is about
            else:
                await asyncio.sleep(MOMENT_S)
        return self._updates(request)

    def drawing_s(self, request: GenerationRequest) -> float | None:
        return None

    async def check_room(self, requester: str, num_jobs: int, *, guild: str | None = None) -> None:
        pass

    def check_user(self, num_own: int, num_jobs: int) -> None:
        pass

    async def text_vector(self, text: str, *, timeout_s: float) -> TextVector:
        raise NotReadyError("Nobody asks for this here.")

    async def cancel(self, job_id: str) -> bool:
        return False

    async def drain(self) -> None:
        pass

    async def aclose(self) -> None:
        pass

    async def _updates(self, request: GenerationRequest) -> AsyncIterator[Update]:
        yield Queued(1)
        yield Queued(1, 0.5)
        yield Queued(1, 7.0)
        if self._fails:
            raise JobFailedError("The picture was lost.")
        yield Started()
        yield Finished(Result(request, "slow", Sampling(1.0, 0, 1.0, 1.0), (), (), 0.0))


def every(gap_s: float, count: int) -> list[Arrival]:
    return [Arrival(i * gap_s, plan.request) for i, plan in enumerate(plan_arrivals(count, 0))]


def test_a_plan_is_fixed_by_its_seed() -> None:
    def contents(seed: int) -> list[tuple[float, str, int]]:
        return [(a.at_s, a.request.requester, a.request.seed) for a in plan_arrivals(30, seed)]

    assert contents(3) == contents(3)
    assert contents(3) != contents(4)


def test_a_plan_has_the_mix_and_the_rate_that_were_asked_for() -> None:
    plan = at_rate(plan_arrivals(3000, 0), 5.0)
    assert Counter(a.request.num_images for a in plan) == {1: 1000, 4: 1000, 9: 1000}
    times = np.array([a.at_s for a in plan])
    assert np.all(np.diff(times) >= 0)
    assert times[-1] == pytest.approx(14 * 1000 / 5.0, rel=0.01)
    # Gaps of a Poisson process are exponential: as large a deviation as a mean.
    gaps = np.diff(times)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.1)
    assert len({a.request.guild for a in plan}) == NUM_GUILDS
    assert len({(a.request.guild, a.request.requester) for a in plan}) == len({a.request.requester for a in plan})
    assert len({a.request.job_id for a in plan}) == 3000
    assert {a.at_s for a in at_rate(plan, float("inf"))} == {0.0}


@pytest.mark.parametrize("blocks", [False, True])
async def test_latency_counts_from_the_plan_whatever_is_late(blocks: bool) -> None:
    executor = SlowExecutor(blocks=blocks)
    finished: list[Result] = []
    arrivals = every(MOMENT_S / 10, 5)
    served = await serve_arrivals(executor, arrivals, limit_s=10.0, on_finished=finished.append)
    assert len(finished) == 5
    planned = [job.scheduled_s for job in served]
    assert np.diff(planned) == pytest.approx([MOMENT_S / 10] * 4)
    for i, job in enumerate(served):
        # The one before it took until then, though this one was planned much earlier.
        assert job.latency_s >= (i + 1) * MOMENT_S - i * MOMENT_S / 10 - 0.001
        assert job.scheduled_s <= job.submitted_s <= job.started_s <= job.finished_s


async def test_a_slow_submission_holds_up_no_other() -> None:
    executor = SlowExecutor()
    serving = asyncio.create_task(serve_arrivals(executor, every(0.0, 6), limit_s=10.0))
    await asyncio.sleep(MOMENT_S)
    assert executor.num_submitted == 6
    await serving


@pytest.mark.parametrize(
    ("num_queued", "is_free", "had_to_wait"), [(0, True, False), (1, True, True), (0, False, True)]
)
async def test_the_first_forecast_counts(num_queued: int, is_free: bool, had_to_wait: bool) -> None:
    executor = SlowExecutor()
    executor.num_queued = num_queued
    [job] = await serve_arrivals(executor, every(0.0, 1), limit_s=10.0, has_free_slot=lambda: is_free)
    assert job.predicted_start_s is not None
    assert job.predicted_start_s - job.started_s == pytest.approx(0.5, abs=0.1)
    assert job.had_to_wait is had_to_wait


async def test_a_job_that_fails_ends_the_run() -> None:
    with pytest.raises(JobFailedError, match="The picture was lost"):
        await serve_arrivals(SlowExecutor(fails=True), every(0.0, 3), limit_s=10.0)


async def test_a_run_that_hangs_ends() -> None:
    with pytest.raises(JobFailedError, match=r"2 jobs were not done within 0 s: .*--jobs"):
        await serve_arrivals(SlowExecutor(), every(100.0, 2), limit_s=0.1)
