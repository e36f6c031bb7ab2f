"""/mod review: open cases and appeals, and their messages once more. Called by discord.py, on the event loop."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import discord
from discord.app_commands import locale_str

from bot.catalogues import Languages
from bot.cogs.answering import answer_alone, think
from bot.cogs.appeal_board import AppealBoard
from bot.cogs.mod_group import ModCommand, mod_command
from bot.cogs.permissions import guild_of
from bot.cogs.review_board import ReviewBoard
from bot.cogs.review_page import open_cases_text
from bot.errors import StoreError
from bot.message_text import MAX_CONTENT_CHARACTERS
from bot.store import CaseRecord, SanctionRecord, Store

READ_TIMEOUT_S: Final = 5.0
MAX_POSTED: Final = 10


class ReviewCommands:
    """The command. withdraw: closes the cases of jobs that have ended meanwhile."""

    def __init__(
        self,
        store: Store,
        board: ReviewBoard,
        appeals: AppealBoard,
        languages: Languages,
        *,
        withdraw: Callable[[], Awaitable[None]],
    ) -> None:
        self._store = store
        self._withdraw = withdraw
        self._board = board
        self._appeals = appeals
        self._languages = languages

    def commands(self) -> list[ModCommand]:
        """For the group."""
        return [mod_command(locale_str("review"), locale_str("Open cases, posted once more"), self.review)]

    async def review(self, interaction: discord.Interaction) -> None:
        """Posts the oldest MAX_POSTED open cases and appeals anew, and tells whoever asks alone."""
        guild_id = guild_of(interaction)
        await think(interaction)
        await self._withdraw()
        found = await self._open(guild_id)
        appeals = await self._open_appeals(guild_id)
        are_posted = [await self._board.post_again(case) for case in found]
        are_posted += [await self._appeals.post_again(sanction) for sanction in appeals]
        language = self._languages.of(str(interaction.locale))
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                num_open = await self._store.cases.num_open(guild_id)
        except TimeoutError as error:
            raise StoreError("The open cases could not be counted in time.") from error
        text = open_cases_text(await self._open(guild_id), num_open, language)
        if appeals:
            text += "\n" + language.plural(
                "{n} appeal waits for a decision too.", "{n} appeals wait for a decision too.", len(appeals)
            )
        if not all(are_posted):
            text += "\n" + language.text(
                "I could not post them: choose a moderators' channel with /settings, and let me view it, write and "
                "attach files there."
            )
        await answer_alone(interaction, text[:MAX_CONTENT_CHARACTERS])

    async def _open(self, guild_id: int) -> list[CaseRecord]:
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                return await self._store.cases.open_of(guild_id, MAX_POSTED)
        except TimeoutError as error:
            raise StoreError("The open cases could not be read in time.") from error

    async def _open_appeals(self, guild_id: int) -> list[SanctionRecord]:
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                return await self._store.sanctions.open_appeals(guild_id, MAX_POSTED)
        except TimeoutError as error:
            raise StoreError("The open appeals could not be read in time.") from error
