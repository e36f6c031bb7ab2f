"""`dalle-bot bench scale`: how many replicas a community needs, from what this machine measures.

1. Two replicas on a Ray cluster of this machine, on a core each, draw single jobs, then all jobs at once, then the
   same jobs as they arrive. The first two tell what a step costs and what a job costs beside it.
2. The simulation plays the last two runs; both figures are in the report. Two processes without a cluster draw the
   same.
3. The event loop of a bot, a shard of the gateway, the database and the pictures are measured alone.
4. The simulation answers for each rate.

Called by the command, on an event loop; the engines are in processes of their own.
"""

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from bot.bench.own_core import on_own_core
from bot.bench.scale_database import measure_database
from bot.bench.scale_gateway import shard_s_per_interaction
from bot.bench.scale_model import EngineFacts, p95_wait_s, poisson, simulate, smallest_fleet
from bot.bench.scale_rates import loop_s_per_job, mean_picture_bytes
from bot.bench.scale_report import Answer, DatabaseKind, Rates, ScaleReport, judge
from bot.bench.scale_runs import NUM_REPLICAS, SOLO_JOBS, TwoReplicas, measure_bare
from bot.bench.serve_load import MEAN_IMAGES, MIX
from bot.commands.options import engine_factory
from bot.config import Settings
from bot.engine.base import Engine
from bot.errors import ConfigError
from bot.executor.remote import RemoteExecutor
from bot.executor.scheduler import Scheduler
from bot.lone_thread import in_thread
from bot.startup import StartUp

_STORE_JOBS: Final = 400
_LOOP_JOBS: Final = 40
NUM_INTERACTIONS: Final = 300
# A minute of arrivals is simulated, and never fewer jobs than have a 95th percentile.
_SIMULATED_S: Final = 60.0
_MIN_JOBS: Final = 2000
_CONNECT_TIMEOUT_S: Final = 300.0


async def measure_scale(
    settings: Settings,
    folder: Path,
    *,
    num_jobs: int,
    rates_per_minute: Sequence[float],
    num_replicas: int | None,
    max_wait_s: float,
    uplink_mbit_per_s: float,
    database: DatabaseKind | None,
    seed: int,
    start_up: StartUp,
) -> ScaleReport:
    """settings: model and engine count. folder: for the data of a bot and a database, empty.

    num_replicas: for every rate; None for as many as let 95 of 100 jobs wait no longer than `max_wait_s`.
    database: which one is measured, see scale_database.py.
    Raises ConfigError without Ray, and JobError if a job fails. What blocks for long is on threads that nobody waits
    for, should this be cancelled.
    """
    try:
        from bot.executor.ray.connecting import connect
        from bot.executor.ray.own_cluster import deploy, own_cluster
        from bot.executor.ray.serving import APPLICATION
    except ImportError as error:
        raise ConfigError("bench scale needs Ray: pip install -e '.[ray,scale]' in the checkout.") from error

    claims = folder / "replicas"
    claims.mkdir()

    def open_engine() -> Engine:
        return on_own_core(engine_factory(settings, StartUp()), claims)()

    with ExitStack() as stack:
        with start_up.stage("start a cluster"):
            await asyncio.to_thread(stack.enter_context, own_cluster(2 * NUM_REPLICAS))
        with start_up.stage("load the replicas"):
            chunk_tokens = settings.engine.chunk_tokens
            await in_thread(
                partial(deploy, open_engine, chunk_tokens=chunk_tokens, num_replicas=NUM_REPLICAS), name="load replicas"
            )
            replicas = await connect("auto", APPLICATION, timeout_s=_CONNECT_TIMEOUT_S)
        most = num_jobs + SOLO_JOBS
        executor = RemoteExecutor(replicas, Scheduler(max_jobs=most, max_jobs_per_user=most), client="bench scale")
        async with executor:
            two = TwoReplicas(executor, replicas, start_up)
            facts, compared = await two.measure(num_jobs, seed)
            assert executor.status.info is not None
            model = executor.status.info.name
    bare = await measure_bare(settings, folder, num_jobs=num_jobs, seed=seed, start_up=start_up)
    with start_up.stage("measure what is around the engines"):
        stored = await measure_database(settings, database, folder / "jobs.sqlite3", _STORE_JOBS)
        rates = Rates(
            loop_s_per_job=await loop_s_per_job(folder / "bot", _LOOP_JOBS),
            shard_s_per_interaction=await shard_s_per_interaction(folder / "stand-in.log", NUM_INTERACTIONS),
            store_jobs_per_s=stored.jobs_per_s,
            database=stored.name,
            bytes_per_job=mean_picture_bytes(two.results),
            uplink_mbit_per_s=uplink_mbit_per_s,
        )
    answers = []
    with start_up.stage("simulate", total=len(rates_per_minute), unit="rates") as advance:
        for rate in rates_per_minute:
            play = partial(answer, facts, rates, rate, num_replicas, max_wait_s=max_wait_s, seed=seed)
            answers.append(await in_thread(play, name="simulate"))
            advance(1)
    return ScaleReport(
        model=model,
        num_slots=facts.num_slots,
        compared=compared,
        images_per_s=facts.images_per_s,
        overhead_s=facts.overhead_s,
        throughput_ratio=two.images_per_s / bare.images_per_s,
        ray_added_s=two.alone_s - bare.alone_s,
        rates=rates,
        max_wait_s=max_wait_s,
        answers=answers,
    )


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
    return judge(
        per_minute,
        num_replicas,
        replicas_limit=60.0 * num_replicas * facts.images_per_s / MEAN_IMAGES,
        p95_wait_s=p95_wait_s(courses),
        p95_latency_s=float(np.quantile([course.latency_s for course in courses], 0.95)),
        max_wait_s=max_wait_s,
        limits=rates.limits(),
    )
