"""Ends here what another process of the bot has cancelled. Started by the services where several processes share a
database; event loop.

Whoever cancels a job that another process draws moves it in the store, in one transaction, and that is the end of it:
the process that draws it can't move it any further, and shows no pictures of a job that it can't move. So this is no
matter of what is right, but of slots that should be free soon, and of a message that should say so.
"""

import asyncio
import logging
from typing import Final

from bot.cogs.background import BackgroundLoop
from bot.cogs.delivery import Deliveries
from bot.errors import StoreError
from bot.store import JobStore

INTERVAL_S: Final = 1.0
STORE_TIMEOUT_S: Final = 5.0

_log = logging.getLogger(__name__)


class CancelWatch:
    """Asks the store once a second about the jobs that are being delivered, by their ids; not at all where none is."""

    def __init__(self, store: JobStore, deliveries: Deliveries) -> None:
        self._store = store
        self._deliveries = deliveries
        self._is_unread = False
        self._refused: set[str] = set()
        self._loop = BackgroundLoop("what other processes have cancelled", self.look, interval_s=INTERVAL_S)

    def start(self) -> None:
        """Once."""
        self._loop.start()

    async def aclose(self) -> None:
        """Stops wherever it is."""
        await self._loop.aclose()

    async def look(self) -> None:
        """Once. What the store or the executor refuses is tried again the next time, and told once."""
        followed = self._deliveries.followed
        if not followed:
            return
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                cancelled = await self._store.cancelled(followed)
        except (StoreError, TimeoutError) as error:
            if not self._is_unread:
                reason = str(error) or type(error).__name__
                _log.warning("what other processes have cancelled could not be read, and is later: %s", reason)
            self._is_unread = True
            return
        self._is_unread = False
        self._refused &= cancelled.keys()
        for job_id, sentence in cancelled.items():
            is_new = job_id not in self._refused
            if is_new:
                _log.info("job %s was cancelled by another process", job_id, extra={"job_id": job_id})
            try:
                await self._deliveries.cancelled_elsewhere(job_id, sentence)
            except Exception:
                self._refused.add(job_id)
                if is_new:
                    _log.exception("job %s could not be ended, which is tried again", job_id, extra={"job_id": job_id})
