"""RemoteExecutor on a real Ray cluster of this machine while what draws is killed, comes and goes. See test_ray.py."""

import asyncio
import os
import signal
from functools import partial
from typing import Any

import pytest

from bot.engine.fake import FakeEngine
from bot.executor.base import EngineState, Executor
from bot.executor.scheduler import Scheduler
from bot.requests import GenerationRequest, Progress, Result, Started
from tests.conftest import eventually

from .drive import ask, check_result, read
from .ray_engines import Engines, pids_of

pytestmark = [pytest.mark.ray, pytest.mark.timeout(180)]

SLOW: dict[str, Any] = {"num_slots": 2, "image_length": 400, "delay_s": 0.005}


async def started(executor: Executor, requests: list[GenerationRequest]) -> list[Any]:
    """Their streams, once each has drawn something."""
    streams = [await executor.submit(request) for request in requests]
    for stream in streams:
        async for update in stream:
            if isinstance(update, Progress):
                break
    return streams


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_replica_that_is_killed_or_hangs_costs_no_job(engines: Engines, number: signal.Signals) -> None:
    requests = [ask(f"prompt {n}", 2, seed=n, requester=f"user {n}") for n in range(2)]
    async with engines.executor(num_replicas=2, silence_timeout_s=5.0, **SLOW) as executor:
        await eventually(lambda: executor.load.num_slots == 4)
        name = engines.name_of(chunk_tokens=4, num_replicas=2, **SLOW)
        streams = await started(executor, requests)
        info = executor.status.info
        assert info is not None
        os.kill(pids_of(f"{name}:engine")[0], number)
        for request, stream in zip(requests, streams, strict=True):
            outcome = await read(stream, patience_s=90.0)
            check_result(outcome.result, request, info)
            assert Started() not in outcome.updates
        # Serve replaces it.
        await eventually(lambda: executor.load.num_slots == 4, 90.0)
        assert executor.status.state is EngineState.READY


async def test_a_controller_that_is_killed_costs_no_job(engines: Engines, caplog: pytest.LogCaptureFixture) -> None:
    """Ray starts it anew; what it knew of replicas it knows again, and it replaces a lost one as before."""
    requests = [ask(f"prompt {n}", 2, seed=n, requester=f"user {n}") for n in range(2)]
    name, engine = "controlled", partial(FakeEngine, **SLOW)
    await asyncio.to_thread(engines.deploy, name, engine, {"num_replicas": 2})
    async with engines.executor_of(name, Scheduler(max_jobs=64, max_jobs_per_user=16)) as executor:
        await eventually(lambda: executor.load.num_slots == 4, 90.0)
        streams = await started(executor, requests)
        (before,) = pids_of("ServeController")
        os.kill(before, signal.SIGKILL)
        for request, stream in zip(requests, streams, strict=True):
            outcome = await read(stream, patience_s=90.0)
            check_result(outcome.result, request, engine().info)
        assert "lost" not in caplog.text
        await eventually(lambda: pids_of("ServeController") not in ([], [before]), 90.0)
        await asyncio.to_thread(engines.wait_until_running, name)
        os.kill(pids_of(f"{name}:engine")[0], signal.SIGKILL)
        await eventually(lambda: executor.load.num_slots == 2, 90.0)
        await eventually(lambda: executor.load.num_slots == 4, 90.0)


class Stream:
    """Jobs that are submitted one after the other until `close`. results: of all of them, once it is closed."""

    def __init__(self, executor: Executor, num_images: int) -> None:
        self.results: list[Result] = []
        self._is_closing = False
        self._drawing = asyncio.create_task(self._draw(executor, num_images))

    async def _draw(self, executor: Executor, num_images: int) -> None:
        while not self._is_closing:
            request = ask("one after the other", num_images, seed=len(self.results), requester=f"{id(self)}")
            result = (await read(await executor.submit(request), patience_s=90.0)).result
            check_result(result, request, FakeEngine(**SLOW).info)
            self.results.append(result)

    async def close(self) -> None:
        """Lets the last one end. Raises what went wrong with any."""
        self._is_closing = True
        await self._drawing


@pytest.mark.filterwarnings("ignore:The .metrics_interval_s. field:DeprecationWarning")
async def test_replicas_come_with_the_load_and_go_after_it_and_no_job_is_lost(
    engines: Engines, caplog: pytest.LogCaptureFixture
) -> None:
    quickly = {
        # Also with 0 one stays, and comes at the start.
        "min_replicas": 0,
        "max_replicas": 2,
        "upscale_delay_s": 0.5,
        "downscale_delay_s": 1.0,
        "metrics_interval_s": 0.5,
        "look_back_period_s": 1.0,
        "policy": {"policy_function": "bot.executor.ray.serving:desired_replicas"},
    }
    engine = partial(FakeEngine, **SLOW)
    await asyncio.to_thread(engines.deploy, "autoscaled", engine, {"autoscaling_config": quickly})
    async with engines.executor_of("autoscaled", Scheduler(max_jobs=64, max_jobs_per_user=16)) as executor:
        await eventually(lambda: executor.load.num_slots == 2)
        busy = [Stream(executor, 2) for _ in range(3)]
        await eventually(lambda: executor.load.num_slots == 4, 90.0)
        for stream in busy:
            await stream.close()
        # Half of the slots of one replica: the other one is too many, whichever draws this.
        calm = Stream(executor, 1)
        await eventually(lambda: executor.load.num_slots == 2, 90.0)
        await calm.close()
        assert "starts again" not in caplog.text
        assert executor.status.num_running == 0
    # Whoever asks Serve for anything is warned as long as it is there.
    await asyncio.to_thread(engines.delete, "autoscaled")


async def test_weights_are_exchanged_while_jobs_are_drawn_and_none_is_lost(
    engines: Engines, caplog: pytest.LogCaptureFixture
) -> None:
    """Each result is of one model as a whole, and says of which; who goes on from one is told when it is gone."""
    old, new = (partial(FakeEngine, name=name, **SLOW) for name in ("old", "new"))
    two = {"num_replicas": 2, "graceful_shutdown_timeout_s": 20.0, "graceful_shutdown_wait_loop_s": 0.1}
    await asyncio.to_thread(engines.deploy, "exchanged", old, two)
    async with engines.executor_of("exchanged", Scheduler(max_jobs=64, max_jobs_per_user=16)) as executor:
        busy = [Stream(executor, 2) for _ in range(3)]
        await asyncio.to_thread(engines.deploy, "exchanged", new, two)
        await eventually(lambda: executor.load.num_slots == 4 and executor.status.model("old") is None, 90.0)
        for stream in busy:
            await stream.close()
            assert {result.model for result in stream.results} == {"old", "new"}
        assert executor.status.info == new().info
        # What the old ones drew ended before they did.
        assert "starts again" not in caplog.text
        gone = await read(await executor.submit(ask(image_tokens=[1], codes_of="old")))
        assert str(gone.error) == "This job goes on from a picture of the model old, and the bot has new now."
