"""Whose turn it is to write to a database that takes one writer at a time. Used by the Database, on the event loop.

SQLite lets writers wait by asking again and again, each on a thread of its own, and whoever asks at the right moment is
next. With dozens of jobs under way some never are. Here they queue up, and nobody asks in vain.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from heapq import heappop, heappush
from itertools import count


class WriteTurns:
    """One holder at a time: urgent ones first, and of equals whoever came first."""

    def __init__(self) -> None:
        self._is_taken = False
        self._numbers = count()
        self._waiting: list[tuple[bool, int, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def turn(self, *, is_urgent: bool) -> AsyncIterator[None]:
        """Waits for its turn and has it inside the block. Whoever is cancelled meanwhile passes it on."""
        if self._is_taken:
            mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heappush(self._waiting, (not is_urgent, next(self._numbers), mine))
            try:
                await mine
            except asyncio.CancelledError:
                if mine.done() and not mine.cancelled():
                    self._pass_on()
                raise
        self._is_taken = True
        try:
            yield
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        """It stays taken where somebody waits, so that nobody slips in before they wake up."""
        while self._waiting:
            _, _, following = heappop(self._waiting)
            if not following.done():
                following.set_result(None)
                return
        self._is_taken = False
