"""Submits a job and reads its updates with a time limit, losing none. Used by the cogs, on the event loop.

Cancelling a stream's `__anext__` could swallow an update, so a read that takes too long is kept and waited for again.
"""

import asyncio
from typing import Any, Final

from bot.executor.base import Executor, UpdateStream
from bot.executor.scheduler import Alone
from bot.requests import GenerationRequest, Queued, Update

FIRST_UPDATE_TIMEOUT_S: Final = 0.25


class UpdateReader:
    """The one reader of a stream. Close it, or the read under way stays behind."""

    def __init__(self, stream: UpdateStream) -> None:
        self._updates = aiter(stream)
        self._read: asyncio.Future[Update] | None = None

    async def next(self, timeout_s: float, *unless: asyncio.Future[Any]) -> Update | None:
        """The next update, or None after `timeout_s` seconds or as soon as one of `unless` is done.

        Raises what the stream raises: JobCancelledError, JobFailedError or ExecutorClosedError.
        """
        if self._read is None:
            self._read = asyncio.ensure_future(anext(self._updates))
        await asyncio.wait({self._read, *unless}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if not self._read.done():
            return None
        read, self._read = self._read, None
        return read.result()

    async def aclose(self) -> None:
        """Gives up the read under way, whatever comes of it."""
        if self._read is not None:
            read, self._read = self._read, None
            read.cancel()
            await asyncio.gather(read, return_exceptions=True)


async def submit_job(
    executor: Executor,
    request: GenerationRequest,
    *,
    accepted_before: bool = False,
    alone: Alone | None = None,
) -> tuple[UpdateReader, Update]:
    """The job's updates and the first of them, which a slow executor may leave to be guessed.

    accepted_before, alone: as for Executor.submit. Raises QueueFullError, UserLimitError or ExecutorClosedError.
    """
    updates = UpdateReader(await executor.submit(request, accepted_before=accepted_before, alone=alone))
    first = await updates.next(FIRST_UPDATE_TIMEOUT_S)
    return updates, first or Queued(max(1, executor.status.num_queued))
