"""What `bench scale` measures of engines: two replicas of a cluster, and two processes with nothing around them."""

import asyncio
import math
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from bot.bench.chat_bot import dump_settings
from bot.bench.line_process import LineProcess
from bot.bench.scale_model import Course, Demand, EngineFacts, simulate
from bot.bench.scale_report import Compared
from bot.bench.serve_load import Arrival, Served, at_rate, plan_arrivals, serve_arrivals
from bot.config import Settings
from bot.executor.base import Executor
from bot.executor.pace import Pace
from bot.executor.replicas import Replicas
from bot.requests import Result
from bot.startup import StartUp

NUM_REPLICAS: Final = 2
LOAD: Final = 0.7
SOLO_JOBS: Final = 9
_LIMIT_S: Final = 900.0
_KEPT_RESULTS: Final = 20


class TwoReplicas:
    """Two replicas behind an executor. replicas: asked for their pace, which they measure themselves.

    After `measure`, results: some of what was drawn; alone_s: mean latency of a job alone; images_per_s: all at once.
    """

    def __init__(self, executor: Executor, replicas: Replicas, start_up: StartUp) -> None:
        self._executor = executor
        self._replicas = replicas
        self._start_up = start_up
        self.results: list[Result] = []
        self.alone_s = self.images_per_s = math.nan

    async def measure(self, num_jobs: int, seed: int) -> tuple[EngineFacts, list[Compared]]:
        """The facts of one replica, and figures of the runs beside those of the simulation."""
        await self._serve("warm up", at_rate(plan_arrivals(2 * SOLO_JOBS, seed), float("inf")))
        alone = await self._alone(seed + 1)
        self.alone_s = float(np.mean([each.latency_s for each in alone]))
        arrivals = plan_arrivals(num_jobs, seed + 2)
        at_once = await self._serve("all at once", at_rate(arrivals, float("inf")))
        self.images_per_s = _throughput(at_once)
        facts = await self._facts(alone)
        arriving = at_rate(arrivals, LOAD * NUM_REPLICAS * facts.images_per_s)
        loaded = await self._serve("as they arrive", arriving)
        played_at_once = simulate([Demand(0.0, each.request.num_images) for each in arrivals], facts, NUM_REPLICAS)
        played = simulate([Demand(each.at_s, each.request.num_images) for each in arriving], facts, NUM_REPLICAS)
        return facts, [
            Compared("images a second, all at once", self.images_per_s, _simulated_throughput(played_at_once)),
            Compared(
                "mean seconds of a job, as they arrive",
                float(np.mean([each.latency_s for each in loaded])),
                float(np.mean([course.latency_s for course in played])),
            ),
        ]

    async def _alone(self, seed: int) -> list[Served]:
        served = []
        for arrival in at_rate(plan_arrivals(SOLO_JOBS, seed), float("inf")):
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


@dataclass(frozen=True, slots=True)
class BareEngines:
    """Two processes at the same time. images_per_s: of both, all jobs at once. alone_s: mean latency of a job alone, of
    one process while the other one rests."""

    images_per_s: float
    alone_s: float


async def measure_bare(settings: Settings, folder: Path, *, num_jobs: int, seed: int, start_up: StartUp) -> BareEngines:
    """The jobs of TwoReplicas, without a cluster, dealt out beforehand. Raises JobFailedError."""
    async with AsyncExitStack() as stack:
        processes = [
            await stack.enter_async_context(
                LineProcess.start(f"Engine {number}", "bot.bench.bare_engine", folder / f"engine-{number}.log")
            )
            for number in range(NUM_REPLICAS)
        ]
        claims = folder / "engines"
        claims.mkdir()
        with start_up.stage("load two engines"):
            opening = {"do": "open", "settings": dump_settings(settings), "claims": str(claims)}
            await asyncio.gather(*(process.ask(opening, _LIMIT_S) for process in processes))
        with start_up.stage("two engines, all at once"):
            warm = {"do": "alone", "jobs": SOLO_JOBS, "seed": seed}
            await asyncio.gather(*(process.ask(warm, _LIMIT_S) for process in processes))
            alone = await processes[0].ask(warm | {"seed": seed + 1}, _LIMIT_S)
            drawing = {"do": "draw", "jobs": num_jobs, "seed": seed + 2, "parts": NUM_REPLICAS}
            drawn = await asyncio.gather(
                *(process.ask(drawing | {"part": part}, _LIMIT_S) for part, process in enumerate(processes))
            )
    images = sum(each["images"] for each in drawn)
    return BareEngines(images / max(each["seconds"] for each in drawn), alone["mean_s"])
