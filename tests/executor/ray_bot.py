"""A bot's executor in a process of its own, for tests that cut it off from a Ray cluster. Run by machines.py.

It joins the cluster and reads lines: a number is the seed of a job to draw. It prints a line of JSON for what it sees:
{"is": "there"} once it has joined, {"seed": 1, "is": "drawing"} with a job's first progress, and one with "delivered"
or "failed" at its end. A result that is not what its request asked for is "wrong".
"""

import argparse
import asyncio
import json
import logging
import sys
from typing import Any

from bot.engine.fake import FakeEngine
from bot.executor.ray import connecting
from bot.executor.remote import RemoteExecutor
from bot.executor.scheduler import Scheduler
from bot.requests import Progress

from .drive import ask, check_result, read

ENGINE: dict[str, Any] = {"num_slots": 2, "image_length": 400, "delay_s": 0.03}


def tell(**what: object) -> None:
    print(json.dumps(what), flush=True)


async def draw(executor: RemoteExecutor, seed: int) -> None:
    request = ask("a red circle", 2, seed=seed)
    stream = await executor.submit(request)
    async for update in stream:
        if isinstance(update, Progress):
            tell(seed=seed, **{"is": "drawing"})
            break
    outcome = await read(stream, patience_s=170.0)
    if outcome.error is not None:
        tell(seed=seed, why=str(outcome.error), **{"is": "failed"})
        return
    try:
        check_result(outcome.result, request, FakeEngine(**ENGINE).info)
    except AssertionError as error:
        tell(seed=seed, why=str(error), **{"is": "wrong"})
    else:
        tell(seed=seed, model=outcome.result.model, **{"is": "delivered"})


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("application")
    parser.add_argument("--rejoin-after-s", type=float, default=connecting.REJOIN_AFTER_S)
    parser.add_argument("--silence-timeout-s", type=float, default=30.0)
    said = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    connecting.REJOIN_AFTER_S = said.rejoin_after_s  # type: ignore[misc]
    replicas = await connecting.connect(said.address, said.application, timeout_s=60.0)
    executor = RemoteExecutor(
        replicas,
        Scheduler(max_jobs=64, max_jobs_per_user=64),
        client="a bot",
        silence_timeout_s=said.silence_timeout_s,
        look_s=0.2,
    )
    async with executor, asyncio.TaskGroup() as jobs:
        tell(**{"is": "there"})
        while line := await asyncio.to_thread(sys.stdin.readline):
            jobs.create_task(draw(executor, int(line)))


if __name__ == "__main__":
    asyncio.run(main())
