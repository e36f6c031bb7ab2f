"""Guilds by id, also those of other processes of this bot, whose gateway does not tell of them. Event loop.

Used by what one process does for all guilds.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import discord

from bot.shards import Shards

REMEMBERED_S: Final = 600.0
MAX_REMEMBERED: Final = 1000


class GuildLookup:
    """shards: of this process. clock: seconds, as time.monotonic."""

    def __init__(self, client: discord.Client, shards: Shards, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._shards = shards
        self._clock = clock
        self._fetched: OrderedDict[int, tuple[float, discord.Guild | None]] = OrderedDict()

    async def find(self, guild_id: int) -> discord.Guild | None:
        """None if the bot isn't there (any more). Raises HTTPException, ClientError and OSError where only Discord
        knows and can't be asked."""
        known = self._client.get_guild(guild_id)
        if known is not None or self._shards.serves(guild_id):
            return known
        now_s = self._clock()
        fetched_s, guild = self._fetched.get(guild_id, (-REMEMBERED_S, None))
        if now_s < fetched_s + REMEMBERED_S:
            return guild
        try:
            guild = await self._client.fetch_guild(guild_id, with_counts=False)
        except (discord.NotFound, discord.Forbidden):
            guild = None
        self._fetched[guild_id] = (now_s, guild)
        self._fetched.move_to_end(guild_id)
        while len(self._fetched) > MAX_REMEMBERED:
            self._fetched.popitem(last=False)
        return guild
