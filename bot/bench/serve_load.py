"""Open-loop load for `bench serve`: who asks for what and when, and how long each of them waited. Event loop only.

Arrivals are planned beforehand and don't wait for answers. Latency counts from the planned time, so whatever delays
the load generator itself, a busy event loop for one, makes latencies longer and hides nothing.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from bot.demo.scenes import evaluation_captions
from bot.errors import JobFailedError
from bot.executor.base import Executor
from bot.requests import MAX_SEED, Finished, GenerationRequest, Queued, Result, Started

MIX: Final = (1, 4, 9)
MEAN_IMAGES: Final = sum(MIX) / len(MIX)
NUM_GUILDS: Final = 5
NUM_USERS: Final = 40
_NUM_PROMPTS: Final = 200


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request and when it comes, in seconds from the start of the run."""

    at_s: float
    request: GenerationRequest


@dataclass(frozen=True, slots=True)
class Served:
    """One finished job. Times in seconds of `time.perf_counter`.

    scheduled_s: when it was planned to come. submitted_s: when the executor was given it.
    predicted_start_s: when it would start by the first forecast that its user was told; None if there was none.
    had_to_wait: no slot was free, or others waited, when it came.
    """

    num_images: int
    scheduled_s: float
    submitted_s: float
    started_s: float
    finished_s: float
    predicted_start_s: float | None
    had_to_wait: bool

    @property
    def latency_s(self) -> float:
        return self.finished_s - self.scheduled_s


def plan_arrivals(num_jobs: int, seed: int) -> list[Arrival]:
    """A Poisson process of one image per second in jobs of 1, 4 and 9, of many users in several guilds; `seed` fixes
    it, and `at_rate` makes it faster.

    Exactly `num_jobs` within as many seconds as they have images: given their number, the times of a Poisson process
    are independent and uniform. Sizes come in equal numbers, in random order. So the load is the one that was asked
    for, and does not vary with the seed.
    """
    rng = np.random.default_rng(seed)
    prompts = evaluation_captions(seed, _NUM_PROMPTS)
    sizes = rng.permutation(np.resize(MIX, num_jobs))
    times = np.sort(rng.uniform(0.0, sizes.sum(), num_jobs))
    users = rng.integers(NUM_USERS, size=num_jobs)
    seeds = rng.integers(MAX_SEED, size=num_jobs)
    return [
        Arrival(
            float(times[i]),
            GenerationRequest(
                prompt=prompts[i % _NUM_PROMPTS],
                num_images=int(sizes[i]),
                seed=int(seeds[i]),
                requester=f"user-{users[i]}",
                guild=f"guild-{users[i] % NUM_GUILDS}",
            ),
        )
        for i in range(num_jobs)
    ]


def at_rate(arrivals: Sequence[Arrival], images_per_s: float) -> list[Arrival]:
    """Planned arrivals at another mean rate; infinity hands all of them in at once."""
    return [replace(arrival, at_s=arrival.at_s / images_per_s) for arrival in arrivals]


async def serve_arrivals(
    executor: Executor,
    arrivals: Sequence[Arrival],
    *,
    limit_s: float,
    has_free_slot: Callable[[], bool] = lambda: True,
    on_finished: Callable[[Result], None] = lambda _: None,
) -> list[Served]:
    """Submits every request when it is due and reads its updates to the end. In the order of `arrivals`.

    on_finished: called with each job's result. Raises JobError if a job fails, JobFailedError if the run takes longer
    than `limit_s`.
    """
    start_s = time.perf_counter()
    tasks = []
    try:
        async with asyncio.timeout(limit_s), asyncio.TaskGroup() as group:
            for arrival in arrivals:
                due_s = start_s + arrival.at_s
                await asyncio.sleep(due_s - time.perf_counter())
                served = _serve(executor, arrival.request, due_s, has_free_slot, on_finished)
                tasks.append(group.create_task(served))
    except TimeoutError:
        raise JobFailedError(
            f"{len(arrivals)} jobs were not done within {limit_s:.0f} s: measure with fewer --jobs."
        ) from None
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]


async def _serve(
    executor: Executor,
    request: GenerationRequest,
    due_s: float,
    has_free_slot: Callable[[], bool],
    on_finished: Callable[[Result], None],
) -> Served:
    had_to_wait = executor.status.num_queued > 0 or not has_free_slot()
    submitted_s = time.perf_counter()
    predicted_start_s = started_s = None
    async for update in await executor.submit(request):
        now = time.perf_counter()
        match update:
            case Queued(expected_start_s=expected) if expected is not None and predicted_start_s is None:
                predicted_start_s = now + expected
            case Started():
                started_s = now
            case Finished(result):
                on_finished(result)
    assert started_s is not None, "a stream that ends without an error has Started and Finished"
    return Served(request.num_images, due_s, submitted_s, started_s, now, predicted_start_s, had_to_wait)
