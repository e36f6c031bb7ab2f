"""/stats: how much has been drawn, for whoever asks alone. Called by discord.py."""

import asyncio
from dataclasses import replace
from typing import Final

import discord
from discord import app_commands
from discord.app_commands import locale_str
from discord.ext import commands

from bot.catalogues import Languages
from bot.cogs.answering import answer_alone, think
from bot.cogs.permissions import readable_channels
from bot.cogs.stats_page import stats_text
from bot.errors import JobEndedError, StoreError
from bot.language import Text
from bot.store import Scope
from bot.store.statistics import StatisticsStore

STORE_TIMEOUT_S: Final = 10.0


class StatsCog(commands.Cog):
    """The command."""

    def __init__(self, *, store: StatisticsStore, languages: Languages) -> None:
        self._store = store
        self._languages = languages

    @app_commands.command(name=locale_str("stats"), description=locale_str("How much you and this server have drawn"))
    @app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
    @app_commands.allowed_installs(guilds=True, users=False)
    @app_commands.rename(user=locale_str("user"))
    @app_commands.describe(user=locale_str("Another member instead of you"))
    async def stats(self, interaction: discord.Interaction, user: discord.User | None = None) -> None:
        """Counts what whoever asks may see."""
        if interaction.guild_id is None:
            raise JobEndedError("Use this in a server.")
        await think(interaction)
        scope = Scope(interaction.guild_id, interaction.user.id, readable_channels(interaction))
        member_id = interaction.user.id if user is None else user.id
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                of_member = await self._store.of(replace(scope, of_user_id=member_id))
                of_guild = await self._store.of(scope)
        except TimeoutError as error:
            raise StoreError("The results could not be counted in time.") from error
        language = self._languages.of(str(interaction.locale))
        heading = Text("You in this server") if user is None else Text("{user} in this server", user=f"<@{user.id}>")
        text = await asyncio.to_thread(stats_text, (heading, of_member), of_guild, language)
        await answer_alone(interaction, text)
