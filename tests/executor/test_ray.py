"""RemoteExecutor on a real Ray cluster of this machine: the contract, and what kills replicas.

Only where they are asked for (`-m ray`), in a process of their own: Ray forks, which processes with JAX in them must
not do, and it changes logging.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bot.engine.fake import FakeEngine
from bot.errors import ConfigError
from bot.executor.base import EngineState, Executor
from bot.executor.remote import RemoteExecutor
from bot.executor.replicas import Replicas
from bot.executor.scheduler import Scheduler
from bot.requests import GenerationRequest, Progress, Started
from tests.conftest import eventually

from . import test_contract as contract
from .conftest import ExecutorFactory
from .drive import ask, check_result, read

pytestmark = [pytest.mark.ray, pytest.mark.timeout(180)]

# Those of the contract whose engine can be described to another process.
SHARED: list[Callable[[ExecutorFactory], Awaitable[None]]] = [
    contract.test_a_job_is_queued_starts_progresses_and_finishes,
    contract.test_many_jobs_each_have_their_own_images,
    contract.test_a_full_queue_is_refused_and_a_place_comes_free,
    contract.test_a_user_at_the_limit_is_refused_and_others_are_not,
    contract.test_jobs_that_were_accepted_before_are_taken_over_the_limits,
    contract.test_whoever_has_read_the_end_may_submit_again,
    contract.test_an_unfinished_job_id_is_refused,
    contract.test_a_cancelled_running_job_frees_its_slot,
    contract.test_a_cancelled_waiting_job_ends_and_those_behind_it_move_up,
    contract.test_only_a_known_job_can_be_cancelled_and_only_once,
    contract.test_closing_ends_every_job_and_refuses_more,
    contract.test_a_text_has_the_vector_that_pictures_are_compared_with,
    contract.test_a_text_is_read_while_every_slot_is_busy_and_disturbs_nobody,
]


class Engines:
    """Applications of the cluster, one for each description of an engine, deployed when it is first asked for."""

    def __init__(self, connect: Callable[..., Awaitable[Replicas]], deploy: Callable[..., None]) -> None:
        self.connect = connect
        self._deploy = deploy
        self._names: dict[str, str] = {}

    def name_of(self, *, chunk_tokens: int, num_replicas: int, **engine: Any) -> str:
        key = repr((chunk_tokens, num_replicas, sorted(engine.items())))
        if key not in self._names:
            name = f"engines-{len(self._names)}"
            self._deploy(
                partial(FakeEngine, **engine),
                chunk_tokens=chunk_tokens,
                name=name,
                num_replicas=num_replicas,
                ray_actor_options={"num_cpus": 0.1},
                health_check_period_s=1.0,
                health_check_timeout_s=3.0,
            )
            self._names[key] = name
        return self._names[key]

    @asynccontextmanager
    async def executor(
        self,
        *,
        max_jobs: int = 64,
        max_jobs_per_user: int = 16,
        chunk_tokens: int = 4,
        num_replicas: int = 1,
        silence_timeout_s: float = 30.0,
        **engine: Any,
    ) -> AsyncIterator[RemoteExecutor]:
        name = await asyncio.to_thread(
            partial(self.name_of, chunk_tokens=chunk_tokens, num_replicas=num_replicas, **engine)
        )
        replicas = await self.connect("auto", name, timeout_s=60.0)
        scheduler = Scheduler(max_jobs=max_jobs, max_jobs_per_user=max_jobs_per_user)
        async with RemoteExecutor(
            replicas, scheduler, client="tests", look_s=0.2, silence_timeout_s=silence_timeout_s
        ) as executor:
            yield executor


@pytest.fixture(scope="module")
def engines() -> Iterator[Engines]:
    # Ray's own import warns of what pydantic is going to drop; this lets it.
    connecting = pytest.importorskip("bot.executor.ray.connecting")
    own_cluster = pytest.importorskip("bot.executor.ray.own_cluster")
    with own_cluster.own_cluster(4):
        yield Engines(connecting.connect, own_cluster.deploy)


@pytest.mark.parametrize("promise", SHARED, ids=lambda promise: promise.__name__.removeprefix("test_"))
async def test_the_contract(engines: Engines, promise: Callable[[ExecutorFactory], Awaitable[None]]) -> None:
    await promise(engines.executor)


SLOW: dict[str, Any] = {"num_slots": 2, "image_length": 400, "delay_s": 0.005}


async def started(executor: Executor, requests: list[GenerationRequest]) -> list[Any]:
    """Their streams, once each has drawn something."""
    streams = [await executor.submit(request) for request in requests]
    for stream in streams:
        async for update in stream:
            if isinstance(update, Progress):
                break
    return streams


def pids_of(name: str) -> list[int]:
    """The processes of the replicas of an application, which carry its name."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    line = file.read().decode(errors="replace")
            except OSError:
                continue
            if line.startswith("ray::") and f"{name}:engine" in line:
                found.append(int(entry))
    return found


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_replica_that_is_killed_or_hangs_costs_no_job(engines: Engines, number: signal.Signals) -> None:
    requests = [ask(f"prompt {n}", 2, seed=n, requester=f"user {n}") for n in range(2)]
    async with engines.executor(num_replicas=2, silence_timeout_s=5.0, **SLOW) as executor:
        await eventually(lambda: executor.load.num_slots == 4)
        name = engines.name_of(chunk_tokens=4, num_replicas=2, **SLOW)
        streams = await started(executor, requests)
        info = executor.status.info
        assert info is not None
        os.kill(pids_of(name)[0], number)
        for request, stream in zip(requests, streams, strict=True):
            outcome = await read(stream, patience_s=90.0)
            check_result(outcome.result, request, info)
            assert Started() not in outcome.updates
        # Serve replaces it.
        await eventually(lambda: executor.load.num_slots == 4, 90.0)
        assert executor.status.state is EngineState.READY


