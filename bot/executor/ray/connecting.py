"""The bot's side: finds the replicas of a cluster and asks them. Called on the event loop.

Ray's own calls that block run on threads that nobody waits for at the end, should they hang. What is lost is told as
ReplicaLostError and ClusterLostError; what keeps the bot out at the start is a ConfigError, or a ClusterNotReadyError
if it may pass by itself.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Awaitable
from functools import partial
from typing import Any, Final, TypeVar

import ray

from bot.code_version import code_version
from bot.errors import ClusterNotReadyError, ConfigError, EngineHungError, NotReadyError
from bot.executor.base import TextVector
from bot.executor.ray.causes import last_line, no_answer, other_version
from bot.executor.ray.joining import enter, find, leave, take_sigterm_back, why_there_is_none
from bot.executor.ray.membership import GONE, Membership
from bot.executor.replicas import ClusterLostError, Refused, ReplicaLostError, ReplicaState, Sign
from bot.lone_thread import in_thread
from bot.requests import GenerationRequest

STATES_TIMEOUT_S: Final = 3.0
LEAVE_TIMEOUT_S: Final = 20.0
# A cluster that was started anew has another controller, of which those who knew the old one learn nothing. And Ray
# ends a process that has not reached its cluster for a minute.
REJOIN_AFTER_S: Final = 20.0
# Ray itself tries for minutes where a cluster answers and does not let it in.
REJOIN_TIMEOUT_S: Final = 300.0
FIND_EVERY_S: Final = 5.0
# A process whose cluster was started anew at the same address is in the one before, where no Serve will ever be.
FIND_TIMEOUT_S: Final = 60.0
LOOK_EVERY_S: Final = 0.5
CAUSE_TIMEOUT_S: Final = 10.0

_T = TypeVar("_T")

_log = logging.getLogger(__name__)


class RayReplicas:
    """Implements Replicas. address, application: where to find the engines again; None for the address where this
    process was in the cluster already, and stays."""

    def __init__(self, membership: Membership, application: str, address: str | None) -> None:
        # None while this process is in no cluster: Ray's calls with what belongs to the one before may end it.
        self._membership: Membership | None = membership
        self._application = application
        self._address = address
        self._known: tuple[str, ...] = ()
        self._others: set[str] = set()
        # When it was last known that the cluster is there.
        self._alive_s = time.monotonic()
        self._rejoining: asyncio.Task[None] | None = None
        self._has_hung = False

    async def states(self) -> list[ReplicaState]:
        """Those that can draw now, and are of this version. Raises ClusterLostError, and EngineHungError if Ray did not
        come back from joining the cluster anew."""
        if self._has_hung:
            raise EngineHungError(f"Ray did not leave and join its cluster within {REJOIN_TIMEOUT_S:g} s.")
        self._rejoin_if_long_gone()
        membership = self._membership
        if membership is None:
            raise ClusterLostError("This process has left it, to join it anew.")
        try:
            found = await self._ask_all(membership)
        except GONE as error:
            found = [error]
        states = [each for each in found if isinstance(each, ReplicaState)]
        if states or await membership.is_alive():
            self._alive_s = time.monotonic()
        if not states:
            silent = all(isinstance(each, TimeoutError) for each in found)
            raise ClusterLostError("No engine answers." if silent else last_line(found[0]))
        return [state for state in states if self._is_ours(state)]

    async def draw(self, request: GenerationRequest, *, client: str, replica_id: str) -> AsyncGenerator[Sign]:
        """See Replicas. Raises ReplicaLostError."""
        membership = self._joined()
        try:
            stream: Any = membership.handle.options(method_name="draw", stream=True).remote(
                request, client=client, replica_id=replica_id
            )
        except GONE as error:
            raise ReplicaLostError(last_line(error)) from None
        try:
            async for sign in stream:
                yield sign
        except GONE as error:
            raise ReplicaLostError(last_line(error)) from None
        finally:
            if self._membership is membership:
                with contextlib.suppress(*GONE):
                    stream.cancel()

    async def text_vector(self, text: str, *, timeout_s: float, replica_id: str) -> TextVector | Refused:
        """See Replicas. Raises ReplicaLostError and NotReadyError."""
        membership = self._joined()
        try:
            answer: Any = membership.handle.options(method_name="text_vector").remote(
                text, timeout_s=timeout_s, replica_id=replica_id
            )
        except GONE as error:
            raise ReplicaLostError(last_line(error)) from None
        try:
            async with asyncio.timeout(timeout_s):
                vector: TextVector | Refused = await answer
                return vector
        except TimeoutError:
            raise NotReadyError("The model is too busy to read this now. Try again in a minute.") from None
        except GONE as error:
            raise ReplicaLostError(last_line(error)) from None
        finally:
            if self._membership is membership:
                with contextlib.suppress(*GONE):
                    answer.cancel()

    async def aclose(self) -> None:
        """Leaves the cluster, which goes on, within LEAVE_TIMEOUT_S."""
        if self._address is None or self._has_hung:
            return
        if self._rejoining is not None:
            self._rejoining.cancel()
        await _let_go(self._membership)

    def _joined(self) -> Membership:
        """Raises ReplicaLostError."""
        if self._membership is None:
            raise ReplicaLostError("This process has left the cluster, to join it anew.")
        return self._membership

    async def _ask_all(self, membership: Membership) -> list[Any]:
        try:
            async with asyncio.timeout(STATES_TIMEOUT_S):
                found: list[Any] = await membership.handle.broadcast("state").results_async(return_exceptions=True)
        except TimeoutError:
            # One that hangs holds up what all are asked together.
            known = (self._ask(membership, replica_id) for replica_id in self._known)
            return list(await asyncio.gather(*known, return_exceptions=True))
        self._known = tuple(each.id for each in found if isinstance(each, ReplicaState))
        return found

    async def _ask(self, membership: Membership, replica_id: str) -> Any:
        async with asyncio.timeout(STATES_TIMEOUT_S):
            return await membership.handle.options(method_name="state").remote(replica_id=replica_id)

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
        if self._address is None or time.monotonic() - self._alive_s < REJOIN_AFTER_S:
            return
        if self._rejoining is None or self._rejoining.done():
            before, self._membership, self._known = self._membership, None, ()
            self._rejoining = asyncio.create_task(self._rejoin(self._address, before), name="join the cluster anew")

    async def _rejoin(self, address: str, before: Membership | None) -> None:
        _log.warning("Joining the cluster anew.")
        try:
            if before is not None:
                await before.end()
            await _with_limit(in_thread(leave, name="leave the cluster"))
            await _with_limit(_enter(address))
            self._membership = await self._find(address)
        except (ConfigError, ClusterNotReadyError) as error:
            _log.warning("%s", error)
        except EngineHungError:
            # Its thread is inside of Ray for good, and a second one would wait for the same.
            self._has_hung = True
        except Exception:
            _log.exception("The cluster can't be joined anew yet.")
        self._alive_s = time.monotonic()

    async def _find(self, address: str) -> Membership | None:
        """Once Serve runs in the cluster, where this process stays meanwhile: Ray lets go of no thread of those that
        each entry costs. None if it has none within FIND_TIMEOUT_S. Raises ConfigError and ClusterNotReadyError if the
        cluster is gone again."""
        end_s = time.monotonic() + FIND_TIMEOUT_S
        was_told = False
        while time.monotonic() < end_s:
            try:
                return await _with_limit(_find_engines(address, self._application))
            except ClusterNotReadyError as error:
                if not was_told:
                    _log.warning("%s", error)
            was_told = True
            await asyncio.sleep(FIND_EVERY_S)
            await _with_limit(_enter(address))
        return None


async def _enter(address: str) -> None:
    try:
        await in_thread(partial(enter, address), name="join the cluster")
    finally:
        take_sigterm_back()


async def _find_engines(address: str, application: str) -> Membership:
    return await in_thread(partial(find, address, application), name="find the engines")


async def _with_limit(work: Awaitable[_T]) -> _T:
    """Raises EngineHungError after REJOIN_TIMEOUT_S, and what `work` does."""
    try:
        async with asyncio.timeout(REJOIN_TIMEOUT_S) as limit:
            return await work
    except TimeoutError:
        if limit.expired():
            raise EngineHungError("Ray does not come back.") from None
        raise


async def connect(address: str, application: str, *, timeout_s: float) -> RayReplicas:
    """Joins the cluster at `address` ("auto" for the one on this machine) and waits for a first replica.

    application: the name under which Serve runs the engines. A process that is in the cluster already stays in it.
    Raises ConfigError, and ClusterNotReadyError if it may pass by itself.
    """
    was_there = ray.is_initialized()
    membership: Membership | None = None
    await asyncio.to_thread(code_version)
    try:
        try:
            async with asyncio.timeout(timeout_s):
                await _enter(address)
                membership = await _find_engines(address, application)
        except TimeoutError:
            raise ClusterNotReadyError(
                f"executor.address: the Ray cluster at {address} can't be joined within {timeout_s:g} s. `ray status` "
                "there shows more."
            ) from None
        replicas = RayReplicas(membership, application, None if was_there else address)
        await _first_replica(replicas, application, timeout_s)
    except BaseException:
        if not was_there:
            await _let_go(membership)
        raise
    return replicas


async def _let_go(membership: Membership | None) -> None:
    """Leaves the cluster, within LEAVE_TIMEOUT_S."""
    try:
        async with asyncio.timeout(LEAVE_TIMEOUT_S):
            if membership is not None:
                await membership.end()
            await in_thread(ray.shutdown, name="leave the cluster")
    except TimeoutError:
        _log.warning("Ray has not let go of the cluster within %g s.", LEAVE_TIMEOUT_S)


async def _first_replica(replicas: RayReplicas, application: str, timeout_s: float) -> None:
    """Raises ClusterNotReadyError, also where only engines of another version answer: they may be exchanged just
    now."""
    end_s = time.monotonic() + timeout_s
    are_others = False
    while time.monotonic() < end_s:
        try:
            if await replicas.states():
                return
            are_others = True
        except ClusterLostError:
            are_others = False
        await asyncio.sleep(LOOK_EVERY_S)
    if are_others:
        raise other_version(application, code_version())
    try:
        async with asyncio.timeout(CAUSE_TIMEOUT_S):
            cause = await in_thread(partial(why_there_is_none, application, timeout_s), name="ask the cluster")
    except TimeoutError:
        cause = no_answer(application, timeout_s)
    raise cause
