"""Decisions about cases: the buttons in the moderators' channel, the guild's default once time is over, what follows.

A decision is one statement in the store, so it is made once whoever presses; what follows can be done again, and is
after a restart. Called by the presses, and by its own loop; on the event loop.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NoReturn, Protocol

import discord

from bot.cogs.appeal_board import AppealBoard
from bot.cogs.background import BackgroundLoop
from bot.cogs.case_sanctions import CaseSanctions
from bot.cogs.permissions import guild_of
from bot.cogs.review_board import ReviewBoard
from bot.cogs.review_page import decided_text, parse_decision
from bot.errors import DalleBotError, JobEndedError, StoreError, UnknownControlError
from bot.moderation.cases import CaseKind, Decision, outcome_of
from bot.store import FINAL_STATES, CaseRecord, Store
from bot.views.custom_id import CustomId

INTERVAL_S: Final = 30.0
BATCH_CASES: Final = 20
# A button does three of these within Discord's 3 seconds.
READ_TIMEOUT_S: Final = 0.5
DECIDE_TIMEOUT_S: Final = 1.2
FOLLOW_TIMEOUT_S: Final = 120.0
CLOSE_TIMEOUT_S: Final = 5.0
RETRIES_LAST: Final = timedelta(days=7)  # what fails for longer must not keep others from their turn

_log = logging.getLogger(__name__)


class CaseFollower(Protocol):
    """Does what follows from a decided case of one kind."""

    async def follow(self, case: CaseRecord) -> None:
        """May be called again for the same case after a restart, so it finds out by itself what is left to do."""


class Reviewing:
    """followers: by kind of case. sanctions: that decisions bring. now: aware. Close it before the store."""

    def __init__(
        self,
        store: Store,
        *,
        board: ReviewBoard,
        appeals: AppealBoard,
        followers: Mapping[CaseKind, CaseFollower],
        sanctions: CaseSanctions,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._board = board
        self._appeals = appeals
        self._followers = followers
        self._sanctions = sanctions
        self._now = now
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = BackgroundLoop("cases for moderators", self.look, interval_s=INTERVAL_S)

    def start(self) -> None:
        """Once the gateway's login is done."""
        self._loop.start()

    def wake(self) -> None:
        """There is a new case or appeal, or a new channel for those that are open."""
        self._loop.wake()

    async def aclose(self) -> None:
        """Stops looking; what follows from decisions is given a moment, and the next start goes on with the rest."""
        await self._loop.aclose()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=CLOSE_TIMEOUT_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def press(self, interaction: discord.Interaction[Any], pressed: CustomId) -> None:
        """A button of a case.

        Raises JobEndedError if somebody was faster, UnknownControlError, StoreError and what
        CaseSanctions.check does."""
        guild_id = guild_of(interaction)
        said = parse_decision(pressed.argument)
        if said is None:
            raise UnknownControlError
        number, decision = said
        known = await self._known(guild_id, number)
        if known is None or known.job_id != pressed.job_id:
            raise UnknownControlError
        if known.decision is None and await self._has_ended(known):
            withdrawn = await self._decide_in_time(guild_id, number, Decision.WITHDRAWN, by=None)
            if withdrawn is not None:
                self._begin(self.follow(withdrawn))
                said_already = decided_text(withdrawn)
                raise JobEndedError(said_already)
            await self._refuse_decided(guild_id, number)
        if known.decision is None and (outcome_of(decision).is_struck or outcome_of(decision).is_banned):
            await interaction.response.defer()
            await self._sanctions.check(interaction, known)
        case = await self._decide_in_time(guild_id, number, decision, by=interaction.user.id)
        if case is None:
            await self._refuse_decided(guild_id, number)
        if not interaction.response.is_done():
            await interaction.response.defer()
        self._begin(self.follow(case, interaction))

    async def _refuse_decided(self, guild_id: int, number: int) -> NoReturn:
        """Raises JobEndedError, which says who was faster, and StoreError."""
        known = await self._known(guild_id, number)
        assert known is not None
        self._begin(self._board.update(known))
        said_already = decided_text(known)
        raise JobEndedError(said_already)

    async def _decide_in_time(
        self, guild_id: int, number: int, decision: Decision, *, by: int | None
    ) -> CaseRecord | None:
        try:
            async with asyncio.timeout(DECIDE_TIMEOUT_S):
                return await self._store.cases.decide(guild_id, number, decision, by=by, at=self._now())
        except TimeoutError as error:
            raise StoreError(f"Case {number} could not be decided in time.") from error

    async def _known(self, guild_id: int, number: int) -> CaseRecord | None:
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                return await self._store.cases.get(guild_id, number)
        except TimeoutError as error:
            raise StoreError(f"Case {number} could not be read in time.") from error

    async def look(self) -> None:
        """What nobody decided in time, what a stop of the bot left, what has no message. Raises StoreError."""
        for case in await self._store.cases.due(self._now(), BATCH_CASES):
            settings = await self._store.guilds.settings(case.guild_id)
            await self._decide(case, Decision(settings.review_default))
        await self.withdraw_ended()
        for case in await self._store.cases.unapplied(self._now() - RETRIES_LAST, BATCH_CASES):
            if not self._tasks:
                await self.follow(case)
        await self._board.forget_lost()
        await self._appeals.forget_lost()
        await self._post(self._store.cases.unposted, self._board.post)
        await self._post(self._store.sanctions.unposted_appeals, self._appeals.post)

    async def _post(
        self,
        waiting: Callable[[int, Collection[int]], Awaitable[Sequence[Any]]],
        post: Callable[[Any], Awaitable[bool]],
    ) -> None:
        """Some of what has no message. Guilds whose channels take none don't keep others from their turn."""
        num_posted, closed = 0, set[int]()
        while num_posted < BATCH_CASES and (found := await waiting(BATCH_CASES, closed)):
            for each in found:
                if each.guild_id in closed:
                    continue
                if await post(each):
                    num_posted += 1
                else:
                    closed.add(each.guild_id)

    async def withdraw_ended(self) -> None:
        """Closes cases of jobs that were cancelled or deleted while they waited. Raises StoreError."""
        for case in await self._store.cases.orphaned(BATCH_CASES):
            await self._decide(case, Decision.WITHDRAWN)

    async def _has_ended(self, case: CaseRecord) -> bool:
        """Whether the job that a case holds doesn't wait any more."""
        if case.kind is CaseKind.REPORT:
            return False
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                job = await self._store.jobs.get(case.job_id)
        except TimeoutError as error:
            raise StoreError(f"The job of case {case.number} could not be read in time.") from error
        return job is None or job.state in FINAL_STATES

    async def follow(self, case: CaseRecord, by: discord.Interaction[Any] | None = None) -> None:
        """Everything that comes of a decision. by: of whoever made it just now.

        Raises nothing: what fails is tried again by the loop.
        """
        try:
            async with asyncio.timeout(FOLLOW_TIMEOUT_S):
                await self._followers[case.kind].follow(case)
                await self._sanctions.punish(case, by)
                await self._board.update(case)
                await self._store.cases.set_applied(case.guild_id, case.number, self._now())
        except (DalleBotError, TimeoutError) as error:
            _log.warning("case %d of guild %d: %s", case.number, case.guild_id, str(error) or type(error).__name__)
        except Exception:
            _log.exception("case %d of guild %d could not be brought to its end", case.number, case.guild_id)

    async def _decide(self, case: CaseRecord, decision: Decision) -> None:
        decided = await self._store.cases.decide(case.guild_id, case.number, decision, by=None, at=self._now())
        if decided is not None:
            await self.follow(decided)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="what follows from a decision")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
