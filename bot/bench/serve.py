"""`dalle-bot bench serve`: latency and throughput under Poisson arrivals, of continuous and of static batching.

One executor and one engine, opened as the product does, for all runs, so that the policies differ in admission alone:

1. warm-up: as many images as there are slots. It also tells how many jobs fit into the time.
2. solo: one job at a time, of each size.
3. offline: all jobs at once. Its steady middle is the capacity.
4. loaded: the same jobs as they arrive at a share of the capacity, under each policy.
5. saturated: the same again, far above the capacity.

Called by the command; everything here runs on its event loop, the engine on the executor's thread.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import jax.numpy as jnp
import numpy as np

from bot.bench.serve_load import MEAN_IMAGES, MIX, Arrival, Served, at_rate, plan_arrivals, serve_arrivals
from bot.bench.serve_policy import Policy, PolicyScheduler
from bot.bench.serve_report import PolicyRuns, Run, ServeReport
from bot.bench.serve_watch import DeviceWatch, WatchedEngine
from bot.config import Settings
from bot.engine.base import Engine
from bot.engine.open import plan_engine
from bot.errors import ExecutorClosedError
from bot.executor.local import LocalExecutor
from bot.requests import Result
from bot.startup import StartUp

MAX_JOBS: Final = 5000
SATURATED_LOAD: Final = 4.0
# Fewer rounds of all slots have no steady middle.
_MIN_ROUNDS: Final = 5
_MIN_JOBS: Final = 12
_SOLO_REPEATS: Final = 7
# A run that takes this much longer than it should is hung. Programs may yet be compiled in the warm-up.
_PATIENCE: Final = 20.0
_PATIENCE_S: Final = 1200.0


@dataclass(frozen=True, slots=True)
class Opened:
    """An engine, and how a report names what it runs on."""

    engine: Engine
    device: str
    dtype: str


def open_as_product(settings: Settings, start_up: StartUp) -> Opened:
    """Opens the engine of `settings`, on the thread that calls it. Raises as bot.engine.open.open_engine does."""
    planned = plan_engine(settings, start_up)
    engine = planned.open(settings.engine.chunk_tokens, start_up)
    device = planned.mesh.devices.flat[0]
    return Opened(engine, f"{planned.mesh.size} x {device.device_kind}", jnp.dtype(planned.checkpoint.dtype).name)


async def measure_serve(
    open_engine: Callable[[], Opened],
    *,
    chunk_tokens: int,
    load: float,
    seconds: float,
    jobs: int | None,
    seed: int,
    start_up: StartUp,
    watch: DeviceWatch,
) -> ServeReport:
    """Measures both policies on one engine, which `open_engine` opens on the engine thread.

    load: share of the offline throughput that arrives. jobs: in each run; None: as many as take about `seconds` at
    capacity. watch: has been entered. Raises what `open_engine` raises, and JobError if a job fails or a run hangs.
    """
    opened: Opened | None = None
    watched: WatchedEngine | None = None
    failure: Exception | None = None

    def build() -> Engine:
        nonlocal opened, watched, failure
        try:
            opened = open_engine()
        except Exception as error:
            failure = error
            raise
        watched = WatchedEngine(opened.engine, watch)
        return watched

    # Limits are for users; here they would turn a slow run into a failed one.
    scheduler = PolicyScheduler(max_jobs=2 * MAX_JOBS, max_jobs_per_user=2 * MAX_JOBS)
    executor = LocalExecutor(build, scheduler=scheduler, chunk_tokens=chunk_tokens, start_up=start_up)
    async with executor:
        try:
            # The first job comes back once the engine is open.
            await serve_arrivals(executor, plan_arrivals(1, seed), limit_s=_PATIENCE_S)
        except ExecutorClosedError:
            # The engine's own complaint says more than that there is no engine.
            if failure is not None:
                raise failure from None
            raise
        assert opened is not None
        assert watched is not None
        bench = _Bench(executor, scheduler, watched, watch, start_up)
        return await bench.measure(opened, chunk_tokens=chunk_tokens, load=load, seconds=seconds, jobs=jobs, seed=seed)


class _Bench:
    """The runs of one measurement, one after the other."""

    def __init__(
        self,
        executor: LocalExecutor,
        scheduler: PolicyScheduler,
        engine: WatchedEngine,
        watch: DeviceWatch,
        start_up: StartUp,
    ) -> None:
        self._executor = executor
        self._scheduler = scheduler
        self._engine = engine
        self._watch = watch
        self._start_up = start_up
        self._limit_s = _PATIENCE_S

    async def measure(
        self, opened: Opened, *, chunk_tokens: int, load: float, seconds: float, jobs: int | None, seed: int
    ) -> ServeReport:
        """All runs; see the module."""
        at_once = float("inf")
        first = await self._run("warm-up", at_rate(plan_arrivals(self._jobs_of(1), seed), at_once))
        num_jobs = jobs or self._jobs_in(seconds, first.throughput)
        arrivals = plan_arrivals(num_jobs, seed)
        self._limit_s += _PATIENCE * num_jobs * MEAN_IMAGES / first.throughput / load
        solo_s = await self._solo(seed)
        capacity = (await self._run("offline", at_rate(arrivals, at_once))).timeline.steady_rate()
        loaded = await self._both("load", at_rate(arrivals, load * capacity))
        saturated = await self._both("saturated", at_rate(arrivals, SATURATED_LOAD * capacity))
        return ServeReport(
            model=self._engine.info.name,
            device=opened.device,
            dtype=opened.dtype,
            num_slots=self._engine.num_slots,
            chunk_tokens=chunk_tokens,
            jobs=num_jobs,
            seed=seed,
            load=load,
            saturated_load=SATURATED_LOAD,
            solo_s=solo_s,
            offline_throughput=capacity,
            policies={policy: PolicyRuns(loaded[policy], saturated[policy]) for policy in loaded},
        )

    def _jobs_of(self, rounds: int) -> int:
        """How many jobs fill all slots so many times."""
        return max(_MIN_JOBS, -int(-rounds * self._engine.num_slots // MEAN_IMAGES))

    def _jobs_in(self, seconds: float, images_per_s: float) -> int:
        return min(MAX_JOBS, max(self._jobs_of(_MIN_ROUNDS), round(seconds * images_per_s / MEAN_IMAGES)))

    async def _solo(self, seed: int) -> dict[int, float]:
        """Images of a job → its median latency when nobody else is there."""
        arrivals = plan_arrivals(len(MIX) * _SOLO_REPEATS, seed + 1)
        latencies: dict[int, list[float]] = {size: [] for size in MIX}
        with self._start_up.stage("solo", total=len(arrivals), unit="jobs") as advance:
            for arrival in at_rate(arrivals, float("inf")):
                [job] = await self._serve([arrival])
                latencies[job.num_images].append(job.latency_s)
                advance(1)
        self._watch.take()
        return {size: float(np.median(seen)) for size, seen in latencies.items()}

    async def _both(self, stage: str, arrivals: Sequence[Arrival]) -> dict[Policy, Run]:
        batch_slots: dict[Policy, int | None] = {"continuous": None, "static": self._engine.num_slots}
        runs = {}
        for policy, slots in batch_slots.items():
            self._scheduler.batch_slots = slots
            runs[policy] = await self._run(f"{stage}, {policy}", arrivals)
        self._scheduler.batch_slots = None
        return runs

    async def _run(self, stage: str, arrivals: Sequence[Arrival]) -> Run:
        with self._start_up.stage(stage, total=len(arrivals), unit="jobs") as advance:
            served = await self._serve(arrivals, lambda _: advance(1))
        return Run(served, self._watch.take())

    async def _serve(
        self, arrivals: Sequence[Arrival], on_finished: Callable[[Result], None] = lambda _: None
    ) -> list[Served]:
        return await serve_arrivals(
            self._executor,
            arrivals,
            limit_s=self._limit_s,
            has_free_slot=lambda: self._engine.num_free > 0,
            on_finished=on_finished,
        )
