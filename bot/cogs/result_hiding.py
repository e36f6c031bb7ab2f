"""Takes a result's pictures out of its messages while moderators look at it, and puts them back. Event loop.

The files stay on disk for the case. Every step may be done twice.
"""

import asyncio
import logging
from typing import Final

import aiohttp
import discord

from bot.catalogues import Languages
from bot.cogs.job_message import make_files
from bot.cogs.origin import origin_text
from bot.cogs.picture_threads import PictureThreads
from bot.cogs.resubmitting import Resubmitting
from bot.guild_settings import GuildSettings
from bot.language import Language, Text
from bot.render import Rendered, render_closed, render_failure, render_result
from bot.store import AuditAction, AuditRecord, JobRecord, Store
from bot.views.job_control import view_of

STORE_TIMEOUT_S: Final = 10.0
EDIT_TIMEOUT_S: Final = 60.0
RENDER_TIMEOUT_S: Final = 60.0

_log = logging.getLogger(__name__)


class ResultHiding:
    """Methods may raise StoreError and TimeoutError."""

    def __init__(
        self,
        client: discord.Client,
        *,
        store: Store,
        kept: Resubmitting,
        threads: PictureThreads,
        languages: Languages,
    ) -> None:
        self._client = client
        self._store = store
        self._kept = kept
        self._threads = threads
        self._languages = languages

    async def hide(self, job: JobRecord, case_number: int, num_reporters: int) -> bool:
        """False if it is hidden already, or gone."""
        record = AuditRecord(
            guild_id=job.guild_id or 0,
            action=AuditAction.RESULT_HIDDEN,
            user_id=job.user_id,
            job_id=job.id,
            case_number=case_number,
            details={"reporters": num_reporters},
        )
        async with asyncio.timeout(STORE_TIMEOUT_S):
            if not await self._store.jobs.hide(job.id, record):
                return False
        said = Text(
            "Members have reported this result (case {number}). It is hidden until moderators have decided.",
            number=f"#{case_number}",
        )
        async with asyncio.timeout(STORE_TIMEOUT_S):
            settings = await self._store.guilds.settings(job.guild_id or 0)
        language = self._languages.of(settings.language or job.locale)
        await self._show(job, render_closed(None, language.tell(said)), language)
        return True

    async def restore(self, job: JobRecord, case_number: int, moderator_id: int | None, *, is_spoiler: bool) -> None:
        """Shows it again; moderators have left it. Of a result that wasn't hidden only a spoiler changes anything."""
        record = AuditRecord(
            guild_id=job.guild_id or 0,
            action=AuditAction.RESULT_RESTORED,
            actor_id=moderator_id,
            user_id=job.user_id,
            job_id=job.id,
            case_number=case_number,
        )
        async with asyncio.timeout(STORE_TIMEOUT_S):
            was_hidden = await self._store.jobs.unhide(job.id, record, is_spoiler=is_spoiler or job.is_spoiler)
            settings = await self._store.guilds.settings(job.guild_id or 0)
        if job.deleted_at is not None or not (was_hidden or is_spoiler):
            return
        language = self._languages.of(settings.language or job.locale)
        await self._show(
            job, await self._rendered(job, language, settings, is_spoiler=is_spoiler or job.is_spoiler), language
        )

    async def _rendered(
        self, job: JobRecord, language: Language, settings: GuildSettings, *, is_spoiler: bool
    ) -> Rendered:
        """The result as its message was, made of what is on disk."""
        async with asyncio.timeout(STORE_TIMEOUT_S):
            parent = None if job.parent_id is None else await self._store.jobs.get(job.parent_id)
        result = await self._kept.kept(job)
        if result is None:
            said = language.text("Moderators have left this result, but its pictures are not on my disk any more.")
            return render_failure(job.prompt, said)
        guild = self._client.get_guild(job.guild_id or 0)
        return await self._threads.run(
            RENDER_TIMEOUT_S,
            render_result,
            result,
            language=language,
            user_id=job.user_id,
            max_bytes=discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES if guild is None else guild.filesize_limit,
            origin=None if parent is None else origin_text(job.kind, parent, job.parent_rank),
            is_kept=True,
            result_format=settings.result_format,
            is_spoiler=is_spoiler,
        )

    async def _show(self, job: JobRecord, rendered: Rendered, language: Language) -> None:
        async with asyncio.timeout(STORE_TIMEOUT_S):
            showings = await self._store.showings.of(job.id)
        messages = [(each.channel_id, each.message_id) for each in showings]
        if job.message_id is not None:
            messages.insert(0, (job.channel_id, job.message_id))
        view = view_of(rendered.controls, job.id, language, scores=rendered.scores)
        for channel_id, message_id in messages:
            message = self._client.get_partial_messageable(channel_id).get_partial_message(message_id)
            try:
                async with asyncio.timeout(EDIT_TIMEOUT_S):
                    await message.edit(
                        content=rendered.content,
                        attachments=make_files(rendered),
                        view=view,
                        allowed_mentions=discord.AllowedMentions.none(),
                    )
            except (discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError) as error:
                _log.warning("message %d could not be edited: %s", message_id, str(error) or type(error).__name__)
