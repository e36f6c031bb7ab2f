"""Keeps a process's shards its own: takes their leases at the start, renews them, and closes the fence before they end
without that. Used by app.py where several processes share a database; event loop.

A process whose shards another one has waits until that one ends: as a standby, or as what a supervisor has started anew
before the dead one's leases are over.
"""

import asyncio
import contextlib
import logging
import os
import secrets
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from bot.cogs.background import BackgroundLoop
from bot.errors import ConfigError, StartCancelledError, StoreError
from bot.executor.queued import QueuedExecutor
from bot.fence import Fence
from bot.shards import Shards, format_ids
from bot.store import LeaseStore, ShardLease

LEASE_S: Final = 30.0
RENEW_S: Final = 5.0
RENEW_TIMEOUT_S: Final = 4.0
TAKE_TIMEOUT_S: Final = 10.0
# A request that was sent before the fence closed may reach Discord this much later.
MARGIN_S: Final = 3.0
POLL_S: Final = 1.0
SAY_EVERY_S: Final = 60.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _InTheWay:
    """What keeps a process from its shards. is_fault: it is the database, and not another process."""

    reason: str
    is_fault: bool = False


class ShardOwner:
    """`async with` waits for the shards, has them inside and gives them back.

    fence: closed MARGIN_S before the leases end, and at once if they are lost. stop: set if nobody needs the shards any
    more; whoever waits for them then gets StartCancelledError. stands_by: told whether it waits for other processes,
    when that begins and when it is over. A database that doesn't answer is waited for too, which is no standby.
    Entering raises ConfigError if other processes have another number of shards in all.
    """

    def __init__(
        self,
        leases: LeaseStore,
        shards: Shards,
        fence: Fence,
        *,
        stop: asyncio.Event | None = None,
        lease_s: float = LEASE_S,
        renew_s: float = RENEW_S,
        poll_s: float = POLL_S,
        stands_by: Callable[[bool], None] = lambda _: None,
    ) -> None:
        self._leases = leases
        self._shards = shards
        self._fence = fence
        self._stop = stop or asyncio.Event()
        self._lease_s = lease_s
        self._poll_s = poll_s
        self._stands_by = stands_by
        self._executor: QueuedExecutor | None = None
        self.name = f"{socket.gethostname()}, process {os.getpid()} ({secrets.token_hex(3)})"
        self._loop = BackgroundLoop("leases of shards", self.renew, interval_s=renew_s)

    def sharing(self, executor: QueuedExecutor) -> None:
        """From now on other processes are told what waits here, and this executor what waits there."""
        self._executor = executor

    async def __aenter__(self) -> Self:
        await self._take()
        self._loop.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._loop.aclose()
        try:
            async with asyncio.timeout(RENEW_TIMEOUT_S):
                await self._leases.release(self.name)
        except (StoreError, TimeoutError) as error:
            _log.warning("the shards could not be given back, others wait for them: %s", str(error) or "not in time")

    async def renew(self) -> None:
        """Once. Raises StoreError and TimeoutError."""
        if self._fence.is_closed:
            return
        asked_s = asyncio.get_running_loop().time()
        demand = 0.0 if self._executor is None else self._executor.demand
        async with asyncio.timeout(RENEW_TIMEOUT_S):
            others = await self._leases.renew(self.name, self._shards, self._lease_s, demand)
        if others is None:
            _log.critical("the leases of the shards %s are lost", self._shards)
            self._fence.close_at(asked_s)
            return
        self._fence.close_at(asked_s + self._lease_s - MARGIN_S)
        if self._executor is not None:
            self._executor.share_with(others)

    async def _take(self) -> None:
        loop = asyncio.get_running_loop()
        known: dict[str, ShardLease] = {}
        said, say_s = "", loop.time()
        while found := await self._in_the_way(known):
            if found.reason != said or loop.time() >= say_s:
                said, say_s = found.reason, loop.time() + SAY_EVERY_S
                _log.warning("waiting for the shards %s: %s", self._shards, found.reason)
                self._stands_by(not found.is_fault)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._poll_s):
                    await self._stop.wait()
                raise StartCancelledError("Stopped while it waited for its shards.")
        self._stands_by(False)
        _log.info("this process has the shards %s", self._shards)

    async def _in_the_way(self, known: dict[str, ShardLease]) -> _InTheWay | None:
        """What keeps this process from its shards; None once it has them. Raises ConfigError as _check_count does."""
        asked_s = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(TAKE_TIMEOUT_S):
                in_the_way = await self._leases.in_the_way(self.name, self._shards)
                if not in_the_way and await self._leases.take(self.name, self._shards, self._lease_s):
                    self._fence.close_at(asked_s + self._lease_s - MARGIN_S)
                    return None
        except (StoreError, TimeoutError) as error:
            return _InTheWay(str(error) or "the database did not answer in time", is_fault=True)
        self._check_count(in_the_way, known)
        if not in_the_way:
            return _InTheWay("another process was faster")
        held: dict[str, list[int]] = {}
        for lease in in_the_way:
            held.setdefault(lease.owner, []).append(lease.shard)
        said = "; ".join(f"{owner} has {format_ids(shards)}" for owner, shards in held.items())
        return _InTheWay(f"{said}, until {'it ends' if len(held) == 1 else 'they end'}")

    def _check_count(self, in_the_way: Sequence[ShardLease], known: dict[str, ShardLease]) -> None:
        """Raises ConfigError if a process lives that counts otherwise. known: what was seen of each owner first; a dead
        one renews nothing."""
        for lease in in_the_way:
            before = known.setdefault(lease.owner, lease)
            if lease.count != self._shards.count and lease.expires_at > before.expires_at:
                raise ConfigError(
                    f"sharding.count is {self._shards.count} here and {lease.count} in another process of this bot "
                    f"({lease.owner}): set the same number everywhere. To change it, stop all of them first."
                )
