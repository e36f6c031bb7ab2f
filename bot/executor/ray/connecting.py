"""The bot's side: finds the replicas of a cluster and asks them. Called on the event loop.

Ray's own calls that block run on threads that nobody waits for at the end, should they hang. What is lost is told as
ReplicaLostError and ClusterLostError; what was set up wrongly is a ConfigError, at the start.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any, Final

import ray
from ray.serve.handle import DeploymentHandle

from bot.code_version import code_version
from bot.errors import ConfigError, EngineHungError, NotReadyError
from bot.executor.base import TextVector
from bot.executor.ray.joining import GONE, first_line, join, leave, why_there_is_none
from bot.executor.replicas import ClusterLostError, Refused, ReplicaLostError, ReplicaState, Sign
from bot.lone_thread import in_thread
from bot.requests import GenerationRequest

STATES_TIMEOUT_S: Final = 3.0
LEAVE_TIMEOUT_S: Final = 20.0
# A cluster that was started anew has another controller, of which those who knew the old one learn nothing.
REJOIN_AFTER_S: Final = 20.0
# Ray itself tries for minutes where a cluster answers and does not let it in.
REJOIN_TIMEOUT_S: Final = 300.0

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
        self._has_hung = False

    async def states(self) -> list[ReplicaState]:
        """Those that can draw now, and are of this version. Raises ClusterLostError, and EngineHungError if Ray did not
        come back from joining the cluster anew."""
        if self._has_hung:
            raise EngineHungError(f"Ray did not leave and join its cluster within {REJOIN_TIMEOUT_S:g} s.")
        self._rejoin_if_long_gone()
        if self._handle is None:
            raise ClusterLostError("This process has left it, to join it anew.")
        try:
            found = await self._ask_all(self._handle)
        except GONE as error:
            raise ClusterLostError(first_line(error)) from None
        states = [each for each in found if isinstance(each, ReplicaState)]
        if not states:
            if all(isinstance(each, TimeoutError) for each in found):
                raise ClusterLostError("No engine answers.")
            raise ClusterLostError(first_line(found[0]))
        self._seen_s = time.monotonic()
        return [state for state in states if self._is_ours(state)]

    async def draw(self, request: GenerationRequest, *, client: str, replica_id: str) -> AsyncGenerator[Sign]:
        """See Replicas. Raises ReplicaLostError."""
        handle = self._joined()
        try:
            stream: Any = handle.options(method_name="draw", stream=True).remote(
                request, client=client, replica_id=replica_id
            )
        except GONE as error:
            raise ReplicaLostError(first_line(error)) from None
        try:
            async for sign in stream:
                yield sign
        except GONE as error:
            raise ReplicaLostError(first_line(error)) from None
        finally:
            if self._handle is handle:
                with contextlib.suppress(*GONE):
                    stream.cancel()

    async def text_vector(self, text: str, *, timeout_s: float, replica_id: str) -> TextVector | Refused:
        """See Replicas. Raises ReplicaLostError and NotReadyError."""
        handle = self._joined()
        try:
            answer: Any = handle.options(method_name="text_vector").remote(
                text, timeout_s=timeout_s, replica_id=replica_id
            )
        except GONE as error:
            raise ReplicaLostError(first_line(error)) from None
        try:
            async with asyncio.timeout(timeout_s):
                vector: TextVector | Refused = await answer
                return vector
        except TimeoutError:
            raise NotReadyError("The model is too busy to read this now. Try again in a minute.") from None
        except GONE as error:
            raise ReplicaLostError(first_line(error)) from None
        finally:
            if self._handle is handle:
                with contextlib.suppress(*GONE):
                    answer.cancel()

    async def aclose(self) -> None:
        """Leaves the cluster, which goes on, within LEAVE_TIMEOUT_S."""
        if self._address is None or self._has_hung:
            return
        if self._rejoining is not None:
            self._rejoining.cancel()
        await _let_go()

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
        if state.version == code_version():
            return True
        if state.id not in self._others:
            self._others.add(state.id)
            _log.warning(
                "Replica %s runs dalle-bot %s, and this is %s: it gets no jobs.",
                state.id,
                state.version,
                code_version(),
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
            async with asyncio.timeout(REJOIN_TIMEOUT_S) as limit:
                await in_thread(leave, name="leave the cluster")
                self._handle = await in_thread(partial(join, address, self._application), name="join the cluster")
        except ConfigError as error:
            _log.warning("%s", error)
        except Exception:
            # Its thread is inside of Ray for good, and a second one would wait for the same.
            self._has_hung = limit.expired()
            if not self._has_hung:
                _log.exception("The cluster can't be joined anew yet.")
        self._seen_s = time.monotonic()


async def connect(address: str, application: str, *, timeout_s: float) -> RayReplicas:
    """Joins the cluster at `address` ("auto" for the one on this machine) and waits for a first replica.

    application: the name under which Serve runs the engines. A process that is in the cluster already stays in it.
    Raises ConfigError.
    """
    was_there = ray.is_initialized()
    await asyncio.to_thread(code_version)
    try:
        try:
            async with asyncio.timeout(timeout_s):
                handle = await in_thread(partial(join, address, application), name="join the cluster")
        except TimeoutError:
            raise ConfigError(
                f"executor.address: the Ray cluster at {address} can't be joined within {timeout_s:g} s. `ray status` "
                "there shows more."
            ) from None
        replicas = RayReplicas(handle, application, None if was_there else address)
        await _first_replica(replicas, application, timeout_s)
    except BaseException:
        if not was_there:
            await _let_go()
        raise
    return replicas


async def _let_go() -> None:
    """Leaves the cluster, within LEAVE_TIMEOUT_S."""
    try:
        async with asyncio.timeout(LEAVE_TIMEOUT_S):
            await in_thread(ray.shutdown, name="leave the cluster")
    except TimeoutError:
        _log.warning("Ray has not let go of the cluster within %g s.", LEAVE_TIMEOUT_S)


async def _first_replica(replicas: RayReplicas, application: str, timeout_s: float) -> None:
    end_s = time.monotonic() + timeout_s
    while time.monotonic() < end_s:
        with contextlib.suppress(ClusterLostError):
            if await replicas.states():
                return
            raise ConfigError(
                f"The engines of {application} run another version than this one, {code_version()}: install the same "
                "on both."
            )
        await asyncio.sleep(0.5)
    raise ConfigError(await in_thread(partial(why_there_is_none, application, timeout_s), name="ask the cluster"))
