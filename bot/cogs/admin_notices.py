"""Tells a server's owner what needs them, once: a direct message that is not sent again after a restart. Event loop."""

import asyncio
import logging
from typing import Final

import aiohttp
import discord

from bot.catalogues import Languages
from bot.cogs.guild_lookup import GuildLookup
from bot.errors import StoreError
from bot.language import Text
from bot.store import ValueStore

STORE_TIMEOUT_S: Final = 1.5
SEND_TIMEOUT_S: Final = 10.0

_log = logging.getLogger(__name__)


class AdminNotices:
    """Of the admins the owner is the one whom Discord names to a bot that doesn't see members."""

    def __init__(self, client: discord.Client, values: ValueStore, guilds: GuildLookup, languages: Languages) -> None:
        self._client = client
        self._guilds = guilds
        self._values = values
        self._languages = languages

    async def tell_once(self, guild_id: int, topic: str, text: Text) -> None:
        """topic: what is told once, at most 60 characters, such as "log_channel/123". Raises nothing: who can't be told
        has the log."""
        key = f"told/{guild_id}/{topic}"
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                guild = await self._guilds.find(guild_id)
            async with asyncio.timeout(STORE_TIMEOUT_S):
                if guild is None or guild.owner_id is None or await self._values.get(key) is not None:
                    return
                await self._values.set(key, "told")
            async with asyncio.timeout(SEND_TIMEOUT_S):
                channel = await self._client.create_dm(discord.Object(guild.owner_id))
                said = self._languages.of(str(guild.preferred_locale)).tell(text)
                await channel.send(f"**{discord.utils.escape_markdown(guild.name)}**: {said}")
        except (StoreError, discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError) as error:
            _log.warning("the owner of guild %d could not be told: %s (%s)", guild_id, text, error)
