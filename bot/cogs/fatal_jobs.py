"""Jobs that the bot does not survive, told apart from their neighbours. Used by whoever takes jobs up, and closed with
the client, on the event loop.

The policy is suspects.py's; here it is kept beside the jobs. A store that fails costs what would have been learnt, and
no job. Once the fence is closed another process may keep this one's shards, and count where it has counted.
"""

import asyncio
import hashlib
import logging
from collections.abc import Collection
from functools import partial
from typing import Final

from bot.errors import StoreError
from bot.executor.base import EngineState, Executor
from bot.executor.scheduler import Alone
from bot.fence import Fence, FenceClosedError
from bot.moderation.suspects import Suspects
from bot.shards import Shards
from bot.store import JobOutline, JobState, Store

STORE_TIMEOUT_S: Final = 4.0
KEY: Final = "ends of the bot"

_WAITING: Final = frozenset({JobState.RECEIVED, JobState.ACKNOWLEDGED, JobState.QUEUED})

_log = logging.getLogger(__name__)


class FatalJobs:
    """Of one run. executor: whose end is not one in peace if its engine was lost. fence: of its shards."""

    def __init__(self, store: Store, executor: Executor, fence: Fence) -> None:
        self._values = store.values
        self._key = key_of(store.shards)
        self._executor = executor
        self._fence = fence
        self._known: Suspects | None = None

    @property
    def have_counted(self) -> bool:
        """Whether the end of the last run is known."""
        return self._known is not None

    async def count(self, left: Collection[JobOutline]) -> None:
        """Counts the end of the last run, unless that is done. left: the unfinished jobs that it has left."""
        if self._known is not None:
            return
        drawn = {job.id for job in left if job.state is JobState.RUNNING}
        waited = {job.id for job in left if job.state in _WAITING}
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                before = await self._values.get(self._key)
        except (StoreError, TimeoutError) as error:
            _log.warning("how the last run ended is not known: %s", str(error) or type(error).__name__)
            return
        try:
            last = Suspects() if before is None else Suspects.from_json(before)
        except ValueError as error:
            _log.warning("how the last run ended is not known: %s", error)
            last = Suspects()
        self._known = last.at_start(drawn=drawn, waited=waited)
        suspects = [job_id for job_id in sorted(drawn | waited) if self._known.is_suspect(job_id)]
        if suspects:
            _log.warning(
                "the bot ended while it drew; these are drawn first, and alone if the engine is its own: %s",
                ", ".join(suspects),
            )
        await self._keep()

    def is_fatal(self, job_id: str) -> bool:
        """Whether it is to be given up."""
        return self._known is not None and self._known.is_fatal(job_id)

    def alone(self, job_id: str) -> Alone | None:
        """For the executor, if a job is to be drawn by itself; None for one that may be drawn beside others."""
        if self._known is None or not self._known.is_suspect(job_id):
            return None
        return partial(self._draw_alone, job_id)

    async def aclose(self) -> None:
        """This run ends in peace, unless its engine was lost while it could draw. Safe to call twice."""
        status = self._executor.status
        if self._known is None or (status.state is EngineState.FAILED and status.info is not None):
            return
        if self._known.is_open:
            self._known = self._known.closed()
            await self._keep()

    async def _draw_alone(self, job_id: str, is_alone: bool) -> None:
        if self._known is not None:
            self._known = self._known.drawing(job_id if is_alone else None)
            await self._keep()

    async def _keep(self) -> None:
        assert self._known is not None
        try:
            async with self._fence.passing(), asyncio.timeout(STORE_TIMEOUT_S):
                await self._values.set(self._key, self._known.to_json())
        except (FenceClosedError, StoreError, TimeoutError) as error:
            _log.warning("how this run ends may not be known: %s", str(error) or type(error).__name__)


def key_of(shards: Shards) -> str:
    """Where it is kept: each process counts its own jobs. As short as the store needs it, however many shards."""
    return KEY if shards.are_all else f"{KEY}/{hashlib.sha256(str(shards).encode()).hexdigest()}"
