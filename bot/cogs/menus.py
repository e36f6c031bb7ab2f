"""The context menus of messages and members. discord.py takes five for messages. Called by discord.py.

What is drawn goes the way of /imagine. Discord sends the message that a menu was opened on along with it, so its text
can be read without asking for everybody's.
"""

from collections.abc import Callable, Coroutine
from typing import Any, Final

import discord
from discord import app_commands
from discord.app_commands import locale_str

from bot.cogs.gallery import GalleryCog
from bot.cogs.imagine import ImagineCog
from bot.cogs.remixing import Remixing
from bot.cogs.reporting import Reporting
from bot.cogs.results import Results
from bot.cogs.who_made_this import WhoMadeThis
from bot.errors import InvalidPromptError
from bot.requests import MAX_PROMPT_CHARACTERS

_CONTEXTS: Final = app_commands.AppCommandContext(guild=True, dm_channel=False, private_channel=False)
_INSTALLS: Final = app_commands.AppInstallationType(guild=True, user=False)


class Menus:
    """What the menus do."""

    def __init__(
        self,
        imagine: ImagineCog,
        remixing: Remixing,
        gallery: GalleryCog,
        results: Results,
        reporting: Reporting,
        who: WhoMadeThis,
    ) -> None:
        self._imagine = imagine
        self._remixing = remixing
        self._gallery = gallery
        self._results = results
        self._reporting = reporting
        self._who = who

    def all(self) -> list[app_commands.ContextMenu]:
        """For the command tree."""
        return [
            _menu(locale_str("Draw this"), self.draw_this),
            _menu(locale_str("Remix"), self.remix),
            _menu(locale_str("Their gallery"), self.their_gallery),
            _menu(locale_str("Report picture"), self._reporting.menu),
            _menu(locale_str("Who made this?"), self._who.menu),
        ]

    async def draw_this(self, interaction: discord.Interaction, message: discord.Message) -> None:
        """Draws a message's text; of a result of the bot its prompt. Raises as /imagine does."""
        await self._imagine.draw(interaction, [await self._prompt_of(interaction, message)])

    async def remix(self, interaction: discord.Interaction, message: discord.Message) -> None:
        """Asks how another result should differ from this one."""
        await self._remixing.ask(interaction, message.id)

    async def their_gallery(self, interaction: discord.Interaction, user: discord.User) -> None:
        """What this member asked for."""
        await self._gallery.open(interaction, of_user_id=user.id)

    async def _prompt_of(self, interaction: discord.Interaction[Any], message: discord.Message) -> str:
        if message.author.id == interaction.application_id:
            return (await self._results.of_message(interaction, message.id)).prompt
        text = " ".join(message.content.split())
        if not text:
            raise InvalidPromptError("There is no text in this message that could be drawn.")
        if len(text) > MAX_PROMPT_CHARACTERS:
            raise InvalidPromptError(
                "This message has {count} characters; a prompt has at most {limit}. Use /imagine with a part of it.",
                count=len(text),
                limit=MAX_PROMPT_CHARACTERS,
            )
        return text


def _menu(name: locale_str, callback: Callable[..., Coroutine[Any, Any, None]]) -> app_commands.ContextMenu:
    return app_commands.ContextMenu(
        name=name, callback=callback, allowed_contexts=_CONTEXTS, allowed_installs=_INSTALLS
    )
