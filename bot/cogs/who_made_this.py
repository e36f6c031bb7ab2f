"""“Who made this?”: a menu for moderators on any message of the bot. Called by discord.py, on the event loop.

The table says that only moderators may; what they learn is of their own server alone.
"""

import asyncio
from typing import Any, Final

import discord

from bot.catalogues import Languages
from bot.cogs.answering import answer_alone
from bot.cogs.discord_clock import DiscordClock
from bot.cogs.maker_page import MAX_CASES, Maker, maker_text
from bot.cogs.permissions import guild_of
from bot.errors import JobEndedError, StoreError
from bot.store import JobRecord, Store

STORE_TIMEOUT_S: Final = 1.5


class WhoMadeThis:
    """The menu."""

    def __init__(self, store: Store, clock: DiscordClock, languages: Languages) -> None:
        self._store = store
        self._clock = clock
        self._languages = languages

    async def menu(self, interaction: discord.Interaction[Any], message: discord.Message) -> None:
        """Tells the moderator alone. Raises JobEndedError for a message that shows no job of this server."""
        guild_id = guild_of(interaction)
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                job = await self._job_of(message.id)
                if job is None or job.guild_id != guild_id:
                    raise JobEndedError("This message is of no job of this server that I know.")
                maker = await self._maker(guild_id, job)
        except TimeoutError as error:
            raise StoreError("Who made this could not be read in time.") from error
        await answer_alone(interaction, maker_text(maker, self._languages.of(str(interaction.locale))))

    async def _job_of(self, message_id: int) -> JobRecord | None:
        job_id = await self._store.jobs.id_of_message(message_id)
        if job_id is None:
            job_id = await self._store.showings.job_of(message_id)
        if job_id is None:
            job_id = await self._store.cases.job_of_message(message_id)
        return None if job_id is None else await self._store.jobs.get(job_id)

    async def _maker(self, guild_id: int, job: JobRecord) -> Maker:
        parent = None if job.parent_id is None else await self._store.jobs.get(job.parent_id)
        return Maker(
            job=job,
            parent=parent if parent is not None and parent.guild_id == guild_id else None,
            num_jobs=await self._store.jobs.num_of(job.user_id, guild_id),
            sanctions=await self._store.sanctions.of(guild_id, job.user_id),
            now=self._clock.now(),
            cases=await self._store.cases.of_user(guild_id, job.user_id, MAX_CASES + 1),
        )
