"""Lets requests to Discord through only as long as this process has its shards. Made by app.py, closed by the shards'
owner, asked by every request; event loop.

Once it is closed another process may deliver what this one was at, so nothing more may go out: no request begins, and
those under way are broken off.
"""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator
from typing import Any, Final

import aiohttp

LOOK_S: Final = 0.5


class FenceClosedError(aiohttp.ClientConnectionError):
    """No request may go out any more. Whoever can't reach Discord gives up in the same way."""


class Fence:
    """Open until the moment that was set last. Once closed it stays so. Moments are the event loop's time."""

    def __init__(self) -> None:
        self._closes_s = math.inf
        self._under_way: set[asyncio.Timeout] = set()

    @property
    def is_closed(self) -> bool:
        return asyncio.get_running_loop().time() >= self._closes_s

    def close_at(self, moment_s: float) -> None:
        """Instead of the moment that was set before, unless that is over."""
        if self.is_closed:
            return
        self._closes_s = moment_s
        for timeout in self._under_way:
            if not timeout.expired():
                timeout.reschedule(moment_s)

    async def closed(self) -> None:
        """Returns once it is."""
        while not self.is_closed:
            left_s = self._closes_s - asyncio.get_running_loop().time()
            await asyncio.sleep(max(0.0, min(left_s, LOOK_S)))

    @contextlib.asynccontextmanager
    async def passing(self) -> AsyncIterator[None]:
        """Around a request with all its attempts. Raises FenceClosedError, and TimeoutError if it closes meanwhile."""
        self._check()
        async with asyncio.timeout_at(None if self._closes_s == math.inf else self._closes_s) as timeout:
            self._under_way.add(timeout)
            try:
                yield
            finally:
                self._under_way.discard(timeout)

    async def on_attempt(self, *_: Any) -> None:
        """For aiohttp, before each attempt: after a pause of the whole process its time may be over long since."""
        self._check()

    def _check(self) -> None:
        if self.is_closed:
            raise FenceClosedError("This process has lost its shards, so it sends nothing more to Discord.")
