"""The messages about cases in the moderators' channels: posted, posted again, brought up to date. Event loop.

A channel that is gone or that I may not write into costs nothing but the message: the case stays open, the owner is
told once, and what has no message yet is posted as soon as there is a channel that takes it.
"""

import asyncio
import io
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

import aiohttp
import discord

from bot.cogs.maker_page import sanction_lines
from bot.cogs.picture_threads import PictureThreads
from bot.cogs.report_lines import report_lines
from bot.cogs.resubmitting import Resubmitting
from bot.cogs.review_channels import ReviewChannels
from bot.cogs.review_page import CasePage, case_picture, case_text, case_view
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
    """Methods may raise StoreError and TimeoutError; what Discord refuses is logged. now: an aware time."""

    def __init__(
        self,
        client: discord.Client,
        *,
        store: Store,
        kept: Resubmitting,
        threads: PictureThreads,
        categories: Categories,
        channels: ReviewChannels,
        now: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._store = store
        self._kept = kept
        self._threads = threads
        self._categories = categories
        self._channels = channels
        self._now = now

    async def post(self, case: CaseRecord, *, is_asked_for: bool = False) -> bool:
        """Shows an open case to moderators in a new message; False if there is no channel for it now.

        is_asked_for: tries a channel that has refused before.
        """
        async with asyncio.timeout(STORE_TIMEOUT_S):
            settings = await self._store.guilds.settings(case.guild_id)
        channel_id = await self._channels.find(case.guild_id, settings, is_asked_for=is_asked_for)
        if channel_id is None:
            return False
        language = self._channels.language(case.guild_id, settings)
        content = case_text(await self.page(case, settings), language, self._categories)
        files = await self._files(case, language)
        message = await self._channels.send(
            case.guild_id, channel_id, content, files=files, view=case_view(case, language)
        )
        if message is None:
            return False
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
            await self._channels.remove(case.channel_id, case.message_id)
        return True

    async def update(self, case: CaseRecord) -> None:
        """Makes the message say what is decided, or who else has reported it; rejected pictures don't stay there.

        The message of an open case that was deleted is posted anew with the next ones.
        """
        if case.channel_id is None or case.message_id is None:
            return
        async with asyncio.timeout(STORE_TIMEOUT_S):
            settings = await self._store.guilds.settings(case.guild_id)
        language = self._channels.language(case.guild_id, settings)
        message = self._client.get_partial_messageable(case.channel_id).get_partial_message(case.message_id)
        content = case_text(await self.page(case, settings), language, self._categories)
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await message.edit(
                    content=content,
                    attachments=discord.utils.MISSING if keeps_pictures(case) else [],
                    view=case_view(case, language),
                    allowed_mentions=discord.AllowedMentions.none(),
                )
        except _DiscordError as error:
            _log.warning("the message of case %d of guild %d stays as it was: %s", case.number, case.guild_id, error)
            if isinstance(error, discord.NotFound) and case.decision is None:
                async with asyncio.timeout(STORE_TIMEOUT_S):
                    await self._store.cases.forget_messages(case.guild_id, case.channel_id, case.message_id)

    async def forget_lost(self) -> None:
        """Open cases whose channel was deleted have no message any more."""
        async with asyncio.timeout(STORE_TIMEOUT_S):
            for guild_id, channel_id in await self._store.cases.channels():
                if self._channels.is_gone(guild_id, channel_id):
                    await self._store.cases.forget_messages(guild_id, channel_id)

    async def page(self, case: CaseRecord, settings: GuildSettings) -> CasePage:
        """With its job, as far as it is still known, and its requester's history."""
        async with asyncio.timeout(STORE_TIMEOUT_S):
            job = await self._store.jobs.get(case.job_id)
            earlier = await self._store.cases.of_user(case.guild_id, case.user_id, MAX_HISTORY)
            sanctions = await self._store.sanctions.of(case.guild_id, case.user_id)
        history = [_history([each for each in earlier if each.number != case.number])]
        history += sanction_lines(sanctions, self._now())
        return CasePage(case, job, settings, history=history, more=await self._reports(case))

    async def _reports(self, case: CaseRecord) -> list[Text]:
        if case.kind is not CaseKind.REPORT:
            return []
        async with asyncio.timeout(STORE_TIMEOUT_S):
            reports = await self._store.reports.of_case(case.guild_id, case.number)
            return report_lines(reports, await self._store.reports.num_of_case(case.guild_id, case.number))

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
