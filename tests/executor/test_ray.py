"""RemoteExecutor on a real Ray cluster of this machine: the contract, and what is said of a cluster that can't be used.

Only where they are asked for (`-m ray`), in a process of their own: Ray forks, which processes with JAX in them must
not do, and it changes logging.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from bot.engine.fake import FakeEngine
from bot.errors import ClusterNotReadyError, ConfigError

from . import test_contract as contract
from .conftest import ExecutorFactory
from .ray_engines import Engines
from .ray_modules import ray_module

pytestmark = [pytest.mark.ray, pytest.mark.timeout(180)]

# Those of the contract whose engine can be described to another process.
SHARED: list[Callable[[ExecutorFactory], Awaitable[None]]] = [
    contract.test_a_job_is_queued_starts_progresses_and_finishes,
    contract.test_a_job_that_wants_previews_is_seen_as_it_is_drawn,
    contract.test_many_jobs_each_have_their_own_images,
    contract.test_a_full_queue_is_refused_and_a_place_comes_free,
    contract.test_a_user_at_the_limit_is_refused_and_others_are_not,
    contract.test_jobs_that_were_accepted_before_are_taken_over_the_limits,
    contract.test_whoever_has_read_the_end_may_submit_again,
    contract.test_an_unfinished_job_id_is_refused,
    contract.test_a_cancelled_running_job_frees_its_slot,
    contract.test_a_cancelled_waiting_job_ends_and_those_behind_it_move_up,
    contract.test_only_a_known_job_can_be_cancelled_and_only_once,
    contract.test_a_failure_reaches_exactly_its_job,
    contract.test_closing_ends_every_job_and_refuses_more,
    contract.test_a_text_has_the_vector_that_pictures_are_compared_with,
    contract.test_a_text_is_read_while_every_slot_is_busy_and_disturbs_nobody,
    contract.test_a_text_that_can_not_be_read_is_refused_alone,
]


@pytest.mark.parametrize("promise", SHARED, ids=lambda promise: promise.__name__.removeprefix("test_"))
async def test_the_contract(engines: Engines, promise: Callable[[ExecutorFactory], Awaitable[None]]) -> None:
    await promise(engines.executor)


# Run in another process: this one is in a cluster, and stays there.
SAYS = """
import asyncio
import socket
import sys
import ray
from bot.errors import DalleBotError
from bot.executor.ray.connecting import connect

def say(address):
    try:
        asyncio.run(connect(address, "engines", timeout_s=60.0))
    except DalleBotError as error:
        print(type(error).__name__, error)
"""


def said(program: str, address: str, **environment: str) -> list[str]:
    """The lines of such a program. address: of the cluster, sys.argv[1] there."""
    command = [sys.executable, "-c", SAYS + program, address]
    environment = dict(os.environ) | environment
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=True, env=environment)
    return done.stdout.splitlines()


def address_of(engines: Engines) -> str:
    del engines  # it makes the cluster
    address: str = ray_module("ray").get_runtime_context().gcs_address
    return address


def test_a_cluster_that_can_not_be_joined_is_named(engines: Engines) -> None:
    address = address_of(engines)
    program = """
say("127.0.0.1:1")
with socket.create_server(("127.0.0.1", 0)) as silent:
    say(f"127.0.0.1:{silent.getsockname()[1]}")
