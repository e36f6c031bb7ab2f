"""`dalle-bot bench scale`: how many replicas a community needs, from what this machine measures.

1. Two replicas on a Ray cluster of this machine draw single jobs, then all jobs at once, then the same jobs as they
   arrive. The first two tell what a step costs and what a job costs beside it.
2. The simulation plays the last two runs; both figures are in the report.
3. The event loop of a bot, the database and the pictures are measured alone.
4. The simulation answers for each rate.

Called by the command, on an event loop; the engines are in processes of their own.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from bot.bench.scale_model import Course, Demand, EngineFacts, p95_wait_s, poisson, simulate, smallest_fleet
from bot.bench.scale_rates import jobs_per_s_of_store, loop_s_per_job, mean_picture_bytes
from bot.bench.scale_report import Answer, Compared, Rates, ScaleReport, bottlenecks
from bot.bench.serve_load import MIX, Arrival, Served, at_rate, plan_arrivals, serve_arrivals
from bot.engine.base import Engine
from bot.errors import ConfigError
from bot.executor.base import Executor
from bot.executor.pace import Pace
from bot.executor.remote import RemoteExecutor
from bot.executor.replicas import Replicas
from bot.executor.scheduler import Scheduler
from bot.requests import Result
from bot.startup import StartUp

NUM_REPLICAS: Final = 2
LOAD: Final = 0.7
_SOLO_JOBS: Final = 9
_LIMIT_S: Final = 900.0
_STORE_JOBS: Final = 400
_LOOP_JOBS: Final = 40
_KEPT_RESULTS: Final = 20
# A minute of arrivals is simulated, and never fewer jobs than have a 95th percentile.
_SIMULATED_S: Final = 60.0
_MIN_JOBS: Final = 2000
_CONNECT_TIMEOUT_S: Final = 300.0


async def measure_scale(
    engine_factory: Callable[[], Engine],
    folder: Path,
    *,
    chunk_tokens: int,
    num_jobs: int,
    rates_per_minute: Sequence[float],
    num_replicas: int | None,
    max_wait_s: float,
    uplink_mbit_per_s: float,
    seed: int,
    start_up: StartUp,
) -> ScaleReport:
    """engine_factory: called in the process of each replica. folder: for the data of a bot and a database, empty.

    num_replicas: for every rate; None for as many as let 95 of 100 jobs wait no longer than `max_wait_s`.
    Raises ConfigError without Ray, and JobError if a job fails.
    """
    try:
        from bot.executor.ray.connecting import connect
        from bot.executor.ray.own_cluster import deploy, own_cluster
        from bot.executor.ray.serving import APPLICATION
    except ImportError as error:
        raise ConfigError("bench scale needs Ray: pip install -e '.[ray,scale]' in the checkout.") from error
    cluster = own_cluster(2 * NUM_REPLICAS)
    with start_up.stage("start a cluster"):
        await asyncio.to_thread(cluster.__enter__)
    try:
        with start_up.stage("load the replicas"):
            await asyncio.to_thread(deploy, engine_factory, chunk_tokens=chunk_tokens, num_replicas=NUM_REPLICAS)
            replicas = await connect("auto", APPLICATION, timeout_s=_CONNECT_TIMEOUT_S)
        most = num_jobs + _SOLO_JOBS
        executor = RemoteExecutor(replicas, Scheduler(max_jobs=most, max_jobs_per_user=most), client="bench scale")
        async with executor:
            two = _TwoReplicas(executor, replicas, start_up)
            facts, compared = await two.measure(num_jobs, seed)
            assert executor.status.info is not None
            model = executor.status.info.name
    finally:
        await asyncio.to_thread(cluster.__exit__, None, None, None)
    with start_up.stage("measure what is around the engines"):
        rates = Rates(
            loop_s_per_job=await loop_s_per_job(folder / "bot", _LOOP_JOBS),
            store_jobs_per_s=await jobs_per_s_of_store(f"sqlite+aiosqlite:///{folder / 'jobs.sqlite3'}", _STORE_JOBS),
            bytes_per_job=mean_picture_bytes(two.results),
            uplink_mbit_per_s=uplink_mbit_per_s,
        )
    answers = []
    with start_up.stage("simulate", total=len(rates_per_minute), unit="rates") as advance:
        for rate in rates_per_minute:
            answers.append(
                await asyncio.to_thread(answer, facts, rates, rate, num_replicas, max_wait_s=max_wait_s, seed=seed)
            )
            advance(1)
    return ScaleReport(
        model=model,
        num_slots=facts.num_slots,
        compared=compared,
        images_per_s=facts.images_per_s,
        overhead_s=facts.overhead_s,
        rates=rates,
        max_wait_s=max_wait_s,
        answers=answers,
    )


class _TwoReplicas:
    """The measured runs. replicas: asked for their pace, which they measure themselves."""

    def __init__(self, executor: Executor, replicas: Replicas, start_up: StartUp) -> None:
        self._executor = executor
        self._replicas = replicas
        self._start_up = start_up
        self.results: list[Result] = []

    async def measure(self, num_jobs: int, seed: int) -> tuple[EngineFacts, list[Compared]]:
        """The facts of one replica, and figures of the runs beside those of the simulation."""
        await self._serve("warm up", at_rate(plan_arrivals(2 * _SOLO_JOBS, seed), float("inf")))
        alone = await self._alone(seed + 1)
        arrivals = plan_arrivals(num_jobs, seed + 2)
        at_once = await self._serve("all at once", at_rate(arrivals, float("inf")))
        facts = await self._facts(alone)
        arriving = at_rate(arrivals, LOAD * NUM_REPLICAS * facts.images_per_s)
        loaded = await self._serve("as they arrive", arriving)
        played_at_once = simulate([Demand(0.0, each.request.num_images) for each in arrivals], facts, NUM_REPLICAS)
        played = simulate([Demand(each.at_s, each.request.num_images) for each in arriving], facts, NUM_REPLICAS)
        return facts, [
            Compared("images a second, all at once", _throughput(at_once), _simulated_throughput(played_at_once)),
            Compared(
                "mean seconds of a job, as they arrive",
                float(np.mean([each.latency_s for each in loaded])),
                float(np.mean([course.latency_s for course in played])),
            ),
        ]

    async def _alone(self, seed: int) -> list[Served]:
        served = []
        for arrival in at_rate(plan_arrivals(_SOLO_JOBS, seed), float("inf")):
            served += await self._serve("one after the other", [arrival])
        return served

    async def _serve(self, stage: str, arrivals: Sequence[Arrival]) -> list[Served]:
        with self._start_up.stage(stage, total=len(arrivals), unit="jobs") as advance:

            def on_finished(result: Result) -> None:
                advance(1)
                if len(self.results) < _KEPT_RESULTS:
                    self.results.append(result)

            return await serve_arrivals(self._executor, arrivals, limit_s=_LIMIT_S, on_finished=on_finished)

    async def _facts(self, alone: Sequence[Served]) -> EngineFacts:
        loads = [state.load for state in await self._replicas.states()]
        measured: dict[int, list[float]] = {}
        for load in loads:
            for num_occupied, seconds in () if load.pace is None else load.pace.measured:
                measured.setdefault(num_occupied, []).append(seconds)
        pace = Pace(tuple((n, float(np.mean(seconds))) for n, seconds in sorted(measured.items())))
        facts = EngineFacts(loads[0].num_slots, loads[0].image_length, loads[0].chunk_tokens, pace)
        played = [simulate([Demand(0.0, each.num_images)], facts, 1)[0].latency_s for each in alone]
        beside = [each.latency_s - seconds for each, seconds in zip(alone, played, strict=True)]
        return replace(facts, overhead_s=max(0.0, float(np.median(beside))))


def _throughput(served: Sequence[Served]) -> float:
    """Images a second, from the first job's arrival to the last one's end."""
    span_s = max(each.finished_s for each in served) - min(each.scheduled_s for each in served)
    return sum(each.num_images for each in served) / span_s


def _simulated_throughput(courses: Sequence[Course]) -> float:
    span_s = max(course.finished_s for course in courses) - min(course.demand.at_s for course in courses)
    return sum(course.demand.num_images for course in courses) / span_s


def answer(
    facts: EngineFacts, rates: Rates, per_minute: float, num_replicas: int | None, *, max_wait_s: float, seed: int
) -> Answer:
    """What `per_minute` prompts take; num_replicas: as many, instead of as many as are enough."""
    jobs_per_s = per_minute / 60.0
    num_jobs = max(_MIN_JOBS, round(jobs_per_s * _SIMULATED_S))
    demands = poisson(jobs_per_s, num_jobs, MIX, seed)
    if num_replicas is None:
        num_replicas, courses = smallest_fleet(demands, facts, max_wait_s)
    else:
        courses = simulate(demands, facts, num_replicas)
    return Answer(
        prompts_per_minute=per_minute,
        num_replicas=num_replicas,
        p95_wait_s=p95_wait_s(courses),
        p95_latency_s=float(np.quantile([course.latency_s for course in courses], 0.95)),
        device_hours_per_day=24.0 * num_replicas,
        bottlenecks=bottlenecks(rates, per_minute),
    )
