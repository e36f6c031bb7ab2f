"""/mod review: which cases are open, and their messages once more. Called by discord.py, on the event loop."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import discord
from discord.app_commands import locale_str

from bot.catalogues import Languages
from bot.cogs.answering import answer_alone, think
from bot.cogs.mod_group import ModCommand, mod_command
from bot.cogs.permissions import guild_of
from bot.cogs.review_board import ReviewBoard
from bot.cogs.review_page import open_cases_text
from bot.errors import StoreError
from bot.store import CaseRecord, CaseStore

READ_TIMEOUT_S: Final = 5.0
MAX_POSTED: Final = 10


class ReviewCommands:
    """The command. withdraw: closes the cases of jobs that have ended meanwhile."""

    def __init__(
        self, cases: CaseStore, board: ReviewBoard, languages: Languages, *, withdraw: Callable[[], Awaitable[None]]
    ) -> None:
        self._cases = cases
        self._withdraw = withdraw
        self._board = board
        self._languages = languages

    def commands(self) -> list[ModCommand]:
        """For the group."""
        return [mod_command(locale_str("review"), locale_str("Open cases, posted once more"), self.review)]

    async def review(self, interaction: discord.Interaction) -> None:
        """Posts the oldest MAX_POSTED open cases anew, and lists them to whoever asks alone."""
        guild_id = guild_of(interaction)
        await think(interaction)
        await self._withdraw()
        found = await self._open(guild_id)
        are_posted = [await self._board.post_again(case) for case in found]
        language = self._languages.of(str(interaction.locale))
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                num_open = await self._cases.num_open(guild_id)
        except TimeoutError as error:
            raise StoreError("The open cases could not be counted in time.") from error
        text = open_cases_text(await self._open(guild_id), num_open, language)
        if not all(are_posted):
            text += "\n" + language.text(
                "I could not post them: choose a moderators' channel with /settings, and let me view it, write and "
                "attach files there."
            )
        await answer_alone(interaction, text)

    async def _open(self, guild_id: int) -> list[CaseRecord]:
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                return await self._cases.open_of(guild_id, MAX_POSTED)
        except TimeoutError as error:
            raise StoreError("The open cases could not be read in time.") from error
