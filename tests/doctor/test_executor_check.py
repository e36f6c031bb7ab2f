"""What is said of a cluster that is to draw. Without a cluster; tests/executor/test_ray.py has one."""

import pytest

from bot.config import ExecutorSettings
from bot.doctor.executor_check import check_executor
from bot.doctor.finding import Outcome, Status
from bot.engine.fake import FakeEngine
from bot.errors import ConfigError
from bot.executor import opening
from bot.executor.replica import Replica
from bot.executor.replicas import ClusterLostError, ReplicaState
from tests.executor.near import NearReplicas

CLUSTER = ExecutorSettings(kind="ray", address="head:6379", application="engines")


class Cluster(NearReplicas):
    """is_left: closed by whoever joined it."""

    is_left = False

    async def aclose(self) -> None:
        self.is_left = True


async def outcome_of(settings: ExecutorSettings, cluster: Cluster | Exception, patch: pytest.MonkeyPatch) -> Outcome:
    async def connect(address: str, application: str, *, timeout_s: float) -> Cluster:
        assert (address, application, timeout_s) == ("head:6379", "engines", 3.0)
        if isinstance(cluster, Exception):
            raise cluster
        return cluster

    patch.setattr(opening, "_import_connect", lambda: connect)
    return await check_executor(settings, timeout_s=3.0)


async def test_a_bot_that_draws_itself_needs_no_cluster() -> None:
    assert (await check_executor(ExecutorSettings(), timeout_s=3.0)).status is Status.OK


async def test_engines_that_answer_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster()
    async with (
        Replica(lambda: FakeEngine(num_slots=3), id="a", chunk_tokens=4) as a,
        Replica(lambda: FakeEngine(num_slots=2), id="b", chunk_tokens=4) as b,
    ):
        cluster.there = {"a": a, "b": b}
        outcome = await outcome_of(CLUSTER, cluster, monkeypatch)
    assert outcome == Outcome(Status.OK, "2 engines answer as engines on the cluster, with 5 slots.")
    assert cluster.is_left


@pytest.mark.parametrize(("fallback", "status"), [(False, Status.FAILED), (True, Status.WARNING)])
async def test_a_cluster_that_can_not_be_used(monkeypatch: pytest.MonkeyPatch, fallback: bool, status: Status) -> None:
    settings = CLUSTER.model_copy(update={"fallback": fallback})
    outcome = await outcome_of(settings, ConfigError("No cluster answers. Start one."), monkeypatch)
    assert (outcome.status, outcome.found) == (status, "No cluster answers. Start one.")
    assert "executor.fallback" in (outcome.fix or "")


async def test_a_cluster_is_left_also_if_it_is_lost_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lost(Cluster):
        async def states(self) -> list[ReplicaState]:
            raise ClusterLostError("It went away.")

    cluster = Lost()
    assert (await outcome_of(CLUSTER, cluster, monkeypatch)).found == "It went away."
    assert cluster.is_left
