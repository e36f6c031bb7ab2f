"""Calls of a store that is locked, full or gone, made again until it answers. Used where the end of an acknowledged job
depends on them, on the event loop.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Final, TypeVar

from bot.errors import ExecutorClosedError, IllegalMoveError, StoreError
from bot.language import Text

PAUSES_S: Final = (1.0, 5.0, 15.0, 60.0)  # the last one again and again
GOING_OFFLINE: Final = Text("The bot is going offline. Try again when it is back.")

_T = TypeVar("_T")

_log = logging.getLogger(__name__)


def repeated(pauses_s: tuple[float, ...]) -> Iterator[float]:
    """Each of them, and then the last one again and again."""
    yield from pauses_s
    while True:
        yield pauses_s[-1]


class StorePatience:
    """closing: done once the bot closes, which ends all attempts. pauses_s: waits between them, the last one again and
    again."""

    def __init__(self, closing: asyncio.Future[None], pauses_s: tuple[float, ...] = PAUSES_S) -> None:
        self._closing = closing
        self._pauses_s = pauses_s

    async def wait_for(
        self, work: Callable[[], Awaitable[_T]], *, name: str, on_fault: Callable[[], Awaitable[object]]
    ) -> _T:
        """What `work` returns, or raises but for faults of the store; it may be begun several times.

        name: for the log. on_fault: awaited once, after the first fault. Raises ExecutorClosedError if the bot closes
        before the store answers, and IllegalMoveError.
        """
        pauses, has_failed = repeated(self._pauses_s), False
        while True:
            try:
                return await work()
            except IllegalMoveError:
                raise
            except StoreError as error:
                if self._closing.done():
                    raise ExecutorClosedError(GOING_OFFLINE) from error
                if not has_failed:
                    _log.warning("%s waits for the database: %s", name, error)
            if not has_failed:
                has_failed = True
                await on_fault()
            await asyncio.wait({self._closing}, timeout=next(pauses))
