"""Records of what the bot did by itself, beside an answer that must not wait for them. Used by the checks of prompts
and pictures, and by the retention; on the event loop.

What the store does not take at once is tried again in the background, for about an hour. After that, and for what is
left when the bot closes, the log has the record.
"""

import asyncio
import logging
from typing import Final

from bot.errors import StoreError
from bot.store import AuditRecord, AuditStore

WAIT_S: Final = 0.5
STORE_TIMEOUT_S: Final = 10.0
CLOSE_TIMEOUT_S: Final = 3.0
RETRY_PAUSES_S: Final = (1.0, 5.0, 15.0, *[60.0] * 60)
MAX_WAITING: Final = 500

_log = logging.getLogger(__name__)


class AuditNotes:
    """Make it on the running event loop. Close it before the store, after whoever uses it."""

    def __init__(self, audit: AuditStore, *, pauses_s: tuple[float, ...] = RETRY_PAUSES_S) -> None:
        self._audit = audit
        self._pauses_s = pauses_s
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def add(self, record: AuditRecord, *, is_once: bool = False) -> None:
        """Raises nothing, and waits for WAIT_S at most. is_once: not if there is one of this action for this user and
        job."""
        if len(self._tasks) >= MAX_WAITING:
            _log.error("%d records wait for the database, so this one is only here: %s", MAX_WAITING, record)
            return
        task = asyncio.create_task(self._add(record, is_once=is_once), name="record for the audit")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.wait({task}, timeout=WAIT_S)

    async def aclose(self) -> None:
        """Tries what waits once more; bounded."""
        if not self._closing.done():
            self._closing.set_result(None)
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=CLOSE_TIMEOUT_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _add(self, record: AuditRecord, *, is_once: bool) -> None:
        is_stored = False
        try:
            is_stored = await self._try(record, is_once=is_once)
            for pause_s in self._pauses_s:
                if is_stored or self._closing.done():
                    break
                await asyncio.wait({self._closing}, timeout=pause_s)
                is_stored = await self._try(record, is_once=is_once)
        finally:
            if not is_stored:
                _log.error("the database did not take this record, so it is only here: %s", record)

    async def _try(self, record: AuditRecord, *, is_once: bool) -> bool:
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                if not (is_once and await self._audit.knows(record)):
                    await self._audit.add(record)
        except (StoreError, TimeoutError) as error:
            _log.warning("the audit did not take a record yet: %s", str(error) or type(error).__name__)
            return False
        return True
