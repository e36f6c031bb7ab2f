"""Jobs that the store holds unfinished while nobody does anything about them: a stop has left them, or an outage of
Discord or of the database that was longer than anybody waits. They are taken up one after the other, oldest first.
Started by the client, before the gateway connects; event loop.

There may be more of them than fit: they are read in pages, and the next one waits until something has ended. One that
can't be taken up, or ends unfinished again, has its next turn after a pause that grows; others don't wait for it.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import aiohttp
import discord

from bot.catalogues import Languages
from bot.cogs.background import BackgroundLoop
from bot.cogs.delivery import Deliveries
from bot.cogs.fatal_jobs import FatalJobs
from bot.cogs.resubmitting import Resubmitting
from bot.cogs.resume import Resuming
from bot.errors import DalleBotError, ExecutorClosedError, StoreError
from bot.render import render_failure
from bot.store import JobRecord, JobState, Store

INTERVAL_S: Final = 60.0
PAGE_JOBS: Final = 100
START_S: Final = 30.0  # for the first round, before the gateway connects; what it does not reach is the next one's
PAUSES_S: Final = (60.0, 120.0, 240.0, 600.0)  # between the turns of one job; the last one again and again
ANSWERED_WITHIN_S: Final = 120.0
STORE_TIMEOUT_S: Final = 10.0
SHOWN_AGAIN_WITHIN: Final = timedelta(minutes=1)

_FAILURES: Final = (DalleBotError, discord.HTTPException, aiohttp.ClientError, OSError)  # OSError: TimeoutError too

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Turns:
    """Of one job. next_s: when it has its next one. told: why it waits, and in which state, as the log knows it."""

    next_s: float
    num_taken: int = 0
    told: tuple[JobState, str] | None = None


class UnfinishedJobs:
    """clock: seconds, as time.monotonic. pauses_s: see PAUSES_S. Close it before the deliveries."""

    def __init__(
        self,
        *,
        store: Store,
        resubmitting: Resubmitting,
        deliveries: Deliveries,
        fatal: FatalJobs,
        languages: Languages,
        clock: Callable[[], float] = time.monotonic,
        pauses_s: tuple[float, ...] = PAUSES_S,
    ) -> None:
        self._store = store
        self._resubmitting = resubmitting
        self._deliveries = deliveries
        self._fatal = fatal
        self._languages = languages
        self._clock = clock
        self._pauses_s = pauses_s
        self._resuming = Resuming(store=store, resubmitting=resubmitting, deliveries=deliveries, languages=languages)
        self._turns: dict[str, _Turns] = {}
        self._is_unread = False
        self._loop = BackgroundLoop("unfinished jobs", self.look, interval_s=INTERVAL_S)

    async def begin(self) -> None:
        """Takes up as many as fit of those that the last run has left, while no new ones can come. Raises nothing."""
        await self._round(START_S, waits=False, answered_within_s=0.0)
        await self._show_cancelled()

    def start(self) -> None:
        """Goes on with the others, and looks again every INTERVAL_S."""
        self._loop.start()

    async def aclose(self) -> None:
        """Stops wherever it is; the next start goes on."""
        await self._loop.aclose()

    async def look(self) -> None:
        """Takes up every one whose turn it is, as soon as it fits. Raises nothing that the store raises."""
        if not await self._round(INTERVAL_S, waits=True, answered_within_s=ANSWERED_WITHIN_S):
            # From the oldest on again: it may have its turn by now.
            self._loop.wake()

    async def _round(self, limit_s: float, *, waits: bool, answered_within_s: float) -> bool:
        """False if some did not fit within limit_s. waits: for room. answered_within_s: how long a job without a
        message may be on its way."""
        end_s = self._clock() + limit_s
        found = set[str]()
        try:
            if not self._fatal.have_counted:
                await self._count_fatal()
            async with aclosing(self._pages()) as pages:
                async for job in pages:
                    found.add(job.id)
                    if not self._is_due(job, answered_within_s):
                        continue
                    if not await self._fits(job, end_s, waits=waits):
                        self._is_unread = False
                        return False
                    await self._take_up(job)
        except (StoreError, TimeoutError) as error:
            if not self._is_unread:
                reason = str(error) or type(error).__name__
                _log.error("unfinished jobs could not be read, and are later: %s", reason)
            self._is_unread = True
            return True
        self._is_unread = False
        self._turns = {job_id: turns for job_id, turns in self._turns.items() if job_id in found}
        return True

    async def _fits(self, job: JobRecord, end_s: float, *, waits: bool) -> bool:
        is_on_disk = job.state is JobState.DELIVERING
        while (now_s := self._clock()) < end_s:
            if self._deliveries.has_room(is_on_disk=is_on_disk):
                return True
            if not waits:
                return False
            await self._deliveries.wait_for_end(end_s - now_s)
        return False

    async def _count_fatal(self) -> None:
        """Once: while a job lives, its state says nothing about the last run."""
        async with asyncio.timeout(STORE_TIMEOUT_S):
            unfinished = await self._store.jobs.outlines()
        left = [job for job in unfinished if not self._deliveries.is_under_way(job.id)]
        if left:
            _log.info("%d unfinished jobs were found", len(left))
        await self._fatal.count(left)

    async def _pages(self) -> AsyncGenerator[JobRecord, None]:
        """Those of this process, oldest first. Raises StoreError and TimeoutError."""
        last: JobRecord | None = None
        while True:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                page = await self._store.jobs.unfinished(PAGE_JOBS, but=JobState.IN_REVIEW, after=last)
            for job in page:
                yield job
            if len(page) < PAGE_JOBS:
                return
            last = page[-1]

    def _is_due(self, job: JobRecord, answered_within_s: float) -> bool:
        if self._deliveries.is_under_way(job.id):
            return False
        turns = self._turns.get(job.id)
        if turns is None:
            # Not that anybody should be answering it; only another process could.
            wait_s = answered_within_s if job.state is JobState.RECEIVED else 0.0
            turns = self._turns[job.id] = _Turns(self._clock() + wait_s)
        return self._clock() >= turns.next_s

    async def _take_up(self, job: JobRecord) -> None:
        """Whatever happens, it is about this job alone."""
        if self._deliveries.is_under_way(job.id):
            return
        turns = self._turns[job.id]
        turns.next_s = self._clock() + self._pauses_s[min(turns.num_taken, len(self._pauses_s) - 1)]
        turns.num_taken += 1
        try:
            await self._resuming.take_up(job.id, is_fatal=self._fatal.is_fatal(job.id))
        except _FAILURES as error:
            level = logging.INFO if isinstance(error, ExecutorClosedError) else logging.WARNING
            self._tell(job, turns, level, error)
        except Exception as error:
            self._tell(job, turns, logging.ERROR, error)

    def _tell(self, job: JobRecord, turns: _Turns, level: int, error: Exception) -> None:
        """The log, once for each reason."""
        reason = str(error) or type(error).__name__
        if turns.told != (job.state, reason):
            turns.told = (job.state, reason)
            traceback = error if level == logging.ERROR else None
            _log.log(level, "job %s waits to be taken up: %s", job.id, reason, exc_info=traceback)

    async def _show_cancelled(self) -> None:
        """Says once more on their messages that jobs were cancelled: it is recorded first, so the bot may have died
        before it came to that. Private answers can't be edited any more, and nobody needs a direct message about it."""
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                jobs = await self._store.jobs.just_cancelled(SHOWN_AGAIN_WITHIN)
        except (StoreError, TimeoutError) as error:
            _log.warning("jobs that were just cancelled could not be read: %s", str(error) or type(error).__name__)
            return
        for job in jobs:
            message = self._resubmitting.message(job)
            if message is not None and not job.is_short_lived:
                sentence = job.error or self._languages.of(job.locale).text("The job was cancelled.")
                self._deliveries.show(job.id, message, render_failure(job.prompt, sentence))
