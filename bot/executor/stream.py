"""The updates of one job on their way to one reader. Event loop only."""

import asyncio
from collections.abc import AsyncIterator

from bot.errors import JobError
from bot.requests import Finished, Update


class JobStream:
    """An UpdateStream that holds at most one unread update of each kind: a newer one takes the older one's place.

    Kinds arrive in the order Queued, Started, Progress, Finished, so replacing keeps the order. An error that ended
    the job is raised after what was unread, and again by every later read.
    """

    def __init__(self) -> None:
        self._unread: dict[type[Update], Update] = {}
        self._error: JobError | None = None
        self._has_ended = False
        self._changed = asyncio.Event()

    def push(self, update: Update) -> None:
        """Hands on an update; Finished is the last."""
        assert not self._has_ended
        self._unread[type(update)] = update
        self._has_ended = isinstance(update, Finished)
        self._changed.set()

    def fail(self, error: JobError) -> None:
        """Ends the stream with an error."""
        assert not self._has_ended
        self._error = error
        self._has_ended = True
        self._changed.set()

    def __aiter__(self) -> AsyncIterator[Update]:
        return self

    async def __anext__(self) -> Update:
        while not self._unread:
            if self._error is not None:
                raise self._error
            if self._has_ended:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._unread.pop(next(iter(self._unread)))
