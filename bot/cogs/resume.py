"""Takes up, after a restart, the jobs that the store still holds. Called once by the client, before the gateway
connects, on the event loop.

A job with a message is submitted again and delivered to that message by the bot's own token, or, where that reaches
nothing, as a direct message. One whose pictures were on their way is delivered from disk, if they are there. The limits
on new jobs, which may be lower now, don't refuse what was accepted already; the store bounds how many it returns. How a
job is drawn and shown is what the guild's settings say now; its share of the turns, and whether its user was trusted,
is what it was. A job without a message was never promised to anybody and is closed, unless its message is there and the
bot ended before it could note that. What moderators are to see first goes on waiting.
"""

import asyncio
import logging
from datetime import timedelta
from typing import Final

import aiohttp
import discord

from bot.catalogues import Languages
from bot.cogs.delivery import Deliveries
from bot.cogs.fatal_jobs import MAX_ENDS, fatal_jobs
from bot.cogs.follower import AcceptedJob
from bot.cogs.job_message import JobMessage
from bot.cogs.resubmitting import Resubmitting
from bot.errors import DalleBotError, ExecutorClosedError, StoreError
from bot.moderation.cases import CaseKind, Outcome, outcome_of
from bot.render import render_failure
from bot.store import CaseRecord, JobRecord, JobState, Store

STORE_TIMEOUT_S: Final = 10.0
SHOWN_AGAIN_WITHIN: Final = timedelta(minutes=1)

_log = logging.getLogger(__name__)


async def resume_jobs(
    *, store: Store, resubmitting: Resubmitting, deliveries: Deliveries, languages: Languages
) -> None:
    """Starts a delivery for each unfinished job, oldest first. A job that can't go on is failed and its user told, in
    the language in which the job was asked for."""
    try:
        async with asyncio.timeout(STORE_TIMEOUT_S):
            jobs = await store.jobs.unfinished(but=JobState.IN_REVIEW)
    except (StoreError, TimeoutError) as error:
        _log.error("unfinished jobs could not be read, so none is resumed: %s", error)
        return
    fatal = await fatal_jobs(store, jobs)
    for stored in jobs:
        language = languages.of(stored.locale)
        try:
            job = await _with_message(stored, resubmitting)
        except (discord.HTTPException, aiohttp.ClientError, OSError, StoreError) as error:
            _log.warning("job %s waits for the next start: %s", stored.id, str(error) or type(error).__name__)
            continue
        message = resubmitting.message(job)
        if message is None:
            sentence = language.text("The bot stopped before it could answer.")
            deliveries.reject(job.id, job.prompt, JobState.EXPIRED, sentence)
            continue
        if job.deleted_at is not None:
            sentence = language.text("Its pictures were deleted.")
            deliveries.reject(job.id, job.prompt, JobState.FAILED, sentence)
            continue
        if job.id in fatal:
            sentence = language.text("The bot ended again and again while it drew this. Ask for something else.")
            _log.error("job %s is given up: the bot ended more than %d times while it was drawn", job.id, MAX_ENDS)
            deliveries.reject(job.id, job.prompt, JobState.FAILED, sentence, message=message)
            continue
        try:
            cases = await _cases(job, store)
            if any(case.kind is CaseKind.HELD_PROMPT and case.decision is None for case in cases):
                await store.jobs.move(job.id, JobState.IN_REVIEW)
                continue
            with deliveries.accepting(job.id, accepted_before=True):
                deliveries.start(await _accepted(job, message, cases, resubmitting))
        except (ExecutorClosedError, StoreError, TimeoutError) as error:
            _log.warning("job %s waits for the next start: %s", job.id, str(error) or type(error).__name__)
        except DalleBotError as error:
            sentence = language.text(
                "The bot was restarted and could not take this job up again. {reason}", reason=error.text
            )
            deliveries.reject(job.id, job.prompt, JobState.FAILED, sentence, message=message)
    if jobs:
        _log.info("%d unfinished jobs were found", len(jobs))
    await _show_cancelled(store, resubmitting, deliveries, languages)


async def _show_cancelled(
    store: Store, resubmitting: Resubmitting, deliveries: Deliveries, languages: Languages
) -> None:
    """Says once more on their messages that jobs were cancelled: it is recorded first, so the bot may have died before
    it came to that. Private answers can't be edited any more, and nobody needs a direct message about it."""
    try:
        async with asyncio.timeout(STORE_TIMEOUT_S):
            jobs = await store.jobs.just_cancelled(SHOWN_AGAIN_WITHIN)
    except (StoreError, TimeoutError) as error:
        _log.warning("jobs that were just cancelled could not be read: %s", str(error) or type(error).__name__)
        return
    for job in jobs:
        message = resubmitting.message(job)
        if message is not None and not job.is_short_lived:
            sentence = job.error or languages.of(job.locale).text("The job was cancelled.")
            deliveries.show(job.id, message, render_failure(job.prompt, sentence))


async def _with_message(job: JobRecord, resubmitting: Resubmitting) -> JobRecord:
    """The job, with its message if that has to be looked for and is found."""
    if job.state is not JobState.RECEIVED:
        return job
    found = await resubmitting.found_again(job)
    if found is None:
        return job
    _log.info("job %s had been answered: its message was found", job.id)
    return found


async def _accepted(
    job: JobRecord, message: JobMessage, cases: list[CaseRecord], resubmitting: Resubmitting
) -> AcceptedJob:
    """Its pictures where they were on their way and are still on disk; otherwise it is drawn (again). What is drawn
    again nobody has approved."""
    if job.state is JobState.DELIVERING:
        finished = await resubmitting.finished(job, message, is_spoiler=job.is_spoiler)
        if finished is not None:
            return finished
    approved = _approved(cases)
    lost = approved.get(CaseKind.HELD_PICTURES)
    return await resubmitting.submit(
        job,
        message,
        redrawn_after=None if lost is None else lost.number,
        is_spoiler=any(_outcome(case).is_spoiler for case in approved.values()),
    )


async def _cases(job: JobRecord, store: Store) -> list[CaseRecord]:
    if job.guild_id is None:
        return []
    async with asyncio.timeout(STORE_TIMEOUT_S):
        return await store.cases.of_job(job.id)


def _approved(cases: list[CaseRecord]) -> dict[CaseKind, CaseRecord]:
    """In which moderators have let it be drawn, and be shown. cases: newest first, so that the newest of a kind
    counts."""
    decided = {case.kind: case for case in reversed(cases) if case.decision is not None}
    return {kind: case for kind, case in decided.items() if _outcome(case).is_shown}


def _outcome(case: CaseRecord) -> Outcome:
    assert case.decision is not None
    return outcome_of(case.decision)
