"""An engine in a process of its own, to compare a cluster with: `python -m bot.bench.bare_engine`.

Orders (see line_process.py), in this sequence:

- {"do": "open", "settings", "claims"} → {}: once the engine is ready, on a core of its own (own_core.py)
- {"do": "alone", "jobs", "seed"} → {"mean_s"}: latency of planned jobs, one after the other
- {"do": "draw", "jobs", "seed", "part", "parts"} → {"images", "seconds"}: every `parts`-th of the planned jobs, all
  at once
"""

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from bot.bench.line_process import Answer, Order, serve_orders
from bot.bench.own_core import on_own_core
from bot.bench.serve_load import at_rate, plan_arrivals, serve_arrivals
from bot.commands.options import engine_factory
from bot.config import Settings
from bot.executor.base import EngineState
from bot.executor.local import LocalExecutor
from bot.startup import StartUp

LIMIT_S: Final = 900.0
MAX_JOBS: Final = 10_000
_LOOK_S: Final = 0.1


class _Bare:
    """stack: closes what is opened."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack

    async def handle(self, order: Order) -> Answer:
        match order["do"]:
            case "open":
                await self._open(Settings(**order["settings"]), Path(order["claims"]))
                return {}
            case "alone":
                return {"mean_s": await self._alone(order["jobs"], order["seed"])}
            case "draw":
                return await self._draw(order["jobs"], order["seed"], order["part"], order["parts"])
            case unknown:
                raise ValueError(f"{unknown!r} is no order")

    async def _open(self, settings: Settings, claims: Path) -> None:
        # The executor cancels it, should the bench end meanwhile.
        start_up = StartUp()
        self._executor = await self._stack.enter_async_context(
            LocalExecutor(
                on_own_core(engine_factory(settings, start_up), claims),
                chunk_tokens=settings.engine.chunk_tokens,
                max_jobs=MAX_JOBS,
                max_jobs_per_user=MAX_JOBS,
                start_up=start_up,
            )
        )
        # No executor announces it; what is asked of one that has failed is refused.
        while self._executor.status.state is EngineState.LOADING:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)

    async def _alone(self, num_jobs: int, seed: int) -> float:
        latencies = []
        for arrival in at_rate(plan_arrivals(num_jobs, seed), float("inf")):
            (served,) = await serve_arrivals(self._executor, [arrival], limit_s=LIMIT_S)
            latencies.append(served.latency_s)
        return sum(latencies) / num_jobs

    async def _draw(self, num_jobs: int, seed: int, part: int, parts: int) -> Answer:
        arrivals = at_rate(plan_arrivals(num_jobs, seed), float("inf"))[part::parts]
        began_s = time.perf_counter()
        served = await serve_arrivals(self._executor, arrivals, limit_s=LIMIT_S)
        return {"images": sum(each.num_images for each in served), "seconds": time.perf_counter() - began_s}


async def _main() -> None:
    async with AsyncExitStack() as stack:
        await serve_orders(_Bare(stack).handle)


if __name__ == "__main__":
    asyncio.run(_main())
