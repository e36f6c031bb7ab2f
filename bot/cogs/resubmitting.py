"""Takes a stored job up again: after a restart, or once moderators have decided about it. Event loop.

How it is drawn and shown is what the guild's settings say now. What was accepted once no limit refuses.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

import discord

from bot.catalogues import Languages
from bot.cogs.admission import Admission
from bot.cogs.fatal_jobs import FatalJobs
from bot.cogs.follower import AcceptedJob
from bot.cogs.image_gate import ImageGate
from bot.cogs.job_message import JobMessage
from bot.cogs.job_messages import answer_of, messages_of
from bot.cogs.job_requests import picture_of, request_of, result_of
from bot.cogs.origin import origin_text
from bot.cogs.picture_threads import PictureThreads
from bot.cogs.previews import preview_interval_s
from bot.cogs.private_message import PrivateMessage
from bot.cogs.updates import UpdateReader, submit_job
from bot.errors import StoreError
from bot.executor.base import Executor
from bot.guild_settings import DEFAULTS, GuildSettings
from bot.language import Text
from bot.moderation.parameters import sampling_limits
from bot.pictures import PictureFolder
from bot.requests import Finished, GenerationRequest, Result, Update
from bot.store import JobRecord, Store

STORE_TIMEOUT_S: Final = 10.0
FILES_TIMEOUT_S: Final = 30.0
MAX_BYTES: Final = 10 * 1024 * 1024  # what every Discord channel takes; the interaction that knew better is gone

_log = logging.getLogger(__name__)


class Resubmitting:
    """Makes accepted jobs of stored ones, for the deliveries. fatal: which of them are drawn alone."""

    def __init__(
        self,
        client: discord.Client,
        *,
        store: Store,
        pictures: PictureFolder,
        threads: PictureThreads,
        admission: Admission,
        gate: ImageGate,
        executor: Executor,
        fatal: FatalJobs,
        languages: Languages,
    ) -> None:
        self._client = client
        self._store = store
        self._pictures = pictures
        self._threads = threads
        self._admission = admission
        self._gate = gate
        self._executor = executor
        self._fatal = fatal
        self._languages = languages

    def message(self, job: JobRecord) -> JobMessage | None:
        """What shows a job, by the bot's own token; None if nothing does."""
        if job.message_id is None:
            return None
        language = self._languages.of(job.locale)
        partial = self._client.get_partial_messageable(job.channel_id).get_partial_message(job.message_id)
        if job.is_short_lived:
            return PrivateMessage(self._client, job.user_id, partial, job.id, language)
        return JobMessage(partial, job.id, language)

    async def found_again(self, job: JobRecord) -> JobRecord | None:
        """A job whose answer was given when the last run ended, and not noted any more, with its message; None if there
        is none to be found. Raises what Discord refuses the search with, ClientError, OSError and StoreError."""
        message_id = None
        if job.answer_token is not None:
            message_id = await answer_of(self._client, job.answer_token, job.id)
        if message_id is None:
            found = await messages_of(self._client, job.channel_id, job.interaction_id, job.id)
            message_id = found[0] if found else None
        if message_id is None:
            return None
        async with asyncio.timeout(STORE_TIMEOUT_S):
            return await self._store.jobs.acknowledge(job.id, job.channel_id, message_id)

    async def submit(
        self, job: JobRecord, message: JobMessage, *, redrawn_after: int | None = None, is_spoiler: bool = False
    ) -> AcceptedJob:
        """Draws it (again); moderators have not seen these pictures. redrawn_after, is_spoiler: as in AcceptedJob.
        Raises what submitting raises, and StoreError if the rules for its pictures can't be read."""
        settings = await self._settings(job)
        rules = self._gate.rules(settings, is_trusted=job.is_trusted)
        are_kept_from_sight = await self._gate.keeps_from_sight(job.guild_id, rules)
        request = replace(
            request_of(job),
            sampling_limits=sampling_limits(settings),
            preview_interval_s=preview_interval_s(settings, job.num_images, are_kept_from_sight=are_kept_from_sight),
            labels=self._gate.labels(rules),
        )
        updates, first = await submit_job(
            self._executor, request, accepted_before=True, alone=self._fatal.alone(job.id)
        )
        try:
            accepted = await self._accepted(job, message, request, updates, first, settings)
        except BaseException:
            await self._executor.cancel(job.id)
            await updates.aclose()
            raise
        return replace(accepted, image_rules=rules, redrawn_after=redrawn_after, is_spoiler=is_spoiler, resumed=True)

    async def finished(self, job: JobRecord, message: JobMessage, *, is_spoiler: bool) -> AcceptedJob | None:
        """A job whose pictures are kept and may be shown now; None if they aren't (all) there any more."""
        result = await self.kept(job)
        if result is None:
            return None
        updates = UpdateReader(_nothing())
        settings = await self._settings(job)
        accepted = await self._accepted(job, message, result.request, updates, Finished(result), settings)
        warning = (job.result or {}).get("warning")
        return replace(
            accepted,
            is_reviewed=True,
            is_spoiler=is_spoiler,
            is_kept=True,
            warning=None if warning is None else Text.verbatim(warning),
        )

    async def kept(self, job: JobRecord) -> Result | None:
        """The result that was kept of a job; None without all of its pictures, which a damaged one is none of. Raises
        StoreError and TimeoutError."""
        async with asyncio.timeout(STORE_TIMEOUT_S):
            images = await self._store.images.of(job.id)
        if not images or job.result is None:
            return None

        def load() -> Result | None:
            files = [self._pictures.load(job.id, image.rank) for image in images]
            try:
                pictures = [picture_of(data) for data in files if data is not None]
            except StoreError as error:
                _log.warning("job %s: %s", job.id, error, extra={"job_id": job.id})
                return None
            return result_of(job, images, pictures) if len(pictures) == len(files) else None

        return await self._threads.run(FILES_TIMEOUT_S, load)

    async def _accepted(
        self,
        job: JobRecord,
        message: JobMessage,
        request: GenerationRequest,
        updates: UpdateReader,
        first: Update,
        settings: GuildSettings,
    ) -> AcceptedJob:
        return AcceptedJob(
            request=request,
            user_id=job.user_id,
            message=message,
            updates=updates,
            first=first,
            language=self._languages.of(job.locale),
            stored=job.state,
            max_bytes=MAX_BYTES,
            origin=await self._origin(job),
            result_format=settings.result_format,
            guild_id=job.guild_id,
        )

    async def _settings(self, job: JobRecord) -> GuildSettings:
        """Of the job's guild."""
        if job.guild_id is None:
            return DEFAULTS
        return await self._admission.settings(job.guild_id)

    async def _origin(self, job: JobRecord) -> Text | None:
        """Which job it comes from, if that can be told."""
        if job.parent_id is None:
            return None
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                parent = await self._store.jobs.get(job.parent_id)
        except (StoreError, TimeoutError) as error:
            _log.warning("job %s is taken up without the job that it comes from: %s", job.id, error)
            return None
        return None if parent is None else origin_text(job.kind, parent, job.parent_rank)


async def _nothing() -> AsyncIterator[Update]:
    """The updates after the last one."""
    updates: tuple[Update, ...] = ()
    for update in updates:
        yield update
