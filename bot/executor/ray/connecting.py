"""The bot's side: finds the replicas of a cluster and asks them. Called on the event loop.

Ray's own calls that block run on a pool's thread. What is lost is told as ReplicaLostError and ClusterLostError; what
was set up wrongly is a ConfigError, at the start.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Any, Final

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

import bot
from bot.errors import ConfigError, NotReadyError
from bot.executor.base import TextVector
from bot.executor.ray.serving import DEPLOYMENT
from bot.executor.replicas import ClusterLostError, Refused, ReplicaLostError, ReplicaState, Sign
from bot.requests import GenerationRequest

STATES_TIMEOUT_S: Final = 3.0
# What Ray raises where a replica, or the way to it, is gone. An error of the replica's own code is among them.
_LOST: Final = (RayError, RayServeException)

_log = logging.getLogger(__name__)


class RayReplicas:
    """Implements Replicas. handle: of the engines' deployment. leaves: whether `aclose` takes this process out of the
    cluster."""

    def __init__(self, handle: DeploymentHandle[Any], *, leaves: bool = True) -> None:
        self._handle = handle
        self._leaves = leaves
        self._known: tuple[str, ...] = ()

    async def states(self) -> list[ReplicaState]:
        """Those that can draw now. Raises ClusterLostError."""
        try:
            try:
                found = await self._broadcast()
            except TimeoutError:
                # One that hangs holds up what all are asked together.
                found = await asyncio.gather(*map(self._state, self._known), return_exceptions=True)
        except _LOST as error:
            raise ClusterLostError(_first_line(error)) from None
        states = [each for each in found if isinstance(each, ReplicaState)]
        self._known = tuple(state.id for state in states)
        return states

    async def draw(self, request: GenerationRequest, *, client: str, replica_id: str) -> AsyncGenerator[Sign]:
        """See Replicas. Raises ReplicaLostError."""
        stream: Any = self._handle.options(method_name="draw", stream=True).remote(
            request, client=client, replica_id=replica_id
        )
        try:
            async for sign in stream:
                yield sign
        except _LOST as error:
            raise ReplicaLostError(_first_line(error)) from None
        finally:
            stream.cancel()

    async def text_vector(self, text: str, *, timeout_s: float, replica_id: str) -> TextVector | Refused:
        """See Replicas. Raises ReplicaLostError and NotReadyError."""
        answer: Any = self._handle.options(method_name="text_vector").remote(
            text, timeout_s=timeout_s, replica_id=replica_id
        )
        try:
            async with asyncio.timeout(timeout_s):
                vector: TextVector | Refused = await answer
                return vector
        except TimeoutError:
            raise NotReadyError("The model is too busy to read this now. Try again in a minute.") from None
        except _LOST as error:
            raise ReplicaLostError(_first_line(error)) from None
        finally:
            answer.cancel()

    async def aclose(self) -> None:
        """Leaves the cluster, which goes on."""
        if self._leaves:
            await asyncio.to_thread(ray.shutdown)

    async def _broadcast(self) -> list[Any]:
        response = self._handle.broadcast("state")
        found: list[Any] = await response.results_async(timeout_s=STATES_TIMEOUT_S, return_exceptions=True)
        return found

    async def _state(self, replica_id: str) -> ReplicaState:
        async with asyncio.timeout(STATES_TIMEOUT_S):
            state: ReplicaState = await self._handle.options(method_name="state").remote(replica_id=replica_id)
            return state


async def connect(address: str, application: str, *, timeout_s: float) -> RayReplicas:
    """Joins the cluster at `address` ("auto" for the one on this machine) and waits for a first replica.

    application: the name under which Serve runs the engines. A process that is in the cluster already stays in it.
    Raises ConfigError.
    """
    was_there = ray.is_initialized()
    try:
        handle = await asyncio.to_thread(_join, address, application)
        replicas = RayReplicas(handle, leaves=not was_there)
        await _first_replica(replicas, application, timeout_s)
    except BaseException:
        if not was_there:
            await asyncio.to_thread(ray.shutdown)
        raise
    return replicas


async def _first_replica(replicas: RayReplicas, application: str, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    states = await replicas.states()
                except ClusterLostError:
                    states = []
                if states:
                    break
                await asyncio.sleep(0.5)
    except TimeoutError:
        raise ConfigError(await asyncio.to_thread(_why_there_is_none, application, timeout_s)) from None
    other = next((state.version for state in states if state.version != bot.__version__), None)
    if other is not None:
        raise ConfigError(
            f"The cluster runs dalle-bot {other} and this is {bot.__version__}: install the same version on both."
        )


def _join(address: str, application: str) -> DeploymentHandle[Any]:
    try:
        if not ray.is_initialized():
            ray.init(address=address, namespace="serve", log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, TimeoutError) as error:
        raise ConfigError(
            f"executor.address: no Ray cluster answers at {address} ({_first_line(error)}). Start one there with "
            "`ray start --head`, or correct the address."
        ) from None
    except RuntimeError as error:
        raise ConfigError(
            f"executor.address: the Ray cluster at {address} can't be joined ({_first_line(error)}). It needs the same "
            f"versions of Ray ({ray.__version__}) and Python as the bot."
        ) from None
    try:
        return serve.get_deployment_handle(DEPLOYMENT, application)
    except RayServeException as error:
        raise ConfigError(
            f"executor.application: Serve runs no {application} on the cluster at {address} ({_first_line(error)}). "
            "Deploy it: `dalle-bot deploy ray > serve.yaml`, then `serve deploy serve.yaml`."
        ) from None


def _why_there_is_none(application: str, timeout_s: float) -> str:
    """Blocks on the cluster."""
    sentence = f"No engine of {application} came up on the Ray cluster within {timeout_s:g} s."
    try:
        status = serve.status().applications.get(application)
        total, free = ray.cluster_resources(), ray.available_resources()
    except _LOST:
        return f"{sentence} The cluster does not answer."
    if status is None:
        return (
            f"Serve runs no {application} there: `dalle-bot deploy ray > serve.yaml`, then `serve deploy serve.yaml`."
        )
    deployment = status.deployments.get(DEPLOYMENT)
    said = " ".join((deployment.message if deployment is not None else status.message).split())
    gpus = f"{free.get('GPU', 0):g} of {total.get('GPU', 0):g} GPUs and {free.get('CPU', 0):g} CPUs are free there."
    return f"{sentence} Serve says: {said[:300] or status.status.value}. {gpus} `serve status` shows more."


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # Of an error in a replica Ray shows the traceback, and what was raised comes last.
    return (lines[-1] if isinstance(error, RayError) and lines else next(iter(lines), type(error).__name__))[:300]
