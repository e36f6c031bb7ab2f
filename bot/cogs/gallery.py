"""/gallery: past results, page by page, for one's own eyes. Called by discord.py and by presses, on the event loop.

What somebody may see is decided anew for every page, by what Discord says of them at that moment.
"""

import asyncio
import re
from dataclasses import replace
from typing import Any, Final

import discord
from discord import app_commands
from discord.app_commands import Range, locale_str
from discord.ext import commands

from bot.catalogues import Languages
from bot.cogs.answering import file_of, think
from bot.cogs.gallery_page import gallery_page
from bot.cogs.gallery_reader import GalleryReader, parse_turn
from bot.cogs.gallery_search import MAX_SEARCHED, GallerySearch
from bot.cogs.looking_closer import LookingCloser, chosen_value
from bot.cogs.permissions import readable_channels
from bot.errors import JobEndedError, StoreError, UnknownControlError
from bot.language import Text
from bot.requests import MAX_PROMPT_CHARACTERS, check_prompt
from bot.store import Cursor, Gallery, GalleryStore, Scope
from bot.views.custom_id import CustomId

STORE_TIMEOUT_S: Final = 1.0
SEND_TIMEOUT_S: Final = 30.0

_CHOICE: Final = re.compile(r"([0-9a-f]{12})\.([1-9])", re.ASCII)


class GalleryCog(commands.Cog):
    """The command and its controls."""

    def __init__(
        self,
        *,
        store: GalleryStore,
        reader: GalleryReader,
        search: GallerySearch,
        closer: LookingCloser,
        languages: Languages,
    ) -> None:
        self._store = store
        self._reader = reader
        self._search = search
        self._closer = closer
        self._languages = languages

    @app_commands.command(name=locale_str("gallery"), description=locale_str("Look back at pictures of this server"))
    @app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
    @app_commands.allowed_installs(guilds=True, users=False)
    @app_commands.rename(user=locale_str("user"), prompt=locale_str("prompt"), favourites=locale_str("favourites"))
    @app_commands.describe(
        user=locale_str("Only pictures that this member asked for"),
        prompt=locale_str("What the pictures should show; the nearest come first"),
        favourites=locale_str("Only your favourites"),
    )
    async def gallery(
        self,
        interaction: discord.Interaction,
        user: discord.User | None = None,
        prompt: Range[str, 1, MAX_PROMPT_CHARACTERS] | None = None,
        favourites: bool | None = None,
    ) -> None:
        """Shows the first page to whoever asks alone."""
        await self.open(
            interaction,
            of_user_id=None if user is None else user.id,
            prompt=None if prompt is None else check_prompt(prompt),
            is_favourites=bool(favourites),
        )

    async def open(
        self,
        interaction: discord.Interaction[Any],
        *,
        of_user_id: int | None = None,
        prompt: str | None = None,
        is_favourites: bool = False,
    ) -> None:
        """Answers with the first page of a new gallery. Raises StoreError and, with a prompt, as GallerySearch.find."""
        gallery = Gallery(
            user_id=interaction.user.id,
            guild_id=_guild_of(interaction),
            of_user_id=of_user_id,
            is_favourites=is_favourites,
            prompt=prompt,
        )
        await think(interaction)
        notes = []
        if prompt is not None:
            scope = Scope(gallery.guild_id, gallery.user_id, readable_channels(interaction), of_user_id)
            found = await self._search.find(prompt, scope, is_favourites=is_favourites)
            gallery = replace(gallery, found=found.keys)
            if found.is_cut:
                notes.append(Text("Of many pictures, only the newest {count} were looked at.", count=MAX_SEARCHED))
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                await self._store.add(gallery)
        except TimeoutError as error:
            raise StoreError("The gallery could not be stored in time.") from error
        await self._show(interaction, gallery, None, *notes)

    async def press_turn(self, interaction: discord.Interaction[Any], pressed: CustomId) -> None:
        """Another page in the place of this one. Who isn't the one who asked gets a gallery of their own."""
        gallery = await self._find(pressed)
        if gallery.user_id != interaction.user.id or gallery.guild_id != interaction.guild_id:
            await self.open(interaction)
            return
        cursor = parse_turn(pressed.argument, gallery)
        await interaction.response.defer()
        await self._show(interaction, gallery, cursor)

    async def press_look(self, interaction: discord.Interaction[Any], pressed: CustomId) -> None:
        """One of the pictures, as a message of its own. Raises as LookingCloser.show does."""
        match = _CHOICE.fullmatch(chosen_value(interaction))
        if match is None:
            raise UnknownControlError
        await self._closer.show(interaction, match[1], match[2])

    async def _find(self, pressed: CustomId) -> Gallery:
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                gallery = await self._store.get(pressed.job_id)
        except TimeoutError as error:
            raise StoreError("The gallery could not be read in time.") from error
        if gallery is None:
            raise JobEndedError("This gallery is too old to turn its pages: use /gallery again.")
        return gallery

    async def _show(
        self, interaction: discord.Interaction[Any], gallery: Gallery, cursor: Cursor | None, *notes: Text
    ) -> None:
        """In the place of what was promised."""
        language = self._languages.of(str(interaction.locale))
        page = await self._reader.page(gallery, readable_channels(interaction), cursor)
        pictures = await self._reader.files(page.shown)
        if page.is_other:
            notes = (*notes, Text("There was nothing more, so this is the first page."))
        shown = gallery_page(gallery, page.shown, pictures, page.turns, language, *map(language.tell, notes))
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await interaction.edit_original_response(
                attachments=[file_of(file) for file in shown.files],
                view=shown.view,
                allowed_mentions=discord.AllowedMentions.none(),
            )


def _guild_of(interaction: discord.Interaction[Any]) -> int:
    # Discord offers the command in servers alone.
    if interaction.guild_id is None:
        raise JobEndedError("Use this in a server.")
    return interaction.guild_id
