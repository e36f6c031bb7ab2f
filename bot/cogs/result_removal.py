"""Deletes a delivered result: mark, codes, files, messages; the job's record stays. Used by deletions, event loop.

Every step may be done twice, so a call after a failure goes on from there.
"""

import asyncio
from typing import Final

from bot.cogs.message_removal import Left, MessageRemoval
from bot.pictures import PictureFolder
from bot.store import AuditRecord, JobRecord, Store

STORE_TIMEOUT_S: Final = 10.0
FILES_TIMEOUT_S: Final = 30.0


class ResultRemoval:
    """Methods may raise StoreError and TimeoutError."""

    def __init__(self, store: Store, pictures: PictureFolder, removal: MessageRemoval) -> None:
        self._store = store
        self._pictures = pictures
        self._removal = removal

    async def remove(self, job: JobRecord, record: AuditRecord) -> tuple[Left, ...]:
        """Messages that could not be deleted. record: is written with the first call of a job's."""
        async with asyncio.timeout(STORE_TIMEOUT_S):
            await self._store.jobs.delete(job.id, record=record)
            await self._store.images.delete(job.id)
        async with asyncio.timeout(FILES_TIMEOUT_S):
            await asyncio.to_thread(self._pictures.delete, job.id)
        return await self._removal.remove_in_the_end(job)
