"""/show: a past result once more, in whatever channel. Called by discord.py.

Whatever could refuse it is asked before anybody sees anything; who may see the result there afterwards is kept in the
store.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
import discord
from discord import app_commands
from discord.app_commands import Choice, Range, locale_str
from discord.ext import commands

from bot.catalogues import Languages
from bot.cogs.admission import Admission
from bot.cogs.answering import file_of
from bot.cogs.job_requests import picture_of, result_of
from bot.cogs.origin import named
from bot.cogs.permissions import check_app_permissions
from bot.cogs.picture_source import PictureSource
from bot.cogs.results import STORE_TIMEOUT_S, KeptResult, Results
from bot.errors import InvalidParameterError, JobEndedError, MissingPermissionError, StoreError
from bot.guild_settings import ResultFormat
from bot.language import Language, Text
from bot.render import Rendered, render_result
from bot.store import JobRecord, JobState, JobStore, Showing, ShowingStore
from bot.store.showings import MAX_SHOWINGS
from bot.views.job_control import view_of

RENDER_TIMEOUT_S: Final = 60.0
SEND_TIMEOUT_S: Final = 60.0
SUGGEST_TIMEOUT_S: Final = 1.0
MAX_READ: Final = 100  # of one's newest jobs
MAX_SUGGESTED: Final = 25  # Discord's limit, as is the next one
MAX_CHOICE_CHARACTERS: Final = 100

_JOB_ID: Final = re.compile(r"[0-9a-f]{12}", re.ASCII)

_log = logging.getLogger(__name__)


class ShowCog(commands.Cog):
    """The command."""

    def __init__(
        self,
        *,
        results: Results,
        source: PictureSource,
        jobs: JobStore,
        showings: ShowingStore,
        admission: Admission,
        languages: Languages,
    ) -> None:
        self._results = results
        self._source = source
        self._jobs = jobs
        self._showings = showings
        self._admission = admission
        self._languages = languages

    @app_commands.command(name=locale_str("show"), description=locale_str("Show a past result once more, here"))
    @app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
    @app_commands.allowed_installs(guilds=True, users=False)
    @app_commands.rename(job=locale_str("job"))
    @app_commands.describe(job=locale_str("The result's job, as the pictures' pages name it"))
    async def show(self, interaction: discord.Interaction, job: Range[str, 1, 100]) -> None:
        """Posts the result with its usual controls; a private one for its requester's eyes alone."""
        channel_id = check_app_permissions(interaction)
        result = await self._results.result(interaction, parse_job(job))
        if result.job.guild_id != interaction.guild_id:
            raise JobEndedError("This job is not known any more.")
        if result.job.state is not JobState.DELIVERED:
            raise JobEndedError("This job is not finished yet.")
        is_private = result.job.is_private
        if is_private:
            settings = await self._admission.settings(interaction.guild_id)
        else:
            settings = await self._admission.check_place(interaction)
            check_age_limit(interaction, result.job)
        locale = str(interaction.locale) if is_private else settings.language or str(interaction.locale)
        language = self._languages.of(locale)
        stored = await self._source.stored(result)
        async with _promised(interaction, is_private=is_private) as message_id:
            if not is_private:
                await self._keep(Showing(message_id=message_id, channel_id=channel_id, job_id=result.job.id))
            rendered = await self._render(interaction, result, stored, language, settings.result_format)
            assert rendered.picture is not None
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await interaction.edit_original_response(
                    content=rendered.content,
                    attachments=[file_of(rendered.picture)],
                    view=view_of(rendered.controls, result.job.id, language, scores=rendered.scores),
                    allowed_mentions=discord.AllowedMentions.none(),
                )

    @show.autocomplete("job")
    async def suggest(self, interaction: discord.Interaction, typed: str) -> list[Choice[str]]:
        """One's own latest results of this guild, by what has been typed of their prompt or id."""
        try:
            async with asyncio.timeout(SUGGEST_TIMEOUT_S):
                latest = await self._jobs.latest_of(interaction.user.id, MAX_READ, guild_id=interaction.guild_id)
        except (StoreError, TimeoutError) as error:
            _log.warning("results could not be suggested: %s", str(error) or type(error).__name__)
            return []
        begun = typed.strip().lower()
        fitting = [
            job
            for job in latest
            if job.state is JobState.DELIVERED
            and job.deleted_at is None
            and (begun in job.prompt.lower() or job.id.startswith(begun))
        ]
        room = MAX_CHOICE_CHARACTERS - len(" · 0123456789ab")
        return [Choice(name=f"{job.prompt[:room]} · {job.id}", value=job.id) for job in fitting[:MAX_SUGGESTED]]

    async def _keep(self, showing: Showing) -> None:
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                is_kept = await self._showings.add(showing)
        except TimeoutError as error:
            raise StoreError("The message could not be stored in time.") from error
        if not is_kept:
            raise JobEndedError("This result was shown again {limit} times, as often as it can be.", limit=MAX_SHOWINGS)

    async def _render(
        self,
        interaction: discord.Interaction[Any],
        result: KeptResult,
        stored: Sequence[bytes | None],
        language: Language,
        result_format: ResultFormat,
    ) -> Rendered:
        """stored: the pictures that needn't be drawn again. Raises as PictureSource.png does."""
        pngs = [
            (await self._source.png(interaction, result, image)).data if data is None else data
            for image, data in zip(result.images, stored, strict=True)
        ]
        user = f"<@{interaction.user.id}>"
        origin = Text("{user} shows job {job} once more.", user=user, job=named(result.job))
        async with asyncio.timeout(RENDER_TIMEOUT_S):
            return await asyncio.to_thread(
                lambda: render_result(
                    result_of(result.job, result.images, [picture_of(png) for png in pngs]),
                    language=language,
                    user_id=result.job.user_id,
                    max_bytes=interaction.filesize_limit,
                    origin=origin,
                    is_kept=True,
                    result_format=result_format,
                    is_spoiler=result.job.is_spoiler,
                )
            )


def parse_job(text: str) -> str:
    """A job's id as somebody typed it. Raises InvalidParameterError if it can't be one."""
    job_id = text.strip("` \t").lower()
    if not _JOB_ID.fullmatch(job_id):
        raise InvalidParameterError(
            "A job's id has 12 characters, from 0 to 9 and from a to f; {text:.40} is none.", text=text
        )
    return job_id


def check_age_limit(interaction: discord.Interaction[Any], job: JobRecord) -> None:
    """Raises MissingPermissionError where a result from a channel for adults would come among others."""
    guild = interaction.guild
    came_from = None if guild is None else guild.get_channel_or_thread(job.channel_id)
    if _is_for_adults(came_from) and not _is_for_adults(interaction.channel):
        raise MissingPermissionError(
            "This result is from an age-restricted channel: it can be shown in such a channel only."
        )


def _is_for_adults(channel: object) -> bool:
    is_nsfw = getattr(channel, "is_nsfw", None)
    return is_nsfw is not None and bool(is_nsfw())


@asynccontextmanager
async def _promised(interaction: discord.Interaction[Any], *, is_private: bool) -> AsyncIterator[int]:
    """Promises an answer and gives its message's id. If there will be none after all, nothing of it stays."""
    promised = await interaction.response.defer(ephemeral=is_private, thinking=True)
    message_id = None if promised is None else promised.message_id
    assert message_id is not None, "Discord names the message that it promises"
    try:
        yield message_id
    except Exception:
        try:
            await interaction.delete_original_response()
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            _log.warning("a promised message could not be removed: %s", str(error) or type(error).__name__)
        raise
