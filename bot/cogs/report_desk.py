"""What comes of a report: its case is brought up to date for moderators, and perhaps its result hidden. Event loop."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final
from weakref import WeakValueDictionary

from bot.cogs.background import BackgroundLoop
from bot.cogs.result_hiding import ResultHiding
from bot.cogs.review_board import ReviewBoard
from bot.cogs.reviewing import Reviewing
from bot.errors import StoreError
from bot.moderation.reporting import hides
from bot.store import CaseRecord, JobRecord, Store

STORE_TIMEOUT_S: Final = 10.0
INTERVAL_S: Final = 5 * 60.0
FOLLOWED_WITHIN: Final = timedelta(minutes=5)
MAX_READ: Final = 50
ALWAYS_TOLD: Final = 5
TOLD_EVERY: Final = 10
"""Reports of one case, of which each makes moderators see its message changed; a flood is told now and then."""

_log = logging.getLogger(__name__)


class ReportDesk:
    """reviewing: shows new cases to moderators, and follows decisions. now: an aware time. Close it before
    `reviewing`.
    """

    def __init__(
        self,
        store: Store,
        *,
        hiding: ResultHiding,
        board: ReviewBoard,
        reviewing: Reviewing,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._hiding = hiding
        self._board = board
        self._reviewing = reviewing
        self._now = now
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._loop = BackgroundLoop("decided reports", self.go_on, interval_s=INTERVAL_S)

    def start(self) -> None:
        """Goes on with what the last run has left."""
        self._loop.start()

    async def aclose(self) -> None:
        """Stops; the next run goes on."""
        await self._loop.aclose()

    async def go_on(self) -> None:
        """Follows decisions again of which not every reporter has heard. Raises StoreError."""
        for guild_id, number in await self._store.reports.unfollowed(self._now() - FOLLOWED_WITHIN, MAX_READ):
            case = await self._store.cases.get(guild_id, number)
            if case is not None:
                await self._reviewing.follow(case)

    async def result_deleted(self, case: CaseRecord) -> None:
        """Lets moderators see that what an open case is about was deleted. Raises nothing."""
        try:
            await self._board.update(case)
        except (StoreError, TimeoutError) as error:
            _log.warning("case %d of guild %d: %s", case.number, case.guild_id, str(error) or type(error).__name__)

    async def reported(self, case: CaseRecord, job: JobRecord) -> None:
        """One report of a job after the other. Raises nothing: the report is stored, and the reporter was told."""
        turn = self._turns.setdefault(job.id, asyncio.Lock())
        try:
            async with turn:
                await self._see_to(case, job)
        except (StoreError, TimeoutError) as error:
            _log.warning("case %d of guild %d: %s", case.number, case.guild_id, str(error) or type(error).__name__)

    async def _see_to(self, case: CaseRecord, job: JobRecord) -> None:
        async with asyncio.timeout(STORE_TIMEOUT_S):
            number = await self._store.reports.num_of_case(case.guild_id, case.number)
            settings = await self._store.guilds.settings(case.guild_id)
        if hides(settings, number):
            await self._hiding.hide(job, case.number, number)
        async with asyncio.timeout(STORE_TIMEOUT_S):
            now = await self._store.cases.get(case.guild_id, case.number)
        if now is None or now.decision is not None:
            return
        if now.message_id is None:
            self._reviewing.wake()
        elif number <= ALWAYS_TOLD or number % TOLD_EVERY == 0:
            await self._board.update(now)
