"""The bot's side: finds the replicas of a cluster and asks them. Called on the event loop.

Ray's own calls that block run on a pool's thread. What is lost is told as ReplicaLostError and ClusterLostError; what
was set up wrongly is a ConfigError, at the start.
"""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import AsyncGenerator
from typing import Any, Final

import ray
from ray import serve
from ray.exceptions import AuthenticationError, RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

import bot
from bot.errors import ConfigError, NotReadyError
from bot.executor.base import TextVector
from bot.executor.ray.serving import DEPLOYMENT
from bot.executor.replicas import ClusterLostError, Refused, ReplicaLostError, ReplicaState, Sign
from bot.requests import GenerationRequest

STATES_TIMEOUT_S: Final = 3.0
REACH_TIMEOUT_S: Final = 5.0
LEAVE_TIMEOUT_S: Final = 20.0
# A cluster that was started anew has another controller, of which those who knew the old one learn nothing.
REJOIN_AFTER_S: Final = 20.0
# How HTTP/2 begins, which Ray speaks: the client's preface and settings; the other side's settings come back. A frame
# begins with three bytes of its length and one of its kind.
_SETTINGS: Final = b"\x04"
_HELLO: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + _SETTINGS + bytes(5)
# What Ray raises where a replica, or the way to it, is gone. An error of the replica's own code is among them.
_LOST: Final = (RayError, RayServeException)
# The same for calls that may find that this process has left the cluster, or was thrown out.
_GONE: Final = (*_LOST, RuntimeError, ConnectionError)

_log = logging.getLogger(__name__)