ray.__version__ = "1.2.3"
say(sys.argv[1])
"""
    nowhere, silent, other = said(program, address)
    assert nowhere.startswith("ClusterNotReadyError executor.address: no Ray cluster answers at 127.0.0.1:1 (")
    assert silent.startswith("ClusterNotReadyError executor.address: no Ray cluster answers at 127.0.0.1:")
    assert "(timed out)" in silent
    assert other.startswith(
        f"ConfigError executor.address: the Ray cluster at {address} can't be joined (Version mismatch"
    )
    assert other.endswith("It needs the same versions of Ray (1.2.3) and Python as the bot.")


def test_a_cluster_that_asks_for_another_token_is_said_to(engines: Engines) -> None:
    address = address_of(engines)
    if os.environ.get("RAY_AUTH_MODE") == "disabled":
        pytest.skip("this cluster asks for no token, as RAY_AUTH_MODE says")
    (sentence,) = said("say(sys.argv[1])", address, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="not-this-one-" * 3)
    assert sentence.startswith(f"ConfigError executor.address: the Ray cluster at {address} asks for a token, and the")


async def test_engines_of_another_version_of_this_project_are_named(engines: Engines) -> None:
    def aged() -> FakeEngine:
        from bot.executor import replica

        replica.code_version = lambda: "0.0.1"  # type: ignore[attr-defined]
        return FakeEngine()

    await asyncio.to_thread(engines.deploy, "aged", aged, {})
    sentence = r"The engines of aged run another version than this one, .*: install the"
    with pytest.raises(ClusterNotReadyError, match=sentence):
        await engines.connect("auto", "aged", timeout_s=10.0)


async def test_a_cluster_with_too_few_gpus_is_said_to_have_none(engines: Engines) -> None:
    serving, serve = (ray_module(name) for name in ("bot.executor.ray.serving", "ray.serve"))
    spec = partial(serving.EngineSpec, FakeEngine, 4)
    # Serve waits as long for a replica that never came up, too.
    application = serving.application(spec, ray_actor_options={"num_gpus": 1}, graceful_shutdown_timeout_s=0.0)
    target = serve.RunTarget(application, "too-large", None)
    run = partial(serve.run_many, wait_for_ingress_deployment_creation=False, wait_for_applications_running=False)
    await asyncio.to_thread(run, [target])
    with pytest.raises(ClusterNotReadyError) as caught:
        await engines.connect("auto", "too-large", timeout_s=3.0)
    await asyncio.to_thread(partial(serve.delete, "too-large", _blocking=False))
    assert str(caught.value).startswith(
        "No engine of too-large came up on the Ray cluster within 3 s. There is no GPU on it: an engine that asks for "
        "one (num_gpus) can't start. Serve says: "
    )
    assert "0 of 0 GPUs and " in str(caught.value)


async def test_an_application_that_is_not_deployed_is_named(engines: Engines) -> None:
    with pytest.raises(ClusterNotReadyError, match="dalle-bot deploy ray"):
        await engines.connect("auto", "nothing", timeout_s=1.0)


@pytest.mark.parametrize(
    ("assigned", "threads"),
    [({"CPU": 2.0}, "2"), ({"CPU": 0.1}, "1"), ({"CPU": 2.0, "GPU": 1.0}, None), ({"CPU": 0.0}, None), ({}, None)],
)
def test_an_engine_without_a_gpu_keeps_to_its_cores(
    monkeypatch: pytest.MonkeyPatch, assigned: dict[str, float], threads: str | None
) -> None:
    serving = ray_module("bot.executor.ray.serving")
    monkeypatch.setenv("NPROC", "")
    monkeypatch.delenv("NPROC")
    serving.keep_to_cores(assigned)
    assert os.environ.get("NPROC") == threads


def test_replicas_are_as_many_as_are_three_quarters_busy() -> None:
    serving = ray_module("bot.executor.ray.serving")

    def desired(demand: dict[str, float], *, low: int = 1, high: int = 9, now: int = 2) -> int:
        context = SimpleNamespace(
            aggregated_metrics={"demand": demand} if demand else None,
            current_num_replicas=now,
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
    # Bots wait for free slots, so without any replica none would ever be wanted.
    assert desired({"a": 0.0}, low=0) == 1
    assert desired({}, low=0, now=0) == 1
    # What Serve calls a target capacity of 0.
    assert desired({}, low=0, high=0, now=0) == 0


def test_a_replica_is_set_up_as_its_own_machine_says(tmp_path: Path) -> None:
    serving = ray_module("bot.executor.ray.serving")
    file = tmp_path / "config.toml"
    file.write_text("[engine]\nchunk_tokens = 7\nhang_timeout_s = 9.0\n")
    spec = serving._configured(str(file))
    assert (spec.chunk_tokens, spec.hang_timeout_s) == (7, 9.0)
    with pytest.raises(ConfigError, match="There is no configuration file"):
        serving._configured(str(tmp_path / "other.toml"))
