"""/settings: a guild's settings in a panel for its administrators. Called by discord.py; the presses by the controls.

Who may is asked at every press and every form (bot/cogs/authority.py), of what Discord says of that very interaction: a
custom_id can be forged, and a panel stays on a screen longer than a permission may last.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import discord
from discord import app_commands
from discord.app_commands import locale_str
from discord.ext import commands

from bot.catalogues import Languages
from bot.cogs.admission import known_ids
from bot.cogs.permissions import guild_of
from bot.cogs.staff_channels import check_staff_channel
from bot.errors import (
    ChangedMeanwhileError,
    InvalidParameterError,
    StoreError,
    UnknownControlError,
)
from bot.guild_settings import GuildSettings
from bot.language import Text
from bot.store.guilds import GuildStore
from bot.views.custom_id import CustomId
from bot.views.forms import form_values
from bot.views.moderation_panel import MODERATION_KEYS, moderation_view
from bot.views.settings_forms import FORMS, form_modal, with_labels
from bot.views.settings_panel import (
    CHANNELS,
    CHOICES,
    EACH_MEMBERS_OWN,
    LISTS,
    MAX_CHANGES,
    MODERATION,
    SWITCHES,
    changes_view,
    panel_view,
)

READ_TIMEOUT_S: Final = 1.0
WRITE_TIMEOUT_S: Final = 1.5

_CHANGED: Final = Text("Changed.")


class SettingsCog(commands.Cog):
    """The command and its panel."""

    def __init__(self, store: GuildStore, languages: Languages) -> None:
        self._store = store
        self._languages = languages

    @app_commands.command(
        name=locale_str("settings"), description=locale_str("What this server allows; needs Manage Server")
    )
    @app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
    @app_commands.allowed_installs(guilds=True, users=False)
    async def settings(self, interaction: discord.Interaction) -> None:
        """Shows the panel to whoever asks alone."""
        settings = await self._read(guild_of(interaction))
        await interaction.response.send_message(
            view=self._panel(interaction, settings), ephemeral=True, allowed_mentions=discord.AllowedMentions.none()
        )

    async def press_home(self, interaction: discord.Interaction[Any], pressed: CustomId) -> None:
        """Shows the panel in the place of its changes. Like all presses it raises MissingPermissionError, StoreError,
        InvalidParameterError, and UnknownControlError for what this version has never made."""
        settings = await self._read(guild_of(interaction))
        await _edit(interaction, self._panel(interaction, settings, is_moderation=pressed.argument == MODERATION))

    async def press_changes(self, interaction: discord.Interaction[Any], pressed: CustomId) -> None:
        """Shows the last changes in the place of the panel."""
        guild_id = guild_of(interaction)
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                changes = await self._store.changes(guild_id, MAX_CHANGES)
        except TimeoutError as error:
            raise StoreError("The changes of settings could not be read in time.") from error
        language = self._languages.of(str(interaction.locale))
        await _edit(interaction, changes_view(changes, language, self._languages.all()))

    async def press_set(self, interaction: discord.Interaction[Any], pressed: CustomId) -> None:
        """A button that says itself what it sets."""
        if pressed.argument not in SWITCHES:
            raise UnknownControlError
        await self._change(interaction, SWITCHES[pressed.argument])

    async def press_choose(self, interaction: discord.Interaction[Any], pressed: CustomId) -> None:
        """A select."""
        choice, _, digest = pressed.argument.partition(".")
        key = CHOICES.get(choice)
        data: Mapping[str, Any] = interaction.data or {}
        chosen = [str(value) for value in data.get("values") or ()]
        if key is None:
            raise UnknownControlError
        if key in LISTS:
            if not all(value.isdecimal() for value in chosen):
                raise UnknownControlError
            await self._change(interaction, {key: tuple(map(int, chosen))}, digest=digest)
        elif len(chosen) != 1:
            raise UnknownControlError
        elif key in CHANNELS:
            if not chosen[0].isdecimal():
                raise UnknownControlError
            check_staff_channel(interaction.guild, int(chosen[0]), is_for_review=key == "review_channel")
            await self._change(interaction, {key: int(chosen[0])})
        else:
            value = None if (key, chosen[0]) == ("language", EACH_MEMBERS_OWN) else chosen[0]
            await self._change(interaction, {key: value})

    async def press_form(self, interaction: discord.Interaction[Any], pressed: CustomId) -> None:
        """A button that opens a form."""
        if pressed.argument not in FORMS:
            raise UnknownControlError
        settings = await self._read(guild_of(interaction))
        language = self._languages.of(str(interaction.locale))
        await interaction.response.send_modal(form_modal(pressed.argument, settings, language))

    async def submit(self, interaction: discord.Interaction[Any], pressed: CustomId) -> None:
        """A form that was filled in."""
        name, _, digest = pressed.argument.partition(".")
        if name not in FORMS:
            raise UnknownControlError
        try:
            # The rules of a time zone come from a file.
            values = await asyncio.to_thread(FORMS[name].read, form_values(interaction))
            await self._change(interaction, values, digest=digest)
        except InvalidParameterError as error:
            said = with_labels(error.text)
            raise InvalidParameterError(said) from error

    async def _change(
        self, interaction: discord.Interaction[Any], values: Mapping[str, Any], *, digest: str | None = None
    ) -> None:
        """Changes some keys, and shows what is set now. digest: of the keys as the user saw them; None if that does
        not matter."""
        guild_id = guild_of(interaction)
        said = _CHANGED
        try:
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                settings = await self._store.change(guild_id, interaction.user.id, seen=digest, **values)
        except TimeoutError as error:
            raise StoreError("The settings could not be changed in time.") from error
        except ChangedMeanwhileError as error:
            settings, said = await self._read(guild_id), error.text
        is_moderation = MODERATION_KEYS.issuperset(values)
        await _edit(interaction, self._panel(interaction, settings, said, is_moderation=is_moderation))

    async def _read(self, guild_id: int) -> GuildSettings:
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                return await self._store.settings(guild_id)
        except TimeoutError as error:
            raise StoreError(f"The settings of guild {guild_id} could not be read in time.") from error

    def _panel(
        self,
        interaction: discord.Interaction[Any],
        settings: GuildSettings,
        said: Text | None = None,
        *,
        is_moderation: bool = False,
    ) -> discord.ui.LayoutView:
        language, known = self._languages.of(str(interaction.locale)), known_ids(interaction.guild, settings)
        if is_moderation:
            return moderation_view(settings, language, known_ids=known, said=said)
        return panel_view(settings, language, languages=self._languages.all(), known_ids=known, said=said)


async def _edit(interaction: discord.Interaction[Any], view: discord.ui.LayoutView) -> None:
    await interaction.response.edit_message(view=view, allowed_mentions=discord.AllowedMentions.none())
