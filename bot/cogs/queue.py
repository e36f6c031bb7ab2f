"""/queue: one's own unfinished jobs, with buttons that cancel them, for one's own eyes. Called by discord.py."""

import asyncio
from typing import Any, Final

import discord
from discord import app_commands
from discord.app_commands import locale_str
from discord.ext import commands

from bot.catalogues import Languages
from bot.cogs.cancelling import Cancelling
from bot.cogs.delivery import Deliveries
from bot.cogs.queue_page import ListedJob, listed, render_queue
from bot.errors import StoreError
from bot.executor.base import Executor
from bot.language import Language, Text
from bot.message_text import escape_shortened
from bot.shards import Shards
from bot.store import FINAL_STATES, JobStore
from bot.views.custom_id import Action, CustomId
from bot.views.job_control import make_button, make_view

STORE_TIMEOUT_S: Final = 1.0
MAX_READ: Final = 25  # of one's newest jobs; the limit per user keeps unfinished ones among them
MAX_SAID_UNITS: Final = 120


class QueueCog(commands.Cog):
    """The command and its buttons. shards: of this process; of jobs in other servers it knows what the store does."""

    def __init__(
        self,
        *,
        store: JobStore,
        executor: Executor,
        deliveries: Deliveries,
        cancelling: Cancelling,
        shards: Shards,
        languages: Languages,
    ) -> None:
        self._store = store
        self._shards = shards
        self._executor = executor
        self._deliveries = deliveries
        self._cancelling = cancelling
        self._languages = languages

    @app_commands.command(
        name=locale_str("queue"), description=locale_str("Your unfinished jobs, and how long the line is")
    )
    @app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
    @app_commands.allowed_installs(guilds=True, users=False)
    async def queue(self, interaction: discord.Interaction) -> None:
        """Shows the list to whoever asks alone."""
        language = self._languages.of(str(interaction.locale))
        jobs = await self._unfinished(interaction.user.id)
        await interaction.response.send_message(
            render_queue(jobs, self._executor.status, language=language),
            view=_buttons(jobs, language) or discord.utils.MISSING,
            ephemeral=True,
            allowed_mentions=discord.AllowedMentions.none(),
        )

    async def press(self, interaction: discord.Interaction[Any], pressed: CustomId) -> None:
        """A button of the list, which is then shown anew without that job. Raises as Cancelling.cancel does."""
        language = self._languages.of(str(interaction.locale))
        cancelled = await self._cancelling.cancel(interaction, pressed.job_id)
        # Its state may not have reached the store yet.
        jobs = [job for job in await self._unfinished(interaction.user.id) if job.record.id != cancelled.id]
        said = Text("Cancelled: {prompt}", prompt=escape_shortened(cancelled.prompt, MAX_SAID_UNITS))
        await interaction.response.edit_message(
            content=render_queue(jobs, self._executor.status, language=language, said=said),
            view=_buttons(jobs, language),
            allowed_mentions=discord.AllowedMentions.none(),
        )

    async def _unfinished(self, user_id: int) -> list[ListedJob]:
        """The user's jobs, oldest first."""
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                newest = await self._store.latest_of(user_id, MAX_READ)
        except TimeoutError as error:
            raise StoreError("The jobs could not be read in time.") from error
        return [
            ListedJob(job, self._deliveries.standing(job.id), is_elsewhere=not self._shards.serves(job.guild_id))
            for job in reversed(newest)
            if job.state not in FINAL_STATES
        ]


def _buttons(jobs: list[ListedJob], language: Language) -> discord.ui.View | None:
    buttons = [
        make_button(language.text("Cancel {number}", number=number), CustomId(Action.CANCEL_LISTED, job.record.id))
        for number, job in enumerate(listed(jobs), start=1)
        if job.may_be_cancelled
    ]
    return make_view(buttons) if buttons else None