class RayReplicas:
    """Implements Replicas. handle: of the engines' deployment. address, application: where to find it again; None for
    the address where this process was in the cluster already, and stays."""

    def __init__(self, handle: DeploymentHandle[Any], application: str, address: str | None) -> None:
        # None while this process is in no cluster: Ray's calls with what belongs to the one before may end it.
        self._handle: DeploymentHandle[Any] | None = handle
        self._application = application
        self._address = address
        self._known: tuple[str, ...] = ()
        self._others: set[str] = set()
        self._seen_s = time.monotonic()
        self._rejoining: asyncio.Task[None] | None = None

    async def states(self) -> list[ReplicaState]:
        """Those that can draw now, and are of this version. Raises ClusterLostError."""
        self._rejoin_if_long_gone()
        if self._handle is None:
            raise ClusterLostError("This process has left it, to join it anew.")
        try:
            found = await self._ask_all(self._handle)
        except _GONE as error:
            raise ClusterLostError(_first_line(error)) from None
        states = [each for each in found if isinstance(each, ReplicaState)]
        if not states:
            if all(isinstance(each, TimeoutError) for each in found):
                raise ClusterLostError("No engine answers.")
            raise ClusterLostError(_first_line(found[0]))
        self._seen_s = time.monotonic()
        return [state for state in states if self._is_ours(state)]

    async def draw(self, request: GenerationRequest, *, client: str, replica_id: str) -> AsyncGenerator[Sign]:
        """See Replicas. Raises ReplicaLostError."""
        handle = self._joined()
        try:
            stream: Any = handle.options(method_name="draw", stream=True).remote(
                request, client=client, replica_id=replica_id
            )
        except _GONE as error:
            raise ReplicaLostError(_first_line(error)) from None
        try:
            async for sign in stream:
                yield sign
        except _GONE as error:
            raise ReplicaLostError(_first_line(error)) from None
        finally:
            if self._handle is handle:
                with contextlib.suppress(*_GONE):
                    stream.cancel()

    async def text_vector(self, text: str, *, timeout_s: float, replica_id: str) -> TextVector | Refused:
        """See Replicas. Raises ReplicaLostError and NotReadyError."""
        handle = self._joined()
        try:
            answer: Any = handle.options(method_name="text_vector").remote(
                text, timeout_s=timeout_s, replica_id=replica_id
            )
        except _GONE as error:
            raise ReplicaLostError(_first_line(error)) from None
        try:
            async with asyncio.timeout(timeout_s):
                vector: TextVector | Refused = await answer
                return vector
        except TimeoutError:
            raise NotReadyError("The model is too busy to read this now. Try again in a minute.") from None
        except _GONE as error:
            raise ReplicaLostError(_first_line(error)) from None
        finally:
            if self._handle is handle:
                with contextlib.suppress(*_GONE):
                    answer.cancel()

    async def aclose(self) -> None:
        """Leaves the cluster, which goes on, within LEAVE_TIMEOUT_S."""
        if self._address is None:
            return
        if self._rejoining is not None:
            self._rejoining.cancel()
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                await asyncio.to_thread(ray.shutdown)
        except TimeoutError:
            _log.warning("Ray has not let go of the cluster within %g s.", LEAVE_TIMEOUT_S)

    def _joined(self) -> DeploymentHandle[Any]:
        """Raises ReplicaLostError."""
        if self._handle is None:
            raise ReplicaLostError("This process has left the cluster, to join it anew.")
        return self._handle

    async def _ask_all(self, handle: DeploymentHandle[Any]) -> list[Any]:
        try:
            async with asyncio.timeout(STATES_TIMEOUT_S):
                found: list[Any] = await handle.broadcast("state").results_async(return_exceptions=True)
        except TimeoutError:
            # One that hangs holds up what all are asked together.
            known = (self._ask(handle, replica_id) for replica_id in self._known)
            return list(await asyncio.gather(*known, return_exceptions=True))
        self._known = tuple(each.id for each in found if isinstance(each, ReplicaState))
        return found

    async def _ask(self, handle: DeploymentHandle[Any], replica_id: str) -> Any:
        async with asyncio.timeout(STATES_TIMEOUT_S):
            return await handle.options(method_name="state").remote(replica_id=replica_id)

    def _is_ours(self, state: ReplicaState) -> bool:
        if state.version == bot.__version__:
            return True
        if state.id not in self._others:
            self._others.add(state.id)
            _log.warning(
                "Replica %s runs dalle-bot %s, and this is %s: it gets no jobs.",
                state.id,
                state.version,
                bot.__version__,
            )
        return False

    def _rejoin_if_long_gone(self) -> None:
        """In a task of its own: it takes longer than whoever asks for states waits."""
        if self._address is None or time.monotonic() - self._seen_s < REJOIN_AFTER_S:
            return
        if self._rejoining is None or self._rejoining.done():
            self._handle, self._known = None, ()
            self._rejoining = asyncio.create_task(self._rejoin(self._address), name="join the cluster anew")

    async def _rejoin(self, address: str) -> None:
        _log.warning("Joining the cluster anew.")
        try:
            await asyncio.to_thread(_leave)
            self._handle = await asyncio.to_thread(_join, address, self._application)
        except ConfigError as error:
            _log.warning("%s", error)
        except Exception:
            _log.exception("The cluster can't be joined anew yet.")
        self._seen_s = time.monotonic()


async def connect(address: str, application: str, *, timeout_s: float) -> RayReplicas:
    """Joins the cluster at `address` ("auto" for the one on this machine) and waits for a first replica.

    application: the name under which Serve runs the engines. A process that is in the cluster already stays in it.
    Raises ConfigError.
    """
    was_there = ray.is_initialized()
    try:
        try:
            async with asyncio.timeout(timeout_s):
                handle = await asyncio.to_thread(_join, address, application)
        except TimeoutError:
            raise ConfigError(
                f"executor.address: the Ray cluster at {address} can't be joined within {timeout_s:g} s. `ray status` "
                "there shows more."
            ) from None
        replicas = RayReplicas(handle, application, None if was_there else address)
        await _first_replica(replicas, application, timeout_s)
    except BaseException:
        if not was_there:
            await asyncio.to_thread(ray.shutdown)
        raise
    return replicas


