"""The updates of one job on their way to one reader. Event loop only."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from bot.errors import JobError
from bot.requests import Finished, Preview, Progress, Queued, Started, Update

_ORDER: Final[tuple[type[Update], ...]] = (Queued, Started, Progress, Preview, Finished)


class JobStream:
    """An UpdateStream that holds at most one unread update of each kind: a newer one takes the older one's place.

    A Preview keeps those pictures of the unread one that it does not have itself. Unread updates are given in the
    order Queued, Started, Progress, Preview, Finished. An error that ended the job is raised after what was unread,
    and again by every later read.
    """

    def __init__(self) -> None:
        self._unread: dict[type[Update], Update] = {}
        self._error: JobError | None = None
        self._has_ended = False
        self._changed = asyncio.Event()

    def push(self, update: Update) -> None:
        """Hands on an update; Finished is the last."""
        assert not self._has_ended
        unread = self._unread.get(type(update))
        if isinstance(update, Preview) and isinstance(unread, Preview):
            update = _merged(unread, update)
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
        return self._unread.pop(min(self._unread, key=_ORDER.index))


def _merged(older: Preview, newer: Preview) -> Preview:
    images = {image.index: image for image in (*older.images, *newer.images)}
    return Preview(tuple(images[index] for index in sorted(images)), newer.total_rows)
