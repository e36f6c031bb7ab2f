"""The messages about cases in the moderators' channels: posted, posted again, brought up to date. Event loop.

A channel that is gone or that I may not write into costs nothing but the message: the case stays open, the owner is
told once, and what has no message yet is posted as soon as there is a channel that takes it.
"""

import asyncio
import io
import logging
from dataclasses import replace
from typing import Final

import aiohttp
import discord

from bot.catalogues import Languages
from bot.cogs.admin_notices import AdminNotices
from bot.cogs.picture_threads import PictureThreads
from bot.cogs.report_lines import report_lines
from bot.cogs.resubmitting import Resubmitting
from bot.cogs.review_page import CasePage, case_picture, case_text, case_view
from bot.cogs.staff_channels import is_public
from bot.guild_settings import GuildSettings
from bot.language import Language, Text
from bot.moderation.cases import CaseKind, Decision, outcome_of
from bot.moderation.image_categories import Categories
from bot.store import CaseRecord, Store

STORE_TIMEOUT_S: Final = 10.0
SEND_TIMEOUT_S: Final = 60.0
RENDER_TIMEOUT_S: Final = 60.0
MAX_HISTORY: Final = 50

_log = logging.getLogger(__name__)

_DiscordError = (discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError)


class ReviewBoard:
    """Methods may raise StoreError and TimeoutError; what Discord refuses is logged."""

    def __init__(
        self,
        client: discord.Client,
        *,
        store: Store,
        kept: Resubmitting,
        threads: PictureThreads,
        categories: Categories,
        notices: AdminNotices,
        languages: Languages,
    ) -> None:
        self._client = client
        self._store = store
        self._kept = kept
        self._threads = threads
        self._categories = categories
        self._notices = notices
        self._languages = languages
        # Channels that did not take a message, so that nobody knocks there all the time. Bounded by the guilds.
        self._refusing: dict[int, int] = {}

    async def post(self, case: CaseRecord, *, is_asked_for: bool = False) -> bool:
        """Shows an open case to moderators in a new message; False if there is no channel for it now.

        is_asked_for: tries a channel that has refused before.
        """
        async with asyncio.timeout(STORE_TIMEOUT_S):
            settings = await self._store.guilds.settings(case.guild_id)
        channel_id = settings.review_channel
        if channel_id is None:
            await self._tell_owner(case.guild_id, None)
            return False
        if self._refusing.get(case.guild_id) == channel_id and not is_asked_for:
            return False
        guild = self._client.get_guild(case.guild_id)
        known = None if guild is None else guild.get_channel(channel_id)
        if isinstance(known, discord.TextChannel) and is_public(known):
            await self._tell_owner(case.guild_id, channel_id, is_public=True)
            return False
        language = self.language(case.guild_id, settings)
        content = case_text(await self.page(case, settings), language, self._categories)
        files = await self._files(case, language)
        channel = self._client.get_partial_messageable(channel_id, guild_id=case.guild_id)
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                message = await channel.send(
                    content,
                    files=files,
                    view=case_view(case, language) or discord.utils.MISSING,
                    allowed_mentions=discord.AllowedMentions.none(),
                )
        except _DiscordError as error:
            _log.warning("case %d of guild %d could not be posted: %s", case.number, case.guild_id, error)
            if isinstance(error, discord.Forbidden | discord.NotFound):
                self._refusing[case.guild_id] = channel_id
                await self._tell_owner(case.guild_id, channel_id)
            return False
        self._refusing.pop(case.guild_id, None)
        async with asyncio.timeout(STORE_TIMEOUT_S):
            await self._store.cases.set_message(
                case.guild_id, case.number, channel_id=channel_id, message_id=message.id
            )
        return True

    async def post_again(self, case: CaseRecord) -> bool:
        """A new message in the place of the old one, wherever that is; whether there is one."""
        if not await self.post(replace(case, message_id=None), is_asked_for=True):
            return False
        if case.channel_id is not None and case.message_id is not None:
            old = self._client.get_partial_messageable(case.channel_id).get_partial_message(case.message_id)
            try:
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await old.delete()
            except _DiscordError as error:
                _log.info("the old message of case %d of guild %d stays: %s", case.number, case.guild_id, error)
        return True

    async def update(self, case: CaseRecord) -> None:
        """Makes the message say what is decided, or who else has reported it; rejected pictures don't stay there."""
        if case.channel_id is None or case.message_id is None:
            return
        async with asyncio.timeout(STORE_TIMEOUT_S):
            settings = await self._store.guilds.settings(case.guild_id)
        message = self._client.get_partial_messageable(case.channel_id).get_partial_message(case.message_id)
        content = case_text(await self.page(case, settings), self.language(case.guild_id, settings), self._categories)
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await message.edit(
                    content=content,
                    attachments=discord.utils.MISSING if keeps_pictures(case) else [],
                    view=case_view(case, self.language(case.guild_id, settings)),
                    allowed_mentions=discord.AllowedMentions.none(),
                )
        except _DiscordError as error:
            _log.warning("the message of case %d of guild %d stays as it was: %s", case.number, case.guild_id, error)

    async def page(self, case: CaseRecord, settings: GuildSettings) -> CasePage:
        """With its job, as far as it is still known, and its requester's history."""
        async with asyncio.timeout(STORE_TIMEOUT_S):
            job = await self._store.jobs.get(case.job_id)
            earlier = await self._store.cases.of_user(case.guild_id, case.user_id, MAX_HISTORY)
        history = [_history([each for each in earlier if each.number != case.number])]
        return CasePage(case, job, settings, history=history, more=await self._reports(case))

    async def _reports(self, case: CaseRecord) -> list[Text]:
        if case.kind is not CaseKind.REPORT:
            return []
        async with asyncio.timeout(STORE_TIMEOUT_S):
            reports = await self._store.reports.of_case(case.guild_id, case.number)
            return report_lines(reports, await self._store.reports.num_of_case(case.guild_id, case.number))

    def language(self, guild_id: int, settings: GuildSettings) -> Language:
        """What a guild's moderators read."""
        guild = self._client.get_guild(guild_id)
        return self._languages.of(settings.language or (None if guild is None else str(guild.preferred_locale)))

    async def _files(self, case: CaseRecord, language: Language) -> list[discord.File]:
        if case.kind is CaseKind.HELD_PROMPT:
            return []
        async with asyncio.timeout(STORE_TIMEOUT_S):
            job = await self._store.jobs.get(case.job_id)
        result = None if job is None else await self._kept.kept(job)
        if result is None:
            return []
        picture = await self._threads.run(RENDER_TIMEOUT_S, case_picture, case, result, language)
        return [discord.File(io.BytesIO(picture.data), filename=picture.filename, description=picture.description)]

    async def _tell_owner(self, guild_id: int, channel_id: int | None, *, is_public: bool = False) -> None:
        if is_public:
            text = Text(
                "Requests wait for moderators, and I show none in the moderators' channel, since everybody can see it. "
                "They are kept: take View Channel from @everyone there, or choose another channel with /settings."
            )
            await self._notices.tell_once(guild_id, f"public_review_channel/{channel_id}", text)
            return
        text = Text(
            "Requests wait for moderators, and I can't show them in the moderators' channel: it is gone, or I may not "
            "write and attach files there. They are kept; choose a channel with /settings, then use /mod review."
        )
        await self._notices.tell_once(guild_id, f"review_channel/{channel_id or 0}", text)


def keeps_pictures(case: CaseRecord) -> bool:
    """Whether the pictures may stay in the message of a case."""
    return case.decision is None or outcome_of(case.decision).is_shown


def _history(earlier: list[CaseRecord]) -> Text:
    """Of a requester: cases before this one."""
    rejecting = {decision for decision in Decision if not outcome_of(decision).is_shown} - {Decision.WITHDRAWN}
    rejected = sum(case.decision in rejecting for case in earlier)
    if not earlier:
        return Text("There was no case about them before.")
    return Text.plural(
        "There was {n} case about them before, of which {rejected} ended with a rejection.",
        "There were {n} cases about them before, of which {rejected} ended with a rejection.",
        len(earlier),
        rejected=rejected,
    )
