"""Takes up one job that the store holds and nobody does anything about. UnfinishedJobs calls it for each of them; event
loop.

A job with a message is submitted again and delivered to that message by the bot's own token, or, where that reaches
nothing, as a direct message. One whose pictures were on their way is delivered from disk, if they are there. The limits
on new jobs, which may be lower now, don't refuse what was accepted already. How a job is drawn and shown is what the
guild's settings say now; its share of the turns, and whether its user was trusted, is what it was. A job without a
message was never promised to anybody and is closed, unless its message is there and the bot could not note that. What
moderators are to see first goes on waiting.
"""

import asyncio
import logging
from typing import Final

from bot.catalogues import Languages
from bot.cogs.delivery import Deliveries
from bot.cogs.follower import AcceptedJob
from bot.cogs.job_message import JobMessage
from bot.cogs.resubmitting import Resubmitting
from bot.errors import DalleBotError, ExecutorClosedError, StoreError
from bot.moderation.cases import CaseKind, Outcome, outcome_of
from bot.store import FINAL_STATES, CaseRecord, JobRecord, JobState, Store

STORE_TIMEOUT_S: Final = 10.0

_log = logging.getLogger(__name__)


class Resuming:
    """Starts a delivery for a stored job, or ends it where that can't be and tells its user, in their language."""

    def __init__(
        self, *, store: Store, resubmitting: Resubmitting, deliveries: Deliveries, languages: Languages
    ) -> None:
        self._store = store
        self._resubmitting = resubmitting
        self._deliveries = deliveries
        self._languages = languages

    async def take_up(self, job_id: str, *, is_fatal: bool) -> None:
        """A job that isn't under way; nothing happens if it has ended meanwhile. is_fatal: the bot doesn't survive it.

        Raises StoreError, TimeoutError, ExecutorClosedError and what Discord refuses a search with; then it can be
        tried again.
        """
        # Once it is under way nobody else in this process moves it, so what is read from here on stays true.
        with self._deliveries.accepting(job_id, accepted_before=True):
            async with asyncio.timeout(STORE_TIMEOUT_S):
                job = await self._store.jobs.get(job_id)
            if job is None or job.state in FINAL_STATES or job.state is JobState.IN_REVIEW:
                return
            job = await self._with_message(job)
            language = self._languages.of(job.locale)
            message = self._resubmitting.message(job)
            if message is None:
                sentence = language.text("Nobody could be answered.")
                self._deliveries.reject(job.id, job.prompt, JobState.EXPIRED, sentence)
            elif job.deleted_at is not None:
                sentence = language.text("Its pictures were deleted.")
                self._deliveries.reject(job.id, job.prompt, JobState.FAILED, sentence)
            elif is_fatal:
                _log.error("job %s is given up: the bot ended again and again while it was drawn alone", job.id)
                sentence = language.text("The bot ended again and again while it drew this. Ask for something else.")
                self._deliveries.reject(job.id, job.prompt, JobState.FAILED, sentence, message=message)
            else:
                await self._go_on(job, message)

    async def _with_message(self, job: JobRecord) -> JobRecord:
        """The job, with its message if that has to be looked for and is found."""
        if job.state is not JobState.RECEIVED:
            return job
        found = await self._resubmitting.found_again(job)
        if found is None:
            return job
        _log.info("job %s had been answered: its message was found", job.id)
        return found

    async def _go_on(self, job: JobRecord, message: JobMessage) -> None:
        cases = await self._cases(job)
        if _is_held(cases):
            # It could not be noted before. What was decided about it meanwhile follows from there.
            async with asyncio.timeout(STORE_TIMEOUT_S):
                await self._store.jobs.move(job.id, JobState.IN_REVIEW)
            return
        try:
            self._deliveries.start(await self._accepted(job, message, cases))
        except (ExecutorClosedError, StoreError):
            raise
        except DalleBotError as error:
            language = self._languages.of(job.locale)
            sentence = language.text("This job could not be taken up again. {reason}", reason=error.text)
            self._deliveries.reject(job.id, job.prompt, JobState.FAILED, sentence, message=message)

    async def _accepted(self, job: JobRecord, message: JobMessage, cases: list[CaseRecord]) -> AcceptedJob:
        """Its pictures where they were on their way and are still on disk; otherwise it is drawn (again). What is drawn
        again nobody has approved."""
        if job.state is JobState.DELIVERING:
            finished = await self._resubmitting.finished(job, message, is_spoiler=job.is_spoiler)
            if finished is not None:
                return finished
        approved = _approved(cases)
        lost = approved.get(CaseKind.HELD_PICTURES)
        return await self._resubmitting.submit(
            job,
            message,
            redrawn_after=None if lost is None else lost.number,
            is_spoiler=any(_outcome(case).is_spoiler for case in approved.values()),
        )

    async def _cases(self, job: JobRecord) -> list[CaseRecord]:
        if job.guild_id is None:
            return []
        async with asyncio.timeout(STORE_TIMEOUT_S):
            return await self._store.cases.of_job(job.id)


def _is_held(cases: list[CaseRecord]) -> bool:
    """Whether moderators have not let a job's prompt be drawn. cases: newest first."""
    newest = next((case for case in cases if case.kind is CaseKind.HELD_PROMPT), None)
    return newest is not None and (newest.decision is None or not _outcome(newest).is_shown)


def _approved(cases: list[CaseRecord]) -> dict[CaseKind, CaseRecord]:
    """In which moderators have let it be drawn, and be shown. cases: newest first, so that the newest of a kind
    counts."""
    decided = {case.kind: case for case in reversed(cases) if case.decision is not None}
    return {kind: case for kind, case in decided.items() if _outcome(case).is_shown}


def _outcome(case: CaseRecord) -> Outcome:
    assert case.decision is not None
    return outcome_of(case.decision)
