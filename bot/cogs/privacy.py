"""/privacy: what the bot has of whoever asks, on its way to them or to its end. Called by discord.py.

All of it is about oneself: nobody can name another person, and a forged custom_id reaches one's own data alone.
"""

import asyncio
from typing import Any, Final

import discord
from discord import app_commands
from discord.app_commands import locale_str
from discord.ext import commands

from bot.catalogues import Languages
from bot.cogs.admission import Admission
from bot.cogs.answering import answer_alone, answer_in_place
from bot.cogs.elsewhere import home_guild_id
from bot.cogs.erasing import Erasing
from bot.cogs.exporting import Exporting
from bot.cogs.privacy_policy import PrivacyPolicy
from bot.cogs.progress_note import ProgressNote
from bot.errors import StoreError
from bot.language import Text
from bot.views.custom_id import NO_JOB, Action, CustomId
from bot.views.job_control import make_button, make_view

READ_TIMEOUT_S: Final = 1.0
WRITE_TIMEOUT_S: Final = 1.5


class PrivacyCog(commands.Cog):
    """The commands and the button that deletes."""

    privacy = app_commands.Group(name=locale_str("privacy"), description=locale_str("What this bot has of you"))

    def __init__(
        self,
        *,
        exporting: Exporting,
        erasing: Erasing,
        admission: Admission,
        policy: PrivacyPolicy,
        languages: Languages,
    ) -> None:
        self._exporting = exporting
        self._erasing = erasing
        self._admission = admission
        self._policy = policy
        self._languages = languages

    @privacy.command(name=locale_str("policy"), description=locale_str("What this bot keeps, how long and for whom"))
    async def show_policy(self, interaction: discord.Interaction) -> None:
        """Shows the text, with this server's own time, to whoever asks alone."""
        language = self._languages.of(str(interaction.locale))
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                text = await asyncio.to_thread(self._policy.read, language.code)
        except TimeoutError as error:
            raise StoreError("The privacy policy could not be read in time.") from error
        days = (await self._admission.settings(home_guild_id(interaction))).retention_days
        if home_guild_id(interaction) is None:
            kept = language.text("**Privacy**")
        elif days:
            kept = language.plural(
                "**Privacy**: what was asked for in this server is kept for {n} day.",
                "**Privacy**: what was asked for in this server is kept for {n} days.",
                days,
            )
        else:
            kept = language.text("**Privacy**: what was asked for in this server is kept until somebody deletes it.")
        view = discord.ui.LayoutView(timeout=None)
        view.add_item(discord.ui.TextDisplay(kept))
        view.add_item(discord.ui.TextDisplay(text))
        mentions = discord.AllowedMentions.none()
        await interaction.response.send_message(view=view, ephemeral=True, allowed_mentions=mentions)

    @privacy.command(name=locale_str("export"), description=locale_str("Get what this bot has of you, as files"))
    async def export(self, interaction: discord.Interaction) -> None:
        """Sends it as direct messages, in the background."""
        language = self._languages.of(str(interaction.locale))
        self._exporting.check(interaction.user.id)
        said = language.text("I am packing what I have of you. It comes as a direct message, in some minutes.")
        await answer_alone(interaction, said)
        self._exporting.start(interaction.user.id, ProgressNote(interaction), language)

    @privacy.command(name=locale_str("delete"), description=locale_str("Delete all that this bot has of you"))
    async def delete(self, interaction: discord.Interaction) -> None:
        """Asks whether it is meant."""
        language = self._languages.of(str(interaction.locale))
        question = language.text(
            "Delete all that I have of you, in every server: your results with their messages and pictures, also where "
            "others have made them their favourites, your own favourites, galleries and jobs under way? Your name is "
            "taken off styles and settings. What moderators still need stays. This can't be undone; /privacy export "
            "gives you a copy first."
        )
        confirm = CustomId(Action.ERASE, NO_JOB)
        button = make_button(language.text("Delete everything"), confirm, style=discord.ButtonStyle.danger)
        await answer_alone(interaction, question, view=make_view([button]))

    async def press_erase(self, interaction: discord.Interaction[Any], pressed: CustomId) -> None:
        """Deletes what the bot has of whoever presses, in the background. Raises StoreError."""
        locale = str(interaction.locale)
        try:
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                await self._erasing.record(interaction.user.id, locale)
        except TimeoutError as error:
            raise StoreError("The deletion could not begin in time.") from error
        said = Text("Deleting. This goes on whatever happens, and you are told when it is done.")
        await answer_in_place(interaction, self._languages.of(locale).tell(said))
        self._erasing.begin(interaction.user.id, ProgressNote(interaction))
