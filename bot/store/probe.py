"""Whether the database takes what is written to it, found out by writing: it may be read for hours after it was locked,
moved away or has filled its disk. Asked by observing.py, for probes and scrapes, on the event loop.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from bot.errors import StoreError
from bot.store.values import ValueStore
from bot.telemetry.verdict import Check

EVERY_S: Final = 5.0
TIMEOUT_S: Final = 2.0
_NAME: Final = "store"
_KEY: Final = "readiness"

_log = logging.getLogger(__name__)


class StoreProbe:
    """every_s: how long a verdict is good for, however many ask. timeout_s: for a write. clock: monotonic seconds."""

    def __init__(
        self,
        values: ValueStore,
        *,
        every_s: float = EVERY_S,
        timeout_s: float = TIMEOUT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._values = values
        self._every_s = every_s
        self._timeout_s = timeout_s
        self._clock = clock
        self._turn = asyncio.Lock()
        self._newest: tuple[float, Check] | None = None
        self._writing: asyncio.Task[Check] | None = None

    async def check(self) -> Check:
        """The newest verdict; one that is too old is renewed first."""
        async with self._turn:
            if self._newest is None or self._clock() - self._newest[0] >= self._every_s:
                verdict = await self._renewed()
                self._newest = self._clock(), verdict
            return self._newest[1]

    async def aclose(self) -> None:
        """Before the store is closed."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.wait({self._writing}, timeout=self._timeout_s)

    async def _renewed(self) -> Check:
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(), name="probe of the store")
        # Not with asyncio.timeout: a driver whose server hangs takes its time to be cancelled.
        await asyncio.wait({self._writing}, timeout=self._timeout_s)
        if self._writing.done() and not self._writing.cancelled():
            return self._writing.result()
        if not self._writing.cancelling():
            self._writing.cancel()
        _log.warning("the store did not take a probe's write within %g s", self._timeout_s)
        return Check(_NAME, False, f"took no write within {self._timeout_s:g} s")

    async def _write(self) -> Check:
        began_s = self._clock()
        try:
            await self._values.set(_KEY, datetime.now(UTC).isoformat(timespec="seconds"), is_urgent=True)
        except StoreError as error:
            # The reason names files or hosts; it is in the log.
            _log.warning("the store did not take a probe's write: %s", error)
            return Check(_NAME, False, "takes no writes")
        return Check(_NAME, True, f"took a write in {self._clock() - began_s:.3f} s")
