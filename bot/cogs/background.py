"""Work that goes on beside the commands until the bot closes. Started and closed by the client, on the event loop."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from bot.errors import StoreError

CLOSE_TIMEOUT_S: Final = 5.0

_log = logging.getLogger(__name__)


class BackgroundLoop:
    """Does `work` at its start, whenever it is woken, and every `interval_s`; a failure is logged and tried again then.

    Make it on the running event loop. name: for the log. What `work` has begun must survive that it is cancelled.
    """

    def __init__(self, name: str, work: Callable[[], Awaitable[None]], *, interval_s: float) -> None:
        self._name = name
        self._work = work
        self._interval_s = interval_s
        self._is_woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Once."""
        assert self._task is None
        self._task = asyncio.create_task(self._run(), name=self._name)

    def wake(self) -> None:
        """There is work now. What comes while it works is seen to afterwards."""
        self._is_woken.set()

    async def aclose(self) -> None:
        """Stops it wherever it is."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=CLOSE_TIMEOUT_S)

    async def _run(self) -> None:
        while True:
            self._is_woken.clear()
            try:
                await self._work()
            except (StoreError, TimeoutError) as error:
                _log.warning("%s: %s", self._name, str(error) or type(error).__name__)
            except Exception:
                _log.exception("%s failed", self._name)
            try:
                async with asyncio.timeout(self._interval_s):
                    await self._is_woken.wait()
            except TimeoutError:
                continue
