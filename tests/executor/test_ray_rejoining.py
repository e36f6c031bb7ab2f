"""RayReplicas while Ray itself does not come back. Without a cluster; see test_ray.py."""

import asyncio
import threading
from typing import Any

import pytest

from bot.errors import EngineHungError
from bot.executor.base import EngineState
from bot.executor.remote import RemoteExecutor
from bot.executor.replicas import ClusterLostError
from bot.executor.scheduler import Scheduler
from tests.conftest import eventually

from .ray_modules import ray_module

pytestmark = [pytest.mark.ray, pytest.mark.timeout(60)]


@pytest.fixture
def connecting(monkeypatch: pytest.MonkeyPatch) -> Any:
    module = ray_module("bot.executor.ray.connecting")
    monkeypatch.setattr(module, "REJOIN_AFTER_S", 0.0)
    monkeypatch.setattr(module, "REJOIN_TIMEOUT_S", 0.05)
    return module


@pytest.mark.parametrize("call", ["leave", "join"])
async def test_a_call_of_rays_that_does_not_return_ends_the_executor(
    connecting: Any, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    may_return = threading.Event()
    monkeypatch.setattr(connecting, "leave", lambda: None)
    monkeypatch.setattr(connecting, call, lambda *_: may_return.wait(30.0))
    replicas = connecting.RayReplicas(object(), "engines", "10.0.0.1:6379")
    scheduler = Scheduler(max_jobs=1, max_jobs_per_user=1)
    async with RemoteExecutor(replicas, scheduler, client="a bot", look_s=0.02) as executor:
        await eventually(lambda: executor.status.state is EngineState.FAILED)
        assert executor.status.hung_because == "Ray did not leave and join its cluster within 0.05 s."
        with pytest.raises(EngineHungError):
            await replicas.states()
    may_return.set()


async def test_a_cluster_that_can_not_be_joined_yet_is_joined_later(
    connecting: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if what Ray says sounds like a limit of ours."""
    monkeypatch.setattr(connecting, "REJOIN_TIMEOUT_S", 30.0)
    handle, num_calls = object(), 0

    def join(*_: str) -> object:
        nonlocal num_calls
        num_calls += 1
        if num_calls == 1:
            raise TimeoutError("the cluster starts")
        return handle

    monkeypatch.setattr(connecting, "leave", lambda: None)
    monkeypatch.setattr(connecting, "join", join)
    replicas = connecting.RayReplicas(handle, "engines", "10.0.0.1:6379")
    async with asyncio.timeout(30.0):
        while num_calls < 2:
            with pytest.raises(ClusterLostError, match="to join it anew"):
                await replicas.states()
            await asyncio.sleep(0.01)
    await eventually(lambda: replicas._handle is handle)