async def _first_replica(replicas: RayReplicas, application: str, timeout_s: float) -> None:
    end_s = time.monotonic() + timeout_s
    while time.monotonic() < end_s:
        with contextlib.suppress(ClusterLostError):
            if await replicas.states():
                return
            raise ConfigError(
                f"The engines of {application} run another version than this one, {bot.__version__}: install the same "
                "on both."
            )
        await asyncio.sleep(0.5)
    raise ConfigError(await asyncio.to_thread(_why_there_is_none, application, timeout_s))


def _leave() -> None:
    """Blocks."""
    ray.shutdown()
    # Serve takes what it knows of a controller for that of this cluster if this process's job has the same number as
    # then; each cluster counts anew.
    serve.context._set_global_client(None)


def _join(address: str, application: str) -> DeploymentHandle[Any]:
    """Blocks. Raises ConfigError."""
    try:
        if not ray.is_initialized():
            _check_reachable(address)
            ray.init(address=address, namespace="serve", log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError) as error:
        if isinstance(error.__cause__, AuthenticationError):
            raise ConfigError(
                f"executor.address: the Ray cluster at {address} asks for a token. Start the bot with "
                "RAY_AUTH_MODE=token, and with the cluster's token in ~/.ray/auth_token or RAY_AUTH_TOKEN."
            ) from None
        raise ConfigError(
            f"executor.address: no Ray cluster answers at {address} ({_first_line(error)}). Start one there with "
            "`ray start --head`, or correct the address."
        ) from None
    except RuntimeError as error:
        said = " ".join(str(error).split())[:300]
        raise ConfigError(
            f"executor.address: the Ray cluster at {address} can't be joined ({said}). It needs the same versions of "
            f"Ray ({ray.__version__}) and Python as the bot."
        ) from None
    try:
        handle: DeploymentHandle[Any] = serve.get_deployment_handle(DEPLOYMENT, application, _check_exists=False)
        # The first question sets up what asks the cluster, which blocks.
        handle.running_replicas_populated()
    except _LOST as error:
        raise ConfigError(
            f"Serve does not answer on the cluster at {address} ({_first_line(error)}). `serve status` shows more."
        ) from None
    return handle


def _check_reachable(address: str) -> None:
    """Ray itself tries for minutes. Raises OSError, or ValueError for what is no address."""
    if address != "auto":
        host, _, port = address.rpartition(":")
        with socket.create_connection((host, int(port)), REACH_TIMEOUT_S) as stream:
            stream.sendall(_HELLO)
            answer = stream.recv(9)
        if answer[3:4] != _SETTINGS:
            raise ConnectionError("what listens there is no Ray")


def _why_there_is_none(application: str, timeout_s: float) -> str:
    """Blocks on the cluster."""
    sentence = f"No engine of {application} came up on the Ray cluster within {timeout_s:g} s."
    try:
        status = serve.status().applications.get(application)
        total, free = ray.cluster_resources(), ray.available_resources()
    except _GONE:
        return f"{sentence} The cluster does not answer: `serve status` on one of its machines shows more."
    if status is None:
        return (
            f"executor.application: Serve runs no {application} on the cluster. Deploy it: `dalle-bot deploy ray > "
            "serve.yaml`, then `serve deploy serve.yaml`; or correct the name."
        )
    deployment = status.deployments.get(DEPLOYMENT)
    said = " ".join((deployment.message if deployment is not None else status.message).split())
    if not total.get("GPU"):
        sentence += " There is no GPU on it: an engine that asks for one (num_gpus) can't start."
    rest = f"{free.get('GPU', 0):g} of {total.get('GPU', 0):g} GPUs and {free.get('CPU', 0):g} CPUs are free there."
    return f"{sentence} Serve says: {said[:300] or status.status.value}. {rest} `serve status` shows more."


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # Of an error in a replica Ray shows the traceback, and what was raised comes last.
    return (lines[-1] if isinstance(error, RayError) and lines else next(iter(lines), type(error).__name__))[:300]
