"""Takes up, after a restart, the jobs that the store still holds. Called once by the client, before the gateway
connects, on the event loop.

A job with a message is submitted again and delivered to that message by the bot's own token, or, where that reaches
nothing, as a direct message. The limits on new jobs, which may be lower now, don't refuse what was accepted already;
the store bounds how many it returns. How it is drawn and shown is what the guild's settings say now. A job without a
message was never promised to anybody and is closed.
"""

import asyncio
import logging
from dataclasses import replace
from typing import Final

import discord

from bot.catalogues import Languages
from bot.cogs.admission import Admission
from bot.cogs.delivery import Deliveries
from bot.cogs.follower import AcceptedJob
from bot.cogs.job_message import JobMessage
from bot.cogs.job_requests import request_of
from bot.cogs.origin import origin_text
from bot.cogs.previews import preview_interval_s
from bot.cogs.private_message import PrivateMessage
from bot.cogs.updates import submit_job
from bot.errors import DalleBotError, ExecutorClosedError, StoreError
from bot.executor.base import Executor
from bot.guild_settings import DEFAULTS, GuildSettings
from bot.language import Language, Text
from bot.moderation.parameters import sampling_limits
from bot.store import JobRecord, JobState, JobStore

STORE_TIMEOUT_S: Final = 10.0
MAX_BYTES: Final = 10 * 1024 * 1024  # what every Discord channel takes; the interaction that knew better is gone

_log = logging.getLogger(__name__)


async def resume_jobs(
    client: discord.Client,
    *,
    store: JobStore,
    admission: Admission,
    executor: Executor,
    deliveries: Deliveries,
    languages: Languages,
) -> None:
    """Starts a delivery for each unfinished job, oldest first. A job that can't go on is failed and its user told, in
    the language in which the job was asked for."""
    try:
        async with asyncio.timeout(STORE_TIMEOUT_S):
            jobs = await store.unfinished()
    except (StoreError, TimeoutError) as error:
        _log.error("unfinished jobs could not be read, so none is resumed: %s", error)
        return
    for job in jobs:
        language = languages.of(job.locale)
        if job.message_id is None:
            sentence = language.text("The bot stopped before it could answer.")
            deliveries.reject(job.id, job.prompt, JobState.EXPIRED, sentence)
            continue
        if job.deleted_at is not None:
            sentence = language.text("Its pictures were deleted.")
            deliveries.reject(job.id, job.prompt, JobState.FAILED, sentence)
            continue
        partial = client.get_partial_messageable(job.channel_id).get_partial_message(job.message_id)
        if job.is_short_lived:
            message: JobMessage = PrivateMessage(client, job.user_id, partial, job.id, language)
        else:
            message = JobMessage(partial, job.id, language)
        try:
            with deliveries.accepting(job.id, accepted_before=True):
                settings = await _settings(job, admission)
                origin = await _origin(job, store)
                deliveries.start(await _submit(job, message, executor, language, settings, origin))
        except ExecutorClosedError as error:
            _log.warning("job %s waits for the next start: %s", job.id, error)
        except DalleBotError as error:
            sentence = language.text(
                "The bot was restarted and could not take this job up again. {reason}", reason=error.text
            )
            deliveries.reject(job.id, job.prompt, JobState.FAILED, sentence, message=message)
    if jobs:
        _log.info("%d unfinished jobs were found", len(jobs))


async def _settings(job: JobRecord, admission: Admission) -> GuildSettings:
    """Of the job's guild. If nobody knows them, nothing is shown that they might forbid."""
    try:
        return await admission.settings(job.guild_id)
    except StoreError as error:
        _log.warning("job %s is resumed without the settings of its guild: %s", job.id, error)
        return replace(DEFAULTS, previews=False)


async def _origin(job: JobRecord, store: JobStore) -> Text | None:
    """Which job it comes from, if that can be told."""
    if job.parent_id is None:
        return None
    try:
        async with asyncio.timeout(STORE_TIMEOUT_S):
            parent = await store.get(job.parent_id)
    except (StoreError, TimeoutError) as error:
        _log.warning("job %s is resumed without the job that it comes from: %s", job.id, error)
        return None
    return None if parent is None else origin_text(job.kind, parent, job.parent_rank)


async def _submit(
    job: JobRecord,
    message: JobMessage,
    executor: Executor,
    language: Language,
    settings: GuildSettings,
    origin: Text | None,
) -> AcceptedJob:
    request = replace(
        request_of(job),
        sampling_limits=sampling_limits(settings),
        preview_interval_s=preview_interval_s(settings, job.num_images),
    )
    updates, first = await submit_job(executor, request, accepted_before=True)
    return AcceptedJob(
        request=request,
        user_id=job.user_id,
        message=message,
        updates=updates,
        first=first,
        language=language,
        stored=job.state,
        max_bytes=MAX_BYTES,
        resumed=True,
        origin=origin,
        result_format=settings.result_format,
    )
