"""The cluster's side: what Ray Serve runs. `build` is what its configuration names (`dalle-bot deploy ray` prints one);
each replica is an EngineReplica in a process of its own, with a device group of its own.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any, Final

import ray
from ray import serve
from ray.serve.config import AutoscalingContext, RequestRouterConfig
from ray.serve.request_router import PendingRequest, RequestRouter, RunningReplica

from bot.config_loading import load_settings
from bot.engine.base import Engine
from bot.executor.base import TextVector
from bot.executor.replica import MAX_JOBS, Replica
from bot.executor.replicas import Refused, ReplicaState, Sign
from bot.requests import GenerationRequest
from bot.startup import StartUp

APPLICATION: Final = "dalle-bot"
DEPLOYMENT: Final = "engine"
_ROUTER: Final = "bot.executor.ray.serving:ByReplica"
_XLA_THREADS: Final = "NPROC"  # read by XLA when its CPU backend begins; it has no option for that
# How busy replicas are to be: less, and some are taken away; more, and some are added.
TARGET_SHARE: Final = 0.75


class ByReplica(RequestRouter):
    """Serve's router for bots: they know who has free slots, and name a replica. Where that is gone, any will do."""

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        """One rank of replicas: the one that was named, if it is among them."""
        named = None if pending_request is None else pending_request.kwargs.get("replica_id")
        chosen = [each for each in candidate_replicas if each.replica_id.unique_id == named]
        return [chosen or list(candidate_replicas)]


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """What a replica runs. engine_factory: called once, on a thread. The others: of LocalExecutor."""

    engine_factory: Callable[[], Engine]
    chunk_tokens: int
    hang_timeout_s: float | None = None
    load_timeout_s: float | None = None
    start_up: StartUp | None = None


def keep_to_cores(assigned: Mapping[str, float]) -> None:
    """Has an engine without a GPU compute with as many threads as its replica has cores: Ray only counts those, and
    XLA takes all of the machine's. Called before there is an engine. assigned: amounts by resource.
    """
    if assigned.get("CPU") and not assigned.get("GPU"):
        os.environ.setdefault(_XLA_THREADS, str(ceil(assigned["CPU"])))


class EngineReplica:
    """What Serve runs: an engine and its event loop. spec: called once, in the replica's process."""

    def __init__(self, spec: Callable[[], EngineSpec]) -> None:
        keep_to_cores(ray.get_runtime_context().get_assigned_resources())
        known = spec()
        self._replica = Replica(
            known.engine_factory,
            id=serve.get_replica_context().replica_id.unique_id,
            chunk_tokens=known.chunk_tokens,
            hang_timeout_s=known.hang_timeout_s,
            load_timeout_s=known.load_timeout_s,
            start_up=known.start_up,
        )
        self._start: asyncio.Task[None] | None = None

    async def check_health(self) -> None:
        """Serve calls this before it sends requests, and now and then afterwards; it replaces a replica that raises."""
        if self._start is None:
            self._start = asyncio.create_task(self._replica.start())
        await asyncio.shield(self._start)
        self._replica.check()

    async def state(self, replica_id: str = "") -> ReplicaState:
        """See Replicas.states. On the event loop, as all that looks at jobs: what is not `async`, Serve calls on a
        thread."""
        return self._replica.state()

    async def draw(self, request: GenerationRequest, *, client: str, replica_id: str) -> AsyncGenerator[Sign]:
        """See Replicas.draw."""
        async with aclosing(self._replica.draw(request, client=client)) as signs:
            async for sign in signs:
                yield sign

    async def text_vector(self, text: str, *, timeout_s: float, replica_id: str) -> TextVector | Refused:
        """See Replicas.text_vector."""
        return await self._replica.text_vector(text, timeout_s=timeout_s)

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """For `desired_replicas`. Serve asks while the model loads, too."""
        return {"demand": self._replica.busy_share}


def application(spec: Callable[[], EngineSpec], **options: Any) -> serve.Application:
    """The Serve application of one model. options: of the deployment, such as num_replicas and ray_actor_options."""
    deployment = serve.deployment(
        name=DEPLOYMENT,
        max_ongoing_requests=MAX_JOBS,
        request_router_config=RequestRouterConfig.model_validate({"request_router_class": _ROUTER}),
        **{"health_check_period_s": 5.0, "health_check_timeout_s": 15.0} | options,
    )(EngineReplica)
    return deployment.bind(spec)


def build(args: Mapping[str, Any]) -> serve.Application:
    """What a Serve configuration names as its import path. args: `config`, the path of the bot's configuration on each
    machine; without it the environment and the defaults count there. Whatever else is in them only makes them differ
    from those before, so that Serve exchanges its replicas.
    """
    return application(partial(_configured, args.get("config")))


def _configured(file: str | None) -> EngineSpec:
    """As the machine of the replica is configured: no setting, and no secret, travels through the cluster."""
    settings = load_settings(None if file is None else Path(file))
    start_up = StartUp()

    def open_engine() -> Engine:
        from bot.engine.open import open_engine as opened

        return opened(settings, start_up)

    engine = settings.engine
    return EngineSpec(open_engine, engine.chunk_tokens, engine.hang_timeout_s, engine.load_timeout_s, start_up)


def desired_replicas(context: AutoscalingContext) -> tuple[int, dict[str, Any]]:
    """Serve's autoscaling policy: as many replicas as have TARGET_SHARE of their slots taken by what all have to do.

    A bot hands out jobs for free slots only, so all slots taken means that jobs wait. And with no replica it would hand
    out none, so one stays also where the configuration allows fewer.
    """
    demands = (context.aggregated_metrics or {}).get("demand", {}).values()
    wanted = -(-sum(demands) // TARGET_SHARE) if demands else context.current_num_replicas
    low, high = context.capacity_adjusted_min_replicas, context.capacity_adjusted_max_replicas
    return int(min(max(wanted, low, 1), high)), {}
