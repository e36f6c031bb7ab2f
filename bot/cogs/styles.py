"""/style: the guild's styles, which /imagine and /again put around prompts. Called by discord.py."""

import logging
from collections.abc import Sequence
from typing import Final

import discord
from discord import app_commands
from discord.app_commands import Range, locale_str
from discord.ext import commands

from bot.catalogues import Languages
from bot.cogs.elsewhere import home_guild_id
from bot.cogs.permissions import guild_of
from bot.cogs.style_book import StyleBook
from bot.errors import StoreError
from bot.language import Language, Text
from bot.message_text import escape, escape_shortened
from bot.store import Style
from bot.store.styles import MAX_NAME_CHARACTERS, MAX_TEXT_CHARACTERS

MAX_PAGE_UNITS: Final = 1900
MAX_TEXT_UNITS: Final = 150

_log = logging.getLogger(__name__)

StyleName = Range[str, 1, MAX_NAME_CHARACTERS]
StyleText = Range[str, 1, MAX_TEXT_CHARACTERS]


class StyleCog(commands.Cog):
    """The command and its sub-commands."""

    style = app_commands.Group(
        name=locale_str("style"),
        description=locale_str("This server's styles for prompts"),
        allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=False, private_channel=False),
        allowed_installs=app_commands.AppInstallationType(guild=True, user=False),
    )

    def __init__(self, styles: StyleBook, languages: Languages) -> None:
        self._styles = styles
        self._languages = languages

    @style.command(name=locale_str("add"), description=locale_str("Add a style; needs Manage Server"))
    @app_commands.rename(name=locale_str("name"), text=locale_str("text"), negative=locale_str("negative"))
    @app_commands.describe(
        name=locale_str("What people choose the style by"),
        text=locale_str("What comes behind the prompt, or around it: write {prompt} where it belongs"),
        negative=locale_str("What the pictures should keep away from"),
    )
    async def add(
        self, interaction: discord.Interaction, name: StyleName, text: StyleText, negative: StyleText | None = None
    ) -> None:
        """Stores a style for everybody in the guild."""
        guild_id = guild_of(interaction)
        style = Style(name=name, prompt=text, negative=negative, created_by=interaction.user.id)
        await self._styles.add(guild_id, style)
        language = self._language(interaction)
        await _answer(interaction, language.text("Added the style {style}", style=_line(style)))

    @style.command(name=locale_str("remove"), description=locale_str("Remove a style; needs Manage Server"))
    @app_commands.rename(name=locale_str("name"))
    @app_commands.describe(name=locale_str("The style to remove"))
    async def remove(self, interaction: discord.Interaction, name: StyleName) -> None:
        """Removes a style; jobs that used it keep what it made of their prompts."""
        removed = await self._styles.remove(guild_of(interaction), name, by=interaction.user.id)
        await _answer(interaction, self._language(interaction).text("Removed the style {name}.", name=escape(removed)))

    @remove.autocomplete("name")
    async def suggest(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """Choices for what somebody has typed so far."""
        return await style_choices(self._styles, interaction, typed)

    @style.command(name=locale_str("list"), description=locale_str("The styles of this server"))
    async def show(self, interaction: discord.Interaction) -> None:
        """Shows them to whoever asks alone."""
        styles = await self._styles.all(interaction.guild_id)
        await _answer(interaction, _page(styles, self._language(interaction)))

    def _language(self, interaction: discord.Interaction) -> Language:
        return self._languages.of(str(interaction.locale))


async def style_choices(
    styles: StyleBook, interaction: discord.Interaction, typed: str
) -> list[app_commands.Choice[str]]:
    """What an option for a style's name offers."""
    try:
        names = await styles.suggestions(home_guild_id(interaction), typed)
    except StoreError as error:
        _log.warning("styles could not be suggested: %s", error)
        return []
    return [app_commands.Choice(name=name, value=name) for name in names]


def _page(styles: Sequence[Style], language: Language) -> str:
    if not styles:
        return language.text("This server has no styles. Members with “Manage Server” can add some with /style add.")
    room = MAX_PAGE_UNITS
    lines = [language.text("The styles of this server, for the option “style” of /imagine:")]
    for number, style in enumerate(styles):
        line = "- " + language.tell(_line(style))
        room -= len(line.encode("utf-16-le")) // 2 + 1
        if room < 0:
            rest = language.plural("And {n} more style.", "And {n} more styles.", len(styles) - number)
            return "\n".join([*lines, rest])
        lines.append(line)
    return "\n".join(lines)


def _line(style: Style) -> Text:
    name, text = f"**{escape(style.name)}**", escape_shortened(style.prompt, MAX_TEXT_UNITS)
    if style.negative is None:
        return Text("{style}: {text}", style=name, text=text)
    negative = escape_shortened(style.negative, MAX_TEXT_UNITS)
    return Text("{style}: {text} (away from: {negative})", style=name, text=text, negative=negative)


async def _answer(interaction: discord.Interaction, text: str) -> None:
    await interaction.response.send_message(text, ephemeral=True, allowed_mentions=discord.AllowedMentions.none())