def test_a_cluster_that_is_not_there_is_named() -> None:
    """In another process: this one is in a cluster, and stays there."""
    program = "import asyncio; from bot.executor.ray.connecting import connect; "
    program += "asyncio.run(connect('127.0.0.1:1', 'engines', timeout_s=1.0))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    *_, last = done.stderr.strip().splitlines()
    assert "ConfigError: executor.address: no Ray cluster answers at 127.0.0.1:1 (" in last


async def test_an_application_that_is_not_deployed_is_named(engines: Engines) -> None:
    with pytest.raises(ConfigError, match="dalle-bot deploy ray"):
        await engines.connect("auto", "nothing", timeout_s=1.0)


def test_replicas_are_as_many_as_are_three_quarters_busy() -> None:
    serving = pytest.importorskip("bot.executor.ray.serving")

    def desired(demand: dict[str, float], *, low: int = 1, high: int = 9) -> int:
        context = SimpleNamespace(
            aggregated_metrics={"demand": demand} if demand else None,
            current_num_replicas=2,
            capacity_adjusted_min_replicas=low,
            capacity_adjusted_max_replicas=high,
        )
        wanted: int = serving.desired_replicas(context)[0]
        return wanted

    assert desired({}) == 2
    assert desired({"a": 0.75, "b": 0.75}) == 2
    assert desired({"a": 1.0, "b": 0.6}) == 3
    assert desired({"a": 0.0, "b": 0.0}) == 1
    assert desired({"a": 0.0}, low=2) == 2
    assert desired({"a": 50.0}) == 9


def test_a_replica_is_set_up_as_its_own_machine_says(tmp_path: Path) -> None:
    serving = pytest.importorskip("bot.executor.ray.serving")
    file = tmp_path / "config.toml"
    file.write_text("[engine]\nchunk_tokens = 7\nhang_timeout_s = 9.0\n")
    spec = serving._configured(str(file))
    assert (spec.chunk_tokens, spec.hang_timeout_s) == (7, 9.0)
    with pytest.raises(ConfigError, match="There is no configuration file"):
        serving._configured(str(tmp_path / "other.toml"))
