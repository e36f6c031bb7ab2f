"""Deletes what a guild doesn't want to be kept any longer, some jobs at a time. Started by the client; event loop.

What it deletes is the bot's own: records, files and what belongs to them. Messages stay where they are.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from bot.cogs.audit_notes import AuditNotes
from bot.cogs.background import BackgroundLoop
from bot.pictures import PictureFolder
from bot.store import AuditAction, AuditRecord, Store

INTERVAL_S: Final = 60 * 60.0
BATCH_JOBS: Final = 50
PAUSE_S: Final = 1.0  # between batches, so that others get at the disk and the database
FILES_TIMEOUT_S: Final = 60.0

_log = logging.getLogger(__name__)


class Retention:
    """notes: get how many were deleted at a time. now: an aware time. Close it before them. A restart goes on where it
    was, since what is deleted is gone."""

    def __init__(
        self,
        *,
        store: Store,
        pictures: PictureFolder,
        notes: AuditNotes,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        pause_s: float = PAUSE_S,
    ) -> None:
        self._store = store
        self._pictures = pictures
        self._notes = notes
        self._now = now
        self._pause_s = pause_s
        self._loop = BackgroundLoop("deleting what is past its time", self.enforce, interval_s=INTERVAL_S)

    def start(self) -> None:
        """Once now, and every INTERVAL_S."""
        self._loop.start()

    async def aclose(self) -> None:
        """Stops wherever it is."""
        await self._loop.aclose()

    async def enforce(self) -> None:
        """Goes through all guilds with settings of their own. Raises StoreError and TimeoutError."""
        for guild_id in await self._store.guilds.ids():
            days = (await self._store.guilds.settings(guild_id)).retention_days
            if days:
                await self._enforce(guild_id, days)

    async def _enforce(self, guild_id: int, days: int) -> None:
        before, num_deleted = self._now() - timedelta(days=days), 0
        try:
            while jobs := await self._store.erasures.expired(guild_id, before, BATCH_JOBS):
                for job in jobs:
                    async with asyncio.timeout(FILES_TIMEOUT_S):
                        await asyncio.to_thread(self._pictures.delete, job.id)
                    await self._store.erasures.erase_job(job.id)
                    num_deleted += 1
                await asyncio.sleep(self._pause_s)
        finally:
            if num_deleted:
                _log.info("guild %d: %d jobs were past their time and are deleted", guild_id, num_deleted)
                details = {"deleted": num_deleted, "days": days}
                await self._notes.add(
                    AuditRecord(guild_id=guild_id, action=AuditAction.RESULTS_EXPIRED, details=details)
                )
