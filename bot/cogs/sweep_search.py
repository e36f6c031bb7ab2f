"""Finds what a sweep means, among results of a guild: by the store, by their words, by their pictures. Event loop.

Words and pictures are looked at on the threads for pictures.
"""

import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from bot.cogs.picture_threads import PictureThreads
from bot.errors import StoreError
from bot.kept_png import decode_png
from bot.moderation.likeness import PictureHash, hash_picture
from bot.moderation.sweeping import Sweep, SweepCriteria
from bot.pictures import PictureFolder
from bot.store import JobRecord, Store

PAGE_JOBS: Final = 200
PICTURE_JOBS: Final = 10  # looked at in one go
STEP_TIMEOUT_S: Final = 60.0
DRY_RUN_S: Final = 45.0
MAX_EXAMPLES: Final = 5

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """num_jobs: results that are meant; is_cut: there may be more, as the time was up. examples: the newest of them."""

    num_jobs: int
    is_cut: bool
    examples: tuple[JobRecord, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """Results that were looked at, newest first, and which of them are meant."""

    seen: Sequence[JobRecord]
    meant: Sequence[JobRecord]


class SweepSearch:
    """Methods may raise StoreError and TimeoutError. clock: seconds, as time.monotonic."""

    def __init__(
        self,
        store: Store,
        pictures: PictureFolder,
        threads: PictureThreads,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._pictures = pictures
        self._threads = threads
        self._clock = clock

    async def dry_run(self, guild_id: int, criteria: SweepCriteria, before: datetime) -> Found:
        """Counts for DRY_RUN_S at most."""
        num_jobs, examples, end_s = 0, list[JobRecord](), self._clock() + DRY_RUN_S
        async for step in self.steps(guild_id, criteria, before):
            num_jobs += len(step.meant)
            examples += step.meant[: MAX_EXAMPLES - len(examples)]
            if self._clock() >= end_s:
                return Found(num_jobs, is_cut=True, examples=tuple(examples))
        return Found(num_jobs, is_cut=False, examples=tuple(examples))

    async def steps(
        self,
        guild_id: int,
        criteria: SweepCriteria,
        before: datetime,
        cursor: tuple[datetime, str] | None = None,
    ) -> AsyncIterator[Step]:
        """Everything that may be meant, newest first, some at a time. before, cursor: as SweepStore.candidates."""
        blocked = await self._store.blocked_hashes.of(guild_id) if criteria.is_blocked else ()
        sweep = await self._threads.run(STEP_TIMEOUT_S, Sweep, criteria, blocked)
        limit = PICTURE_JOBS if sweep.needs_pictures else PAGE_JOBS
        while True:
            jobs = await self._store.sweeps.candidates(guild_id, criteria, limit, before=before, cursor=cursor)
            if jobs:
                yield Step(jobs, await self._threads.run(STEP_TIMEOUT_S, self._meant, sweep, jobs))
            if len(jobs) < limit:
                return
            cursor = (jobs[-1].created_at, jobs[-1].id)

    async def hashes_of(self, job: JobRecord) -> list[PictureHash]:
        """Of those pictures of a job that are still on disk and not plain."""
        hashes = await self._threads.run(STEP_TIMEOUT_S, self._hashes, job)
        return [each for each in hashes if each is not None]

    def _meant(self, sweep: Sweep, jobs: Sequence[JobRecord]) -> list[JobRecord]:
        fitting = (job for job in jobs if sweep.fits_prompt(job.prompt, job.negative_prompt))
        return [job for job in fitting if not sweep.needs_pictures or sweep.fits_pictures(self._hashes(job))]

    def _hashes(self, job: JobRecord) -> list[PictureHash | None]:
        found = (self._pictures.load(job.id, rank) for rank in range(1, job.num_images + 1))
        return [_hash_png(png) for png in found if png is not None]


def _hash_png(png: bytes) -> PictureHash | None:
    try:
        return hash_picture(np.asarray(decode_png(png)))
    except StoreError as error:
        _log.warning("a picture could not be compared: %s", error)
        return None
