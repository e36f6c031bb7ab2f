"""One picture of a result: shown in full, enlarged, sent to one's direct messages, kept as a favourite.

Handlers of presses, on the event loop. Every answer is for whoever pressed alone.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
import discord

from bot.catalogues import Languages
from bot.cogs.answering import answer_alone, file_of, think
from bot.cogs.picture_page import page_file, page_text, page_view
from bot.cogs.picture_source import PictureSource, PngFile
from bot.cogs.results import STORE_TIMEOUT_S, KeptResult, Results, parse_rank
from bot.collage import encode_within, enlarge, read_metadata
from bot.errors import JobEndedError, MissingPermissionError, StoreError
from bot.kept_png import decode_png
from bot.language import Language
from bot.render import MAX_REQUEST_BYTES
from bot.store import FavouriteStore, StoredImage
from bot.views.custom_id import CustomId

MAX_FACTOR: Final = 4
MAX_ENLARGED_PX: Final = 1024
ENLARGE_TIMEOUT_S: Final = 30.0
SEND_TIMEOUT_S: Final = 30.0
_DM_CLOSED: Final = 50007
_NO_COMMON_SERVER: Final = 50278


class LookingCloser:
    """What the select of a result and the buttons of one picture do. Methods raise as Results and PictureSource do."""

    def __init__(
        self, results: Results, source: PictureSource, favourites: FavouriteStore, languages: Languages
    ) -> None:
        self._results = results
        self._source = source
        self._favourites = favourites
        self._languages = languages

    async def look(self, interaction: discord.Interaction[Any], pressed: CustomId) -> None:
        """The picture whose rank was chosen, with its own controls."""
        await self.show(interaction, pressed.job_id, chosen_value(interaction))

    async def show(self, interaction: discord.Interaction[Any], job_id: str, rank: str) -> None:
        """The picture of that rank, with its own controls."""
        result, image = await self._find(interaction, job_id, rank)
        png = await self._source.png(interaction, result, image)
        language = self._language(interaction)
        await answer_alone(
            interaction,
            page_text(result, image, language, *_notes(png, language)),
            attachment=page_file(result, image, png.data, language),
            view=page_view(result, image, language),
        )

    async def enlarge(self, interaction: discord.Interaction[Any], pressed: CustomId) -> None:
        """The picture up to MAX_FACTOR times as large, at most MAX_ENLARGED_PX wide and high."""
        result, image = await self._find(interaction, pressed.job_id, pressed.argument)
        await think(interaction)
        png = await self._source.png(interaction, result, image)
        limit = min(interaction.filesize_limit, MAX_REQUEST_BYTES)
        async with asyncio.timeout(ENLARGE_TIMEOUT_S):
            data, extension, size = await asyncio.to_thread(enlarge_png, png.data, limit)
        language = self._language(interaction)
        note = language.text("Enlarged to {width} x {height} pixels.", width=str(size[0]), height=str(size[1]))
        await answer_alone(
            interaction,
            page_text(result, image, language, note, *_notes(png, language)),
            attachment=page_file(result, image, data, language, suffix=f"large.{extension}"),
        )

    async def save(self, interaction: discord.Interaction[Any], pressed: CustomId) -> None:
        """Sends the picture as a direct message."""
        result, image = await self._find(interaction, pressed.job_id, pressed.argument)
        await think(interaction)
        png = await self._source.png(interaction, result, image)
        language = self._language(interaction)
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await interaction.user.send(
                    page_text(result, image, language, *_notes(png, language)),
                    file=file_of(page_file(result, image, png.data, language)),
                    allowed_mentions=discord.AllowedMentions.none(),
                )
        except discord.Forbidden as error:
            if error.code not in (_DM_CLOSED, _NO_COMMON_SERVER):
                raise
            raise MissingPermissionError(
                "Discord does not let me write to you: allow direct messages in this server's privacy settings and "
                "try again."
            ) from error
        except (TimeoutError, aiohttp.ClientError) as error:
            raise JobEndedError("Discord did not take the direct message. Try again in a minute.") from error
        await answer_alone(interaction, language.text("I sent it to you as a direct message."))

    async def favourite(self, interaction: discord.Interaction[Any], pressed: CustomId) -> None:
        """Makes it a favourite of whoever pressed, or none any more."""
        result, image = await self._find(interaction, pressed.job_id, pressed.argument)
        key = (interaction.user.id, result.job.id, image.rank)
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                was_one = await self._favourites.remove(*key)
                is_one = not was_one and await self._favourites.add(*key)
        except TimeoutError as error:
            raise StoreError("The favourite could not be stored in time.") from error
        language = self._language(interaction)
        if was_one:
            said = language.text("Picture {rank} is no favourite of yours any more.", rank=image.rank)
        elif is_one:
            said = language.text("Picture {rank} is one of your favourites now.", rank=image.rank)
        else:
            raise JobEndedError("The pictures of this job were deleted.")
        await answer_alone(interaction, said)

    async def _find(
        self, interaction: discord.Interaction[Any], job_id: str, rank: str
    ) -> tuple[KeptResult, StoredImage]:
        number = parse_rank(rank)
        result = await self._results.result(interaction, job_id)
        return result, result.image(number)

    def _language(self, interaction: discord.Interaction[Any]) -> Language:
        return self._languages.of(str(interaction.locale))


def chosen_value(interaction: discord.Interaction[Any]) -> str:
    """What was chosen in a select of one; "" if nothing was."""
    data: Mapping[str, Any] = interaction.data or {}
    return next(iter(data.get("values") or ()), "")


def enlarge_png(png: bytes, max_bytes: int) -> tuple[bytes, str, tuple[int, int]]:
    """The picture enlarged, with its metadata, its file extension without a dot, and its width and height.

    Raises JobFailedError if it can't have at most `max_bytes`.
    """
    image = decode_png(png)
    factor = max(1, min(MAX_FACTOR, MAX_ENLARGED_PX // max(image.size)))
    large = enlarge(image, factor)
    data, extension = encode_within(large, read_metadata(png) | {"enlarged": f"{factor} times"}, max_bytes)
    return data, extension, large.size


def _notes(png: PngFile, language: Language) -> list[str]:
    if not png.is_redrawn:
        return []
    said = language.text("Its file was not kept any more, so the picture was made again from its tokens.")
    return [f"-# {said}"]
