"""/help and /about: what the bot can do, and which bot it is, for whoever asks alone. Called by discord.py."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import discord
from discord import app_commands
from discord.app_commands import locale_str
from discord.ext import commands

from bot.catalogues import Languages
from bot.cogs.about_page import Standing, about_text, about_view
from bot.cogs.elsewhere import is_offered
from bot.cogs.help_page import help_texts, help_view
from bot.cogs.permissions import invite_link
from bot.executor.base import Executor


class HelpCog(commands.Cog):
    """The commands. command_ids: Discord's, by name, filled in when they are known. source_url: where the bot's code
    is, if anywhere. clock: seconds, as time.monotonic."""

    def __init__(
        self,
        client: commands.AutoShardedBot,
        *,
        command_ids: Mapping[str, int],
        executor: Executor,
        languages: Languages,
        source_url: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._command_ids = command_ids
        self._executor = executor
        self._languages = languages
        self._source_url = source_url
        self._clock = clock
        self._started_s = clock()

    @app_commands.command(name=locale_str("help"), description=locale_str("What this bot can do"))
    @app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
    @app_commands.allowed_installs(guilds=True, users=False)
    async def help(self, interaction: discord.Interaction) -> None:
        """Every command that there is where it is asked for, by topic."""
        tree: app_commands.CommandTree[Any] = self._client.tree
        types = (discord.AppCommandType.chat_input, discord.AppCommandType.message, discord.AppCommandType.user)
        known = [command for kind in types for command in tree.get_commands(type=kind)]
        offered = [command for command in known if is_offered(command, interaction)]
        language = self._languages.of(str(interaction.locale))
        texts = help_texts(offered, self._command_ids, language, is_all=len(offered) == len(known))
        await interaction.response.send_message(
            view=help_view(texts), ephemeral=True, allowed_mentions=discord.AllowedMentions.none()
        )

    @app_commands.command(
        name=locale_str("about"), description=locale_str("Which version and model this is, and how to invite it")
    )
    @app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
    @app_commands.allowed_installs(guilds=True, users=False)
    async def about(self, interaction: discord.Interaction) -> None:
        """Version, model, line, uptime, servers and links."""
        language = self._languages.of(str(interaction.locale))
        standing = Standing(self._executor.status, self._clock() - self._started_s, len(self._client.guilds))
        await interaction.response.send_message(
            about_text(standing, language),
            view=about_view(invite_link(interaction.application_id), self._source_url, language),
            ephemeral=True,
            allowed_mentions=discord.AllowedMentions.none(),
        )
