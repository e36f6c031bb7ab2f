"""Deletes a delivered result: mark, codes, files, messages; the job's record stays. Used by deletions, event loop.

Pictures of results whose reports are before moderators may have to stay until these have decided. Every step may be
done twice, so a call after a failure goes on from there.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from bot.cogs.message_removal import Left, MessageRemoval
from bot.pictures import PictureFolder
from bot.store import AuditRecord, CaseRecord, JobRecord, Store

STORE_TIMEOUT_S: Final = 10.0
FILES_TIMEOUT_S: Final = 30.0


class ResultRemoval:
    """Methods may raise StoreError and TimeoutError. on_kept: called for a result whose pictures stay for moderators,
    since its reports are before them; None if none stay, as these have decided."""

    def __init__(
        self,
        store: Store,
        pictures: PictureFolder,
        removal: MessageRemoval,
        on_kept: Callable[[CaseRecord], Awaitable[None]] | None = None,
    ) -> None:
        self._store = store
        self._pictures = pictures
        self._removal = removal
        self._on_kept = on_kept

    async def remove(self, job: JobRecord, record: AuditRecord) -> tuple[Left, ...]:
        """Messages that could not be deleted. record: is written with the first call of a job's."""
        async with asyncio.timeout(STORE_TIMEOUT_S):
            await self._store.jobs.delete(job.id, record=record)
            # After the mark: whoever decides from now on sees it, and deletes the rest.
            reported = None if self._on_kept is None else await self._store.cases.open_report(job.id)
            if reported is None:
                await self._store.images.delete(job.id)
        if reported is None:
            async with asyncio.timeout(FILES_TIMEOUT_S):
                await asyncio.to_thread(self._pictures.delete, job.id)
        left = await self._removal.remove_in_the_end(job)
        if reported is not None and self._on_kept is not None:
            await self._on_kept(reported)
        return left
