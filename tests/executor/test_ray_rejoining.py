"""RayReplicas while Ray does not come back, and while only its engines don't. Without a cluster; see test_ray.py."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bot.errors import ClusterNotReadyError, EngineHungError
from bot.executor.base import EngineState
from bot.executor.remote import RemoteExecutor
from bot.executor.replicas import ClusterLostError
from bot.executor.scheduler import Scheduler
from tests.conftest import TIMEOUT_S, eventually

from .ray_modules import ray_module

pytestmark = [pytest.mark.ray, pytest.mark.timeout(60)]


class NoEngines:
    """A Membership, and its handle: of a cluster that answers as long as `is_there`, and whose engines don't."""

    def __init__(self, *, is_there: bool) -> None:
        self.is_there = is_there
        self.has_ended = False
        self.handle = self

    def broadcast(self, _: str) -> Any:
        raise RuntimeError("no replica")

    async def is_alive(self) -> bool:
        return self.is_there

    async def end(self) -> None:
        self.has_ended = True


class Cluster:
    """What joining.py does, as calls; `fail` may raise, or wait, in any of them."""

    def __init__(self, fail: Callable[[str], None] = lambda _: None) -> None:
        self.calls: list[str] = []
        self.there: list[NoEngines] = []
        self._fail = fail

    def leave(self) -> None:
        self._call("leave")

    def enter(self, _: str) -> None:
        self._call("enter")

    def find(self, *_: str) -> NoEngines:
        self._call("find")
        self.there.append(NoEngines(is_there=True))
        return self.there[-1]

    def _call(self, name: str) -> None:
        self.calls.append(name)
        self._fail(name)


@pytest.fixture
def connecting(monkeypatch: pytest.MonkeyPatch) -> Any:
    module = ray_module("bot.executor.ray.connecting")
    monkeypatch.setattr(module, "REJOIN_AFTER_S", 0.0)
    monkeypatch.setattr(module, "FIND_EVERY_S", 0.0)
    return module


def put(connecting: Any, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("leave", "enter", "find"):
        monkeypatch.setattr(connecting, name, getattr(cluster, name))


async def look_until(replicas: Any, is_true: Callable[[], bool]) -> None:
    """Asks for states until that is so; there are none."""
    async with asyncio.timeout(TIMEOUT_S):
        while not is_true():
            with pytest.raises(ClusterLostError):
                await replicas.states()
            await asyncio.sleep(0.001)


@pytest.fixture
def may_return() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.parametrize("call", ["leave", "enter", "find"])
async def test_a_call_of_rays_that_does_not_return_ends_the_executor(
    connecting: Any, monkeypatch: pytest.MonkeyPatch, may_return: threading.Event, call: str
) -> None:
    def hang(name: str) -> None:
        if name == call:
            may_return.wait(TIMEOUT_S)

    monkeypatch.setattr(connecting, "REJOIN_TIMEOUT_S", 0.05)
    put(connecting, Cluster(hang), monkeypatch)
    replicas = connecting.RayReplicas(NoEngines(is_there=False), "engines", "10.0.0.1:6379")
    scheduler = Scheduler(max_jobs=1, max_jobs_per_user=1)
    async with RemoteExecutor(replicas, scheduler, client="a bot", look_s=0.02) as executor:
        await eventually(lambda: executor.status.state is EngineState.FAILED)
        assert executor.status.hung_because == "Ray did not leave and join its cluster within 0.05 s."
        with pytest.raises(EngineHungError):
            await replicas.states()


async def test_a_cluster_that_can_not_be_joined_yet_is_joined_later(
    connecting: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if what Ray says sounds like a limit of ours. What reported to the one before has ended by then."""

    def starts(name: str) -> None:
        if name == "enter" and cluster.calls.count("enter") == 1:
            raise TimeoutError("the cluster starts")

    cluster, before = Cluster(starts), NoEngines(is_there=False)
    put(connecting, cluster, monkeypatch)
    replicas = connecting.RayReplicas(before, "engines", "10.0.0.1:6379")
    await look_until(replicas, lambda: cluster.there != [])
    assert before.has_ended
    assert cluster.calls == ["leave", "enter", "leave", "enter", "find"]
    await eventually(lambda: replicas._membership is cluster.there[0])


async def test_a_cluster_that_answers_is_not_left_however_long_its_engines_are_silent(
    connecting: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cluster, here = Cluster(), NoEngines(is_there=True)
    put(connecting, cluster, monkeypatch)
    monkeypatch.setattr(connecting, "REJOIN_AFTER_S", 0.2)
    replicas = connecting.RayReplicas(here, "engines", "10.0.0.1:6379")
    for _ in range(12):
        with pytest.raises(ClusterLostError, match="no replica"):
            await replicas.states()
        await asyncio.sleep(0.05)
    assert cluster.calls == []
    here.is_there = False
    await look_until(replicas, lambda: "leave" in cluster.calls)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING][:1] == [
        "Joining the cluster anew."
    ]


async def test_where_serve_is_not_there_yet_the_cluster_is_entered_once(
    connecting: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Ray keeps a thread of each time that a process enters one."""

    def deploys(name: str) -> None:
        if name == "find" and cluster.calls.count("find") <= 5:
            raise ClusterNotReadyError("Serve runs nothing yet.")

    cluster = Cluster(deploys)
    put(connecting, cluster, monkeypatch)
    replicas = connecting.RayReplicas(NoEngines(is_there=False), "engines", "10.0.0.1:6379")
    await look_until(replicas, lambda: cluster.there != [])
    assert cluster.calls.count("leave") == 1
    assert cluster.calls.count("find") == 6
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert warnings == ["Joining the cluster anew.", "Serve runs nothing yet."]


async def test_where_serve_does_not_come_the_cluster_is_left_and_entered_anew(
    connecting: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be another one at the same address."""

    def is_another(name: str) -> None:
        if name == "find" and cluster.calls.count("leave") == 1:
            raise ClusterNotReadyError("Serve does not answer.")

    cluster = Cluster(is_another)
    put(connecting, cluster, monkeypatch)
    monkeypatch.setattr(connecting, "FIND_TIMEOUT_S", 0.05)
    replicas = connecting.RayReplicas(NoEngines(is_there=False), "engines", "10.0.0.1:6379")
    await look_until(replicas, lambda: cluster.there != [])
    assert cluster.calls.count("leave") == 2
    assert cluster.calls[-3:] == ["leave", "enter", "find"]


async def test_sigterm_is_taken_back_after_each_entry(connecting: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not once the engines are found: that may take for ever."""

    def deploys(name: str) -> None:
        if name == "find" and cluster.calls.count("find") <= 2:
            raise ClusterNotReadyError("Serve runs nothing yet.")

    cluster = Cluster(deploys)
    put(connecting, cluster, monkeypatch)
    monkeypatch.setattr(connecting, "take_sigterm_back", lambda: cluster.calls.append("take back"))
    replicas = connecting.RayReplicas(NoEngines(is_there=False), "engines", "10.0.0.1:6379")
    await look_until(replicas, lambda: cluster.there != [])
    assert cluster.calls == ["leave", *["enter", "take back", "find"] * 3]
